//! What islands and forms ask of the server, one file per noun. Each function authorises first; all are POSTs
//! under `/fn/`.

pub mod assignment;
pub mod corrections;
pub mod import;
pub mod judge;
pub mod projects;
pub mod runs;
pub mod scores;

/// The prefix of every server function: `#[server(prefix = "/fn", endpoint = "<noun>/<verb>")]`.
pub const PREFIX: &str = "/fn";
