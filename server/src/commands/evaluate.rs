//! `touchstone evaluate`.

use std::{path::PathBuf, time::Instant};

use anyhow::anyhow;
use domain::import::OnError;
use recipe::{Device, Precision};
use reward_model::{Example, Metrics, ModelError, Pair, Prediction, ScoredPair, Scorer, write_predictions};
use serde_json::{Value, json};

use super::train_files::tell_left_out;
use crate::hub;
use crate::reading::Input;
use crate::standalone::{
    preference_files::{self, Preferences},
    progress::Progress,
    refused::{Refused, examples, refusal},
    summary::{self, Rows, peak_memory_mib},
};

/// The command's own flags. Scores the pairs of files and says how often the chosen response has the higher reward, for each file and
/// for all together.
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
    /// Write what the model made of each pair to this file, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    predictions: Option<PathBuf>,
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
    let data = Input::all_at(&args.data)?;
    let read: Vec<Preferences> = data
        .iter()
        .map(|input| preference_files::read(&[input.path().to_owned()], args.on_error))
        .collect::<anyhow::Result<_>>()?;
    read.iter().for_each(|one| tell_left_out(&one.left_out));
    let scorer = hub::load_scorer(&args.model, args.precision, args.device)?;
    let pairs: Vec<Vec<Pair>> = read
        .into_iter()
        .map(|one| one.pairs.into_iter().map(|one| one.pair).collect())
        .collect();
    let pairs = readable(&scorer, pairs, args.on_error)?;
    let measured: Vec<Measured> = pairs
        .iter()
        .map(|pairs| Measured::of(&scorer, pairs))
        .collect::<anyhow::Result<_>>()?;
    let whole = Measured::together(&measured);
    if whole.scored.is_empty() {
        return Err(whole.nothing_left());
    }
    if let Some(file) = &args.predictions {
        write_predictions(file, &whole.predictions).map_err(|error| anyhow!("{error}"))?;
    }
    let seconds = started.elapsed().as_secs_f64();
    if args.json {
        println!("{}", as_json(args, &measured, &whole, seconds));
        return Ok(());
    }
    let mut rows = whole.rows();
    rows.push(("seconds", format!("{seconds:.1}")));
    if let Some(peak) = peak_memory_mib() {
        rows.push(("peak memory", format!("{peak} MiB")));
    }
    print!("{}", summary::table(&rows));
    if measured.len() > 1 {
        for (file, one) in args.data.iter().zip(&measured) {
            print!("\n{}\n{}", file.display(), summary::table(&one.rows()));
        }
    }
    Ok(())
}

fn as_json(args: &Args, measured: &[Measured], whole: &Measured, seconds: f64) -> Value {
    let about = |one: &Measured| {
        json!({
            "metrics": one.metrics(),
            "alike": one.alike,
            "cut_texts": one.cut_texts,
        })
    };
    let files = args.data.iter().zip(measured).map(|(file, one)| {
        let mut about = about(one);
        about["file"] = json!(file);
        about
    });
    let mut line = about(whole);
    line["files"] = files.collect();
    line["seconds"] = json!(seconds);
    line["peak_memory_mib"] = json!(peak_memory_mib());
    line
}

/// The pairs of each file that the model can read.
fn readable(scorer: &Scorer, files: Vec<Vec<Pair>>, on_error: OnError) -> anyhow::Result<Vec<Vec<Pair>>> {
    let mut refused = Refused::default();
    let mut is_read = |pair: &Pair| {
        let reason = examples(pair)
            .iter()
            .find_map(|example| refusal(scorer.check(example)));
        if let Some(reason) = &reason {
            refused.note(pair, reason);
        }
        reason.is_none()
    };
    let kept = files
        .into_iter()
        .map(|pairs| pairs.into_iter().filter(&mut is_read).collect())
        .collect();
    refused.settle(on_error)?;
    Ok(kept)
}

/// What a model made of some pairs.
#[derive(Debug, Default)]
struct Measured {
    scored: Vec<ScoredPair>,
    predictions: Vec<Prediction>,
    /// Pairs that are left out because to the model their responses are one text.
    alike: usize,
    cut_texts: usize,
}

impl Measured {
    fn of(scorer: &Scorer, pairs: &[Pair]) -> anyhow::Result<Measured> {
        let told_apart = scorer.tells_apart(pairs).map_err(|error| anyhow!("{error}"))?;
        let pairs: Vec<&Pair> = pairs
            .iter()
            .zip(&told_apart)
            .filter(|(_, apart)| **apart)
            .map(|(pair, _)| pair)
            .collect();
        let texts: Vec<Example> = pairs.iter().flat_map(|pair| examples(pair)).collect();
        let progress = Progress::new("scores");
        let rewards = scorer.score(&texts, &mut |done, of| progress.set(done, of));
        progress.end();
        let rewards = rewards.map_err(|error| match error {
            ModelError::NotFinite { place, cause } => {
                let (id, side) = (&pairs[place / 2].id, ["chosen", "rejected"][place % 2]);
                anyhow!("{id}: the model gives no finite reward to the {side} response: {cause}")
            }
            error => anyhow!("{error}"),
        })?;
        let mut measured = Measured {
            alike: told_apart.iter().filter(|apart| !**apart).count(),
            cut_texts: rewards.iter().filter(|one| one.cut_tokens > 0).count(),
            ..Measured::default()
        };
        for (pair, two) in pairs.iter().zip(rewards.chunks_exact(2)) {
            let rewards = [two[0].reward, two[1].reward];
            let spreads = two[0]
                .spread
                .zip(two[1].spread)
                .map(|(chosen, rejected)| [chosen, rejected]);
            let lengths = [pair.chosen.chars().count(), pair.rejected.chars().count()];
            measured.scored.push(ScoredPair {
                rewards,
                spreads,
                lengths,
            });
            measured
                .predictions
                .push(Prediction::new(&pair.id, rewards, spreads));
        }
        Ok(measured)
    }

    /// Several as one.
    fn together(parts: &[Measured]) -> Measured {
        Measured {
            scored: parts
                .iter()
                .flat_map(|part| part.scored.iter().copied())
                .collect(),
            predictions: parts
                .iter()
                .flat_map(|part| part.predictions.iter().cloned())
                .collect(),
            alike: parts.iter().map(|part| part.alike).sum(),
            cut_texts: parts.iter().map(|part| part.cut_texts).sum(),
        }
    }

    fn metrics(&self) -> Option<Metrics> {
        reward_model::evaluate(&self.scored)
    }

    fn nothing_left(&self) -> anyhow::Error {
        match self.alike {
            0 => anyhow!("the files hold no pairs to measure on"),
            pairs => anyhow!(
                "all {pairs} pairs are left out: to the model their two responses are one text, cut before they differ or not told \
                 apart by its tokenizer"
            ),
        }
    }

    fn rows(&self) -> Rows {
        let mut rows = vec![("pairs", self.scored.len().to_string())];
        if self.alike > 0 {
            rows.push(("one text to the model", format!("{} more, left out", self.alike)));
        }
        match self.metrics() {
            Some(metrics) => rows.extend(summary::of_metrics(&metrics)),
            None => rows.push(("accuracy", "nothing to measure on".to_owned())),
        }
        rows.push((
            "texts cut",
            format!("{} of {}", self.cut_texts, 2 * self.scored.len()),
        ));
        rows
    }
}
