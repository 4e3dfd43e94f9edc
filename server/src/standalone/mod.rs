//! Training and measuring on files alone: no database, no project, no pages.

pub mod curves;
pub mod history;
pub mod preference_files;
pub mod progress;
pub mod refused;
pub mod run_config;
pub mod split;
pub mod summary;
