//! The pages, one file per noun.

pub mod account;
pub mod assignment;
pub mod confirm;
pub mod corrections;
pub mod export;
pub mod home;
pub mod import;
pub mod join;
pub mod judge;
pub mod judgements;
pub mod missing;
pub mod project;
pub mod prompts;
pub mod runs;
pub mod scores;
pub mod setup;
pub mod sign_in;
pub mod team;
