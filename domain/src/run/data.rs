//! Which pairs a run learns from, and which it is held against.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Which judgements and corrections become pairs. Only rows in force count; *both bad* and skips carry none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataChoice {
    pub source: JudgementSource,
    /// Only these annotators; empty for all.
    #[serde(default)]
    pub annotators: Vec<Uuid>,
    /// Leave out judgements that are marked for review.
    pub exclude_flagged: bool,
    /// A correction is chosen over every response of its comparison.
    pub corrections: bool,
    /// Rankings count as pairs: each response of a better group over each of a worse one.
    pub rankings: bool,
    /// Of these, rankings without ties are learnt from as wholes, by Plackett and Luce's loss; what is held out stays pairs.
    #[serde(default)]
    pub whole_rankings: bool,
    /// A graded preference asks for a lead of so much: see [`margin_of`].
    pub margins: bool,
    /// Ties are pairs too, for a loss that knows them.
    #[serde(default)]
    pub ties: bool,
    pub held_out: HeldOut,
}

/// Whose judgements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JudgementSource {
    /// People's and imported ones.
    All,
    /// Those given here.
    People,
    /// Those that came with a dataset.
    Imported,
}

/// What the model does not learn from, so that it can be judged by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum HeldOut {
    /// About so many prompts of a hundred, with all their pairs. Drawn by a hash of the prompt's content, so a prompt
    /// that is held out stays held out as the project grows or is imported anew.
    Share { percent: u8, seed: u64 },
    /// All pairs of another project.
    Project { id: Uuid },
}

/// What a [`DataChoice`] comes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataCounts {
    pub pairs: u64,
    pub prompts: u64,
    pub train: u64,
    pub held_out: u64,
    /// Pairs not learnt from because their prompt is in the held-out project too.
    pub overlapping: u64,
    /// Pairs (of both parts) made from corrections.
    pub from_corrections: u64,
    /// When they were selected; None in counts of before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selected_at: Option<crate::Millis>,
}

/// The largest share of prompts that can be held out, in percent.
pub const MAX_HELD_OUT_PERCENT: u8 = 50;

/// The lead that a preference of so many steps (1 slightly, 2 clearly, 3 much) asks for, in units of reward.
pub fn margin_of(strength: Option<i32>) -> f32 {
    match strength {
        Some(2) => 0.5,
        Some(steps) if steps >= 3 => 1.0,
        _ => 0.0,
    }
}

/// Whether the prompt of this content hash is held out, at so many percent.
pub fn is_held_out(content_hash: &str, percent: u8, seed: u64) -> bool {
    u64::from(draw(content_hash, seed)) * 100 < (u64::from(percent) << 32)
}

/// [`is_held_out`] for a share in 0..=1 instead of percent.
pub fn is_in_share(content_hash: &str, share: f64, seed: u64) -> bool {
    f64::from(draw(content_hash, seed)) < share * (1_u64 << 32) as f64
}

/// What decides on which side a prompt comes, whatever else is there.
fn draw(content_hash: &str, seed: u64) -> u32 {
    let digest = Sha256::new()
        .chain_update(seed.to_le_bytes())
        .chain_update(content_hash)
        .finalize();
    u32::from_le_bytes(std::array::from_fn(|i| digest[i]))
}

impl Default for DataChoice {
    fn default() -> Self {
        DataChoice {
            source: JudgementSource::All,
            annotators: Vec::new(),
            exclude_flagged: true,
            corrections: true,
            rankings: true,
            whole_rankings: false,
            margins: false,
            ties: false,
            held_out: HeldOut::Share { percent: 10, seed: 0 },
        }
    }
}

impl JudgementSource {
    pub const ALL: [JudgementSource; 3] = [
        JudgementSource::All,
        JudgementSource::People,
        JudgementSource::Imported,
    ];

    /// The spelling in forms and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            JudgementSource::All => "all",
            JudgementSource::People => "people",
            JudgementSource::Imported => "imported",
        }
    }
}

impl std::str::FromStr for JudgementSource {
    type Err = String;

    fn from_str(text: &str) -> Result<JudgementSource, String> {
        let found = JudgementSource::ALL
            .into_iter()
            .find(|source| source.as_str() == text);
        found.ok_or_else(|| format!("“{text}” is no source of judgements: use all, people or imported"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held_out(percent: u8, seed: u64) -> usize {
        (0..10_000)
            .filter(|n| is_held_out(&format!("{n:064x}"), percent, seed))
            .count()
    }

    #[test]
    fn the_share_is_about_what_was_asked_and_exact_at_the_ends() {
        assert_eq!(held_out(0, 1), 0);
        assert_eq!(held_out(100, 1), 10_000);
        assert!((900..1100).contains(&held_out(10, 1)), "{}", held_out(10, 1));
    }

    #[test]
    fn a_larger_share_holds_out_the_same_prompts_and_more() {
        for n in 0..1000 {
            let hash = format!("{n:064x}");
            assert!(!is_held_out(&hash, 10, 3) || is_held_out(&hash, 20, 3));
            assert_eq!(is_held_out(&hash, 10, 3), is_in_share(&hash, 0.1, 3));
        }
        let moved =
            (0..1000).filter(|n| is_held_out(&format!("{n}"), 10, 1) != is_held_out(&format!("{n}"), 10, 2));
        assert!(moved.count() > 50, "another seed draws other prompts");
    }
}
