//! The wasm that the browser loads and the JavaScript that loads it.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

use crate::{
    needs,
    process::{cargo, run, target},
};

const TRIPLE: &str = "wasm32-unknown-unknown";

/// Builds `frontend` and binds it: gives the folder with `touchstone.js`, `touchstone_bg.wasm` and snippets.
pub fn build() -> Result<PathBuf> {
    needs::wasm_target(TRIPLE)?;
    run(cargo().args([
        "build",
        "--package",
        "frontend",
        "--target",
        TRIPLE,
        "--profile",
        "wasm",
    ]))?;
    let wasm = target().join(TRIPLE).join("wasm/frontend.wasm");
    let bound = target().join("browser_part");
    if is_newer(&bound.join("touchstone_bg.wasm"), &wasm) {
        return Ok(bound);
    }
    if bound.exists() {
        fs::remove_dir_all(&bound)?;
    }
    Bindgen::new()
        .input_path(&wasm)
        .out_name("touchstone")
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
fn is_newer(made: &std::path::Path, from: &std::path::Path) -> bool {
    let time = |path: &std::path::Path| fs::metadata(path).and_then(|m| m.modified()).ok();
    matches!((time(made), time(from)), (Some(made), Some(from)) if made >= from)
}
