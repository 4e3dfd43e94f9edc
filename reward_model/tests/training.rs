//! Training as its callers see it, with a BERT of 100 kB: learning, resuming, stopping, refusing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use recipe::{Method, Pooling, Precision, Recipe};
use reward_model::{
    About, Event, Example, Message, Pair, Scorer, TrainError, TrainOutcome, TrainRequest, train,
};

fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny")
}

/// A folder of this test's own, emptied first.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

fn said(role: &str, content: &str) -> Message {
    Message {
        role: role.to_owned(),
        content: content.to_owned(),
    }
}

/// Kind answers are preferred over rude ones, in many wordings.
fn pairs(n: usize, seed: usize) -> Vec<Pair> {
    let asked = [
        "please help me",
        "is the a good?",
        "to you",
        "help, please!",
        "the bad a?",
    ];
    let kind = [
        "yes, thanks",
        "kind help to you",
        "thanks, the good is kind",
        "yes please, thanks",
    ];
    let rude = [
        "no, rude",
        "bad you is rude",
        "no, the bad is rude to you",
        "rude, bad, no",
    ];
    let pair = |i: usize| Pair {
        id: i.to_string(),
        prompt: vec![said("user", asked[(i * 7 + seed) % 5])],
        chosen: format!("{} {}", kind[(i * 3 + seed) % 4], i % 13),
        rejected: format!("{} {}", rude[(i * 5 + seed) % 4], i % 11),
        margin: (i % 3) as f32 * 0.1,
        weight: 1.0 + (i % 2) as f32,
        belief: 1.0,
        tied: false,
        lower: Vec::new(),
    };
    (0..n).map(pair).collect()
}

fn request(method: Method, place: &Path) -> TrainRequest {
    let config = match method {
        Method::Head => Recipe {
            epochs: 30,
            learning_rate: 3e-2,
            ..Recipe::of(Method::Head)
        },
        _ => Recipe {
            epochs: 3,
            learning_rate: 1e-3,
            pooling: Pooling::Family,
            ..Recipe::of(Method::Full)
        },
    };
    TrainRequest {
        config: Recipe {
            base_model: tiny(),
            max_tokens: 96,
            batch_pairs: 8,
            seed: 5,
            ..config
        },
        train: pairs(60, 0),
        held_out: pairs(20, 1),
        run_dir: place.join("run"),
        cache_dir: place.join("cache"),
        threads: None,
    }
}

/// Trains to the end and gives the steps' losses.
fn losses(request: &TrainRequest) -> Vec<(u64, f64)> {
    let mut losses = Vec::new();
    let mut listen = |event| {
        if let Event::Step { step, loss, .. } = event {
            losses.push((step, loss));
        }
    };
    let outcome = train(request, &mut listen, &AtomicBool::new(false)).unwrap();
    assert!(matches!(outcome, TrainOutcome::Finished { .. }));
    losses
}

fn scores(model: &Path) -> Vec<f32> {
    let examples: Vec<Example> = pairs(20, 1)
        .into_iter()
        .flat_map(|pair| {
            [pair.chosen, pair.rejected].map(|response| Example {
                prompt: pair.prompt.clone(),
                response,
            })
        })
        .collect();
    let scored = Scorer::load(model)
        .unwrap()
        .score(&examples, &mut |_, _| {})
        .unwrap();
    scored.into_iter().map(|scored| scored.reward).collect()
}

