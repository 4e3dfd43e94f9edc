//! Logs: one line where something ends, with identifiers and no personal data.

use std::env;

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// What is logged if nothing else is asked for.
const DEFAULT: &str = "info,sqlx=warn,sea_orm_migration=warn";
/// A line for each odd tag in somebody's text, of no use to anybody; asking for it by name gives it.
const QUIET: &str = "html5ever=off";

/// Starts logging to standard error. Does nothing if logging has started already.
pub fn start(format: LogFormat) {
    let asked = env::var(EnvFilter::DEFAULT_ENV).unwrap_or_else(|_| DEFAULT.to_owned());
    let filter = EnvFilter::try_new(format!("{QUIET},{asked}"))
        .unwrap_or_else(|_| EnvFilter::new(format!("{QUIET},{DEFAULT}")));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // Fails only if a subscriber is set, as in tests.
    drop(match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    });
}
