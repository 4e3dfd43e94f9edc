//! `touchstone score`.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{anyhow, bail};
use domain::{
    formats::{Problem, Row, RowReader},
    score::{PromptText, ScoreItem, Scored},
};
use recipe::{Device, Precision};
use reward_model::{Example, ModelError, Scorer};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    config::Config,
    data_folder, hub, model,
    reading::{ReadError, Records},
    scoring::examples,
    standalone::refused::refusal,
};

/// Lines scored together.
const BATCH: usize = 64;

/// How standard input is called where a line of it is at fault.
const INPUT: &str = "standard input";

/// The command's own flags; what it reads and writes stands with the command.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run whose model scores.
    #[arg(long, value_name = "ID", required_unless_present = "model", value_parser = super::train::run_id)]
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
        (None, Some(run)) => data_folder::model(&config.data_dir, run),
        (None, None) => anyhow::bail!("give --run or --model"),
    };
    tokio::task::spawn_blocking(move || score_lines(&folder, args.precision, args.device)).await?
}

/// Scores what can be read; a line that cannot says why in its place, and the command fails at the end.
fn score_lines(folder: &Path, precision: Precision, device: Device) -> anyhow::Result<()> {
    let unread = |error: ReadError| anyhow!("cannot read {INPUT}: {error}");
    let scorer = hub::load_scorer(folder, precision, device)?;
    let mut records = Records::of_stream(std::io::stdin()).map_err(unread)?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let (mut lines, mut refused, mut ending) = (0, 0, Ok(()));
    loop {
        let mut batch = Vec::new();
        while batch.len() < BATCH && ending.is_ok() {
            match records.next_record() {
                Ok(Some((number, record))) => batch.push(line(&scorer, number, record)),
                Ok(None) => break,
                // What came before is scored all the same.
                Err(error) => ending = Err(unread(error)),
            }
        }
        if batch.is_empty() {
            break;
        }
        lines += batch.len();
        refused += batch.iter().filter(|line| line.is_err()).count();
        for answer in answers(&scorer, batch)? {
            serde_json::to_writer(&mut out, &answer)?;
            out.write_all(b"\n")?;
        }
        out.flush()?;
    }
    out.flush()?;
    ending?;
    match refused {
        0 => Ok(()),
        refused => bail!("{refused} of {lines} lines are not scored: each says why in its place"),
    }
}

/// A line that can be scored, or the sentence why it cannot.
fn line(scorer: &Scorer, number: u64, record: Result<&[u8], Problem>) -> Result<Line, String> {
    let read = record
        .map_err(|problem| problem.on(number).located(INPUT))
        .and_then(|record| read(number, record));
    let checked = read.and_then(|line| match check(scorer, &line) {
        Ok(()) => Ok(line),
        Err(error) => Err(error.to_string()),
    });
    if let Err(sentence) = &checked {
        eprintln!("not scored: {sentence}");
    }
    checked
}

/// A line of any shape that import reads.
fn read(number: u64, record: &[u8]) -> Result<Line, String> {
    let mut others: Map<String, Value> = serde_json::from_slice(record).unwrap_or_default();
    others.retain(|field, _| !SCORED.contains(&field.as_str()));
    let (asked, examples) = match RowReader::default().read(number, record) {
        Ok(row) if row.is_unjudged() => (Asked::Responses, asked_of(row)),
        Ok(row) => (Asked::Preference, asked_of(row)),
        Err(fault) if fault.broken => return Err(fault.located(INPUT)),
        Err(fault) => {
            eprintln!("not scored: {}", fault.located(INPUT));
            (Asked::Nothing, Vec::new())
        }
    };
    Ok(Line {
        number,
        asked,
        others,
        examples,
    })
}

/// A prompt without words before responses is none.
fn asked_of(row: Row) -> Vec<Example> {
    let is_none = row.is_unjudged() && matches!(&row.prompt[..], [only] if only.content.is_empty());
    let prompt = if is_none { Vec::new() } else { row.prompt };
    examples(vec![ScoreItem {
        prompt: PromptText::Conversation(prompt),
        responses: row.responses.into_iter().map(|one| one.content).collect(),
    }])
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
fn answers(scorer: &Scorer, batch: Vec<Result<Line, String>>) -> anyhow::Result<Vec<Map<String, Value>>> {
    let (mut lines, mut refused) = (Vec::new(), Vec::new());
    for (place, line) in batch.into_iter().enumerate() {
        match line {
            Ok(line) => lines.push(line),
            Err(sentence) => refused.push((place, sentence)),
        }
    }
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
    let mut answers: Vec<_> = answered
        .map(|(line, count)| answer(line, scored.by_ref().take(count).collect()))
        .collect();
    for (place, sentence) in refused {
        answers.insert(place, Map::from_iter([("error".to_owned(), json!(sentence))]));
    }
    Ok(answers)
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
