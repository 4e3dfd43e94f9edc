//! Files of prompts, responses and preferences, line by line: JSON ↔ nouns. A fault names line and field, in a sentence.
//!
//! Each line is read by its own shape; a family of shapes has a file of its own. What other people's tools write is read
//! exactly: TRL's preference format with an explicit or an implicit prompt, Anthropic's HH transcripts, preferences whose prompt
//! stands in a column of another name, and responses that nobody has judged.

mod answers;
mod fault;
mod fields;
mod hh;
mod implicit;
mod json;
mod lines;
mod making;
mod message_text;
mod messages;
mod notes;
mod preference;
mod prompt_columns;
#[cfg(test)]
mod tests;
mod unjudged;
mod values;
mod write;

pub use fault::{Fault, Problem};
pub use lines::{Lines, MAX_LINE_BYTES, Record};
pub use making::{Making, UnknownMaking};
pub use messages::conversation_of;
pub use notes::{FileNotes, RowNotes};
pub use values::Values;
pub use write::{Conversation, ExportedMetadata, ExportedPreference, ExportedSource, columns_text};

use fields::Fields;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{judgement::Strength, prompt::Message};

/// What a line says beside prompt, responses and preference, by the names of its columns.
pub type Columns = Map<String, Value>;

/// A family of shapes that lines can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// TRL preference with explicit prompt: `prompt`, `chosen`, `rejected`.
    Trl,
    /// TRL preference with implicit prompt: `chosen` and `rejected` are whole and share their beginning.
    TrlImplicit,
    /// Anthropic HH: `chosen` and `rejected` are transcripts, `\n\nHuman: …\n\nAssistant: …`.
    Hh,
    /// A preference whose prompt stands in other columns: `question`, `instruction` and `input`, `system`, `conversations` …
    Columns,
    /// Responses that nobody has judged: `responses`, or `response_a` and `response_b` and the like.
    Unjudged,
}

/// One line: a prompt, its responses, and what is said of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Row {
    /// The conversation as it is shown and learnt from.
    pub prompt: Vec<Message>,
    /// The same as it came in, message by message, where `prompt` does not say it all.
    pub original: Option<Vec<Value>>,
    pub category: Option<String>,
    pub language: Option<String>,
    pub responses: Vec<ResponseText>,
    pub comparisons: Vec<ComparedResponses>,
    /// What else the line says; of the preference where it has one, else of the prompt.
    pub columns: Columns,
    pub notes: RowNotes,
}

/// A response as it stands in a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResponseText {
    /// As it is shown and learnt from.
    pub content: String,
    pub model: Option<String>,
    /// The messages as they came in, where `content` does not say it all.
    pub original: Option<Vec<Value>>,
    /// What else is said of it.
    pub columns: Columns,
}

/// Responses to be compared, as indices into [`Row::responses`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ComparedResponses {
    pub responses: Vec<usize>,
    pub opinion: Option<Opinion>,
}

/// What the file says of a comparison.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Opinion {
    /// Groups of equally good responses, best first, as indices into [`Row::responses`].
    pub ranking: Vec<Vec<usize>>,
    /// How much better, on Touchstone's own scale; None where nobody said so.
    pub strength: Option<Strength>,
    /// By how much the chosen reward should lead the rejected one, as TRL means it.
    pub margin: Option<f64>,
}

impl Format {
    pub const ALL: [Format; 5] = [
        Format::Trl,
        Format::TrlImplicit,
        Format::Hh,
        Format::Columns,
        Format::Unjudged,
    ];

    /// The spelling on the command line and in forms.
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Trl => "trl",
            Format::TrlImplicit => "trl-implicit",
            Format::Hh => "hh",
            Format::Columns => "columns",
            Format::Unjudged => "unjudged",
        }
    }

    /// The name for people.
    pub fn label(self) -> &'static str {
        match self {
            Format::Trl => "TRL preference, explicit prompt",
            Format::TrlImplicit => "TRL preference, implicit prompt",
            Format::Hh => "Anthropic HH transcripts",
            Format::Columns => "Preference, prompt in other columns",
            Format::Unjudged => "Responses that nobody has judged",
        }
    }

    /// The shape that a line has, if it has one of these.
    pub fn detect(line: &[u8]) -> Option<Format> {
        Format::of(&Fields::parse(line, 0).ok()?)
    }

    fn of(fields: &Fields) -> Option<Format> {
        if !answers::has_preference(fields) {
            return unjudged::has_responses(fields).then_some(Format::Unjudged);
        }
        let transcript = |name| fields.peek_str(name).is_some_and(hh::looks_like_transcript);
        Some(match prompt_columns::find(fields) {
            Some("prompt") if !prompt_columns::has_system(fields) => Format::Trl,
            Some(_) => Format::Columns,
            None if fields.contains("prompt") => Format::Trl,
            None if transcript("chosen") && transcript("rejected") => Format::Hh,
            None => Format::TrlImplicit,
        })
    }

    /// Reads the line of that number.
    pub fn read(self, number: u64, line: &[u8]) -> Result<Row, Fault> {
        self.read_fields(Fields::parse(line, number)?)
    }

    fn read_fields(self, mut fields: Fields) -> Result<Row, Fault> {
        let mut row = match self {
            Format::Trl | Format::Columns => preference::read(&mut fields),
            Format::TrlImplicit => implicit::read(&mut fields),
            Format::Hh => hh::read(&mut fields),
            Format::Unjudged => unjudged::read(&mut fields),
        }?;
        row.notes.format = Some(self);
        Ok(row)
    }
}

/// Reads the lines of one file, each by its own shape unless one is given for all.
#[derive(Debug, Clone, Copy, Default)]
pub struct RowReader {
    pub format: Option<Format>,
}

impl RowReader {
    /// Reads the line of that number.
    pub fn read(&self, number: u64, line: &[u8]) -> Result<Row, Fault> {
        let fields = Fields::parse(line, number)?;
        match self.format.or_else(|| Format::of(&fields)) {
            Some(format) => format.read_fields(fields),
            None => Err(Problem::UnknownShape(fields.names()).on(number)),
        }
    }
}

impl std::str::FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Format, UnknownFormat> {
        Format::ALL
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or_else(|| UnknownFormat(text.to_owned()))
    }
}

/// The text names no format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "“{0}” is not a format: use trl, trl-implicit, hh, columns or unjudged, or leave it out to go by what each line holds"
)]
pub struct UnknownFormat(pub String);
