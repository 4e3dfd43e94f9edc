//! How fast the engine trains and scores, beside how fast this machine multiplies: one JSON line for each.
//!
//! `cargo bench -p reward_model --bench engine -- BASE PAIRS.jsonl.gz [STEPS [train|score]]`: BASE is a model folder; 2,000 of the file's
//! pairs are trained on, 8 a step, at most 512 tokens a text, and 1,000 of their responses scored. Tokens are real ones: there
//! is no padding. The variable METHOD names another method than full. With the variable AS_GIVEN, steps take the pairs in the file's order, so that losses can be compared.

#[path = "../examples/fit/files.rs"]
mod files;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use recipe::{Method, Pooling, Precision, Recipe, Schedule};
use reward_model::{Event, Example, Pair, Scorer, TrainOutcome, TrainRequest, train};
use serde_json::json;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    reward_model::one_thread_per_operation();
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let [base, file, more @ ..] = arguments.as_slice() else {
        println!("nothing measured: name a model folder and a file of pairs (see benches/engine.rs)");
        return Ok(());
    };
    let what = more.get(1).map(String::as_str);
    let steps = more.first().map_or(Ok(40), |steps| steps.parse())?;
    let place = std::env::temp_dir().join(format!("engine-bench-{}", std::process::id()));
    let pairs = files::read(Path::new(file))?;
    products();
    let mut rewards: Vec<Vec<f64>> = Vec::new();
    let measured = [Precision::F32, Precision::Bf16]
        .into_iter()
        .try_for_each(|precision| {
            if what != Some("score") {
                let place = place.join(format!("{precision:?}"));
                training(base, &pairs, steps, &place, precision)?;
            }
            if what != Some("train") {
                rewards.push(scoring(base, &pairs, &place, precision)?);
            }
            Ok(())
        });
    if place.exists() {
        std::fs::remove_dir_all(&place)?;
    }
    if let [full, short] = rewards.as_slice() {
        agreement(full, short);
    }
    measured
}

/// How bf16's rewards follow f32's.
fn agreement(full: &[f64], short: &[f64]) {
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let means = [mean(full), mean(short)];
    let (mut products, mut squares, mut farthest) = (0.0, [0.0; 2], 0.0f64);
    for (&a, &b) in full.iter().zip(short) {
        products += (a - means[0]) * (b - means[1]);
        squares[0] += (a - means[0]).powi(2);
        squares[1] += (b - means[1]).powi(2);
        farthest = farthest.max((a - b).abs());
    }
    let correlation = products / (squares[0] * squares[1]).sqrt();
    let deviation = (squares[0] / full.len() as f64).sqrt();
    println!(
        "{}",
        json!({"what": "bf16 against f32", "correlation": correlation, "largest_difference": farthest,
            "standard_deviation": deviation})
    );
}

/// f32 products of the sizes that the encoder's layers have, one on each core at once.
fn products() {
    let (rows, inner, outer) = (768, 384, 1536);
    let cores = std::thread::available_parallelism().map_or(1, Into::into);
    let work = || {
        let (x, w) = (vec![0.5f32; rows * inner], vec![0.25f32; outer * inner]);
        let mut y = vec![0.0f32; rows * outer];
        let (started, mut count) = (Instant::now(), 0.0);
        while started.elapsed().as_secs_f64() < 2.0 {
            // SAFETY: three slices of the sizes that are named, none of which overlap.
            unsafe {
                gemm::gemm(
                    rows,
                    outer,
                    inner,
                    y.as_mut_ptr(),
                    1,
                    outer as isize,
                    false,
                    x.as_ptr(),
                    1,
                    inner as isize,
                    w.as_ptr(),
                    inner as isize,
                    1,
                    1.0,
                    1.0,
                    false,
                    false,
                    false,
                    gemm::Parallelism::None,
                );
            }
            count += 1.0;
        }
        2.0 * (rows * inner * outer) as f64 * count / started.elapsed().as_secs_f64()
    };
    let rates: Vec<f64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .filter_map(|thread| thread.join().ok())
            .collect()
    });
    println!(
        "{}",
        json!({"what": "products", "cores": cores, "gflops": rates.iter().sum::<f64>() / 1e9})
    );
}

