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
    /// The settings that a method starts from.
    fn defaults(&self, method: Method) -> Recipe;
    /// Whether training takes these settings; else which not, and why.
    fn check(&self, settings: &Recipe) -> Result<(), Refusal>;
    /// Scores items with the model of a run that is done.
    fn score(&self, run: Uuid, items: Vec<ScoreItem>) -> Answer<Result<ItemScores, ScoringError>>;
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
