//! What a model made of each held-out pair, as a file: one JSON object a line.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::ModelError;

/// The file of a run's folder that says what the model made of each held-out pair.
pub const PREDICTIONS: &str = "predictions.jsonl";

/// One pair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The pair's, as it was given: of files name and line, of a project the judgement's identifier.
    pub id: String,
    /// The chosen response's reward.
    pub chosen: f32,
    /// The rejected response's reward.
    pub rejected: f32,
    /// The chosen reward less the rejected one: above 0 the model agrees.
    pub margin: f32,
    /// Standard deviations of an ensemble's members, of both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spreads: Option<[f32; 2]>,
}

impl Prediction {
    /// Of a pair with these rewards.
    pub fn new(id: impl Into<String>, rewards: [f32; 2], spreads: Option<[f32; 2]>) -> Self {
        let [chosen, rejected] = rewards;
        Self {
            id: id.into(),
            chosen,
            rejected,
            margin: chosen - rejected,
            spreads,
        }
    }
}

/// Writes predictions to a file, in place of what was there.
///
/// # Errors
/// When the file cannot be written.
pub fn write_predictions(path: &Path, predictions: &[Prediction]) -> Result<(), ModelError> {
    // Written beside, then moved: a file that is there is whole.
    let part = path.with_extension("part");
    let write = || {
        let mut file = BufWriter::new(File::create(&part)?);
        for prediction in predictions {
            serde_json::to_writer(&mut file, prediction)?;
            file.write_all(b"\n")?;
        }
        file.into_inner()
            .map_err(std::io::IntoInnerError::into_error)?
            .sync_all()?;
        std::fs::rename(&part, path)
    };
    write().map_err(ModelError::file(path))
}