/// Fine-tuning, all of the model or what METHOD says, stopped after some steps.
fn training(
    base: &str,
    pairs: &[Pair],
    steps: u64,
    place: &Path,
    precision: Precision,
) -> Result<(), Box<dyn Error>> {
    let method = std::env::var("METHOD").unwrap_or_else(|_| "full".to_owned());
    let request: TrainRequest = TrainRequest {
        config: Recipe {
            base_model: base.into(),
            // The peers read the first token, through one layer.
            pooling: Pooling::Family,
            precision,
            learning_rate: 2e-5,
            weight_decay: 0.0,
            warmup_share: 0.0,
            schedule: Schedule::Constant,
            max_grad_norm: 0.0,
            shuffle: std::env::var_os("AS_GIVEN").is_none(),
            checkpoint_every_seconds: 0,
            ..Recipe::of(serde_json::from_value(json!(method))?)
        },
        train: pairs.iter().take(2_000).cloned().collect(),
        held_out: Vec::new(),
        run_dir: place.join("run"),
        cache_dir: place.join("cache"),
        threads: None,
    };
    let stop = AtomicBool::new(false);
    let (mut rates, mut losses, mut processor) = (Vec::new(), Vec::new(), Vec::new());
    train(
        &request,
        &mut |event| {
            if let Event::Step {
                step,
                loss,
                tokens_per_second,
                pairs_per_second,
                ..
            } = event
            {
                losses.push(loss);
                processor.push(processor_seconds());
                rates.push((pairs_per_second, tokens_per_second));
                stop.store(step >= steps, Ordering::Relaxed);
            }
        },
        &stop,
    )?;
    let (pairs_per_second, tokens_per_second) = rates.last().copied().unwrap_or_default();
    println!(
        "{}",
        json!({"what": "train", "method": method, "precision": precision, "steps": steps, "pairs_per_s": pairs_per_second,
            "real_tokens_per_s": tokens_per_second, "processor_s_per_step": a_step(&processor), "peak_mb": peak_mb(), "losses": losses})
    );
    Ok(())
}

/// A full model's scores of many responses, which it gives, and of one of 256 tokens.
fn scoring(
    base: &str,
    pairs: &[Pair],
    place: &Path,
    precision: Precision,
) -> Result<Vec<f64>, Box<dyn Error>> {
    let scorer = match Scorer::load_with(Path::new(base), precision) {
        Ok(scorer) => scorer,
        Err(_) => Scorer::load_with(&one_step(base, pairs, place)?, precision)?,
    };
    let example = |pair: &Pair, response: &str| Example {
        prompt: pair.prompt.clone(),
        response: response.to_owned(),
    };
    let both = |pair: &Pair| [example(pair, &pair.chosen), example(pair, &pair.rejected)];
    let examples: Vec<Example> = pairs.iter().flat_map(both).take(1_000).collect();
    let started = Instant::now();
    let scored = scorer.score(&examples, &mut |_, _| {})?;
    let seconds = started.elapsed().as_secs_f64();
    let tokens: usize = scored.iter().map(|one| one.tokens).sum();
    let near = |i: &usize| scored[*i].tokens.abs_diff(256);
    let one = (0..scored.len()).min_by_key(near).unwrap_or(0);
    let mut times: Vec<f64> = (0..40)
        .map(|_| {
            let started = Instant::now();
            let _ = scorer.score(&examples[one..=one], &mut |_, _| {});
            started.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!(
        "{}",
        json!({"what": "score", "precision": precision, "responses": examples.len(), "real_tokens_per_s": tokens as f64 / seconds,
            "one_request_tokens": scored[one].tokens, "one_request_ms": times[times.len() / 2], "peak_mb": peak_mb()})
    );
    Ok(scored.iter().map(|one| f64::from(one.reward)).collect())
}

/// A reward model made of a base model that is none yet.
fn one_step(base: &str, pairs: &[Pair], place: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let request: TrainRequest = TrainRequest {
        config: Recipe {
            base_model: base.into(),
            // The peers read the first token, through one layer.
            pooling: Pooling::Family,
            ..Recipe::of(Method::Full)
        },
        train: pairs.iter().take(8).cloned().collect(),
        held_out: Vec::new(),
        run_dir: place.join("scored"),
        cache_dir: place.join("cache"),
        threads: None,
    };
    let outcome = train(&request, &mut |_| {}, &AtomicBool::new(false))?;
    let TrainOutcome::Finished { model_dir, .. } = outcome else {
        return Err("training was stopped".into());
    };
    Ok(model_dir)
}

/// Seconds of all cores that a step takes after the first: what other processes on the machine hardly change.
fn a_step(after: &[Option<f64>]) -> Option<f64> {
    let (first, last) = (after.first().copied()??, after.last().copied()??);
    Some((last - first) / (after.len() - 1).max(1) as f64)
}

/// Processor time of this process so far, as Linux counts it in hundredths of seconds.
fn processor_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |i: usize| fields.get(i)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

/// Peak resident memory of this process in MiB, as Linux counts it.
fn peak_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}
