//! Whole runs as on a GPU: copies of the weights that follow the optimizer, pairs in batches, rewards by the copies.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::folder;
use crate::backbone::as_on_gpu;
use crate::{Event, Message, Pair, TrainError, TrainRequest, train};
use recipe::{Device, Method, Recipe, Refusal};

fn pairs(n: usize) -> Vec<Pair> {
    let pair = |i: usize| Pair {
        id: i.to_string(),
        prompt: vec![Message {
            role: "user".to_owned(),
            content: "please help me to the good ".repeat(1 + i % 3),
        }],
        chosen: format!("yes, thanks {}", i % 13),
        rejected: format!("no, rude {}", i % 11),
        margin: 0.0,
        weight: 1.0 + (i % 2) as f32,
        belief: 1.0,
        tied: false,
        lower: Vec::new(),
    };
    (0..n).map(pair).collect()
}

fn request(base: &str, method: Method, place: &Path) -> TrainRequest {
    TrainRequest {
        config: Recipe {
            base_model: folder(base),
            max_tokens: 64,
            learning_rate: 1e-3,
            ..Recipe::of(method)
        },
        train: pairs(40),
        held_out: pairs(6),
        run_dir: place.to_owned(),
        cache_dir: place.join("cache"),
        threads: Some(2),
    }
}

/// The losses of the steps and of the evaluations.
fn losses(base: &str, method: Method, place: &str) -> Vec<f64> {
    let place = std::env::temp_dir().join(format!("touchstone-{place}-{}", std::process::id()));
    let mut losses = Vec::new();
    let mut on_event = |event: Event| match event {
        Event::Step { loss, .. } => losses.push(loss),
        Event::Evaluated { metrics, .. } => losses.push(metrics.log_loss),
        _ => {}
    };
    let done = train(
        &request(base, method, &place),
        &mut on_event,
        &AtomicBool::new(false),
    );
    done.unwrap();
    std::fs::remove_dir_all(&place).unwrap();
    losses
}

#[test]
fn runs_as_on_a_gpu_have_the_same_losses() {
    for (base, method) in [
        ("tiny", Method::Full),
        ("tiny", Method::Lora),
        ("modernbert", Method::Layers),
        ("qwen3", Method::Full),
        ("qwen3", Method::Lora),
    ] {
        let name = format!("{base}-{method:?}");
        let on_cpu = losses(base, method, &format!("{name}-cpu"));
        let as_on_gpu = as_on_gpu(|| losses(base, method, &format!("{name}-gpu")));
        assert!(on_cpu.len() > 5 && on_cpu.len() == as_on_gpu.len(), "{name}");
        for (a, b) in on_cpu.iter().zip(as_on_gpu) {
            assert!((a - b).abs() < 1e-3, "{name}: {a} {b}");
        }
    }
}

/// Before any work, with the field and why.
#[test]
fn a_device_that_is_not_there_is_refused() {
    let mut request = request("tiny", Method::Full, Path::new("nowhere"));
    // More than a machine has.
    request.config.device = Device::Cuda(1000);
    let refused = train(
        &request,
        &mut |_| panic!("work was begun"),
        &AtomicBool::new(false),
    );
    let Err(TrainError::Config(Refusal { setting, reason })) = refused else {
        panic!("not refused");
    };
    assert_eq!(setting, "device");
    let said = if crate::is_built_in(request.config.device) {
        "cuda:1000 cannot be used"
    } else {
        "--features cuda"
    };
    assert!(reason.contains(said), "{reason}");
    assert!(!Path::new("nowhere").exists());
}
