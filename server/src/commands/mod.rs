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
    Score(score::Args),
    /// Bring the database's schema up to date, take migrations back, or list them.
    Migrate(migrate::Args),
    /// Accounts, models and other upkeep.
    Admin(admin::Args),
}

/// Runs one command to its end.
pub fn run(cli: Cli) -> ExitCode {
    telemetry::start(cli.config.log);
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
            eprintln!("touchstone: {}", without_codes(&format!("{error:#}")));
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
        .context("cannot open the database")
}
