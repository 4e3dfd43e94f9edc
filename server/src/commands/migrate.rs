//! `touchstone migrate`.

use anyhow::Context;
use store::Store;

use crate::config::Config;

/// The command's own flags.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Apply the migrations that are missing (also when no action is given, and by every other command).
    Up,
    /// Take the newest migrations back, and with them what their tables hold.
    Down {
        /// How many.
        #[arg(default_value_t = 1)]
        steps: u32,
    },
    /// List the migrations and whether each is applied.
    Status,
}

/// Runs the command.
pub async fn run(config: Config, args: Args) -> anyhow::Result<()> {
    config.make_data_dir().context("cannot make the data folder")?;
    let store = Store::open(&config.database_url())
        .await
        .context("cannot open the database")?;
    match args.action.unwrap_or(Action::Up) {
        Action::Up => store.migrate_up().await?,
        Action::Down { steps } => store.migrate_down(steps).await?,
        Action::Status => {}
    }
    for (name, applied) in store.migration_status().await? {
        println!("{} {name}", if applied { "applied" } else { "missing" });
    }
    Ok(store.close().await?)
}
