//! A run's state on disk. A checkpoint is a folder that appears whole: written beside its place, synced, renamed.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::backbone::Weights;
use crate::error::ModelError;
use crate::evaluate::Metrics;
use crate::optimizer::OptimizerState;
use crate::train::Watch;

/// What a checkpoint holds beside weights and moments. The order of the pairs and the learning rate follow from
/// the step and the configuration.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct State {
    /// Hash of configuration, pairs and base model: see `train::fingerprint`.
    pub fingerprint: String,
    /// Optimizer steps done.
    pub step: u64,
    /// Seconds of work so far, over all processes that shared the run.
    pub seconds: f64,
    /// Step of the last evaluation, and what it found.
    pub evaluated: Option<(u64, Option<Metrics>)>,
    /// The course of the losses, and the best evaluation.
    #[serde(default)]
    pub watch: Watch,
    /// The rules that the run began by: see `train::begin`.
    #[serde(default)]
    pub rules: u32,
}

/// Fills a folder through `fill` and puts it at `place`, replacing what was there: after a crash there is the old
/// one, the new one, or none that could be mistaken for whole.
pub(crate) fn write_folder(
    place: &Path,
    fill: impl FnOnce(&Path) -> Result<(), ModelError>,
) -> Result<(), ModelError> {
    let parent = place.parent().unwrap_or(Path::new("."));
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    let (new, old) = (
        parent.join(format!(".new-{name}")),
        parent.join(format!(".old-{name}")),
    );
    for folder in [&new, &old] {
        if folder.exists() {
            std::fs::remove_dir_all(folder).map_err(ModelError::file(folder))?;
        }
    }
    std::fs::create_dir_all(&new).map_err(ModelError::file(&new))?;
    if let Err(error) = fill(&new).and_then(|()| sync(&new)) {
        // Half a folder would only keep a full disk full; if it cannot be removed either, the next write does it.
        let _ = std::fs::remove_dir_all(&new);
        return Err(error);
    }
    if place.exists() {
        std::fs::rename(place, &old).map_err(ModelError::file(place))?;
    }
    std::fs::rename(&new, place).map_err(ModelError::file(place))?;
    File::open(parent)
        .and_then(|folder| folder.sync_all())
        .map_err(ModelError::file(parent))?;
    if old.exists() {
        std::fs::remove_dir_all(&old).map_err(ModelError::file(&old))?;
    }
    Ok(())
}

fn sync(folder: &Path) -> Result<(), ModelError> {
    for entry in std::fs::read_dir(folder).map_err(ModelError::file(folder))? {
        let path = entry.map_err(ModelError::file(folder))?.path();
        if path.is_dir() {
            sync(&path)?;
        } else {
            File::open(&path)
                .and_then(|file| file.sync_all())
                .map_err(ModelError::file(&path))?;
        }
    }
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(ModelError::file(folder))
}

/// Folder of the best weights, among the checkpoints'.
const BEST: &str = "best";

/// The step is in the name, so that weights are never taken for those of another.
fn best_file(step: u64) -> String {
    format!("weights-{step:08}.safetensors")
}

/// The checkpoints of one run, in a folder of their own; only the newest is kept, and the best weights.
pub(crate) struct Checkpoints {
    folder: PathBuf,
}

impl Checkpoints {
    pub fn new(run_dir: &Path) -> Self {
        Self {
            folder: run_dir.join("checkpoints"),
        }
    }

    fn path(&self, step: u64) -> PathBuf {
        self.folder.join(format!("step-{step:08}"))
    }

    /// The newest whole checkpoint's state.
    pub fn last(&self) -> Result<Option<State>, ModelError> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ModelError::file(&self.folder)(error)),
        };
        let entries: Vec<_> = entries.flatten().collect();
        for entry in &entries {
            // A process that died between two renamings left the whole checkpoint under its old name.
            if let Some(name) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.strip_prefix(".old-"))
            {
                let place = self.folder.join(name);
                if !place.exists() {
                    std::fs::rename(entry.path(), &place).map_err(ModelError::file(&place))?;
                }
            }
        }
        let steps = entries.iter().filter_map(|entry| {
            let name = entry.file_name();
            let name = name.to_str()?;
            name.strip_prefix(".old-")
                .unwrap_or(name)
                .strip_prefix("step-")?
                .parse::<u64>()
                .ok()
        });
        let Some(step) = steps.max() else { return Ok(None) };
        let path = self.path(step).join("state.json");
        let text = std::fs::read_to_string(&path).map_err(ModelError::file(&path))?;
        let state: State = serde_json::from_str(&text).map_err(|error| ModelError::json(&path, &error))?;
        if state.step != step {
            return Err(ModelError::content(
                &path,
                format!("step is {}, in the folder of step {step}", state.step),
            ));
        }
        Ok(Some(state))
    }

    /// Writes a checkpoint and removes older ones.
    pub fn write(
        &self,
        state: &State,
        weights: &Weights,
        optimizer: &OptimizerState,
    ) -> Result<(), ModelError> {
        std::fs::create_dir_all(&self.folder).map_err(ModelError::file(&self.folder))?;
        let place = self.path(state.step);
        write_folder(&place, |folder| {
            weights.save(&folder.join("weights.safetensors"))?;
            optimizer.save(&weights.names, folder)?;
            let path = folder.join("state.json");
            let json =
                serde_json::to_string_pretty(state).map_err(|error| ModelError::content(&path, error))?;
            std::fs::write(&path, json).map_err(ModelError::file(&path))
        })?;
        for entry in std::fs::read_dir(&self.folder)
            .map_err(ModelError::file(&self.folder))?
            .flatten()
        {
            let path = entry.path();
            let is_best = path.file_name().is_some_and(|name| name == BEST);
            if path != place && !is_best {
                std::fs::remove_dir_all(&path).map_err(ModelError::file(&path))?;
            }
        }
        Ok(())
    }

    /// Puts weights and moments back as they were when `state` was written.
    pub fn restore(
        &self,
        state: &State,
        weights: &Weights,
        optimizer: &mut OptimizerState,
    ) -> Result<(), ModelError> {
        let folder = self.path(state.step);
        weights.restore(&folder.join("weights.safetensors"))?;
        optimizer.restore(&weights.names, &folder)
    }

    /// Writes the weights of the best evaluation beside the checkpoint, in place of those before.
    pub fn write_best(&self, step: u64, weights: &Weights) -> Result<(), ModelError> {
        std::fs::create_dir_all(&self.folder).map_err(ModelError::file(&self.folder))?;
        write_folder(&self.folder.join(BEST), |folder| {
            weights.save(&folder.join(best_file(step).as_str()))
        })
    }

    /// Puts back what [`Checkpoints::write_best`] wrote.
    pub fn restore_best(&self, step: u64, weights: &Weights) -> Result<(), ModelError> {
        weights.restore(&self.folder.join(BEST).join(best_file(step)))
    }

    /// Removes them all, once the model itself is saved.
    pub fn clear(&self) -> Result<(), ModelError> {
        match std::fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(ModelError::file(&self.folder)(error))
            }
            _ => Ok(()),
        }
    }
}
