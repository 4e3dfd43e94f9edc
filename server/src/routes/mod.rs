//! Routes that are not pages: the HTTP API, streams of events, downloads.

pub mod api;
pub mod events;
pub mod export;
pub mod health;
pub mod import;
pub mod run_files;
