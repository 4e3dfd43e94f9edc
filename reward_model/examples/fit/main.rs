//! Fits a model on preference files and prints what it cost and how good it is.
//!
//! `fit METHOD BASE TRAIN TEST RUN_DIR [field=value …]`: METHOD is head, lora, layers or full, BASE a model folder, the files are
//! `.jsonl` or `.jsonl.gz` in Anthropic's HH or TRL's conversational form; `train_pairs=N` takes the first N only, and
//! any field of the configuration can be set; `folds=K` cross-validates on TRAIN instead and leaves TEST alone. The last
//! line is JSON.

mod files;

use std::error::Error;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use files::read;
use recipe::Recipe;
use reward_model::{Event, Pair, TrainOutcome, TrainRequest, train};
use serde_json::json;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    if !reward_model::one_thread_per_operation() {
        eprintln!("candle keeps its own threads: expect a third of the speed");
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [method, base, train_file, test_file, run_dir, settings @ ..] = arguments.as_slice() else {
        return Err("fit METHOD BASE TRAIN TEST RUN_DIR [field=value …]".into());
    };
    let mut config = serde_json::to_value(Recipe::of(serde_json::from_value(json!(method))?))?;
    config["base_model"] = json!(base);
    let (mut train_pairs, mut folds) = (usize::MAX, 0);
    for setting in settings {
        let (field, value) = setting.split_once('=').ok_or("settings are field=value")?;
        if field == "train_pairs" {
            train_pairs = value.parse()?;
        } else if field == "folds" {
            folds = value.parse()?;
        } else if config.get(field).is_some() {
            config[field] = serde_json::from_str(value)?;
        } else {
            return Err(format!("no field {field}").into());
        }
    }
    let mut pairs = read(Path::new(train_file))?;
    pairs.truncate(train_pairs);
    let request = TrainRequest {
        config: serde_json::from_value(config)?,
        train: pairs,
        held_out: read(Path::new(test_file))?,
        run_dir: run_dir.into(),
        cache_dir: Path::new(run_dir).with_file_name("cache"),
        threads: None,
    };
    if folds > 1 {
        return cross_validate(&request, folds);
    }
    let start = Instant::now();
    let mut tokens = 0.0;
    let outcome = train(
        &request,
        &mut |event| {
            match &event {
                Event::Step { step, .. } if step % 10 != 0 && method != "head" => return,
                Event::Step {
                    tokens_per_second, ..
                } => tokens = *tokens_per_second,
                Event::Embedding { done, total, .. } if done != total && done % 400 > 20 => return,
                _ => {}
            }
            println!(
                "{:7.1} s  {}",
                start.elapsed().as_secs_f64(),
                serde_json::to_string(&event).unwrap_or_default()
            );
        },
        &AtomicBool::new(false),
    )?;
    if let TrainOutcome::Finished { about, .. } = outcome {
        let line = json!({
            "method": method, "train": train_file, "pairs": request.train.len(), "config": about.config,
            "metrics": about.metrics, "cut": about.train_cut, "seconds": start.elapsed().as_secs_f64(),
            "tokens_per_second": tokens, "peak_mb": peak_mb(),
        });
        println!("{line}");
    }
    Ok(())
}

/// Accuracy on each fold by a model of the other folds.
fn cross_validate(request: &TrainRequest, folds: usize) -> Result<(), Box<dyn Error>> {
    let (mut hits, mut loss) = (0.0, 0.0);
    for fold in 0..folds {
        let part = |inside: bool| -> Vec<Pair> {
            let pairs = request.train.iter().enumerate();
            pairs
                .filter(|(i, _)| (i % folds == fold) == inside)
                .map(|(_, pair)| pair.clone())
                .collect()
        };
        let run_dir = request.run_dir.join(format!("fold-{fold}"));
        let one = TrainRequest {
            train: part(false),
            held_out: part(true),
            run_dir,
            ..request.clone()
        };
        if let TrainOutcome::Finished { about, model_dir } =
            train(&one, &mut |_| {}, &AtomicBool::new(false))?
        {
            let metrics = about.metrics.ok_or("an empty fold")?;
            hits += metrics.accuracy.value * metrics.pairs as f64;
            loss += metrics.log_loss * metrics.pairs as f64;
            std::fs::remove_dir_all(model_dir)?;
        }
    }
    let n = request.train.len();
    let accuracy = reward_model::Share::new(hits, n);
    println!(
        "{}",
        json!({"folds": folds, "accuracy": accuracy, "log_loss": loss / n as f64, "config": request.config})
    );
    Ok(())
}

/// Peak resident memory of this process in MiB, as Linux counts it.
fn peak_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}
