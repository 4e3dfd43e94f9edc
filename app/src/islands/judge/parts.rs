//! What the judging page is made of.

mod bar;
mod extras;
mod head;
mod help;
mod task;

pub use self::{bar::bar, head::status_line, help::keys_help, task::prompt_and_responses};
