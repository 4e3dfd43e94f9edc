//! What can go wrong, in words that can be shown to the person who started it.

use std::path::{Path, PathBuf};

use crate::config::ConfigError;

/// A model folder that cannot be read, written or run.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file could not be read or written.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said; part of the sentence, so that it is no source of its own.
        reason: std::io::Error,
    },
    /// A file was read, but its content is not what a model of this kind has.
    #[error("{}: {message}", path.display())]
    Content {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// The device that a model is to be computed on cannot be had.
    #[error("device: {0}")]
    Device(String),
    /// The tokenizer failed on a text.
    #[error("the tokenizer failed: {0}")]
    Tokenizer(String),
    /// A tensor operation failed; the shapes are in the message.
    #[error("tensor operation: {0}")]
    Tensor(#[from] candle_core::Error),
}

impl ModelError {
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |reason| Self::File { path, reason }
    }

    pub(crate) fn content(path: &Path, message: impl std::fmt::Display) -> Self {
        Self::Content {
            path: path.to_owned(),
            message: message.to_string(),
        }
    }
}

/// Why a run ended without a model.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A setting cannot be used.
    #[error("setting {0}")]
    Config(#[from] ConfigError),
    /// The base model, the cache or the run's own folder cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The pairs cannot be gone through: their source says why.
    #[error("the training pairs cannot be read: {0}")]
    Source(String),
    /// There is nothing to train on.
    #[error("there are no training pairs")]
    NoPairs,
    /// A pair carries a number that cannot be trained on, or a conversation that the chat template refuses.
    #[error("pair {id}: {message}")]
    Pair {
        /// The pair's id as given.
        id: String,
        /// What is wrong with it.
        message: String,
    },
    /// Loss or gradient stopped being a number.
    #[error(
        "the loss, gradient or rewards stopped being finite numbers at step {step}, in {batch}; {suggestion}"
    )]
    NotFinite {
        /// Optimizer step, counted from 1.
        step: u64,
        /// The pairs of the step, by their ids.
        batch: String,
        /// What to change.
        suggestion: String,
    },
    /// The loss became far greater than it was at the start.
    #[error("the loss has run away by step {step}, in {batch}; {suggestion}")]
    Diverged {
        /// Optimizer step, counted from 1.
        step: u64,
        /// The pairs of the step, by their ids.
        batch: String,
        /// What to change.
        suggestion: String,
    },
    /// The run's folder holds work done with another configuration, other pairs or another base model.
    #[error(
        "{} holds a run with other settings, pairs or base model: start in a new folder, or restore them to go on",
        run_dir.display()
    )]
    Changed {
        /// The run's folder.
        run_dir: PathBuf,
    },
}

impl From<candle_core::Error> for TrainError {
    fn from(error: candle_core::Error) -> Self {
        Self::Model(error.into())
    }
}
