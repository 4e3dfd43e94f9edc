//! What the server's model threads do for pages: the app itself knows no model.

use std::{future::Future, pin::Pin};

use domain::score::{ScoreItem, Scored};
use recipe::{Method, Recipe, Refusal};
use uuid::Uuid;

use crate::error::AppError;

/// A future that owns what it needs.
pub type Answer<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The rewards of each item's responses, in their order.
pub type ItemScores = Vec<Vec<Scored>>;

/// Asks trained models, and knows how they are trained.
pub trait Scoring: Send + Sync {
    /// The settings that a method starts from where a run names this base model; empty for the installation's own.
    fn defaults(&self, method: Method, base: &str) -> Recipe;
    /// Base models that a run may be trained on, the installation's own first.
    fn bases(&self) -> Vec<Base>;
    /// Whether training takes these settings; else which not, and why.
    fn check(&self, settings: &Recipe) -> Result<(), Refusal>;
    /// Scores items with the model of a run that is done.
    fn score(&self, run: Uuid, items: Vec<ScoreItem>) -> Answer<Result<ItemScores, ScoringError>>;
}

/// A base model on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// What a run's settings name it; empty for the installation's own.
    pub name: String,
    /// Its size, longest text and languages, for people.
    pub what: String,
    /// Its words are English.
    pub reads_english_alone: bool,
}

/// Why there are no scores.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScoringError {
    #[error("The model is busy with earlier requests. Try again in a moment.")]
    Busy,
    #[error("This run's model is not on this server: train it again.")]
    NoModel,
    /// With its cause.
    #[error("This run's model gives no finite reward: {0}. Train it again.")]
    NotFinite(String),
    /// The model's chat template refuses a conversation.
    #[error("This run's model cannot read a conversation: {0}.")]
    Refused(String),
    /// The detail is for the log.
    #[error("The model failed: {0}")]
    Failed(String),
}

impl From<ScoringError> for AppError {
    fn from(error: ScoringError) -> AppError {
        match error {
            ScoringError::Busy => AppError::TooMany(error.to_string()),
            ScoringError::NoModel | ScoringError::NotFinite(_) => AppError::Unavailable(error.to_string()),
            ScoringError::Refused(_) => AppError::Invalid(error.to_string()),
            ScoringError::Failed(detail) => AppError::internal(detail),
        }
    }
}
