//! Logs: one line where something ends, with identifiers and no personal data.

use std::{env, io::IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// What servers and workers log if nothing else is asked for.
pub const INFO: &str = "info,sqlx=warn,sea_orm_migration=warn";
/// What a command that ends logs if nothing else is asked for.
pub const WARN: &str = "warn";
/// A line for each odd tag in somebody's text, of no use to anybody; asking for it by name gives it.
const QUIET: &str = "html5ever=off";

/// Starts logging to standard error, by `RUST_LOG` or as said here. Does nothing if logging has started already.
pub fn start(format: LogFormat, default: &str) {
    let filter = filter(env::var(EnvFilter::DEFAULT_ENV).ok(), default);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // A file or a pipe would keep the colours' codes.
        .with_ansi(std::io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none())
        .with_writer(std::io::stderr);
    // Fails only if a subscriber is set, as in tests.
    drop(match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    });
}

fn filter(asked: Option<String>, default: &str) -> EnvFilter {
    let asked = asked.unwrap_or_else(|| default.to_owned());
    EnvFilter::try_new(format!("{QUIET},{asked}"))
        .unwrap_or_else(|_| EnvFilter::new(format!("{QUIET},{default}")))
}

#[cfg(test)]
mod tests {
    use super::{INFO, filter};

    #[test]
    fn odd_tags_in_texts_fill_no_log() {
        for asked in [
            None,
            Some("debug"),
            Some("no=such=filter"),
            Some("server=trace,warn"),
        ] {
            let filter = filter(asked.map(str::to_owned), INFO).to_string();
            assert!(filter.contains("html5ever=off"), "{asked:?}: {filter}");
        }
        let asked = filter(Some("html5ever=warn".into()), INFO).to_string();
        assert!(!asked.contains("html5ever=off"), "{asked}");
    }
}
