//! `touchstone export`.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::{anyhow, bail};
use app::text;
use domain::export::{ExportChoice, JudgementSource};
use futures::TryStreamExt;

use super::open_store;
use crate::{config::Config, reading::in_words};

/// The command's own flags.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The project's name.
    #[arg(long, value_name = "NAME")]
    project: String,
    /// Where to write; replaced when the export is complete [default: standard output].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Whose judgements: all, people, imported or none.
    #[arg(long, default_value = "all")]
    judgements: JudgementSource,
    /// Leave corrections out.
    #[arg(long)]
    no_corrections: bool,
}

/// Runs the command.
pub async fn run(config: Config, args: Args) -> anyhow::Result<()> {
    let store = open_store(&config).await?;
    let Some(project) = store.find_project_by_name(&args.project).await? else {
        bail!("there is no project “{}”", args.project);
    };
    let choice = ExportChoice {
        judgements: args.judgements,
        corrections: !args.no_corrections,
    };
    let chunks = store.export_preferences(project.id, choice);
    let Some(out) = args.out else {
        return write(chunks, std::io::stdout().lock()).await.map(drop);
    };
    let unwritten = |why: &str| anyhow!("cannot write {}: {why}", out.display());
    if out.is_dir() {
        return Err(unwritten("it is a folder; name a file in it"));
    }
    let partial = Partial::beside(&out);
    let file = File::create(&partial.0).map_err(|error| unwritten(&in_words(&error)))?;
    let lines = write(chunks, BufWriter::new(file)).await?;
    std::fs::rename(&partial.0, &out).map_err(|error| unwritten(&in_words(&error)))?;
    let (lines, noun) = text::count(lines, "line", "lines");
    eprintln!("{lines} {noun} written to {}", out.display());
    Ok(())
}

/// What is written until it is complete; gone when dropped.
struct Partial(PathBuf);

impl Partial {
    fn beside(out: &Path) -> Partial {
        let mut name = out.to_owned().into_os_string();
        name.push(".partial");
        Partial(name.into())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

async fn write(
    chunks: impl futures::Stream<Item = Result<Vec<u8>, store::StoreError>>,
    mut out: impl Write,
) -> anyhow::Result<u64> {
    let mut lines = 0;
    let mut chunks = std::pin::pin!(chunks);
    while let Some(chunk) = chunks.try_next().await? {
        lines += chunk.iter().filter(|byte| **byte == b'\n').count() as u64;
        out.write_all(&chunk)
            .map_err(|error| anyhow!("cannot write: {}", in_words(&error)))?;
    }
    out.flush()
        .map_err(|error| anyhow!("cannot write: {}", in_words(&error)))?;
    Ok(lines)
}