#[test]
fn both_methods_learn_and_score_as_they_said() {
    for (method, name) in [(Method::Head, "learn-head"), (Method::Full, "learn-full")] {
        let place = folder(name);
        let request = request(method, &place);
        let (mut evaluations, mut kinds) = (0, Vec::new());
        let mut listen = |event: Event| {
            let json = serde_json::to_value(&event).unwrap();
            assert_eq!(serde_json::from_value::<Event>(json.clone()).unwrap(), event);
            kinds.push(json["kind"].as_str().unwrap().to_owned());
            evaluations += usize::from(matches!(event, Event::Evaluated { .. }));
        };
        let outcome = train(&request, &mut listen, &AtomicBool::new(false)).unwrap();
        let TrainOutcome::Finished { model_dir, about } = outcome else {
            panic!("{outcome:?}")
        };
        assert!(evaluations >= 3, "{evaluations}");
        assert_eq!(kinds.last().unwrap(), "finished");
        assert_eq!(About::load(&model_dir).unwrap().as_ref(), Some(&*about));
        let metrics = about.metrics.unwrap();
        assert!(metrics.accuracy.value > 0.9, "{method:?}: {metrics:?}");
        let scores = scores(&model_dir);
        let margin = scores
            .chunks(2)
            .map(|pair| f64::from(pair[0] - pair[1]))
            .sum::<f64>()
            / 20.0;
        assert!(
            (margin - metrics.mean_margin).abs() < 1e-4 * metrics.mean_margin.abs().max(1.0),
            "{margin}"
        );
        assert!(
            scores.iter().sum::<f32>().abs() / 40.0 < 1e-3,
            "the held-out responses' mean reward is the zero"
        );
        let low = scores.iter().copied().fold(f32::INFINITY, f32::min);
        let high = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        for (told, got) in metrics.reward_range.into_iter().zip([low, high]) {
            assert!((told - f64::from(got)).abs() < 1e-3, "{method:?}: {told} {got}");
        }
        assert!(!request.run_dir.join("checkpoints").exists());
    }
}

#[test]
fn a_seed_decides_the_curve_and_the_number_of_threads_does_not() {
    for (method, name) in [(Method::Head, "seed-head"), (Method::Full, "seed-full")] {
        let curve = |folder_name: &str, threads, seed| {
            let mut request = request(method, &folder(&format!("{name}-{folder_name}")));
            request.threads = Some(threads);
            request.config.seed = seed;
            losses(&request)
        };
        let one = curve("a", 1, 5);
        assert_eq!(one, curve("b", 3, 5));
        assert_ne!(one, curve("c", 2, 6));
    }
}

/// A run that dies after step 17 has its checkpoint of step 15; the next one goes on from there.
#[test]
fn killed_and_resumed_equals_unbroken() {
    for (method, name) in [(Method::Head, "kill-head"), (Method::Full, "kill-full")] {
        let whole = request(method, &folder(&format!("{name}-whole")));
        let unbroken = losses(&whole);
        let mut broken = request(method, &folder(name));
        broken.config.checkpoint_every_steps = 5;
        let mut die = |event| {
            if matches!(event, Event::Step { step: 17, .. }) {
                panic!("killed")
            }
        };
        assert!(
            catch_unwind(AssertUnwindSafe(|| train(
                &broken,
                &mut die,
                &AtomicBool::new(false)
            )))
            .is_err()
        );
        let resumed = losses(&broken);
        assert_eq!(resumed[0].0, 16);
        assert_eq!(resumed.len() + 15, unbroken.len());
        for (a, b) in resumed.iter().zip(&unbroken[15..]) {
            assert!((a.1 - b.1).abs() < 1e-5, "{method:?}: {a:?} {b:?}");
        }
        let (a, b) = (
            scores(&whole.run_dir.join("model")),
            scores(&broken.run_dir.join("model")),
        );
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-5));
    }
}

#[test]
fn the_stop_flag_leaves_a_checkpoint_and_a_finished_run_is_not_done_again() {
    for (method, name) in [(Method::Head, "stop-head"), (Method::Full, "stop-full")] {
        let request = request(method, &folder(name));
        let stop = AtomicBool::new(false);
        let mut listen = |event| {
            if matches!(event, Event::Step { step: 4, .. }) {
                stop.store(true, Ordering::Relaxed);
            }
        };
        assert_eq!(
            train(&request, &mut listen, &stop).unwrap(),
            TrainOutcome::Stopped { step: 4 }
        );
        assert!(
            request
                .run_dir
                .join("checkpoints/step-00000004/state.json")
                .exists()
        );
        assert!(!request.run_dir.join("model").exists());
        assert_eq!(losses(&request)[0].0, 5);
        assert_eq!(losses(&request), vec![], "all done already");
    }
}

