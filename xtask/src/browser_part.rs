//! The wasm that the browser loads and the JavaScript that loads it, in two parts: the small one for whoever judges,
//! and the one with the islands of leads' pages as well.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

use crate::{
    needs,
    process::{cargo, run, target},
};

const TRIPLE: &str = "wasm32-unknown-unknown";

/// The parts by name, each with the features of `frontend` that make it.
pub const PARTS: [(&str, &str); 2] = [("judge", ""), ("lead", "lead")];

/// Builds a part and binds it: gives the folder with `NAME.js`, `NAME_bg.wasm` and snippets.
pub fn build((name, features): (&str, &str)) -> Result<PathBuf> {
    needs::wasm_target(TRIPLE)?;
    let frontend = ["build", "--package", "frontend", "--bin", name];
    let profile = ["--target", TRIPLE, "--profile", "wasm", "--features", features];
    run(cargo().args(frontend).args(profile))?;
    let wasm = target().join(TRIPLE).join(format!("wasm/{name}.wasm"));
    let bound = target().join("browser_part").join(name);
    if is_newer(&bound.join(format!("{name}_bg.wasm")), &wasm) {
        return Ok(bound);
    }
    if bound.exists() {
        fs::remove_dir_all(&bound)?;
    }
    Bindgen::new()
        .input_path(&wasm)
        .out_name(name)
        .web(true)?
        .typescript(false)
        .remove_name_section(true)
        .remove_producers_section(true)
        .omit_default_module_path(true)
        .generate(&bound)
        .with_context(|| format!("wasm-bindgen on {}", wasm.display()))?;
    Ok(bound)
}

/// Whether `made` exists and is no older than what it was made from.
fn is_newer(made: &Path, from: &Path) -> bool {
    let time = |path: &Path| fs::metadata(path).and_then(|m| m.modified()).ok();
    matches!((time(made), time(from)), (Some(made), Some(from)) if made >= from)
}
