//! What decides how a reward model is trained. The engine, the database, the form, the command line and settings files all have
//! the same [`Recipe`]; [`SETTINGS`] says of each setting what it is called, how it is typed and what it may be.
//!
//! A new setting is a field of [`Recipe`] (`fields.rs`), a row of [`SETTINGS`] (`table.rs`), and its use in the engine.

mod choices;
mod device;
mod fields;
mod setting;
mod table;
mod ties;
mod typed;

pub use choices::{Keep, Method, Optimizer, Pooling, Precision, Schedule, Truncation, UnknownChoice};
pub use device::{Device, UnknownDevice};
pub use fields::{Lora, Recipe};
pub use setting::{Group, Kind, Refusal, Setting, label_of, of_group};
pub use table::SETTINGS;
pub use ties::Ties;
pub use typed::{Typed, differing, read, shown, values};
