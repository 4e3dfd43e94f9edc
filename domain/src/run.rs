//! Training runs as people see them: what is asked ([`Recipe`], [`data::DataChoice`]), what they tell while they
//! work ([`event::RunEvent`]), and what came out ([`Metrics`]).

pub mod data;
pub mod event;
pub mod progress;

use recipe::Recipe;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Millis, stats::Proportion};
use data::{DataChoice, DataCounts};
use event::Rewards;

/// The longest name of a run, in characters.
pub const MAX_NAME: usize = 80;

/// Where a job or a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Queued,
    Running,
    Done,
    Failed,
    Cancelled,
}

/// What came out of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Held-out pairs that the model orders as people do; None if nothing was held out.
    pub held_out: Option<Proportion>,
    pub held_out_loss: Option<f64>,
    /// What always choosing the longer response reaches on the held-out pairs.
    pub longest: Option<Proportion>,
    /// Mean loss over the last stretch of training.
    pub train_loss: Option<f64>,
    pub steps: u64,
    /// Seconds of training over all starts, embedding included.
    pub seconds: f64,
    pub pairs_per_second: f64,
    pub cut: Cut,
    /// Responses of the project that the model has scored.
    pub scored: u64,
    /// More of the held-out pairs; None if nothing was held out, and in runs of before these were kept.
    #[serde(default)]
    pub measures: Option<Measures>,
    /// Training and held-out pairs that were left out because to the model their responses are one text.
    #[serde(default)]
    pub alike: [u64; 2],
    /// An earlier evaluation that was better than the one of the weights that were kept.
    #[serde(default)]
    pub better: Option<Better>,
}

/// How a model does on the held-out pairs, beside accuracy and loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// How often a chosen response has a higher reward than a rejected one of any pair.
    pub auc: f64,
    /// Expected calibration error over [`Measures::reliability`].
    pub ece: f64,
    /// Ten bins of equal width of σ(|margin|) between 0.5 and 1, the least confident first.
    pub reliability: Vec<Bin>,
    /// Where the chosen response is the shorter one, as long, and the longer one.
    pub by_length: [Proportion; 3],
    pub rewards: Rewards,
    /// Of reward and length in characters.
    pub length_correlation: f64,
    /// Mean over the responses of an ensemble's spread; None for a single model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<f64>,
}

/// Pairs of which a model is about as sure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    pub correct: Proportion,
    /// Mean of σ(|margin|), 0.5 to 1; 0 for no pairs.
    pub confidence: f64,
}

/// An evaluation that was better than the last one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Better {
    pub step: u64,
    pub loss: f64,
    pub correct: Proportion,
}

/// How many texts were too long for the model, and what that cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    pub texts: u64,
    /// Texts whose beginning was left out.
    pub cut_texts: u64,
    pub tokens: u64,
    pub cut_tokens: u64,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub id: Uuid,
    pub project_id: Uuid,
    pub name: String,
    pub state: State,
    pub settings: Recipe,
    pub data: RunData,
    pub metrics: Option<Metrics>,
    /// Why it failed, as a sentence.
    pub error: Option<String>,
    pub created_at: Millis,
    pub started_at: Option<Millis>,
    pub finished_at: Option<Millis>,
}

/// Which data a run was asked to use, and what that came to when it first started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunData {
    pub choice: DataChoice,
    pub counts: Option<DataCounts>,
}

impl State {
    pub const ALL: [State; 5] = [
        State::Queued,
        State::Running,
        State::Done,
        State::Failed,
        State::Cancelled,
    ];

    /// The spelling in the database and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Queued => "queued",
            State::Running => "running",
            State::Done => "done",
            State::Failed => "failed",
            State::Cancelled => "cancelled",
        }
    }

    /// Nothing more will happen.
    pub fn is_final(self) -> bool {
        matches!(self, State::Done | State::Failed | State::Cancelled)
    }
}
