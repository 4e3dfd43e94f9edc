//! Logs: one line where something ends, with identifiers and no personal data.

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Starts logging to standard error. Does nothing if logging has started already.
pub fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn,sea_orm_migration=warn"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // Fails only if a subscriber is set, as in tests.
    drop(match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    });
}
