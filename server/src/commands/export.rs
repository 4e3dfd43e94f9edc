//! `touchstone export`.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::PathBuf,
};

use anyhow::{Context, bail};
use domain::export::{ExportChoice, JudgementSource};
use futures::TryStreamExt;

use super::open_store;
use crate::config::Config;

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
        return write(chunks, std::io::stdout().lock()).await;
    };
    let mut partial = out.clone().into_os_string();
    partial.push(".partial");
    let file = File::create(&partial).with_context(|| format!("cannot write {}", out.display()))?;
    write(chunks, BufWriter::new(file)).await?;
    std::fs::rename(&partial, &out)?;
    Ok(())
}

async fn write(
    chunks: impl futures::Stream<Item = Result<Vec<u8>, store::StoreError>>,
    mut out: impl Write,
) -> anyhow::Result<()> {
    let mut chunks = std::pin::pin!(chunks);
    while let Some(chunk) = chunks.try_next().await? {
        out.write_all(&chunk)?;
    }
    out.flush()?;
    Ok(())
}
