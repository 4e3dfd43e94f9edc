//! `test`: every test, with everything they need found or installed first.

use std::{ffi::OsString, path::Path, process::Command};

use anyhow::{Result, bail};

use crate::{
    needs,
    process::{SERVER_SIDE, cargo, run},
    run::build,
};

/// Says to the tests that none may pass because its part is missing.
const NEEDS_ALL: &str = "TOUCHSTONE_TEST_NEEDS_ALL";

/// What to do about a part that cannot be had here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfMissing {
    Fail,
    /// Its tests say so and pass.
    GoWithout,
}

/// Builds everything and runs every test.
pub fn test(if_missing: IfMissing) -> Result<()> {
    let mut parts = Parts::default();
    parts.take(needs::postgresql(), |()| vec![]);
    parts.take(needs::chromium(), |chromium| {
        vec![
            ("TOUCHSTONE_CHROMIUM", chromium.browser.into()),
            ("TOUCHSTONE_CHROMEDRIVER", chromium.driver.into()),
        ]
    });
    parts.take(needs::axe(), |axe| vec![("TOUCHSTONE_AXE", axe.into())]);
    parts.take(needs::python(), |python| {
        vec![("TOUCHSTONE_PYTHON", python.into())]
    });
    parts.check(if_missing)?;
    let touchstone = build()?;
    parts.take(needs::base_model(&touchstone), |base| {
        vec![("TOUCHSTONE_BASE_MODEL", base.into())]
    });
    parts.check(if_missing)?;
    run(&mut parts.command(&touchstone, if_missing))
}

/// What was found for the tests, and what was not.
#[derive(Debug, Default)]
struct Parts {
    found: Vec<(&'static str, OsString)>,
    missing: Vec<String>,
}

impl Parts {
    fn take<T>(&mut self, part: Result<T>, named: impl FnOnce(T) -> Vec<(&'static str, OsString)>) {
        match part {
            Ok(part) => self.found.extend(named(part)),
            Err(why) => self.missing.push(format!("{why:#}")),
        }
    }

    /// Refuses to go on with a part missing, unless that was asked for.
    fn check(&self, if_missing: IfMissing) -> Result<()> {
        let missing = self.missing.join("\n  ");
        match if_missing {
            _ if missing.is_empty() => Ok(()),
            IfMissing::Fail => bail!(
                "these parts of the tests are missing:\n  {missing}\n`cargo xtask test --go-without` runs the others"
            ),
            IfMissing::GoWithout => {
                eprintln!("! goes on without:\n  {missing}");
                Ok(())
            }
        }
    }

    fn command(&self, touchstone: &Path, if_missing: IfMissing) -> Command {
        let mut tests = cargo();
        tests.arg("test").args(SERVER_SIDE).arg("--no-fail-fast");
        tests.env("TOUCHSTONE_BIN", touchstone);
        tests.envs(self.found.iter().map(|(name, value)| (name, value)));
        match if_missing {
            IfMissing::Fail => tests.env(NEEDS_ALL, "1"),
            // What machines that test set says the same.
            IfMissing::GoWithout => tests.env_remove(NEEDS_ALL).env_remove("CI"),
        };
        tests
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without_python() -> Parts {
        let mut parts = Parts::default();
        parts.take(Ok(()), |()| vec![("TOUCHSTONE_AXE", "axe.min.js".into())]);
        parts.take(Err::<(), _>(anyhow::anyhow!("Python with torch")), |()| vec![]);
        parts
    }

    #[test]
    fn a_missing_part_is_named_before_anything_is_tested() {
        let refused = without_python().check(IfMissing::Fail).unwrap_err();
        assert!(refused.to_string().contains("Python with torch"), "{refused}");
        without_python().check(IfMissing::GoWithout).unwrap();
    }

    #[test]
    fn the_tests_are_told_that_every_part_must_be_there() {
        let told = |if_missing| {
            let command = without_python().command(Path::new("touchstone"), if_missing);
            let value = command.get_envs().find(|(name, _)| *name == NEEDS_ALL);
            value.is_some_and(|(_, value)| value.is_some())
        };
        assert!(told(IfMissing::Fail));
        assert!(!told(IfMissing::GoWithout));
    }
}
