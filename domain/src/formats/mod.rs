//! Files of preferences, line by line: JSONL ↔ nouns. A fault names line and field, in a sentence.
//!
//! What other people's tools read and write, exactly: TRL's preference format with an explicit or an implicit
//! prompt (conversations or plain strings), and Anthropic's HH transcripts.

mod fault;
mod fields;
mod hh;
mod lines;
#[cfg(test)]
mod tests;
mod trl;
mod write;

pub use fault::{Fault, Problem};
pub use lines::{Lines, MAX_LINE_BYTES};
pub use write::{ExportedMessage, ExportedMetadata, ExportedPreference, ExportedSource};

use fields::Fields;
use serde::{Deserialize, Serialize};

use crate::{judgement::Strength, prompt::Message};

/// A shape that lines can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// TRL preference with explicit prompt: `prompt`, `chosen`, `rejected`.
    Trl,
    /// TRL preference with implicit prompt: `chosen` and `rejected` are whole and share their beginning.
    TrlImplicit,
    /// Anthropic HH: `chosen` and `rejected` are transcripts, `\n\nHuman: …\n\nAssistant: …`.
    Hh,
}

/// One line: a prompt, its responses, and what is said of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub prompt: Vec<Message>,
    pub category: Option<String>,
    pub language: Option<String>,
    pub responses: Vec<ResponseText>,
    pub comparisons: Vec<ComparedResponses>,
}

/// A response as it stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseText {
    pub content: String,
    pub model: Option<String>,
}

/// Responses to be compared, as indices into [`Row::responses`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparedResponses {
    pub responses: Vec<usize>,
    pub opinion: Option<Opinion>,
}

/// What the file says of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opinion {
    /// Groups of equally good responses, best first, as indices into [`Row::responses`].
    pub ranking: Vec<Vec<usize>>,
    pub strength: Strength,
}

impl Format {
    pub const ALL: [Format; 3] = [Format::Trl, Format::TrlImplicit, Format::Hh];

    /// The spelling on the command line and in forms.
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Trl => "trl",
            Format::TrlImplicit => "trl-implicit",
            Format::Hh => "hh",
        }
    }

    /// The name for people.
    pub fn label(self) -> &'static str {
        match self {
            Format::Trl => "TRL preference, explicit prompt",
            Format::TrlImplicit => "TRL preference, implicit prompt",
            Format::Hh => "Anthropic HH transcripts",
        }
    }

    /// The shape that a line has, if it has one of these. Broken lines have none: ask the next.
    pub fn detect(line: &[u8]) -> Option<Format> {
        let fields = Fields::parse(line, 0).ok()?;
        let transcript = |name| fields.peek_str(name).is_some_and(hh::looks_like_transcript);
        match () {
            () if !fields.has("chosen") || !fields.has("rejected") => None,
            () if fields.has("prompt") => Some(Format::Trl),
            () if transcript("chosen") && transcript("rejected") => Some(Format::Hh),
            () => Some(Format::TrlImplicit),
        }
    }

    /// Reads the line of that number.
    pub fn read(self, number: u64, line: &[u8]) -> Result<Row, Fault> {
        let mut fields = Fields::parse(line, number)?;
        match self {
            Format::Trl => trl::read_explicit(&mut fields),
            Format::TrlImplicit => trl::read_implicit(&mut fields),
            Format::Hh => hh::read(&mut fields),
        }
    }
}

/// Reads the lines of one file, whose shape may have to be found out first: that of the first line that has one.
#[derive(Debug, Clone, Copy, Default)]
pub struct RowReader {
    pub format: Option<Format>,
}

impl RowReader {
    /// Reads the line of that number.
    pub fn read(&mut self, number: u64, line: &[u8]) -> Result<Row, Fault> {
        self.format = self.format.or_else(|| Format::detect(line));
        match self.format {
            Some(format) => format.read(number, line),
            None => {
                Fields::parse(line, number)?;
                Err(Problem::UnknownShape.on(number))
            }
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
#[error("“{0}” is not a format: use trl, trl-implicit or hh, or leave it out to find it out from the file")]
pub struct UnknownFormat(pub String);

/// A chosen and a rejected answer to a prompt, with what else the line tells of them.
fn preference(
    fields: &mut Fields,
    prompt: Vec<Message>,
    chosen: String,
    rejected: String,
) -> Result<Row, Fault> {
    if chosen == rejected {
        return Err(Problem::Identical.on(fields.line()));
    }
    let response = |content, model| ResponseText { content, model };
    Ok(Row {
        prompt,
        category: fields.label("category")?,
        language: fields.label("language")?,
        responses: vec![
            response(chosen, fields.label("chosen_model")?),
            response(rejected, fields.label("rejected_model")?),
        ],
        comparisons: vec![ComparedResponses {
            responses: vec![0, 1],
            opinion: Some(Opinion {
                ranking: vec![vec![0], vec![1]],
                strength: fields.strength()?,
            }),
        }],
    })
}
