//! Imports: what is asked of one, how far it is, and what it reports.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::formats::{Fault, FileNotes, Format, Making};

/// How many faults a report lists; the rest is only counted.
pub const MAX_LISTED_FAULTS: usize = 200;

/// What to do with a file that holds broken lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// Read the whole file first; import nothing if a line is broken.
    #[default]
    Stop,
    /// Import the rest and list the broken lines.
    Skip,
}

impl OnError {
    pub const ALL: [OnError; 2] = [OnError::Stop, OnError::Skip];

    /// The spelling on the command line and in forms.
    pub fn as_str(self) -> &'static str {
        match self {
            OnError::Stop => "stop",
            OnError::Skip => "skip",
        }
    }
}

impl std::str::FromStr for OnError {
    type Err = UnknownOnError;

    fn from_str(text: &str) -> Result<OnError, UnknownOnError> {
        OnError::ALL
            .into_iter()
            .find(|choice| choice.as_str() == text)
            .ok_or_else(|| UnknownOnError(text.to_owned()))
    }
}

/// The text names no way to treat broken lines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("“{0}” is not a way to treat broken lines: use stop or skip")]
pub struct UnknownOnError(pub String);

/// What an import job has to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportRequest {
    /// Where the file lies on the server.
    pub path: String,
    /// What it is called, for people.
    pub file: String,
    /// The imported annotator whose judgements the preferences become.
    pub annotator: String,
    /// None: each line by its own shape.
    pub format: Option<Format>,
    pub on_error: OnError,
    /// What is made of responses that nobody has judged. None: the import ends before anything is written, with their numbers,
    /// if there are such.
    #[serde(default)]
    pub making: Option<Making>,
    /// The file was read for broken lines before, and may be imported at once.
    #[serde(default)]
    pub checked: bool,
    /// Remove the file when the import ends; so for uploads.
    pub remove_file: bool,
}

/// What an import does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportPhase {
    /// Reading the whole file for broken lines, before anything is written.
    #[default]
    Checking,
    Importing,
}

/// How far an import is; kept in the same transaction as the rows it speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ImportProgress {
    pub phase: ImportPhase,
    /// The last line that was dealt with.
    pub line: u64,
    /// Bytes of the file read so far, and altogether (as it lies on the disk, compressed or not).
    pub bytes: u64,
    pub bytes_total: u64,
    pub report: ImportReport,
}

/// What an import did, so far or in the end.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ImportReport {
    pub file: String,
    /// How the lines were read.
    pub notes: FileNotes,
    /// It is to be said what is made of responses that nobody has judged; nothing is written yet.
    pub asks: bool,
    /// Lines read, blank ones left aside.
    pub rows: u64,
    /// Rows whose judgement is new, or of whose comparisons one is.
    pub imported: u64,
    /// Rows that the project had already, from this file or from an earlier import.
    pub duplicates: u64,
    /// Rows that are sound but prefer nothing, such as two equal answers.
    pub left_out: u64,
    /// Broken rows.
    pub refused: u64,
    /// New prompts, responses and comparisons.
    pub prompts: u64,
    pub responses: u64,
    pub comparisons: u64,
    /// The first broken and left-out lines, in the order of the file.
    pub faults: Vec<Fault>,
}

impl ImportReport {
    /// Counts a fault and lists it if there is room.
    pub fn add_fault(&mut self, fault: Fault) {
        match fault.broken {
            true => self.refused += 1,
            false => self.left_out += 1,
        }
        if self.faults.len() < MAX_LISTED_FAULTS {
            self.faults.push(fault);
        }
    }

    /// How many comparisons a choice makes of the responses that nobody has judged.
    pub fn made_by(&self, making: Making) -> u64 {
        let each = self.notes.unjudged.iter();
        each.map(|(&responses, prompts)| prompts * making.count(responses))
            .sum()
    }

    /// Prompts with responses that nobody has judged.
    pub fn unjudged(&self) -> u64 {
        self.notes.unjudged.values().sum()
    }

    /// How many faults are counted but not listed.
    pub fn unlisted_faults(&self) -> u64 {
        (self.refused + self.left_out).saturating_sub(self.faults.len() as u64)
    }
}

impl ImportProgress {
    /// The share of the file that was read, 0 to 100.
    pub fn percent(&self) -> u64 {
        match self.bytes_total {
            0 => 0,
            total => (self.bytes.min(total) * 100) / total,
        }
    }
}

impl fmt::Display for ImportReport {
    /// One sentence; the faults are for the caller to list.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} rows imported, {} already there, {} left out, {} refused; {} new prompts, {} new responses, {} new comparisons",
            self.imported,
            self.rows,
            self.duplicates,
            self.left_out,
            self.refused,
            self.prompts,
            self.responses,
            self.comparisons
        )
    }
}

/// The name of the annotator that stands for a file: its own, without the endings.
pub fn dataset_name(file: &str) -> String {
    let mut name = file;
    for ending in [".gz", ".zip", ".jsonl", ".json", ".ndjson", ".csv", ".tsv"] {
        name = name.strip_suffix(ending).unwrap_or(name);
    }
    match name.trim() {
        "" => "dataset".to_owned(),
        name => name.chars().take(120).collect(),
    }
}
