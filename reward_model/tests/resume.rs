//! A process that trains is killed, for real, after steps drawn by a seed, and the run goes on to the same weights.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;

use recipe::{Lora, Method, Recipe};
use reward_model::{Event, Message, Pair, TrainOutcome, TrainRequest, train};

/// Says to this file's own binary that it is the process to be killed: the method and the place.
const CHILD: &str = "TOUCHSTONE_RESUME_CHILD";
const STEPS: u64 = 24;

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

fn request(method: &str, place: &Path) -> TrainRequest {
    let config = match method {
        "head" => Recipe::of(Method::Head),
        "lora" => Recipe {
            lora: Lora {
                rank: 4,
                dropout: 0.2,
                ..Lora::default()
            },
            ..Recipe::of(Method::Lora)
        },
        _ => Recipe::of(Method::Full),
    };
    TrainRequest {
        config: Recipe {
            base_model: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny"),
            max_tokens: 96,
            epochs: 3,
            batch_pairs: 4,
            learning_rate: 1e-3,
            checkpoint_every_steps: 2,
            checkpoint_every_seconds: 0,
            seed: 3,
            ..config
        },
        train: pairs(32),
        held_out: pairs(6),
        run_dir: place.join("run"),
        cache_dir: place.join("cache"),
        threads: Some(2),
    }
}

/// Not a test of its own: what the killed process does, told step by step.
#[test]
fn child() {
    let Ok(what) = std::env::var(CHILD) else { return };
    let (method, rest) = what.split_once(' ').unwrap();
    let (kill_step, place) = rest.split_once(' ').unwrap();
    let kill_step: u64 = kill_step.parse().unwrap();
    let mut tell = |event| {
        if let Event::Step { step, .. } = event {
            println!("\nstep {step}");
            // Goes on while the signal is under way, perhaps into a checkpoint, but not to the end.
            if step == kill_step + 2 {
                std::io::stdin().read_line(&mut String::new()).unwrap();
            }
        }
    };
    train(
        &request(method, Path::new(place)),
        &mut tell,
        &AtomicBool::new(false),
    )
    .unwrap();
}

/// Runs a process until it has told `step`, and kills it.
fn kill_after(step: u64, method: &str, place: &Path) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture"])
        .env(CHILD, format!("{method} {step} {}", place.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let told = lines
        .map_while(Result::ok)
        .any(|line| line == format!("step {step}"));
    child.kill().unwrap();
    // `wait` would close the standard input first and let the process go on; the signal is there before.
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    assert!(told, "the process ended before step {step}");
}

fn finish(request: &TrainRequest) -> (u64, PathBuf) {
    let mut first = None;
    let mut listen = |event| {
        if let Event::Started {
            first_step, steps, ..
        } = event
        {
            assert_eq!(steps, STEPS);
            first = Some(first_step);
        }
    };
    match train(request, &mut listen, &AtomicBool::new(false)).unwrap() {
        TrainOutcome::Finished { model_dir, .. } => (first.unwrap_or(STEPS), model_dir),
        other => panic!("{other:?}"),
    }
}

fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

fn killed_ten_times(method: Method, name: &str, weights: &str) {
    assert_eq!(serde_json::to_value(method).unwrap(), name);
    let (_, whole) = finish(&request(name, &folder(&format!("resume-{name}-whole"))));
    let unbroken = std::fs::read(whole.join(weights)).unwrap();
    // A linear congruential generator (Knuth's MMIX), so that a failure can be repeated.
    let mut seed = 20_261_125u64;
    for kill in 0..10 {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let step = 1 + (seed >> 33) % (STEPS - 2);
        let place = folder(&format!("resume-{name}-{kill}"));
        kill_after(step, name, &place);
        let (first, model) = finish(&request(name, &place));
        // The checkpoint after the told step may have been under way; the one before it is whole.
        assert!(first + 2 >= step, "killed at {step}, went on from {first}");
        assert!(
            std::fs::read(model.join(weights)).unwrap() == unbroken,
            "{name}, kill {kill}, after step {step}: other weights"
        );
    }
}

#[test]
fn full_killed_at_ten_steps_comes_to_the_same_weights() {
    killed_ten_times(Method::Full, "full", "0_Transformer/model.safetensors");
}

#[test]
fn head_killed_at_ten_steps_comes_to_the_same_weights() {
    killed_ten_times(Method::Head, "head", "2_Dense/model.safetensors");
}

#[test]
fn lora_killed_at_ten_steps_comes_to_the_same_weights() {
    killed_ten_times(Method::Lora, "lora", "adapter/adapter_model.safetensors");
}
