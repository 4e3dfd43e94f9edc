//! What each method of training leaves as it is, learns and saves, with models of 100 kB.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use recipe::{Lora, Method, Pooling, Recipe};
use reward_model::{Event, Message, Pair, Scorer, TrainOutcome, TrainRequest, render, train};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

fn pairs(n: usize) -> Vec<Pair> {
    let pair = |i: usize| {
        let role = "user".to_owned();
        let content = format!("please help me {}", i % 5);
        Pair::new(
            i.to_string(),
            vec![Message { role, content }],
            format!("yes, thanks, kind {}", i % 13),
            format!("no, bad, rude {}", i % 11),
        )
    };
    (0..n).map(pair).collect()
}

fn request(base: &str, place: &str, config: Recipe) -> TrainRequest {
    let place = folder(place);
    TrainRequest {
        config: Recipe {
            base_model: fixture(base),
            max_tokens: 96,
            epochs: 2,
            learning_rate: 3e-3,
            seed: 4,
            ..config
        },
        train: pairs(40),
        held_out: pairs(10),
        run_dir: place.join("run"),
        cache_dir: place.join("cache"),
        threads: Some(2),
    }
}

fn lora(dropout: f64, targets: &[&str]) -> Recipe {
    Recipe {
        lora: Lora {
            rank: 4,
            alpha: 8.0,
            dropout,
            target_modules: targets.iter().map(|name| (*name).to_owned()).collect(),
        },
        pooling: Pooling::Family,
        ..Recipe::of(Method::Lora)
    }
}

/// Trains to the end: the model's folder, the steps' losses, and the held-out pairs' accuracy and mean margin.
fn finish(request: &TrainRequest) -> (PathBuf, Vec<f64>, [f64; 2]) {
    let mut losses = Vec::new();
    let mut listen = |event| {
        if let Event::Step { loss, .. } = event {
            losses.push(loss);
        }
    };
    let outcome = train(request, &mut listen, &AtomicBool::new(false)).unwrap();
    let TrainOutcome::Finished { model_dir, about } = outcome else {
        panic!("{outcome:?}")
    };
    let metrics = about.metrics.unwrap();
    (model_dir, losses, [metrics.accuracy.value, metrics.mean_margin])
}

