//! Odd pairs train, or are refused with a sentence; by both methods.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use recipe::Ties;
use recipe::{Method, Recipe};
use reward_model::{Event, Message, Pair, Scorer, TrainError, TrainOutcome, TrainRequest, train};

fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

fn pair(chosen: &str, rejected: &str) -> Pair {
    Pair {
        id: "odd".to_owned(),
        prompt: vec![Message {
            role: "user".to_owned(),
            content: "help".to_owned(),
        }],
        chosen: chosen.to_owned(),
        rejected: rejected.to_owned(),
        margin: 0.0,
        weight: 1.0,
        belief: 1.0,
        tied: false,
        lower: Vec::new(),
    }
}

/// Trains by both methods; every loss and every reward afterwards must be a number.
fn trains(name: &str, train_pairs: &[Pair], held_out: &[Pair], ties: Option<Ties>) {
    for (method, config) in [
        ("head", Recipe::of(Method::Head)),
        ("full", Recipe::of(Method::Full)),
    ] {
        let place = folder(&format!("odd-{name}-{method}"));
        let request = TrainRequest {
            config: Recipe {
                base_model: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny"),
                max_tokens: 96,
                epochs: 2,
                ties,
                ..config
            },
            train: train_pairs.to_vec(),
            held_out: held_out.to_vec(),
            run_dir: place.join("run"),
            cache_dir: place.join("cache"),
            threads: None,
        };
        let mut steps = 0;
        let mut listen = |event| {
            if let Event::Step { loss, grad_norm, .. } = event {
                assert!(
                    loss.is_finite() && grad_norm.is_finite(),
                    "{name} {method}: {loss} {grad_norm}"
                );
                steps += 1;
            }
        };
        let outcome = train(&request, &mut listen, &AtomicBool::new(false)).unwrap();
        let TrainOutcome::Finished { model_dir, about } = outcome else {
            panic!("{outcome:?}")
        };
        assert!(steps >= 2, "{name} {method}: {steps} steps");
        assert_eq!(
            about.metrics.is_some(),
            held_out.iter().any(|pair| !pair.tied),
            "{name} {method}"
        );
        let text = "Assistant: yes".to_owned();
        let scored = Scorer::load(&model_dir)
            .unwrap()
            .score_texts(&[text], &mut |_, _| {})
            .unwrap();
        assert!(scored[0].reward.is_finite(), "{name} {method}");
    }
}

#[test]
fn an_empty_response_trains() {
    let pairs = [pair("", "no"), pair("yes", "")];
    trains("empty", &pairs, &pairs, None);
}

#[test]
fn two_hundred_thousand_words_train() {
    let long = "good ".repeat(200_000);
    trains(
        "long",
        &[pair(&long, "no"), pair("yes", "bad")],
        &[pair("yes", &long)],
        None,
    );
}

#[test]
fn one_token_trains() {
    let mut one = pair("a", "you");
    one.prompt.clear();
    trains(
        "token",
        std::slice::from_ref(&one),
        std::slice::from_ref(&one),
        None,
    );
}

#[test]
fn unknown_characters_train() {
    let odd = pair("漢字 \u{0}\u{200f}שלום", "👩‍👩‍👧 \u{feff}\u{10ffff}");
    trains(
        "unknown",
        std::slice::from_ref(&odd),
        std::slice::from_ref(&odd),
        None,
    );
}

#[test]
fn an_identical_pair_is_left_out_beside_others() {
    let pairs = [pair("yes", "yes"), pair("yes", "no")];
    trains("same", &pairs, &pairs, None);
}

#[test]
fn one_pair_and_nothing_held_out_train() {
    trains("one", &[pair("yes", "no")], &[], None);
}

#[test]
fn all_ties_train_where_ties_are_learnt_and_are_refused_elsewhere() {
    let tie = Pair {
        belief: 1.0,
        tied: true,
        lower: Vec::new(),
        ..pair("yes", "no")
    };
    let ties = vec![tie; 4];
    let learnt = Ties::Davidson { weight: 1.0 };
    trains("ties", &ties, &ties, Some(learnt));
    let place = folder("odd-ties-refused");
    let request = TrainRequest {
        config: Recipe {
            base_model: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny"),
            max_tokens: 96,
            ..Recipe::of(Method::Full)
        },
        train: ties,
        held_out: vec![],
        run_dir: place.join("run"),
        cache_dir: place.join("cache"),
        threads: None,
    };
    let refused = train(&request, &mut |_| {}, &AtomicBool::new(false)).unwrap_err();
    assert!(
        matches!(&refused, TrainError::Pair { id, .. } if id == "odd"),
        "{refused}"
    );
    assert!(refused.to_string().contains("`ties`"), "{refused}");
}
