//! What Touchstone writes: TRL's preference format, explicit prompt, conversational, one line per preference.

use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Millis,
    prompt::{Message, Speaker},
};

/// One exported preference. `prompt`, `chosen`, `rejected` and `margin` are TRL's; the rest says where it comes from.
///
/// Every line has every field, and a field has one type whatever the project holds: readers that take a file's types from its
/// first lines, as Python's `datasets` does, can neither learn a type from null nor add a column later. So what nobody said is 0
/// or an empty text, and columns whose names and types are the dataset's own stand in one text of JSON.
#[derive(Debug, Clone, Serialize)]
pub struct ExportedPreference<'a> {
    pub prompt: Conversation<'a>,
    pub chosen: Conversation<'a>,
    pub rejected: Conversation<'a>,
    /// `judgement`, `imported` or `correction`.
    pub source: ExportedSource,
    /// The row that says so.
    pub source_id: Uuid,
    /// Who said so: the same for all of one person's lines, and no name.
    pub annotator: Uuid,
    /// 1 slightly, 2 clearly, 3 much better; 0 where nobody said.
    #[serde(serialize_with = "or_zero")]
    pub strength: Option<i32>,
    /// By how much the chosen reward should lead, as a dataset said; 0 where nobody did, which asks TRL for nothing.
    #[serde(serialize_with = "or_zero")]
    pub margin: Option<f64>,
    /// When it was said, in milliseconds since the Unix epoch.
    pub created_at: Millis,
    pub metadata: ExportedMetadata<'a>,
}

/// Messages, as they came in where that is more than role and content.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Conversation<'a> {
    Messages(&'a [Message]),
    Answer([AssistantMessage<'a>; 1]),
    Original(&'a Value),
}

/// A message of the assistant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AssistantMessage<'a> {
    role: &'static str,
    content: &'a str,
}

impl<'a> Conversation<'a> {
    pub fn of(messages: &'a [Message], original: Option<&'a Value>) -> Conversation<'a> {
        original.map_or(Conversation::Messages(messages), Conversation::Original)
    }

    /// What the assistant says.
    pub fn answer(content: &'a str, original: Option<&'a Value>) -> Conversation<'a> {
        let message = AssistantMessage {
            role: Speaker::Assistant.as_str(),
            content,
        };
        original.map_or(Conversation::Answer([message]), Conversation::Original)
    }
}

/// What kind of row a preference comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportedSource {
    /// A person chose.
    Judgement,
    /// A dataset brought it along.
    Imported,
    /// A person wrote the answer that should have been given; it is preferred over each response.
    Correction,
}

/// What is known of prompt and responses; empty where nothing is.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ExportedMetadata<'a> {
    #[serde(serialize_with = "or_empty")]
    pub category: Option<&'a str>,
    #[serde(serialize_with = "or_empty")]
    pub language: Option<&'a str>,
    #[serde(serialize_with = "or_empty")]
    pub chosen_model: Option<&'a str>,
    #[serde(serialize_with = "or_empty")]
    pub rejected_model: Option<&'a str>,
    /// The imported line's other columns, as the text of a JSON object.
    pub columns: String,
}

impl ExportedPreference<'_> {
    /// Appends the line, line feed included.
    pub fn write_to(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        serde_json::to_writer(&mut *out, self)?;
        out.push(b'\n');
        Ok(())
    }
}

/// The columns of a line, or of a prompt and two responses, as one text.
pub fn columns_text(line: Option<&Value>, chosen: Option<&Value>, rejected: Option<&Value>) -> String {
    let mut columns = line.cloned().unwrap_or_else(|| json!({}));
    for (name, more) in [("chosen", chosen), ("rejected", rejected)] {
        if let (Some(more), Some(object)) = (more, columns.as_object_mut()) {
            object.insert(name.to_owned(), more.clone());
        }
    }
    columns.to_string()
}

fn or_zero<T: Copy + Default + Serialize, S: Serializer>(
    value: &Option<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    value.unwrap_or_default().serialize(serializer)
}

fn or_empty<S: Serializer>(text: &Option<&str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text.unwrap_or_default())
}
