//! Rewards, loss and gradients against PyTorch's, for every weight.

mod parts;
mod whole_runs;

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::engine::Engine;
use super::what::lora_targets;
use candle_core::Device;

use crate::backbone::{
    Batch, Dropout, Family, Learning, ModelConfig, Source, Weights, as_on_gpu, attach, shared,
};
use crate::classifier::Classifier;
use crate::loss::bradley_terry;
use recipe::Lora;
use recipe::Precision;

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
    on: (Precision, &Device),
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
    let mut engine = Engine::new(family, config, (weights, Learning { rates, lora }), on).unwrap();
    engine.refresh().unwrap();
    engine
}

fn engine(name: &str, precision: Precision) -> (Engine, Value) {
    engine_on(name, (precision, &Device::Cpu))
}

fn engine_on(name: &str, on: (Precision, &Device)) -> (Engine, Value) {
    let all = |weights: &Weights, _| vec![1.0; weights.names.len()];
    (engine_of(name, on, None, all), expected(name))
}

/// On the CPU with our operations, on the CPU as on a GPU, and on a GPU where there is one.
fn on_each_device(check: impl Fn(&Device)) {
    check(&Device::Cpu);
    as_on_gpu(|| check(&Device::Cpu));
    match crate::device::open(recipe::Device::Cuda(0)) {
        Ok(gpu) => check(&gpu),
        Err(message) => println!("not checked on a GPU: {message}"),
    }
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
    engine.sums.begin(&mut gradients);
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
        engine.add(i % engine.sums.count(), &batch, slopes).unwrap();
    }
    let want = expected["loss"].as_f64().unwrap();
    assert!((loss - want).abs() < tolerance.rewards, "{name}: {loss} {want}");
    engine.sums.collect(&mut gradients);
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
        on_each_device(|device| {
            let (engine, expected) = engine_on(name, (Precision::F32, device));
            check(name, &engine.by_graph_alone(), &expected, EXACT);
        });
    }
}

#[test]
fn decoders_equal_transformers() {
    for name in ["llama", "qwen2", "qwen3", "gemma2", "gemma3"] {
        on_each_device(|device| {
            let (engine, expected) = engine_on(name, (Precision::F32, device));
            check(name, &engine, &expected, EXACT);
        });
    }
}

const BY_GRAPH: [&str; 7] = [
    "deberta",
    "modernbert",
    "llama",
    "qwen2",
    "qwen3",
    "gemma2",
    "gemma3",
];

#[test]
fn graphs_in_bf16_are_close_to_transformers() {
    for name in BY_GRAPH {
        on_each_device(|device| {
            let (engine, expected) = engine_on(name, (Precision::Bf16, device));
            assert!(!engine.is_by_hand());
            check(
                name,
                &engine,
                &expected,
                Tolerance {
                    rewards: 0.03,
                    gradients: 0.05,
                },
            );
        });
    }
}

/// Gradients of some texts, weight by weight, and then their rewards.
fn learn(engine: &Engine, batch: &Batch) -> Vec<Vec<f32>> {
    let mut gradients: Vec<Vec<f32>> = engine.learnt.sizes().into_iter().map(|n| vec![0.0; n]).collect();
    engine.sums.begin(&mut gradients);
    let mut rewards = Vec::new();
    let slopes = |got: &[f32]| {
        rewards = got.to_vec();
        (0..got.len()).map(|i| 0.3 + i as f32).collect()
    };
    engine.add(0, batch, slopes).unwrap();
    engine.sums.collect(&mut gradients);
    gradients.push(rewards);
    gradients
}

/// Weight by weight, differences in proportion to the largest element.
fn compare(name: &str, ours: &[Vec<f32>], others: &[Vec<f32>], tolerance: f32) {
    assert_eq!(ours.len(), others.len());
    for (place, (a, b)) in ours.iter().zip(others).enumerate() {
        // Keys' biases have no gradient but for rounding.
        let scale = b.iter().fold(0.1f32, |most, x| most.max(x.abs()));
        let off = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(
            off <= tolerance * scale,
            "{name}, weight {place}: {off} of {scale}"
        );
    }
}

/// A prompt that three responses share, computed once, and each time.
#[test]
fn a_shared_prompt_changes_no_gradient() {
    for name in ["llama", "qwen2", "qwen3", "gemma2", "gemma3"] {
        let ids: Vec<Vec<u32>> = serde_json::from_value(expected(name)["ids"].clone()).unwrap();
        let texts: Vec<Vec<u32>> = [&ids[1][..3], &ids[1][..1], &ids[2]]
            .iter()
            .map(|response| [ids[0].as_slice(), &ids[0], response].concat())
            .collect();
        let texts = || texts.iter().map(Vec::as_slice);
        let (shared, each) = (Batch::sharing(texts()), Batch::new(texts()));
        assert!(shared.ids().len() < each.ids().len());
        on_each_device(|device| {
            let (engine, _) = engine_on(name, (Precision::F32, device));
            compare(name, &learn(&engine, &shared), &learn(&engine, &each), 1e-5);
        });
    }
}

/// Every way through an encoder drops the same and has the same gradients.
#[test]
fn dropout_by_hand_equals_dropout_by_graph() {
    for name in BY_HAND {
        let gradients = |engine: Engine, expected: &Value| {
            let ids: Vec<Vec<u32>> = serde_json::from_value(expected["ids"].clone()).unwrap();
            let batch = Batch::new(ids.iter().map(Vec::as_slice)).dropping(Dropout::new(0.2, 3, 4, 5));
            learn(&engine, &batch)
        };
        let (engine, expected) = engine(name, Precision::F32);
        let by_hand = gradients(engine, &expected);
        on_each_device(|device| {
            let (engine, expected) = engine_on(name, (Precision::F32, device));
            compare(
                name,
                &by_hand,
                &gradients(engine.by_graph_alone(), &expected),
                1e-4,
            );
        });
    }
}

/// What was moved in main memory is moved on the device from the next refresh on, and rewards are by what is there.
#[test]
fn copies_follow_the_weights() {
    let (mut engine, expected) = as_on_gpu(|| engine("qwen3", Precision::F32));
    let ids: Vec<Vec<u32>> = serde_json::from_value(expected["ids"].clone()).unwrap();
    let batch = Batch::new(ids.iter().map(Vec::as_slice));
    let rewards = |engine: &Engine| engine.frozen().unwrap().rewards(&batch).unwrap();
    let before = rewards(&engine);
    let output = engine.weights.var("score.weight").unwrap();
    output.set(&(output.as_tensor() * 2.0).unwrap().detach()).unwrap();
    assert_eq!(rewards(&engine), before);
    engine.refresh().unwrap();
    for (after, before) in rewards(&engine).iter().zip(before) {
        assert!((after - 2.0 * before).abs() < 1e-5);
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
