//! Training runs as people see them: what is asked ([`Settings`], [`data::DataChoice`]), what they tell while they
//! work ([`event::RunEvent`]), and what came out ([`Metrics`]).

pub mod data;
pub mod event;
pub mod progress;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Millis, stats::Proportion};
use data::{DataChoice, DataCounts};

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

/// Which parts of the model learn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// One layer on the frozen model's embeddings: seconds.
    Head,
    /// Every weight: minutes.
    Full,
}

/// Everything but the data that decides how a model is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    pub method: Method,
    /// Decides the order of the pairs and the weights that start at random.
    pub seed: u64,
    /// Passes over the training pairs.
    pub epochs: u32,
    /// Pairs per optimizer step.
    pub batch_pairs: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    pub weight_decay: f64,
    /// Share of the steps over which the learning rate rises.
    pub warmup_share: f64,
    /// Longest text in tokens; the end is kept.
    pub max_tokens: usize,
    /// Epochs between evaluations, such as 0.25.
    pub evaluate_every: f64,
    /// Steps between checkpoints; 0 for checkpoints by time alone.
    #[serde(default)]
    pub checkpoint_every_steps: u64,
}

/// What came out of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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

impl Method {
    pub const ALL: [Method; 2] = [Method::Head, Method::Full];

    /// The spelling in forms, on the command line and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Head => "head",
            Method::Full => "full",
        }
    }
}

impl std::str::FromStr for Method {
    type Err = String;

    fn from_str(text: &str) -> Result<Method, String> {
        let found = Method::ALL.into_iter().find(|method| method.as_str() == text);
        found.ok_or_else(|| format!("“{text}” is not a method: use head or full"))
    }
}
