//! `touchstone score`.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, bail};
use domain::{
    formats::{Format, Lines},
    run::{Device, Precision},
    score::{PromptText, ScoreItem, Scored},
};
use reward_model::{Example, ModelError, Scorer};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    config::Config, hub, model, scoring::examples, standalone::refused::refusal,
    worker::jobs::train::run_folder,
};

/// Lines scored together.
const BATCH: usize = 64;

/// How standard input is called where a line of it is at fault.
const INPUT: &str = "standard input";

/// The command's own flags. Reads JSON lines from standard input and writes one line for each to standard output:
/// `{"prompt": "…" or [{"role", "content"}], "responses": ["…"]}` becomes `{"scores": [{"reward", "tokens",
/// "cut_tokens"}]}`, with the "spread" of an ensemble; a line of preference, TRL's or Anthropic's HH, becomes
/// `{"chosen": reward, "rejected": reward}` (null where both are the same text), with "chosen_spread" and "rejected_spread" of an
/// ensemble. Its other fields, such as an "id", are handed on.
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

/// A line and what it asks for.
struct Line {
    number: u64,
    asked: Asked,
    /// Its fields that are handed on.
    others: Map<String, Value>,
    examples: Vec<Example>,
}

/// What is asked of a line's responses, which are scored in their order.
enum Asked {
    Responses,
    Preference,
    /// A preference between equal answers: it orders nothing.
    Nothing,
}

/// Fields that hold what is scored; they are not handed on.
const SCORED: [&str; 4] = ["prompt", "responses", "chosen", "rejected"];

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
        let mut batch = Vec::new();
        while batch.len() < BATCH
            && let Some((number, line)) = lines.next_line().context("cannot read standard input")?
        {
            let line = line.map_err(|problem| anyhow!(problem.on(number).located(INPUT)))?;
            let line = read(number, line)?;
            check(&scorer, &line)?;
            batch.push(line);
        }
        if batch.is_empty() {
            return Ok(out.flush()?);
        }
        for answer in answers(&scorer, batch)? {
            serde_json::to_writer(&mut out, &answer)?;
            out.write_all(b"\n")?;
        }
        out.flush()?;
    }
}

/// A line of either kind.
fn read(number: u64, line: &[u8]) -> anyhow::Result<Line> {
    let (asked, item) = read_item(number, line)?;
    let mut others: Map<String, Value> = serde_json::from_slice(line).unwrap_or_default();
    others.retain(|field, _| !SCORED.contains(&field.as_str()));
    Ok(Line {
        number,
        asked,
        others,
        examples: examples(item.into_iter().collect()),
    })
}

fn read_item(number: u64, line: &[u8]) -> anyhow::Result<(Asked, Option<ScoreItem>)> {
    let Some(format) = Format::detect(line) else {
        let item: ScoreItem = serde_json::from_slice(line).map_err(|error| {
            // The line is all that serde_json sees: it is always its first.
            let error = error.to_string().replace(" at line 1 column ", " at byte ");
            anyhow!("{INPUT}:{number}: {error}")
        })?;
        return Ok((Asked::Responses, Some(item)));
    };
    match format.read(number, line) {
        Ok(row) => {
            let item = ScoreItem {
                prompt: PromptText::Conversation(row.prompt),
                responses: row.responses.into_iter().map(|one| one.content).collect(),
            };
            Ok((Asked::Preference, Some(item)))
        }
        Err(fault) if fault.broken => Err(anyhow!(fault.located(INPUT))),
        Err(fault) => {
            eprintln!("not scored: {}", fault.located(INPUT));
            Ok((Asked::Nothing, None))
        }
    }
}

/// Whether the model can read a line's conversations.
fn check(scorer: &Scorer, line: &Line) -> anyhow::Result<()> {
    let refusal = line
        .examples
        .iter()
        .find_map(|example| refusal(scorer.check(example)));
    match refusal {
        Some(reason) => bail!("{INPUT}:{}: {reason}", line.number),
        None => Ok(()),
    }
}

/// Scores lines together; each becomes an answer.
fn answers(scorer: &Scorer, mut lines: Vec<Line>) -> anyhow::Result<Vec<Map<String, Value>>> {
    let counts: Vec<usize> = lines.iter().map(|line| line.examples.len()).collect();
    let examples: Vec<Example> = lines
        .iter_mut()
        .flat_map(|line| std::mem::take(&mut line.examples))
        .collect();
    let scored = scorer
        .score(&examples, &mut |_, _| {})
        .map_err(|error| match error {
            ModelError::NotFinite { place, cause } => {
                let mut behind = 0;
                let is_of = |count: &usize| {
                    behind += count;
                    place < behind
                };
                let number = counts.iter().position(is_of).map_or(0, |line| lines[line].number);
                anyhow!("{INPUT}:{number}: the model gives no finite reward: {cause}")
            }
            error => anyhow!("{error}"),
        })?;
    let mut scored = scored.iter().map(model::scored);
    let answered = lines.into_iter().zip(counts);
    Ok(answered
        .map(|(line, count)| answer(line, scored.by_ref().take(count).collect()))
        .collect())
}

fn answer(line: Line, scored: Vec<Scored>) -> Map<String, Value> {
    let mut answer = line.others;
    match line.asked {
        Asked::Responses => drop(answer.insert("scores".to_owned(), json!(scored))),
        Asked::Preference | Asked::Nothing => {
            for (place, side) in ["chosen", "rejected"].into_iter().enumerate() {
                let one = scored.get(place);
                answer.insert(side.to_owned(), json!(one.map(|one| one.reward)));
                if let Some(spread) = one.and_then(|one| one.spread) {
                    answer.insert(format!("{side}_spread"), json!(spread));
                }
            }
        }
    }
    answer
}
