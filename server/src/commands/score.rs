//! `touchstone score`.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use domain::{
    formats::{Format, Lines},
    run::{Device, Precision},
    score::{PromptText, ScoreItem, Scored},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{config::Config, hub, model, scoring::examples, worker::jobs::train::run_folder};

/// Lines scored together.
const BATCH: usize = 64;

/// How standard input is called where a line of it is at fault.
const INPUT: &str = "standard input";

/// The command's own flags. Reads JSON lines from standard input and writes one line for each to standard output:
/// `{"prompt": "…" or [{"role", "content"}], "responses": ["…"]}` becomes `{"scores": [{"reward", "tokens",
/// "cut_tokens"}]}`; a line of preference, TRL's or Anthropic's HH, becomes `{"chosen": reward, "rejected": reward}`
/// (null where both are the same text).
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run whose model scores.
    #[arg(long, value_name = "ID", required_unless_present = "model")]
    run: Option<Uuid>,
    /// A model folder instead, or a model's name on the Hugging Face hub.
    #[arg(long, value_name = "NAME|FOLDER", conflicts_with = "run")]
    model: Option<PathBuf>,
    /// Numbers that products are computed in: f32 or bf16.
    #[arg(long, default_value = "f32")]
    precision: Precision,
    /// What it is computed on: cpu, or in a build for it cuda (cuda:1 for the second GPU).
    #[arg(long, default_value = "cpu")]
    device: Device,
}

/// What a line asks for; its responses are scored in their order.
enum Asked {
    Responses(usize),
    Preference,
    /// A preference between equal answers: it orders nothing.
    Nothing,
}

/// Runs the command.
pub async fn run(config: Config, args: Args) -> anyhow::Result<()> {
    let folder = match (args.model, args.run) {
        (Some(folder), _) => folder,
        (None, Some(run)) => run_folder(&config.data_dir, run).join("model"),
        (None, None) => anyhow::bail!("give --run or --model"),
    };
    tokio::task::spawn_blocking(move || score_lines(&folder, args.precision, args.device)).await?
}

fn score_lines(folder: &Path, precision: Precision, device: Device) -> anyhow::Result<()> {
    let scorer = hub::load_scorer(folder, precision, device)?;
    let mut lines = Lines::new(std::io::stdin().lock());
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    loop {
        let (mut asked, mut items) = (Vec::new(), Vec::new());
        while asked.len() < BATCH
            && let Some((number, line)) = lines.next_line().context("cannot read standard input")?
        {
            let line = line.map_err(|problem| anyhow!(problem.on(number).located(INPUT)))?;
            let (what, item) = read(number, line)?;
            asked.push(what);
            items.extend(item);
        }
        if asked.is_empty() {
            return Ok(out.flush()?);
        }
        let scored = scorer.score(&examples(items), &mut |_, _| {})?;
        let mut scored = scored.iter().map(model::scored);
        for what in asked {
            serde_json::to_writer(&mut out, &answer(&what, &mut scored))?;
            out.write_all(b"\n")?;
        }
        out.flush()?;
    }
}

/// A line of either kind.
fn read(number: u64, line: &[u8]) -> anyhow::Result<(Asked, Option<ScoreItem>)> {
    let Some(format) = Format::detect(line) else {
        let item: ScoreItem = serde_json::from_slice(line).map_err(|error| {
            // The line is all that serde_json sees: it is always its first.
            let error = error.to_string().replace(" at line 1 column ", " at byte ");
            anyhow!("{INPUT}:{number}: {error}")
        })?;
        return Ok((Asked::Responses(item.responses.len()), Some(item)));
    };
    match format.read(number, line) {
        Ok(row) => {
            let asked = match row.is_unjudged() {
                true => Asked::Responses(row.responses.len()),
                false => Asked::Preference,
            };
            let item = ScoreItem {
                prompt: PromptText::Conversation(row.prompt),
                responses: row.responses.into_iter().map(|one| one.content).collect(),
            };
            Ok((asked, Some(item)))
        }
        Err(fault) if fault.broken => Err(anyhow!(fault.located(INPUT))),
        Err(fault) => {
            eprintln!("not scored: {}", fault.located(INPUT));
            Ok((Asked::Nothing, None))
        }
    }
}

fn answer(asked: &Asked, scored: &mut impl Iterator<Item = Scored>) -> Value {
    let mut reward = || scored.next().map(|one| one.reward);
    match asked {
        Asked::Preference => json!({"chosen": reward(), "rejected": reward()}),
        Asked::Nothing => json!({"chosen": null, "rejected": null}),
        Asked::Responses(count) => json!({"scores": scored.take(*count).collect::<Vec<_>>()}),
    }
}
