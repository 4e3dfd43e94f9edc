//! What Touchstone writes: TRL's preference format, explicit prompt, conversational, one line per preference.

use serde::Serialize;
use uuid::Uuid;

use crate::{Millis, prompt::Message};

/// One exported preference. `prompt`, `chosen` and `rejected` are TRL's; the rest says where it comes from, and every
/// line has every field, so that readers with a fixed schema take it.
///
/// There is no `margin`: TRL would train with it unasked. `strength` carries the same knowledge.
#[derive(Debug, Clone, Serialize)]
pub struct ExportedPreference<'a> {
    pub prompt: &'a [Message],
    pub chosen: [ExportedMessage<'a>; 1],
    pub rejected: [ExportedMessage<'a>; 1],
    /// `judgement` or `correction`.
    pub source: ExportedSource,
    /// The row that says so.
    pub source_id: Uuid,
    /// Who said so: the same for all of one person's lines, and no name.
    pub annotator: Uuid,
    /// 1 slightly, 2 clearly, 3 much better; null where the scale does not say (rankings, corrections).
    pub strength: Option<i32>,
    /// When it was said, in milliseconds since the Unix epoch.
    pub created_at: Millis,
    pub metadata: ExportedMetadata<'a>,
}

/// A message of the assistant.
#[derive(Debug, Clone, Serialize)]
pub struct ExportedMessage<'a> {
    role: &'static str,
    content: &'a str,
}

impl<'a> ExportedMessage<'a> {
    /// What the assistant says.
    pub fn assistant(content: &'a str) -> [ExportedMessage<'a>; 1] {
        [ExportedMessage {
            role: "assistant",
            content,
        }]
    }
}

/// What kind of row a preference comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportedSource {
    /// A person, or a dataset, chose.
    Judgement,
    /// A person wrote the answer that should have been given; it is preferred over each response.
    Correction,
}

/// What is known of prompt and responses; null where nothing is.
#[derive(Debug, Clone, Serialize)]
pub struct ExportedMetadata<'a> {
    pub category: Option<&'a str>,
    pub language: Option<&'a str>,
    pub chosen_model: Option<&'a str>,
    pub rejected_model: Option<&'a str>,
}

impl ExportedPreference<'_> {
    /// Appends the line, line feed included.
    pub fn write_to(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        serde_json::to_writer(&mut *out, self)?;
        out.push(b'\n');
        Ok(())
    }
}
