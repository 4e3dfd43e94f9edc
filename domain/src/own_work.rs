//! Looking back at one's own judgements and corrections: which of them, and since when.

use serde::{Deserialize, Serialize};

use crate::Millis;

/// Which of one's own rows are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnKind {
    #[default]
    Everything,
    Pairs,
    Rankings,
    Skipped,
    Flagged,
    /// Judgements with a reason.
    Justified,
    Corrections,
}

impl OwnKind {
    pub const ALL: [OwnKind; 7] = [
        OwnKind::Everything,
        OwnKind::Pairs,
        OwnKind::Rankings,
        OwnKind::Skipped,
        OwnKind::Flagged,
        OwnKind::Justified,
        OwnKind::Corrections,
    ];

    /// The spelling in addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            OwnKind::Everything => "everything",
            OwnKind::Pairs => "pairs",
            OwnKind::Rankings => "rankings",
            OwnKind::Skipped => "skipped",
            OwnKind::Flagged => "flagged",
            OwnKind::Justified => "justified",
            OwnKind::Corrections => "corrections",
        }
    }
}

/// A selection of one's own rows in a project; the default is all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnFilter {
    pub kind: OwnKind,
    /// In the prompt, the reason or the correction, in capitals or not; empty for any.
    pub search: String,
    pub since: Option<Millis>,
    /// The first moment that is too late.
    pub until: Option<Millis>,
}
