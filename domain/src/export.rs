//! What to take out of a project.

use serde::{Deserialize, Serialize};

/// Whose judgements to export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JudgementSource {
    #[default]
    All,
    /// Made here, by people.
    People,
    /// Brought along by datasets.
    Imported,
    None,
}

impl JudgementSource {
    pub const ALL: [JudgementSource; 4] = [
        JudgementSource::All,
        JudgementSource::People,
        JudgementSource::Imported,
        JudgementSource::None,
    ];

    /// The spelling in URLs and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            JudgementSource::All => "all",
            JudgementSource::People => "people",
            JudgementSource::Imported => "imported",
            JudgementSource::None => "none",
        }
    }
}

impl std::str::FromStr for JudgementSource {
    type Err = UnknownSource;

    fn from_str(text: &str) -> Result<JudgementSource, UnknownSource> {
        JudgementSource::ALL
            .into_iter()
            .find(|source| source.as_str() == text)
            .ok_or_else(|| UnknownSource(text.to_owned()))
    }
}

/// The text names no source of judgements.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("“{0}” is not a choice of judgements: use all, people, imported or none")]
pub struct UnknownSource(pub String);

/// What an export holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportChoice {
    pub judgements: JudgementSource,
    /// Whether corrections are in it, each preferred over every response of its comparison.
    pub corrections: bool,
}

/// How many lines an export would have, by where they come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ExportCounts {
    /// Judgements in force that prefer something.
    pub people: u64,
    pub imported: u64,
    /// Corrections in force.
    pub corrections: u64,
}
