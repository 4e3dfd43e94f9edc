//! `touchstone score`.

use std::{
    io::{BufRead, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use domain::score::{ScoreItem, Scored};
use reward_model::Scorer;
use serde::Serialize;
use uuid::Uuid;

use crate::{config::Config, model, scoring::examples, worker::jobs::train::run_folder};

/// Lines scored together.
const BATCH: usize = 64;

/// The command's own flags. Reads JSON lines `{"prompt": "…" or [{"role", "content"}], "responses": ["…"]}` from
/// standard input and writes one line for each to standard output.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run whose model scores.
    #[arg(long, value_name = "ID", required_unless_present = "model")]
    run: Option<Uuid>,
    /// A model folder instead.
    #[arg(long, value_name = "FOLDER", conflicts_with = "run")]
    model: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Line {
    scores: Vec<Scored>,
}

/// Runs the command.
pub async fn run(config: Config, args: Args) -> anyhow::Result<()> {
    let folder = match (args.model, args.run) {
        (Some(folder), _) => folder,
        (None, Some(run)) => run_folder(&config.data_dir, run).join("model"),
        (None, None) => anyhow::bail!("give --run or --model"),
    };
    tokio::task::spawn_blocking(move || score_lines(&folder)).await?
}

fn score_lines(folder: &Path) -> anyhow::Result<()> {
    let scorer =
        Scorer::load(folder).with_context(|| format!("cannot load the model in {}", folder.display()))?;
    let mut lines = std::io::stdin().lock().lines().enumerate();
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    loop {
        let mut items: Vec<ScoreItem> = Vec::new();
        for (index, line) in lines.by_ref() {
            let line = line.context("cannot read standard input")?;
            if !line.trim().is_empty() {
                items.push(serde_json::from_str(&line).with_context(|| format!("line {}", index + 1))?);
            }
            if items.len() == BATCH {
                break;
            }
        }
        if items.is_empty() {
            return Ok(out.flush()?);
        }
        let sizes: Vec<usize> = items.iter().map(|item| item.responses.len()).collect();
        let scored = scorer.score(&examples(items), &mut |_, _| {})?;
        let mut scored = scored.iter().map(model::scored);
        for size in sizes {
            let line = Line {
                scores: scored.by_ref().take(size).collect(),
            };
            serde_json::to_writer(&mut out, &line)?;
            out.write_all(b"\n")?;
        }
        out.flush()?;
    }
}
