//! Where the programs of a journey are.

use std::{env, ffi::OsString, path::PathBuf};

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
    ///
    /// # Panics
    /// Where a part is missing and every part must be there: `TOUCHSTONE_TEST_NEEDS_ALL` or `CI` is set.
    pub fn from_env() -> Option<Programs> {
        Programs::find(|name| env::var_os(name))
    }

    fn find(variable: impl Fn(&str) -> Option<OsString>) -> Option<Programs> {
        let is_set = |name: &str| {
            variable(name).is_some_and(|value| !["", "0", "false"].map(OsString::from).contains(&value))
        };
        let needs_all = is_set("TOUCHSTONE_TEST_NEEDS_ALL") || is_set("CI");
        let path = |name: &str| {
            let found = variable(name).map(PathBuf::from).filter(|path| path.exists());
            if found.is_none() {
                let missing = format!(
                    "{name} names no file; `cargo xtask test` runs the journeys with all that they need"
                );
                assert!(!needs_all, "{missing}");
                eprintln!("SKIPPED: {missing}");
            }
            found
        };
        Some(Programs {
            touchstone: path("TOUCHSTONE_BIN")?,
            chromedriver: path("TOUCHSTONE_CHROMEDRIVER")?,
            chromium: path("TOUCHSTONE_CHROMIUM")?,
            axe: path("TOUCHSTONE_AXE"),
            base_model: path("TOUCHSTONE_BASE_MODEL"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every part but one is there, as this file is.
    fn without(missing: &str, flag: Option<(&str, &str)>) -> Option<Programs> {
        Programs::find(|name| match flag {
            Some((flag, value)) if flag == name => Some(value.into()),
            _ if name == missing || !name.starts_with("TOUCHSTONE_") || name.ends_with("ALL") => None,
            _ => Some(concat!(env!("CARGO_MANIFEST_DIR"), "/src/programs.rs").into()),
        })
    }

    #[test]
    fn a_part_of_the_browser_tests_that_is_missing_fails_them_where_every_part_is_needed() {
        let parts = ["BIN", "CHROMEDRIVER", "CHROMIUM", "AXE", "BASE_MODEL"];
        for part in parts.map(|part| format!("TOUCHSTONE_{part}")) {
            for flag in ["CI", "TOUCHSTONE_TEST_NEEDS_ALL"] {
                let found = std::panic::catch_unwind(|| without(&part, Some((flag, "true"))));
                assert!(found.is_err(), "{part} with {flag}");
            }
            without(&part, Some(("CI", "false")));
            without(&part, None);
        }
        assert!(without("TOUCHSTONE_CHROMIUM", None).is_none());
        assert!(without("TOUCHSTONE_AXE", None).is_some());
    }
}
