//! `test`: every test, with everything they need found or installed first.

use anyhow::Result;

use crate::{
    needs,
    process::{SERVER_SIDE, cargo, run},
    run::build,
};

/// Builds everything and runs every test.
pub fn test() -> Result<()> {
    needs::postgresql();
    let chromium = needs::chromium()?;
    let touchstone = build()?;
    let mut tests = cargo();
    tests.arg("test").args(SERVER_SIDE).arg("--no-fail-fast");
    tests.env("TOUCHSTONE_BIN", &touchstone);
    tests.env("TOUCHSTONE_CHROMIUM", &chromium.browser);
    tests.env("TOUCHSTONE_CHROMEDRIVER", &chromium.driver);
    if let Some(axe) = needs::axe() {
        tests.env("TOUCHSTONE_AXE", axe);
    }
    if let Some(python) = needs::python() {
        tests.env("TOUCHSTONE_PYTHON", python);
    }
    if let Some(base_model) = needs::base_model(&touchstone) {
        tests.env("TOUCHSTONE_BASE_MODEL", base_model);
    }
    run(&mut tests)
}
