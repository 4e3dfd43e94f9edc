//! `touchstone train`.

use crate::config::Config;

/// The command's own flags.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub async fn run(_config: Config, _args: Args) -> anyhow::Result<()> {
    anyhow::bail!("not there yet")
}
