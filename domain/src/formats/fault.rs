//! What can be wrong with a line of a file, as sentences.

use serde::{Deserialize, Serialize};

/// A line that is not imported: where, which field, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Counted from 1, blank lines included; in a list, the item.
    pub line: u64,
    /// A path into the line, such as `chosen[0].content`; None if the line as a whole is at fault.
    pub field: Option<String>,
    /// A sentence's predicate: what is wrong.
    pub sentence: String,
    /// Whether the line is broken; if not, it is sound but there is nothing in it to take, and it is left out.
    pub broken: bool,
}

impl Fault {
    /// The fault with the name of its file, as compilers write it: `FILE:12: chosen: is missing`.
    pub fn located(&self, file: &str) -> String {
        match &self.field {
            Some(field) => format!("{file}:{}: {field}: {}", self.line, self.sentence),
            None => format!("{file}:{}: {}", self.line, self.sentence),
        }
    }
}

/// What is wrong with a line or a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("the line is longer than {0} bytes")]
    LineTooLong(usize),
    #[error("the line holds more than {0} values")]
    TooManyValues(usize),
    #[error(
        "byte {0} of the line is not UTF-8: save the file as UTF-8 (it may be in an older encoding such as Windows-1252)"
    )]
    NotUtf8(usize),
    #[error("half of a surrogate pair (\\ud800 to \\udfff on its own) is no character")]
    LoneSurrogate,
    #[error("the line is not JSON: {0}")]
    NotJson(String),
    #[error("{0} is no value in JSON: write null, or leave the field out")]
    NoJsonValue(String),
    #[error("the line must be a JSON object, not {0}")]
    NotAnObject(&'static str),
    #[error(
        "the line has none of the known shapes (a prompt with chosen and rejected, or with responses); its columns are {}",
        .0.join(", ")
    )]
    UnknownShape(Vec<String>),
    #[error(
        "chosen and rejected stand without a prompt, and one of these columns may hold it: {}. Rename it to prompt",
        .0.join(", ")
    )]
    PromptElsewhere(Vec<String>),
    #[error("is missing")]
    Missing,
    #[error("must be {expected}, not {found}")]
    WrongType {
        expected: &'static str,
        found: &'static str,
    },
    #[error("contains a NUL character (\\u0000), which cannot be stored")]
    Nul,
    #[error("“{0}” is no role: use system, user, assistant or tool")]
    UnknownRole(String),
    #[error("holds no messages")]
    NoMessages,
    #[error("must begin with a message of the assistant, not of the {0}")]
    NotAssistant(&'static str),
    #[error("does not start with “\\n\\nHuman:”")]
    NotATranscript,
    #[error("chosen and rejected share no beginning, so there is no prompt")]
    NoSharedPrompt,
    #[error("chosen and rejected differ before the assistant's answer")]
    DifferBeforeAnswer,
    #[error("must be a number from 0 up, not {0}")]
    BadMargin(String),
    #[error("must be 1, 2 or 3, not {0}")]
    BadStrength(String),
    #[error("the row has {found} cells where the first row names {names} columns")]
    OtherCells { found: usize, names: usize },
    #[error("holds no responses")]
    NoResponses,
    #[error("holds {found} different responses: at most {most} are compared")]
    TooManyResponses { found: usize, most: usize },
    #[error("says which response is better in columns that are not read yet: {}", .0.join(", "))]
    JudgedElsewhere(Vec<String>),
    /// Sound, but without a preference.
    #[error("chosen and rejected are the same text, so nothing is preferred")]
    Identical,
    /// Sound, but there is nothing to compare.
    #[error("holds one response, so there is nothing to compare")]
    OneResponse,
    /// Sound, but there is nothing to learn from.
    #[error("holds responses that nobody has judged, so nothing is preferred")]
    Unjudged,
}

impl Problem {
    /// The fault at that line, in the line as a whole.
    pub fn on(self, line: u64) -> Fault {
        self.at(line, None)
    }

    /// The fault at that line and field.
    pub fn at(self, line: u64, field: Option<String>) -> Fault {
        Fault {
            line,
            field,
            broken: !matches!(
                self,
                Problem::Identical | Problem::OneResponse | Problem::Unjudged
            ),
            sentence: self.to_string(),
        }
    }
}
