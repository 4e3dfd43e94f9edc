//! Gradients of parts of a model: low-rank matrices against peft's, and the last layers.

use candle_core::Device;
use serde_json::Value;

use super::super::engine::Engine;
use super::super::rates;
use super::{EXACT, Tolerance, check, engine_of, expected, folder, on_each_device};
use crate::backbone::{Batch, Dropout, Family, Source, Weights, is_of_branch, noisy};
use recipe::{Lora, Recipe};
use recipe::{Method, Precision};

/// A fixture's adapter on its base model, all of which learns but the base model's own weights.
fn adapted(name: &str, on: (Precision, &Device)) -> (Engine, Value) {
    let path = folder(name).join("adapter_config.json");
    let theirs: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let lora = Lora {
        rank: theirs["r"].as_u64().unwrap() as usize,
        alpha: theirs["lora_alpha"].as_f64().unwrap(),
        dropout: 0.5,
        target_modules: serde_json::from_value(theirs["target_modules"].clone()).unwrap(),
    };
    let adapter = Source::open(&folder(name).join("adapter_model.safetensors"), 0).unwrap();
    let expected = expected(name);
    let rates = |weights: &Weights, family: Family| {
        let learns = |name: &String| is_of_branch(name) || family.is_of_head(name);
        weights
            .names
            .iter()
            .map(|name| f64::from(u8::from(learns(name))))
            .collect()
    };
    let base = expected["base"].as_str().unwrap();
    (engine_of(base, on, Some((lora, adapter)), rates), expected)
}

/// peft 0.21: the matrices beside layers and the head; and merged the same rewards.
#[test]
fn low_rank_matrices_equal_peft() {
    for name in ["tiny-lora", "tiny-lora-all", "qwen3-lora"] {
        let (engine, _) = adapted(name, (Precision::F32, &Device::Cpu));
        assert_eq!(engine.is_by_hand(), name.starts_with("tiny"));
    }
    let all_of = |name: &str, device: &Device| {
        let (engine, expected) = adapted(name, (Precision::F32, device));
        check(name, &engine, &expected, EXACT);
        let ids: Vec<Vec<u32>> = serde_json::from_value(expected["ids"].clone()).unwrap();
        let batch = Batch::new(ids.iter().map(Vec::as_slice));
        let merged = engine.frozen().unwrap().rewards(&batch).unwrap();
        for (got, want) in merged.iter().zip(expected["rewards"].as_array().unwrap()) {
            assert!(
                (f64::from(*got) - want.as_f64().unwrap()).abs() < EXACT.rewards,
                "{name}"
            );
        }
        check(name, &engine.by_graph_alone(), &expected, EXACT);
    };
    for name in ["tiny-lora", "tiny-lora-all", "qwen3-lora"] {
        on_each_device(|device| all_of(name, device));
    }
}

#[test]
fn low_rank_matrices_in_bf16_are_close_to_peft() {
    for name in ["tiny-lora", "tiny-lora-all"] {
        let (engine, expected) = adapted(name, (Precision::Bf16, &Device::Cpu));
        let tolerance = Tolerance {
            rewards: 0.02,
            gradients: 0.05,
        };
        check(name, &engine, &expected, tolerance);
    }
}

/// What is dropped is the same on the way back, by hand and by graph: their gradients agree, and differ from those of nothing dropped.
#[test]
fn dropped_inputs_are_dropped_on_the_way_back() {
    let gradients = |(engine, expected): (Engine, Value), key: Option<u64>| {
        let ids: Vec<Vec<u32>> = serde_json::from_value(expected["ids"].clone()).unwrap();
        let all = key.and_then(|key| Dropout::new(0.2, key, 1, 0));
        let batch = Batch::new(ids.iter().map(Vec::as_slice)).dropping(all);
        let mut gradients: Vec<Vec<f32>> = engine.learnt.sizes().into_iter().map(|n| vec![0.0; n]).collect();
        engine.sums.begin(&mut gradients);
        let add = || engine.add(0, &batch, |rewards| vec![1.0; rewards.len()]);
        noisy(key.and_then(|key| Dropout::new(0.5, key, 0, 0)), add).unwrap();
        engine.sums.collect(&mut gradients);
        gradients.concat()
    };
    let distance = |a: &[f32], b: &[f32]| {
        let squares = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2));
        squares.sum::<f64>().sqrt() / a.iter().map(|a| f64::from(*a).powi(2)).sum::<f64>().sqrt()
    };
    let model = |device: &Device| adapted("tiny-lora-all", (Precision::F32, device));
    let by_hand = |key| gradients(model(&Device::Cpu), key);
    let dropped = by_hand(Some(1));
    on_each_device(|device| {
        let (engine, expected) = model(device);
        let by_graph = gradients((engine.by_graph_alone(), expected), Some(1));
        assert!(distance(&dropped, &by_graph) < 1e-4);
    });
    assert!(distance(&dropped, &by_hand(Some(2))) > 0.01);
    assert!(distance(&dropped, &by_hand(None)) > 0.01);
}

/// The last layer and the head alone, whose gradients are as if all learnt.
#[test]
fn gradients_of_the_last_layers_do_not_depend_on_the_rest() {
    let config = Recipe {
        last_layers: 1,
        ..Recipe::of(Method::Layers)
    };
    for name in [
        "tiny",
        "distilbert",
        "roberta",
        "deberta",
        "modernbert",
        "qwen3",
        "gemma2",
    ] {
        let rates = |weights: &Weights, family| rates::of(weights, family, &config);
        let expected = expected(name);
        on_each_device(|device| {
            let engine = engine_of(name, (Precision::F32, device), None, rates);
            assert!(
                engine.learnt.names.len() < engine.weights.names.len() / 2 + 4,
                "{name}"
            );
            check(name, &engine, &expected, EXACT);
            check(name, &engine.by_graph_alone(), &expected, EXACT);
        });
    }
}
