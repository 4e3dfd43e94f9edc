//! What is to be told of how lines were read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Format, Row};

/// The most names of columns that are told.
const MAX_NAMES: usize = 50;

/// How one line was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RowNotes {
    /// None for what is no line of a file.
    pub format: Option<Format>,
    /// Answers that have no words left behind the prompt.
    pub emptied: u64,
    /// Columns too large to be kept.
    pub unkept: Vec<String>,
    /// Columns that say which response is better, but are not read.
    pub judgements: Vec<String>,
}

/// How the lines of a file were read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FileNotes {
    /// Lines by their shape.
    pub formats: BTreeMap<Format, u64>,
    /// Answers that have no words left behind the prompt.
    pub emptied: u64,
    /// Lines by the columns that are kept beside the texts, and by those that are too large to be kept.
    pub kept: BTreeMap<String, u64>,
    pub unkept: BTreeMap<String, u64>,
    /// Prompts that nobody has judged, by how many different responses they bring.
    pub unjudged: BTreeMap<u64, u64>,
}

impl FileNotes {
    /// Counts a line.
    pub fn add(&mut self, row: &Row) {
        if let Some(format) = row.notes.format {
            *self.formats.entry(format).or_default() += 1;
        }
        self.emptied += row.notes.emptied;
        row.columns.keys().for_each(|name| count(&mut self.kept, name, 1));
        row.notes
            .unkept
            .iter()
            .for_each(|name| count(&mut self.unkept, name, 1));
        if row.is_unjudged() {
            *self.unjudged.entry(row.responses.len() as u64).or_default() += 1;
        }
    }

    /// Counts what another part of the file told.
    pub fn merge(&mut self, other: FileNotes) {
        for (format, lines) in other.formats {
            *self.formats.entry(format).or_default() += lines;
        }
        self.emptied += other.emptied;
        for (name, lines) in other.kept {
            count(&mut self.kept, &name, lines);
        }
        for (name, lines) in other.unkept {
            count(&mut self.unkept, &name, lines);
        }
        for (responses, prompts) in other.unjudged {
            *self.unjudged.entry(responses).or_default() += prompts;
        }
    }

    /// Lines whose prompt is what their answers have in common.
    pub fn implicit(&self) -> u64 {
        self.formats.get(&Format::TrlImplicit).copied().unwrap_or(0)
    }

    /// What is to be known of how prompts and answers were found, in sentences.
    pub fn reading(&self) -> Vec<String> {
        let mut told = Vec::new();
        if self.implicit() > 0 {
            told.push(format!(
                "{} read with the common beginning of both answers as the prompt.",
                lines(self.implicit())
            ));
        }
        match self.emptied {
            0 => {}
            1 => told.push("1 answer has no words left behind that prompt.".to_owned()),
            more => told.push(format!("{more} answers have no words left behind that prompt.")),
        }
        told
    }

    /// The same, and what became of other columns.
    pub fn sentences(&self) -> Vec<String> {
        let mut told = self.reading();
        let names = |columns: &BTreeMap<String, u64>| columns.keys().cloned().collect::<Vec<_>>().join(", ");
        if !self.kept.is_empty() {
            told.push(format!("Columns kept beside the texts: {}.", names(&self.kept)));
        }
        if !self.unkept.is_empty() {
            told.push(format!(
                "Columns not kept, being too large: {}.",
                names(&self.unkept)
            ));
        }
        told
    }
}

fn lines(count: u64) -> String {
    match count {
        1 => "1 line was".to_owned(),
        more => format!("{more} lines were"),
    }
}

fn count(columns: &mut BTreeMap<String, u64>, name: &str, lines: u64) {
    if columns.len() < MAX_NAMES || columns.contains_key(name) {
        *columns.entry(name.chars().take(80).collect()).or_default() += lines;
    }
}
