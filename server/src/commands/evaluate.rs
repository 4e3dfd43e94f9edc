//! `touchstone evaluate`.

use std::{path::PathBuf, time::Instant};

use anyhow::{Context, anyhow, bail};
use domain::{
    import::OnError,
    run::{Device, Precision},
};
use reward_model::{Example, Metrics, ScoredPair, Scorer};
use serde_json::json;

use super::train_files::tell_left_out;
use crate::hub;
use crate::standalone::{
    preference_files::{self, FilePair},
    progress::Progress,
    summary::{self, peak_memory_mib},
};

/// The command's own flags. Scores the pairs of files and says how often the chosen response has the higher reward.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A model folder: one of Touchstone's, a transformers classifier with one label, or a sentence-transformers folder
    /// that ends in a Dense module with one output; or the name of such a one on the Hugging Face hub.
    #[arg(long, value_name = "NAME|FOLDER")]
    model: PathBuf,
    /// JSONL, plain or gzip, in TRL's preference form or Anthropic's HH.
    #[arg(long, num_args = 1.., required = true, value_name = "FILE")]
    data: Vec<PathBuf>,
    /// Numbers that products are computed in: f32 or bf16.
    #[arg(long, default_value = "f32")]
    precision: Precision,
    /// What it is computed on: cpu, or in a build for it cuda (cuda:1 for the second GPU).
    #[arg(long, default_value = "cpu")]
    device: Device,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// stop: measure nothing if a line is broken; skip: measure on the rest.
    #[arg(long, value_name = "stop|skip", default_value = "stop")]
    on_error: OnError,
}

/// Runs the command.
pub async fn run(args: Args) -> anyhow::Result<()> {
    tokio::task::spawn_blocking(move || evaluate(&args)).await?
}

fn evaluate(args: &Args) -> anyhow::Result<()> {
    let started = Instant::now();
    let preferences = preference_files::read(&args.data, args.on_error)?;
    tell_left_out(&preferences.left_out);
    let scorer = hub::load_scorer(&args.model, args.precision, args.device)?;
    let (metrics, cut) = measure(&scorer, preferences.pairs)?;
    let seconds = started.elapsed().as_secs_f64();
    if args.json {
        let line = json!({
            "metrics": metrics,
            "cut_texts": cut,
            "seconds": seconds,
            "peak_memory_mib": peak_memory_mib(),
        });
        println!("{line}");
        return Ok(());
    }
    let mut rows = vec![("pairs", metrics.pairs.to_string())];
    rows.extend(summary::of_metrics(&metrics));
    rows.push(("texts cut", format!("{cut} of {}", 2 * metrics.pairs)));
    rows.push(("seconds", format!("{seconds:.1}")));
    if let Some(peak) = peak_memory_mib() {
        rows.push(("peak memory", format!("{peak} MiB")));
    }
    print!("{}", summary::table(&rows));
    Ok(())
}

/// Metrics of the pairs, and how many texts were too long.
fn measure(scorer: &Scorer, pairs: Vec<FilePair>) -> anyhow::Result<(Metrics, usize)> {
    let (mut examples, mut lengths) = (Vec::new(), Vec::new());
    for FilePair { pair, .. } in pairs {
        lengths.push([pair.chosen.chars().count(), pair.rejected.chars().count()]);
        examples.push(Example {
            prompt: pair.prompt.clone(),
            response: pair.chosen,
        });
        examples.push(Example {
            prompt: pair.prompt,
            response: pair.rejected,
        });
    }
    let progress = Progress::new("scores");
    let scored = scorer.score(&examples, &mut |done, of| progress.set(done, of));
    progress.end();
    let scored = scored.map_err(|error| anyhow!("{error}"))?;
    if let Some(place) = scored.iter().position(|one| !one.reward.is_finite()) {
        bail!(
            "the model gives no finite reward to response {} of pair {}",
            1 + place % 2,
            1 + place / 2
        );
    }
    let pairs: Vec<ScoredPair> = scored
        .chunks_exact(2)
        .zip(lengths)
        .map(|(two, lengths)| ScoredPair {
            rewards: [two[0].reward, two[1].reward],
            lengths,
        })
        .collect();
    let metrics = reward_model::evaluate(&pairs).context("the files hold no pairs to measure on")?;
    let cut = scored.iter().filter(|one| one.cut_tokens > 0).count();
    Ok((metrics, cut))
}
