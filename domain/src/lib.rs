//! The nouns of Touchstone: what people judge, what models learn from it, and what crosses the wire.
//!
//! Pure: no I/O, no clock, no randomness, no database; it compiles to wasm too. Identifiers are UUIDs made by
//! whoever creates the thing, times are [`Millis`].

pub mod comparison;
pub mod correction;
pub mod demo;
pub mod diff;
pub mod export;
pub mod formats;
pub mod identity;
pub mod import;
pub mod job;
pub mod judgement;
pub mod own_work;
pub mod permission;
pub mod project;
pub mod prompt;
pub mod run;
pub mod score;
pub mod stats;
pub mod task;
pub mod user;

/// Milliseconds since the Unix epoch, UTC.
pub type Millis = i64;
