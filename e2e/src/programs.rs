//! Where the programs of a journey are.

use std::{env, path::PathBuf};

/// What a journey needs on this machine.
#[derive(Debug, Clone)]
pub struct Programs {
    pub touchstone: PathBuf,
    pub chromedriver: PathBuf,
    pub chromium: PathBuf,
    /// axe.min.js of axe-core; without it pages are not checked for accessibility.
    pub axe: Option<PathBuf>,
    /// The base model's folder, so that a training journey downloads nothing.
    pub base_model: Option<PathBuf>,
}

impl Programs {
    /// From the environment; None, loudly, where a program is not named.
    pub fn from_env() -> Option<Programs> {
        let path = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.exists());
        let needed = |name: &str| {
            let found = path(name);
            if found.is_none() {
                eprintln!("SKIPPED: {name} names no file; run `cargo xtask test` to run the journeys");
            }
            found
        };
        Some(Programs {
            touchstone: needed("TOUCHSTONE_BIN")?,
            chromedriver: needed("TOUCHSTONE_CHROMEDRIVER")?,
            chromium: needed("TOUCHSTONE_CHROMIUM")?,
            axe: path("TOUCHSTONE_AXE"),
            base_model: path("TOUCHSTONE_BASE_MODEL"),
        })
    }
}
