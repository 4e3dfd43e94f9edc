//! Where what lies in the data folder: this file alone knows.

use std::{
    io,
    path::{Path, PathBuf},
};

use uuid::Uuid;

/// What of it is for its owner alone, by the beginnings of names: beside the database lie its journals.
pub const PRIVATE: [&str; 4] = [DATABASE, RUNS, UPLOADS, CACHE];

const DATABASE: &str = "touchstone.db";
const RUNS: &str = "runs";
const UPLOADS: &str = "uploads";
const CACHE: &str = "cache";
const MODELS: &str = "models";

/// The database, where no other is named.
pub fn database(data_dir: &Path) -> PathBuf {
    data_dir.join(DATABASE)
}

/// A run's pairs, checkpoints and model.
pub fn run(data_dir: &Path, run: Uuid) -> PathBuf {
    data_dir.join(RUNS).join(run.to_string())
}

/// The model that a run has trained.
pub fn model(data_dir: &Path, id: Uuid) -> PathBuf {
    run(data_dir, id).join("model")
}

/// Embeddings, which all runs share.
pub fn embeddings(data_dir: &Path) -> PathBuf {
    data_dir.join(CACHE).join("embeddings")
}

/// Base models that runs may name by the names of their folders.
pub fn models(data_dir: &Path) -> PathBuf {
    data_dir.join(MODELS)
}

/// The base model, where no other folder is named.
pub fn base_model(data_dir: &Path) -> PathBuf {
    models(data_dir).join("base/all-MiniLM-L6-v2")
}

/// Where uploads wait for their import; absolute, because a job names it and may be done from another folder.
///
/// # Errors
/// When the current folder cannot be told.
pub fn uploads(data_dir: &Path) -> io::Result<PathBuf> {
    std::path::absolute(data_dir.join(UPLOADS))
}
