//! Builds, runs and tests Touchstone, so that nothing has to be installed by hand:
//! `cargo xtask run` starts it, `cargo xtask test` runs every test, `cargo xtask ci` everything that CI checks.

mod browser_part;
mod ci;
mod needs;
mod process;
mod run;
mod site;
mod styles;
mod test;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::test::IfMissing;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Builds, runs and tests Touchstone")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the browser part, the styles and the server, get the base model, and start.
    Run {
        /// Passed on to `touchstone serve`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        serve: Vec<String>,
    },
    /// Build the browser part, the styles and the server.
    Build,
    /// Run every test, in a real browser, on real databases and against Python too.
    Test {
        /// Pass over the tests whose part (PostgreSQL, Chromium, Python, …) is missing, instead of failing.
        #[arg(long)]
        go_without: bool,
    },
    /// Formatting, lints, wasm builds, docs, licences, then every test.
    Ci,
}

fn main() -> Result<()> {
    match Arguments::parse().task {
        Task::Run { serve } => run::run(&serve),
        Task::Build => run::build().map(drop),
        Task::Test { go_without: false } => test::test(IfMissing::Fail),
        Task::Test { go_without: true } => test::test(IfMissing::GoWithout),
        Task::Ci => ci::ci(),
    }
}