/// The bytes of each tensor of a `.safetensors` file.
fn tensors(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let bytes = std::fs::read(path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let tensors = file.tensors().into_iter();
    tensors
        .map(|(name, tensor)| (name, tensor.data().to_vec()))
        .collect()
}

/// Names of the tensors in which a trained model differs from its base.
fn moved(base: &str, model: &Path) -> Vec<String> {
    let (before, after) = (
        tensors(&fixture(base).join("model.safetensors")),
        tensors(&model.join("model.safetensors")),
    );
    assert!(after.keys().eq(before.keys()), "{base}");
    let differs = |(name, bytes): (String, Vec<u8>)| (before[&name] != bytes).then_some(name);
    after.into_iter().filter_map(differs).collect()
}

fn refused(request: &TrainRequest) -> String {
    let result = train(request, &mut |_| {}, &AtomicBool::new(false));
    assert!(!request.run_dir.exists(), "refused before any work");
    result.unwrap_err().to_string()
}

#[test]
fn layers_below_the_last_stay_as_they_are() {
    let cases = [
        (
            "tiny",
            1,
            &["bert.encoder.layer.1.", "bert.pooler.", "classifier."][..],
        ),
        (
            "deberta",
            1,
            &["deberta.encoder.layer.1.", "pooler.", "classifier."],
        ),
        (
            "modernbert",
            2,
            &[
                "model.layers.1.",
                "model.layers.2.",
                "model.final_norm.",
                "head.",
                "classifier.",
            ],
        ),
        (
            "qwen3",
            2,
            &["model.layers.1.", "model.layers.2.", "model.norm.", "score."],
        ),
    ];
    for (base, last_layers, learning) in cases {
        let config = Recipe {
            last_layers,
            pooling: Pooling::Family,
            ..Recipe::of(Method::Layers)
        };
        let (model, ..) = finish(&request(base, &format!("layers-{base}"), config));
        let moved = moved(base, &model);
        for name in &moved {
            assert!(
                learning.iter().any(|start| name.starts_with(start)),
                "{base}: {name}"
            );
        }
        for start in learning {
            assert!(
                moved.iter().any(|name| name.starts_with(start)),
                "{base}: {start}"
            );
        }
    }
}

#[test]
fn lora_moves_its_targets_and_the_head_and_scores_as_it_said() {
    let cases = [
        ("tiny", &[][..], &[".query.weight", ".value.weight"][..]),
        (
            "distilbert",
            &["lin1", "out_lin"],
            &[".lin1.weight", ".out_lin.weight"],
        ),
        ("modernbert", &[], &[".Wqkv.weight"]),
        (
            "llama",
            &["v_proj", "mlp.down_proj"],
            &[".v_proj.weight", ".down_proj.weight"],
        ),
    ];
    for (base, targets, ends) in cases {
        let mut request = request(base, &format!("lora-{base}"), lora(0.1, targets));
        request.config.epochs = 6;
        let (model, _, [accuracy, margin]) = finish(&request);
        assert!(accuracy > 0.9, "{base}: {accuracy}");
        for name in moved(base, &model) {
            let of_head = ["classifier", "pre_classifier", "bert.pooler", "head", "score"];
            let is_of_head = of_head.iter().any(|start| name.starts_with(start));
            assert!(
                is_of_head || ends.iter().any(|end| name.ends_with(end)),
                "{base}: {name}"
            );
        }
        let text =
            |pair: &Pair| [&pair.chosen, &pair.rejected].map(|response| render(&pair.prompt, response));
        let texts: Vec<String> = request.held_out.iter().flat_map(text).collect();
        let scored = Scorer::load(&model)
            .unwrap()
            .score_texts(&texts, &mut |_, _| {})
            .unwrap();
        let own = scored
            .chunks(2)
            .map(|pair| f64::from(pair[0].reward - pair[1].reward))
            .sum::<f64>()
            / 10.0;
        assert!(
            (own - margin).abs() < 1e-4 * margin.abs().max(1.0),
            "{base}: {own} {margin}"
        );
        let adapter = tensors(&model.join("adapter/adapter_model.safetensors"));
        assert!(adapter.keys().all(|name| name.starts_with("base_model.model.")));
    }
}

#[test]
fn what_is_dropped_depends_on_the_seed_and_not_on_the_threads() {
    let curve = |name: &str, dropout, threads, seed| {
        let mut request = request("tiny", &format!("lora-drop-{name}"), lora(dropout, &[]));
        (request.threads, request.config.seed) = (Some(threads), seed);
        finish(&request).1
    };
    let one = curve("a", 0.3, 1, 4);
    assert_eq!(one, curve("b", 0.3, 3, 4));
    assert_ne!(one, curve("c", 0.3, 2, 5));
    assert_ne!(one, curve("d", 0.0, 2, 4));
}

/// A decoder goes through candle's graph, an encoder through what is written by hand; both go on to the same bytes.
#[test]
fn checkpoints_hold_what_learns_and_a_stopped_run_goes_on_from_them() {
    let layers = || Recipe {
        last_layers: 1,
        pooling: Pooling::Family,
        ..Recipe::of(Method::Layers)
    };
    let cases = [
        ("tiny", "lora", lora(0.2, &["query", "dense"])),
        ("qwen3", "lora", lora(0.2, &[])),
        ("tiny", "layers", layers()),
    ];
    for (base, name, config) in cases {
        let whole = request(base, &format!("{name}-whole-{base}"), config.clone());
        let broken = request(base, &format!("{name}-stopped-{base}"), config);
        let stop = AtomicBool::new(false);
        let mut listen = |event| {
            if matches!(event, Event::Step { step: 4, .. }) {
                stop.store(true, Ordering::Relaxed);
            }
        };
        let outcome = train(&broken, &mut listen, &stop).unwrap();
        assert_eq!(outcome, TrainOutcome::Stopped { step: 4 });
        let checkpoint = broken.run_dir.join("checkpoints/step-00000004");
        for file in ["weights", "first_moments", "second_moments"] {
            let names = tensors(&checkpoint.join(format!("{file}.safetensors")));
            assert!(
                !names.is_empty() && !names.keys().any(|name| name.contains("embed")),
                "{base} {name} {file}"
            );
        }
        let files = ["model.safetensors", "adapter/adapter_model.safetensors"];
        let (a, b) = (finish(&whole).0, finish(&broken).0);
        for file in files.into_iter().filter(|file| a.join(file).exists()) {
            assert!(
                std::fs::read(a.join(file)).unwrap() == std::fs::read(b.join(file)).unwrap(),
                "{base} {name}"
            );
        }
        assert_eq!(a.join(files[1]).exists(), name == "lora");
    }
}

#[test]
fn from_scratch_is_decided_by_the_seed_alone() {
    let scratch = |name: &str, base: &str, seed| {
        let config = Recipe {
            from_scratch: true,
            pooling: Pooling::Family,
            ..Recipe::of(Method::Full)
        };
        let mut request = request(base, &format!("scratch-{name}-{base}"), config);
        request.config.seed = seed;
        finish(&request).0
    };
    for base in ["tiny", "gemma3"] {
        let one = tensors(&scratch("a", base, 4).join("model.safetensors"));
        assert!(
            one == tensors(&scratch("b", base, 4).join("model.safetensors")),
            "{base}"
        );
        let other = tensors(&scratch("c", base, 5).join("model.safetensors"));
        let theirs = tensors(&fixture(base).join("model.safetensors"));
        assert!(one.keys().eq(theirs.keys()));
        let words = one.keys().find(|name| name.contains("embed")).unwrap();
        assert!(
            one[words] != other[words] && one[words] != theirs[words],
            "{base}"
        );
    }
}

#[test]
fn what_the_base_model_does_not_have_is_refused() {
    let layers = Recipe {
        last_layers: 3,
        pooling: Pooling::Family,
        ..Recipe::of(Method::Layers)
    };
    let message = refused(&request("tiny", "refused-layers", layers));
    assert_eq!(message, "setting last_layers: the base model has 2");
    let message = refused(&request(
        "tiny",
        "refused-target",
        lora(0.0, &["query", "q_proj"]),
    ));
    assert!(
        message.starts_with("setting lora_target_modules: no layer's name ends with")
            && message.contains("q_proj"),
        "{message}"
    );
    let there = "attention.self.query, attention.self.key, attention.self.value, attention.output.dense, intermediate.dense, output.dense";
    assert!(message.ends_with(there), "{message}");
    assert_eq!(Recipe::of(Method::Lora).lora, Lora::default());
}

/// `AutoModel` of BERT has a pooler whose layer is called `dense` too, and none of ours.
#[test]
fn an_adapter_without_a_head_names_each_layer() {
    let config = Recipe {
        pooling: Pooling::Mean,
        ..lora(0.0, &["dense"])
    };
    let (model, ..) = finish(&request("tiny", "lora-mean-dense", config));
    let text = std::fs::read_to_string(model.join("adapter/adapter_config.json")).unwrap();
    let config: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(config["task_type"], "FEATURE_EXTRACTION");
    let targets = config["target_modules"].as_array().unwrap();
    let is_of_layer = |name: &serde_json::Value| name.as_str().unwrap().starts_with("encoder.layer.");
    assert!(
        targets.len() == 6 && targets.iter().all(is_of_layer),
        "{targets:?}"
    );
}
