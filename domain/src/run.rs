//! Training runs as people see them: what is asked ([`Settings`], [`data::DataChoice`]), what they tell while they
//! work ([`event::RunEvent`]), and what came out ([`Metrics`]).

pub mod data;
mod device;
pub mod event;
pub mod progress;
mod settings;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Millis, stats::Proportion};
use data::{DataChoice, DataCounts};
pub use device::{Device, UnknownDevice};
pub use settings::{
    Keep, Lora, Method, Optimizer, Pooling, Precision, Schedule, Settings, Ties, Truncation, UnknownChoice,
};

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
    pub settings: Settings,
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
