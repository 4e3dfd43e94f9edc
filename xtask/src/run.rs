//! `build` and `run`.

use std::path::PathBuf;

use anyhow::Result;

use crate::{
    process::{SERVER_SIDE, cargo, root, run as run_command, target},
    site,
};

/// Builds everything and gives the server's binary, which embeds the site.
pub fn build() -> Result<PathBuf> {
    site::build()?;
    run_command(
        cargo()
            .arg("build")
            .args(SERVER_SIDE)
            .args(["--bin", "touchstone"]),
    )?;
    Ok(target().join("release/touchstone"))
}

/// Builds everything, gets the base model, and serves until stopped.
pub fn run(serve: &[String]) -> Result<()> {
    let touchstone = build()?;
    let fetched = run_command(
        std::process::Command::new(&touchstone)
            .args(["admin", "fetch-base-model"])
            .current_dir(root()),
    );
    if let Err(error) = fetched {
        eprintln!(
            "The base model is not here yet: {error}. Judging works without it; the Train page says what to do."
        );
    }
    run_command(
        std::process::Command::new(&touchstone)
            .arg("serve")
            .args(serve)
            .current_dir(root()),
    )
}
