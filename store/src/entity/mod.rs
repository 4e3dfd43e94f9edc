//! The rows as the tables hold them, one file per table. Columns follow the `migrations` crate; spellings of
//! enumerations follow `domain`. Queries join by column: no relations are declared.

pub mod api_token;
pub mod assignment;
pub mod comparison;
pub mod comparison_response;
pub mod correction;
pub mod imported_judgement;
pub mod invite;
pub mod invite_use;
pub mod job;
pub mod judgement;
pub mod project;
pub mod prompt;
pub mod response;
pub mod run;
pub mod run_event;
pub mod score;
pub mod session;
pub mod user;
