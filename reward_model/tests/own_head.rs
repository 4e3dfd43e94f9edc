//! Training goes on from a model of ours: its head goes on too, or it is said that a new one begins.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use recipe::{Method, Pooling, Recipe};
use reward_model::{Event, Example, Message, Pair, Scorer, TrainOutcome, TrainRequest, train};

fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn pairs(n: usize, asked: &str) -> Vec<Pair> {
    let pair = |i: usize| {
        let prompt = vec![Message {
            role: "user".to_owned(),
            content: format!("{asked} {i}"),
        }];
        Pair::new(
            i.to_string(),
            prompt,
            format!("yes, thanks {i}"),
            format!("no, rude {i}"),
        )
    };
    (0..n).map(pair).collect()
}

/// Trains, and gives the model's folder and what was said of the base model's head.
fn trained(name: &str, config: Recipe, asked: &str) -> (PathBuf, Vec<String>) {
    let place = folder(&format!("own-head-{name}"));
    let request = TrainRequest {
        config: Recipe {
            max_tokens: 64,
            batch_pairs: 4,
            ..config
        },
        train: pairs(12, asked),
        held_out: pairs(4, asked),
        run_dir: place.join("run"),
        cache_dir: place.join("cache"),
        threads: Some(2),
    };
    let mut said = Vec::new();
    let mut listen = |event| {
        if let Event::Note { text } = event {
            said.push(text);
        }
    };
    match train(&request, &mut listen, &AtomicBool::new(false)).unwrap() {
        TrainOutcome::Finished { model_dir, .. } => (model_dir, said),
        other => panic!("{other:?}"),
    }
}

fn rewards(model: &Path) -> Vec<f32> {
    let examples: Vec<Example> = pairs(5, "to you")
        .into_iter()
        .flat_map(|pair| {
            [&pair.chosen, &pair.rejected].map(|response| Example {
                prompt: pair.prompt.clone(),
                response: response.clone(),
            })
        })
        .collect();
    let scored = Scorer::load(model)
        .unwrap()
        .score(&examples, &mut |_, _| {})
        .unwrap();
    scored.iter().map(|one| one.reward).collect()
}

/// `place` keeps the folders of tests that run beside each other apart.
fn first(place: &str, base: &str, method: Method, ensemble: usize) -> PathBuf {
    let config = Recipe {
        base_model: fixture(base),
        pooling: Pooling::Mean,
        epochs: 3,
        learning_rate: 1e-2,
        ensemble,
        ..Recipe::of(method)
    };
    trained(
        &format!("{place}-{base}-{method:?}-{ensemble}"),
        config,
        "please help",
    )
    .0
}

/// So slow that nothing moves.
fn on_from(model: &Path, method: Method, name: &str) -> (PathBuf, Vec<String>) {
    let config = Recipe {
        base_model: model.to_owned(),
        pooling: Pooling::Mean,
        epochs: 1,
        learning_rate: 1e-12,
        weight_decay: 0.0,
        ..Recipe::of(method)
    };
    // Other pairs: the zero of the rewards stays where it was, too.
    trained(&format!("on-{name}-{method:?}"), config, "is you bad")
}

#[test]
fn the_head_of_a_mean_pooled_model_goes_on_whatever_the_method() {
    for (base, kind, ensemble) in [
        ("tiny", Method::Full, 1),
        ("tiny", Method::Head, 1),
        ("tiny", Method::Head, 3),
        ("qwen3", Method::Full, 1),
    ] {
        let model = first("goes-on", base, kind, ensemble);
        let before = rewards(&model);
        let range = before.iter().fold(0f32, |most, reward| most.max(reward.abs()));
        assert!(range > 0.01, "the first training moved something: {before:?}");
        for method in [Method::Full, Method::Lora, Method::Layers, Method::Head] {
            let name = format!("{base}-{kind:?}-{ensemble}");
            let (on, said) = on_from(&model, method, &name);
            assert_eq!(said, ["The base model's own head goes on."], "{name} {method:?}");
            for (a, b) in before.iter().zip(rewards(&on)) {
                assert!((a - b).abs() < 1e-4, "{name} {method:?}: {a} became {b}");
            }
        }
    }
}

#[test]
fn it_is_said_where_a_new_head_begins() {
    let model = first("begins-anew", "tiny", Method::Full, 1);
    let begun = |name: &str, config: Recipe| trained(&format!("anew-{name}"), config, "to you").1;
    let family = Recipe {
        base_model: model,
        pooling: Pooling::Family,
        ..Recipe::of(Method::Full)
    };
    let said = begun("family", family);
    assert!(
        said[0].contains("A new head begins") && said[0].contains("pooling = mean"),
        "{said:?}"
    );
    let classifier = Recipe {
        base_model: fixture("tiny"),
        ..Recipe::of(Method::Full)
    };
    let said = begun("mean", classifier.clone());
    assert!(
        said[0].contains("A new head begins") && said[0].contains("pooling = family"),
        "{said:?}"
    );
    let head = Recipe {
        method: Method::Head,
        ..classifier.clone()
    };
    assert!(begun("head", head)[0].contains("A new head begins"));
    let goes_on = Recipe {
        pooling: Pooling::Family,
        ..classifier
    };
    assert_eq!(begun("goes-on", goes_on), ["The base model's own head goes on."]);
}

/// Another head is another run.
#[test]
fn a_head_that_goes_on_is_part_of_the_run() {
    let model = first("part-of-run", "tiny", Method::Head, 1);
    let (on, _) = on_from(&model, Method::Head, "same-run");
    let again = |base: &Path| {
        let run = on.parent().unwrap();
        let request = TrainRequest {
            config: Recipe {
                base_model: base.to_owned(),
                epochs: 1,
                learning_rate: 1e-12,
                weight_decay: 0.0,
                max_tokens: 64,
                batch_pairs: 4,
                pooling: Pooling::Mean,
                ..Recipe::of(Method::Head)
            },
            train: pairs(12, "is you bad"),
            held_out: pairs(4, "is you bad"),
            run_dir: run.to_owned(),
            cache_dir: run.join("cache"),
            threads: Some(2),
        };
        train(&request, &mut |_| {}, &AtomicBool::new(false)).map(|_| ())
    };
    again(&model).unwrap();
    // The same backbone beneath another head.
    let other = first("part-of-run", "tiny", Method::Head, 3);
    let error = again(&other).unwrap_err().to_string();
    assert!(error.contains("other settings, pairs or base model"), "{error}");
}
