//! What a run tells while it works, as stored and as sent to the page.

use serde::{Deserialize, Serialize};

use super::{Cut, State};
use crate::stats::Proportion;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RunEvent {
    /// The run changed state; `error` says why it failed.
    State { state: State, error: Option<String> },
    /// Something of interest to the person who waits, as a sentence.
    Note { text: String },
    /// Training begins, or goes on after `step`.
    Started {
        step: u64,
        steps: u64,
        train: u64,
        held_out: u64,
        cut: Cut,
    },
    /// Texts embedded by the frozen model, out of so many.
    Embedding { done: u64, of: u64 },
    /// A stretch of steps: one point of the curve for every so many.
    Steps {
        points: Vec<StepPoint>,
        /// None where the stretch was too short to tell.
        #[serde(default)]
        pairs_per_second: Option<f64>,
        seconds_left: Option<f64>,
    },
    /// The held-out pairs were scored.
    Evaluated(Evaluation),
    /// Up to here, nothing is lost when the process dies.
    Checkpointed { step: u64 },
    /// The project's responses are being scored.
    Scoring { done: u64, of: u64 },
}

/// One point of the training curves: means over the steps since the point before, of what those told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct StepPoint {
    pub step: u64,
    pub loss: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// Length of the gradient before it was limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grad_norm: Option<f64>,
    /// Share of the step's pairs whose chosen response has the higher reward.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Chosen reward less rejected one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reward_mean: Option<f64>,
    /// Standard deviation of the rewards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reward_spread: Option<f64>,
}

/// How the model does on the held-out pairs after `step`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    pub step: u64,
    pub loss: f64,
    pub correct: Proportion,
    /// Rewards of the held-out responses; None in runs of before they were kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewards: Option<Rewards>,
}

/// Rewards of the held-out responses.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rewards {
    pub mean: f64,
    pub lowest: f64,
    pub highest: f64,
    /// Chosen less rejected, in the mean.
    pub margin: f64,
}

/// A stored event with its place in the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeqEvent {
    /// Counts from 1 within the run.
    pub seq: i64,
    pub event: RunEvent,
}
