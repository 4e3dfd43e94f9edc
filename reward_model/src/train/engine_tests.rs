//! Rewards, loss and gradients against PyTorch's, for every weight.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::engine::Engine;
use super::rates;
use super::what::lora_targets;
use crate::backbone::{
    Batch, Dropout, Family, Learning, ModelConfig, Precision, Source, Weights, attach, is_of_branch, noisy,
    shared,
};
use crate::classifier::Classifier;
use crate::config::{Lora, TrainConfig};
use crate::loss::bradley_terry;

/// How far rewards may be off, and gradients in proportion to their length.
#[derive(Clone, Copy)]
struct Tolerance {
    rewards: f64,
    gradients: f64,
}

const EXACT: Tolerance = Tolerance {
    rewards: 1e-4,
    gradients: 1e-3,
};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn expected(name: &str) -> Value {
    let text = std::fs::read_to_string(folder(name).join("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A fixture's model, of which those weights learn whose rates `rate` gives.
fn engine_of(
    name: &str,
    precision: Precision,
    lora: Option<(Lora, Source)>,
    rates: impl Fn(&Weights, Family) -> Vec<f64>,
) -> Engine {
    let config = ModelConfig::load(&folder(name)).unwrap();
    let family = Family::of(&config).unwrap();
    let (mut source, mut weights) = (Source::of_model(&folder(name), 0).unwrap(), Weights::default());
    Classifier::load(family, &config, &mut source, &mut weights).unwrap();
    let lora = lora.map(|(lora, mut adapter)| {
        let modules = lora_targets(family, &config, &lora).unwrap();
        attach(&mut weights, &modules, lora.rank, 0).unwrap();
        for (name, var) in weights.names.iter().zip(&weights.vars) {
            let name = format!("base_model.model.{name}");
            if adapter.has(&name) {
                var.set(&adapter.take(&name, var.dims()).unwrap()).unwrap();
            }
        }
        lora
    });
    let rates = rates(&weights, family);
    let mut engine = Engine::new(family, config, (weights, Learning { rates, lora }), precision).unwrap();
    engine.refresh().unwrap();
    engine
}

fn engine(name: &str, precision: Precision) -> (Engine, Value) {
    let all = |weights: &Weights, _| vec![1.0; weights.names.len()];
    (engine_of(name, precision, None, all), expected(name))
}

/// A fixture's adapter on its base model, all of which learns but the base model's own weights.
fn adapted(name: &str, precision: Precision) -> (Engine, Value) {
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
    (engine_of(base, precision, Some((lora, adapter)), rates), expected)
}

/// tests/python/make_fixtures.py (transformers 5.23, torch 2.15). A weight without a gradient fails here.
fn check(name: &str, engine: &Engine, expected: &Value, tolerance: Tolerance) {
    let ids: Vec<Vec<u32>> = serde_json::from_value(expected["ids"].clone()).unwrap();
    let mut names: Vec<&String> = engine.learnt.names.iter().collect();
    names.sort();
    // serde_json's maps keep another order where a crate beside this one asks for it.
    let mut theirs: Vec<&String> = expected["gradients"].as_object().unwrap().keys().collect();
    // Theirs are of all weights; what is to stay here has none.
    let stays = |name: &String| {
        let place = engine.weights.place(name);
        place.is_ok_and(|place| !engine.learning.learns(place))
    };
    theirs.retain(|name| !stays(name));
    theirs.sort();
    assert_eq!(names, theirs, "{name}");

    let mut gradients: Vec<Vec<f32>> = engine.learnt.sizes().into_iter().map(|n| vec![0.0; n]).collect();
    engine.begin(&mut gradients);
    let mut loss = 0.0;
    for (i, pair) in ids.chunks(2).enumerate() {
        let batch = Batch::new(pair.iter().map(Vec::as_slice));
        let slopes = |rewards: &[f32]| {
            for (j, got) in rewards.iter().enumerate() {
                let want = expected["rewards"][2 * i + j].as_f64().unwrap();
                assert!(
                    (f64::from(*got) - want).abs() < tolerance.rewards,
                    "{name}: {got} {want}"
                );
            }
            let margin = expected["margins"][i].as_f64().unwrap();
            let of = bradley_terry(f64::from(rewards[0]), f64::from(rewards[1]), margin, 1.0);
            loss += 0.5 * of.loss;
            vec![0.5 * of.slope as f32, -0.5 * of.slope as f32]
        };
        engine.add(i, &batch, slopes).unwrap();
    }
    let want = expected["loss"].as_f64().unwrap();
    assert!((loss - want).abs() < tolerance.rewards, "{name}: {loss} {want}");
    engine.collect(&mut gradients);
    for (name_of, got) in engine.learnt.names.iter().zip(&gradients) {
        let want = &expected["gradients"][name_of];
        let norm = want["norm"].as_f64().unwrap();
        let own = got.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        // Keys' biases shift all of a query's scores alike: their gradient is zero but for rounding.
        let close = |a: f64, b: f64| (a - b).abs() <= tolerance.gradients * norm.max(1e-4);
        let zero = norm < 1e-6 && own < tolerance.gradients;
        assert!(close(own, norm) || zero, "{name} {name_of}: {own} {norm}");
        let every = want["every"].as_u64().unwrap() as usize;
        for (value, want) in got.iter().step_by(every).zip(want["values"].as_array().unwrap()) {
            let want = want.as_f64().unwrap();
            assert!(
                close(f64::from(*value), want) || zero,
                "{name} {name_of}: {value} {want}"
            );
        }
    }
}

const BY_HAND: [&str; 3] = ["tiny", "distilbert", "roberta"];

#[test]
fn encoders_by_hand_equal_transformers() {
    for name in BY_HAND {
        let (engine, expected) = engine(name, Precision::F32);
        assert!(engine.is_by_hand());
        check(name, &engine, &expected, EXACT);
    }
}

/// bf16 has 8 bits of mantissa: a rounding is 0.4 %.
#[test]
fn encoders_in_bf16_are_close_to_transformers() {
    for name in BY_HAND {
        let (engine, expected) = engine(name, Precision::Bf16);
        check(
            name,
            &engine,
            &expected,
            Tolerance {
                rewards: 0.02,
                gradients: 0.05,
            },
        );
    }
}

#[test]
fn encoders_by_graph_equal_transformers() {
    for name in ["tiny", "distilbert", "roberta", "deberta", "modernbert"] {
        let (engine, expected) = engine(name, Precision::F32);
        check(name, &engine.by_graph_alone(), &expected, EXACT);
    }
}

#[test]
fn decoders_equal_transformers() {
    for name in ["llama", "qwen2", "qwen3", "gemma2", "gemma3"] {
        let (engine, expected) = engine(name, Precision::F32);
        check(name, &engine, &expected, EXACT);
    }
}

/// peft 0.21: the matrices beside layers and the head; and merged the same rewards.
#[test]
fn low_rank_matrices_equal_peft() {
    for name in ["tiny-lora", "tiny-lora-all", "qwen3-lora"] {
        let (engine, expected) = adapted(name, Precision::F32);
        assert_eq!(engine.is_by_hand(), name.starts_with("tiny"));
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
    }
}

#[test]
fn low_rank_matrices_in_bf16_are_close_to_peft() {
    for name in ["tiny-lora", "tiny-lora-all"] {
        let (engine, expected) = adapted(name, Precision::Bf16);
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
    let gradients = |by_hand: bool, key: Option<u64>| {
        let (engine, expected) = adapted("tiny-lora-all", Precision::F32);
        let engine = if by_hand { engine } else { engine.by_graph_alone() };
        let ids: Vec<Vec<u32>> = serde_json::from_value(expected["ids"].clone()).unwrap();
        let all = key.and_then(|key| Dropout::new(0.2, key, 1, 0));
        let batch = Batch::new(ids.iter().map(Vec::as_slice)).dropping(all);
        let mut gradients: Vec<Vec<f32>> = engine.learnt.sizes().into_iter().map(|n| vec![0.0; n]).collect();
        engine.begin(&mut gradients);
        let add = || engine.add(0, &batch, |rewards| vec![1.0; rewards.len()]);
        noisy(key.and_then(|key| Dropout::new(0.5, key, 0, 0)), add).unwrap();
        engine.collect(&mut gradients);
        gradients.concat()
    };
    let distance = |a: &[f32], b: &[f32]| {
        let squares = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2));
        squares.sum::<f64>().sqrt() / a.iter().map(|a| f64::from(*a).powi(2)).sum::<f64>().sqrt()
    };
    let by_hand = gradients(true, Some(1));
    assert!(distance(&by_hand, &gradients(false, Some(1))) < 1e-4);
    assert!(distance(&by_hand, &gradients(true, Some(2))) > 0.01);
    assert!(distance(&by_hand, &gradients(true, None)) > 0.01);
}

/// The last layer and the head alone, whose gradients are as if all learnt.
#[test]
fn gradients_of_the_last_layers_do_not_depend_on_the_rest() {
    let config = TrainConfig {
        last_layers: 1,
        ..TrainConfig::layers()
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
        let engine = engine_of(name, Precision::F32, None, rates);
        let expected = expected(name);
        assert!(
            engine.learnt.names.len() < engine.weights.names.len() / 2 + 4,
            "{name}"
        );
        check(name, &engine, &expected, EXACT);
        check(name, &engine.by_graph_alone(), &expected, EXACT);
    }
}

/// Both ways through an encoder drop the same and have the same gradients.
#[test]
fn dropout_by_hand_equals_dropout_by_graph() {
    for name in BY_HAND {
        let gradients = |by_hand: bool| {
            let (engine, expected) = engine(name, Precision::F32);
            let engine = if by_hand { engine } else { engine.by_graph_alone() };
            let ids: Vec<Vec<u32>> = serde_json::from_value(expected["ids"].clone()).unwrap();
            let batch = Batch::new(ids.iter().map(Vec::as_slice)).dropping(Dropout::new(0.2, 3, 4, 5));
            let sizes = engine.weights.sizes();
            let mut gradients: Vec<Vec<f32>> = sizes.into_iter().map(|n| vec![0.0; n]).collect();
            engine.begin(&mut gradients);
            let mut rewards = Vec::new();
            let slopes = |got: &[f32]| {
                rewards = got.to_vec();
                (0..got.len()).map(|i| 0.3 + i as f32).collect()
            };
            engine.add(0, &batch, slopes).unwrap();
            engine.collect(&mut gradients);
            gradients.push(rewards);
            gradients
        };
        for (place, (a, b)) in gradients(true).iter().zip(gradients(false)).enumerate() {
            // Keys' biases have no gradient but for rounding.
            let scale = b.iter().fold(0.1f32, |most, x| most.max(x.abs()));
            let off = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(off <= 1e-4 * scale, "{name}, weight {place}: {off} of {scale}");
        }
    }
}

/// The rows of a text shared between threads, and one thread for all.
#[test]
fn shared_rewards_are_the_same() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    for precision in [Precision::F32, Precision::Bf16] {
        let (engine, expected) = engine("tiny", precision);
        let ids: Vec<Vec<u32>> = serde_json::from_value(expected["ids"].clone()).unwrap();
        let long: Vec<u32> = ids.iter().flatten().copied().take(90).collect();
        let frozen = engine.frozen().unwrap();
        for texts in [
            vec![long.clone()],
            vec![ids[0].clone(), long, ids[1].clone()],
            vec![vec![2]],
        ] {
            let batch = Batch::new(texts.iter().map(Vec::as_slice));
            let alone = frozen.rewards(&batch).unwrap();
            let together = pool.install(|| shared(|| frozen.rewards(&batch))).unwrap();
            assert_eq!(alone, together);
        }
    }
}
