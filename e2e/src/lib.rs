//! A real browser against the real server. [`site`] starts a server on scratch data, [`browser`] a Chromium;
//! [`find`] looks for what a person would look for, [`action`] does what a person does, [`check`] holds what
//! came out against what should have. One file of `tests/` per journey.
//!
//! The tests find their programs by environment variables that `cargo xtask test` sets:
//! `TOUCHSTONE_BIN` (the server), `TOUCHSTONE_CHROMEDRIVER`, `TOUCHSTONE_CHROMIUM`, `TOUCHSTONE_AXE` (axe.min.js),
//! `TOUCHSTONE_BASE_MODEL` (a folder). Without the first three a journey says so and does not run, and where `TOUCHSTONE_TEST_NEEDS_ALL` or `CI`
//! is set it fails without any of them.

pub mod action;
pub mod browser;
pub mod check;
pub mod find;
pub mod hostile;
pub mod importing;
pub mod judging;
pub mod keyboard;
pub mod people;
pub mod programs;
pub mod site;
pub mod training;

pub use browser::Browser;
pub use programs::Programs;
pub use site::Site;