#[test]
fn other_settings_or_pairs_are_refused_in_a_folder_that_has_a_run() {
    let request = request(Method::Head, &folder("changed"));
    let stop = AtomicBool::new(false);
    let mut listen = |event| {
        if matches!(event, Event::Step { step: 3, .. }) {
            stop.store(true, Ordering::Relaxed);
        }
    };
    train(&request, &mut listen, &stop).unwrap();
    let changed = |other: &TrainRequest| {
        matches!(
            train(other, &mut |_| {}, &AtomicBool::new(false)),
            Err(TrainError::Changed { .. })
        )
    };
    let mut other = request.clone();
    other.config.learning_rate *= 2.0;
    assert!(changed(&other));
    let mut other = request.clone();
    other.train[3].chosen.push('!');
    assert!(changed(&other));
    let mut same = request.clone();
    same.config.checkpoint_every_seconds += 1;
    losses(&same);
    assert!(changed(&other), "a finished run neither");
}

#[test]
fn what_cannot_be_trained_is_refused_in_words() {
    let place = folder("refused");
    let refused = |request: &TrainRequest| {
        train(request, &mut |_| {}, &AtomicBool::new(false))
            .unwrap_err()
            .to_string()
    };
    let good = request(Method::Full, &place);
    assert!(
        refused(&TrainRequest {
            train: vec![],
            ..good.clone()
        })
        .contains("no training pairs")
    );
    let mut bad = good.clone();
    bad.config.max_tokens = 512;
    assert!(refused(&bad).contains("at most 96"));
    let mut bad = good.clone();
    bad.train[7].margin = f32::NAN;
    assert!(refused(&bad).starts_with("pair 7"));
    let mut bad = good.clone();
    bad.config.base_model = place.join("nowhere");
    assert!(refused(&bad).contains("nowhere"));
    // A base model of which one weight is not a number, as a broken run might leave it.
    let broken = place.join("broken");
    std::fs::create_dir_all(&broken).unwrap();
    for name in ["config.json", "tokenizer.json"] {
        std::fs::copy(tiny().join(name), broken.join(name)).unwrap();
    }
    let mut bytes = std::fs::read(tiny().join("model.safetensors")).unwrap();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(broken.join("model.safetensors"), bytes).unwrap();
    let mut bad = good;
    bad.config.base_model = broken;
    let message = refused(&bad);
    assert!(
        message.contains("step 1") && message.contains("classifier.weight of the base model"),
        "{message}"
    );
}

#[test]
fn odd_and_long_texts_are_trained_on_and_counted() {
    let mut request = request(Method::Full, &folder("odd"));
    request.train.truncate(8);
    request.train[0].chosen = String::new();
    request.train[1].chosen = "\u{0}\u{200f}שלום 👩‍👩‍👧 \u{feff}".to_owned();
    request.train[2].rejected = "good ".repeat(100_000);
    let mut cut = None;
    let mut listen = |event| {
        if let Event::Started { train_cut, .. } = event {
            cut = Some(train_cut);
        }
    };
    train(&request, &mut listen, &AtomicBool::new(false)).unwrap();
    let cut = cut.unwrap();
    assert_eq!((cut.texts, cut.cut_texts), (16, 1));
    assert!(cut.cut_tokens > 99_000 && cut.cut_tokens < 100_100, "{cut:?}");
}

/// Runs share the cache of embeddings: those of one precision must not be taken for another's.
#[test]
fn a_head_does_not_take_the_embeddings_of_another_precision() {
    let place = folder("precisions");
    let losses_in = |name: &str, precision: Precision, cache: &str| {
        let mut request = request(Method::Head, &place.join(name));
        request.config.precision = precision;
        request.cache_dir = place.join(cache);
        losses(&request)
    };
    let alone = losses_in("alone", Precision::F32, "own-cache");
    let bf16 = losses_in("bf16", Precision::Bf16, "cache");
    assert!(alone != bf16, "the two precisions give the same embeddings");
    let after = losses_in("after", Precision::F32, "cache");
    assert!(after == alone, "bf16 embeddings were taken for f32 ones");
}
