//! The commands, one file each.

pub mod admin;
pub mod evaluate;
pub mod export;
pub mod import;
pub mod migrate;
pub mod score;
pub mod serve;
pub mod setting_flags;
pub mod train;
pub mod train_files;
pub mod work;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use store::Store;

use crate::{config::Config, telemetry, words::without_codes};

/// Collect human preferences, train a reward model on them, and see its scores.
#[derive(Debug, Parser)]
#[command(name = "touchstone", version, about)]
pub struct Cli {
    #[command(flatten)]
    pub config: Config,
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the pages and the API, and work on jobs too.
    Serve(serve::Args),
    /// Work on jobs alone, beside servers that share the database and the data folder.
    Work(work::Args),
    /// Import a file of prompts, responses and preferences into a project.
    Import(import::Args),
    /// Write a project's preferences to a file.
    Export(export::Args),
    /// Train a reward model on a project's preferences, or on files, and wait for it.
    Train(Box<train::Args>),
    /// Measure a model folder on files of preferences.
    Evaluate(evaluate::Args),
    /// Score responses with a trained model.
    ///
    /// Reads what import reads (JSON lines, a JSON list, a table; plain or gzip) from standard input and writes
    /// one line for each to standard output:
    /// `{"prompt": "…" or [{"role", "content"}], "responses": ["…"]}` becomes `{"scores": [{"reward", "tokens",
    /// "cut_tokens"}]}`, with the "spread" of an ensemble; a line of preference, TRL's or Anthropic's HH, becomes
    /// `{"chosen": reward, "rejected": reward}` (null where both are the same text), with "chosen_spread" and "rejected_spread" of an
    /// ensemble. Its other fields, such as an "id", are handed on. A line that cannot be read becomes {"error": why}; the others are scored.
    Score(score::Args),
    /// Bring the database's schema up to date, take migrations back, or list them.
    Migrate(migrate::Args),
    /// Accounts, models and other upkeep.
    Admin(admin::Args),
}

/// Runs one command to its end.
pub fn run(cli: Cli) -> ExitCode {
    // What goes on for long logs what it does; the others say what they have to say themselves.
    let goes_on = matches!(cli.command, Command::Serve(_) | Command::Work(_));
    telemetry::start(
        cli.config.log,
        if goes_on { telemetry::INFO } else { telemetry::WARN },
    );
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("touchstone: no threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    let config = cli.config;
    let done = runtime.block_on(async move {
        match cli.command {
            Command::Serve(args) => serve::run(config, args).await,
            Command::Work(args) => work::run(config, args).await,
            Command::Import(args) => import::run(config, args).await,
            Command::Export(args) => export::run(config, args).await,
            Command::Train(args) => train::run(config, *args).await,
            Command::Evaluate(args) => evaluate::run(args).await,
            Command::Score(args) => score::run(config, args).await,
            Command::Migrate(args) => migrate::run(config, args).await,
            Command::Admin(args) => admin::run(config, args).await,
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("touchstone: {}", without_codes(&told_once(&error)));
            ExitCode::FAILURE
        }
    }
}

/// Opens the configured database, its folder made and its schema brought up to date.
pub async fn open_store(config: &Config) -> anyhow::Result<Store> {
    use anyhow::Context;
    config
        .make_data_dir()
        .with_context(|| format!("cannot make the data folder {}", config.data_dir.display()))?;
    Store::connect(&config.database_url())
        .await
        .with_context(|| format!("cannot open the database {}", config.database_name()))
}

/// The causes of an error, one after the other; what a cause only repeats of the one before is left out.
fn told_once(error: &anyhow::Error) -> String {
    let mut told = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if told.is_empty() {
            told = cause;
        } else if !told.contains(&cause) {
            told.push_str(": ");
            told.push_str(&cause);
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_database_that_cannot_be_opened_is_named_once() {
        let folder = std::env::temp_dir().join(format!("touchstone-none-{}", uuid::Uuid::new_v4().simple()));
        let line = ["touchstone", "migrate", "--data-dir"];
        let mut cli = Cli::parse_from(
            line.map(std::ffi::OsString::from)
                .into_iter()
                .chain([folder.clone().into()]),
        );
        cli.config.database_url = Some("sqlite:/nowhere/at/all.db".into());
        let told = told_once(&open_store(&cli.config).await.unwrap_err());
        assert!(
            told.starts_with("cannot open the database sqlite:/nowhere/at/all.db: "),
            "{told}"
        );
        assert_eq!(told.matches("unable to open").count(), 1, "{told}");
        cli.config.database_url = Some("postgres://me:secret@127.0.0.1:1/x".into());
        assert_eq!(cli.config.database_name(), "postgres://127.0.0.1:1/x");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
