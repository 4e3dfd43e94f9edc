//! A reward that is no number is an error with its cause, wherever it would have come out.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use candle_core::{Device, Tensor};
use recipe::{Method, Recipe};
use reward_model::{Message, ModelError, Pair, Scorer, TrainRequest, train};

fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// The tiny BERT with one weight replaced.
fn with_weight(name: &str, tensor: &str, value: f32) -> PathBuf {
    let (tiny, place) = (
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny"),
        folder(name),
    );
    for file in ["config.json", "tokenizer.json"] {
        std::fs::copy(tiny.join(file), place.join(file)).unwrap();
    }
    let mut weights: HashMap<String, Tensor> =
        candle_core::safetensors::load(tiny.join("model.safetensors"), &Device::Cpu).unwrap();
    let shape = weights[tensor].shape().clone();
    weights.insert(
        tensor.to_owned(),
        Tensor::full(value, shape, &Device::Cpu).unwrap(),
    );
    candle_core::safetensors::save(&weights, place.join("model.safetensors")).unwrap();
    place
}

#[test]
fn rewards_that_are_no_numbers_are_refused_with_the_weight_that_is_broken() {
    let texts = ["Assistant: yes".to_owned(), "Assistant: no".to_owned()];
    for (value, tensor) in [
        (f32::NAN, "bert.encoder.layer.0.attention.self.query.weight"),
        (f32::INFINITY, "classifier.bias"),
    ] {
        let model = with_weight("not-finite-score", tensor, value);
        let error = Scorer::load(&model)
            .unwrap()
            .score_texts(&texts, &mut |_, _| {})
            .unwrap_err();
        let ModelError::NotFinite { place, cause } = &error else {
            panic!("{error}")
        };
        assert_eq!(*place, 0);
        assert!(cause.contains(tensor) && cause.contains("not finite"), "{cause}");
        assert!(error.to_string().contains("text 1 no finite reward"), "{error}");
    }
    // Finite weights whose sums are not.
    let model = with_weight("not-finite-overflow", "classifier.bias", f32::MAX);
    let model_of = |weight: f32| {
        let scored = Scorer::load(&with_weight("not-finite-large", "classifier.weight", weight))
            .unwrap()
            .score_texts(&texts, &mut |_, _| {});
        scored.map(|scored| scored[0].reward)
    };
    assert!(
        Scorer::load(&model)
            .unwrap()
            .score_texts(&texts, &mut |_, _| {})
            .is_ok()
    );
    let error = model_of(f32::MAX).unwrap_err().to_string();
    assert!(error.contains("grow beyond"), "{error}");
}

#[test]
fn training_on_a_broken_base_model_names_the_weight() {
    let tensor = "bert.encoder.layer.1.output.dense.weight";
    let base = with_weight("not-finite-train", tensor, f32::NAN);
    for method in [Method::Head, Method::Full] {
        let place = folder(&format!("not-finite-run-{method:?}"));
        let pair = |i: usize| {
            let prompt = vec![Message {
                role: "user".to_owned(),
                content: "help".to_owned(),
            }];
            Pair::new(i.to_string(), prompt, format!("yes {i}"), "no")
        };
        let request = TrainRequest {
            config: Recipe {
                base_model: base.clone(),
                max_tokens: 64,
                ..Recipe::of(method)
            },
            train: (0..4).map(pair).collect::<Vec<Pair>>(),
            held_out: Vec::new(),
            run_dir: place.join("run"),
            cache_dir: place.join("cache"),
            threads: None,
        };
        let error = train(&request, &mut |_| {}, &AtomicBool::new(false))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(tensor) && error.contains("another base model"),
            "{error}"
        );
    }
}
