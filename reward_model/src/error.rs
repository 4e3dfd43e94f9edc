//! What can go wrong, in words that can be shown to the person who started it.

use std::path::{Path, PathBuf};

use recipe::Refusal;

/// A model folder that cannot be read, written or run.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file could not be read or written.
    #[error("{}: {}", path.display(), io_words(reason))]
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
    /// The model's chat template refuses a conversation.
    #[error("{}: the chat template refuses a conversation: {reason}", folder.display())]
    Refused {
        /// The model's folder.
        folder: PathBuf,
        /// What the template says.
        reason: String,
    },
    /// A reward is no number that could be compared.
    #[error("the model gives text {} no finite reward: {cause}", place + 1)]
    NotFinite {
        /// The text's place among those that were given, from 0.
        place: usize,
        /// What is wrong with the model.
        cause: String,
    },
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

    /// JSON that cannot be read, or that is not a file of the kind.
    pub(crate) fn json(path: &Path, error: &serde_json::Error) -> Self {
        Self::content(path, json_words(error))
    }

    pub(crate) fn content(path: &Path, message: impl std::fmt::Display) -> Self {
        Self::Content {
            path: path.to_owned(),
            message: message.to_string(),
        }
    }
}

/// What the system says, without its numbers.
fn io_words(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        ErrorKind::PermissionDenied => "the system does not permit it to be read or written".to_owned(),
        ErrorKind::IsADirectory => "it is a folder, where a file is expected".to_owned(),
        ErrorKind::NotADirectory => "a part of its path is a file, where a folder is expected".to_owned(),
        ErrorKind::StorageFull => "there is no space left on the disk".to_owned(),
        ErrorKind::FileTooLarge => "it would become larger than the system permits".to_owned(),
        ErrorKind::UnexpectedEof => "it ends too early: it was cut short".to_owned(),
        ErrorKind::InvalidData => "it is not text in UTF-8".to_owned(),
        _ => {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or(&text).to_owned()
        }
    }
}

/// Where JSON cannot be read.
pub(crate) fn json_words(error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    let place = match (error.line(), error.column()) {
        (0, _) => String::new(),
        (line, column) => format!(" (line {line}, column {column})"),
    };
    match error.classify() {
        Category::Eof => format!("its JSON ends too early{place}: it was cut short"),
        Category::Syntax => format!("it is no JSON{place}"),
        Category::Data => format!("its JSON does not say what a file of this kind says{place}"),
        Category::Io => "it cannot be read".to_owned(),
    }
}

/// Why a run ended without a model.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A setting cannot be used.
    #[error("setting {0}")]
    Config(#[from] Refusal),
    /// The base model, the cache or the run's own folder cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The pairs cannot be gone through: their source says why.
    #[error("the training pairs cannot be read: {0}")]
    Source(String),
    /// There is nothing to train on.
    #[error("there are no training pairs")]
    NoPairs,
    /// No pair says anything to the model.
    #[error(
        "all {pairs} {which} pairs are left out: to the model their two responses are one text, either because they are cut to \
         {max_tokens} tokens before they differ, or because its tokenizer does not tell them apart; allow longer texts \
         (max_tokens), or leave out another part of them (truncation)"
    )]
    Alike {
        /// "training" or "held-out".
        which: &'static str,
        /// How many they are.
        pairs: usize,
        /// The longest text that was asked for.
        max_tokens: usize,
    },
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
