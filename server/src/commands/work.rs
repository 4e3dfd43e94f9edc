//! `touchstone work`.

use tokio::sync::watch;

use super::open_store;
use crate::{config::Config, worker::WorkerContext};

/// The command's own flags.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command: until it is told to stop, and then hands back what it was at.
pub async fn run(config: Config, _args: Args) -> anyhow::Result<()> {
    let store = open_store(&config).await?;
    let worker = WorkerContext::new(store.clone(), &config.data_dir, config.base_model.clone());
    let (stop, stopped) = watch::channel(false);
    let working = tokio::spawn(worker.work(stopped));
    tracing::info!("waiting for jobs");
    super::serve::stop_signal().await;
    stop.send_replace(true);
    working.await?;
    Ok(store.close().await?)
}
