//! A project: prompts to be judged under one set of instructions.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Millis;

/// The grading scheme in force: the seven-step pair scale and ordered-group rankings of [`crate::judgement`].
pub const SCHEME_VERSION: i32 = 1;

/// The longest name, in characters.
pub const MAX_NAME: usize = 80;

/// The most people who can be asked to judge one comparison.
pub const MAX_WANTED: i32 = 9;

/// A project as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    pub id: Uuid,
    pub name: String,
    /// Markdown, shown beside the work.
    pub instructions: String,
    /// Whether it holds the demo content.
    pub demo: bool,
    pub scheme_version: i32,
    /// How many people judge a comparison, 1 to [`MAX_WANTED`], unless it has a number of its own.
    pub judgements_per_comparison: i32,
    pub created_at: Millis,
}

/// A project with what stands in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectSummary {
    pub project: Project,
    pub prompts: u64,
    pub responses: u64,
    pub comparisons: u64,
    /// Judgements in force (not superseded, not withdrawn), people's and imported ones.
    pub judgements: u64,
    pub corrections: u64,
    pub runs: u64,
}
