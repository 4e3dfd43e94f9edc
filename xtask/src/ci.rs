//! `ci`: what must hold before a change lands.

use std::process::Command;

use anyhow::Result;

use crate::{
    process::{SERVER_SIDE, cargo, run, succeeds},
    run::build,
    test::{IfMissing, test},
};

/// Formatting, the builds (wasm too), lints, docs, licences, then every test; a part that is missing fails it.
pub fn ci() -> Result<()> {
    run(cargo().args(["fmt", "--all", "--check"]))?;
    build()?;
    run(cargo().args([
        "build",
        "--package",
        "domain",
        "--target",
        "wasm32-unknown-unknown",
        "--profile",
        "wasm",
    ]))?;
    run(cargo()
        .arg("clippy")
        .args(SERVER_SIDE)
        .args(["--all-targets", "--", "-D", "warnings"]))?;
    run(cargo()
        .arg("doc")
        .args(SERVER_SIDE)
        .arg("--no-deps")
        .env("RUSTDOCFLAGS", "-D warnings --cfg erase_components"))?;
    deny()?;
    test(IfMissing::Fail)
}

/// Licences, bans and sources; advisories only where the advisory database can be reached.
fn deny() -> Result<()> {
    if !succeeds(Command::new("cargo").args(["deny", "--version"])) {
        run(cargo().args(["install", "--locked", "--quiet", "cargo-deny"]))?;
    }
    run(cargo().args(["deny", "--all-features", "check", "licenses", "bans", "sources"]))?;
    if !succeeds(cargo().args(["deny", "fetch", "db"])) {
        eprintln!("! the advisory database cannot be reached: advisories are not checked");
        return Ok(());
    }
    run(cargo().args(["deny", "--all-features", "check", "advisories"]))
}
