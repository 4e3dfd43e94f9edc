//! A base model's folder as training and scoring find it: where its backbone lies, and whether it ends in a head of its own that
//! training can go on from.

use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use crate::backbone::{Family, ModelConfig, Source};
use crate::error::ModelError;
use crate::infer::modules;

/// The folder of a model's backbone: `config.json`, tokenizer and weights. It is the model's own, or the first that its
/// `modules.json` lists.
///
/// # Errors
/// When `modules.json` cannot be read, or names a folder that is not in the model's.
pub fn backbone_folder(folder: &Path) -> Result<PathBuf, ModelError> {
    match modules_of(folder)? {
        Some(list) => place_of(folder, &list[0]),
        None => Ok(folder.to_owned()),
    }
}

/// What `modules.json` lists; nothing where there is none.
pub(crate) fn modules_of(folder: &Path) -> Result<Option<Value>, ModelError> {
    let path = folder.join(MODULES);
    match std::fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text)
            .map(Some)
            .map_err(|error| ModelError::json(&path, &error)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ModelError::file(&path)(error)),
    }
}

/// The folder of a module. A path that climbs could lead out of the model's.
///
/// # Errors
/// When it does.
pub(crate) fn place_of(folder: &Path, module: &Value) -> Result<PathBuf, ModelError> {
    let path = module["path"].as_str().unwrap_or_default();
    let inside = |part: Component| matches!(part, Component::Normal(_));
    if !Path::new(path).components().all(inside) {
        let message = format!("{path} is no folder of this model's own");
        return Err(ModelError::content(&folder.join(MODULES), message));
    }
    Ok(folder.join(path))
}

/// The file that lists a sentence-transformers folder's modules.
pub(crate) const MODULES: &str = "modules.json";

/// What a base model ends in.
#[derive(Debug, PartialEq)]
pub(crate) enum OwnHead {
    /// No reward: a bare backbone, or an embedding model.
    None,
    /// One linear layer on the mean over tokens, as we save it, or some whose mean counts.
    Mean(MeanHead),
    /// What the family has in transformers, with one label.
    Family,
    /// A reward by other layers than ours.
    Other,
}

/// Linear layers on the mean over tokens, one for each member of an ensemble.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MeanHead {
    /// One row for each member.
    pub rows: Vec<Vec<f32>>,
    /// One for each member.
    pub bias: Vec<f32>,
}

impl MeanHead {
    /// As one layer: the members' mean.
    pub fn single(&self) -> (Vec<f32>, f32) {
        let share = 1.0 / self.rows.len() as f32;
        let mut weight = vec![0.0; self.rows[0].len()];
        for row in &self.rows {
            weight
                .iter_mut()
                .zip(row)
                .for_each(|(to, from)| *to += share * from);
        }
        (weight, self.bias.iter().sum::<f32>() * share)
    }

    /// As so many members: themselves, or each a copy of their mean.
    pub fn members(&self, count: usize) -> Self {
        if count == self.rows.len() {
            return self.clone();
        }
        let (weight, bias) = self.single();
        Self {
            rows: vec![weight; count],
            bias: vec![bias; count],
        }
    }
}

/// Finds out what a base model ends in.
///
/// # Errors
/// When a file of it cannot be read.
pub(crate) fn own_head(folder: &Path) -> Result<OwnHead, ModelError> {
    let backbone = backbone_folder(folder)?;
    let config = ModelConfig::load(&backbone)?;
    let family = Family::of(&config)?;
    if let Some(list) = modules_of(folder)? {
        let ends_in_one = |module: &Value| {
            let kind = module["type"].as_str().unwrap_or_default();
            kind.ends_with("Dense") && outputs(folder, module) == Some(1)
        };
        let last = list.as_array().and_then(|list| list.last());
        if last.is_some_and(ends_in_one) {
            return Ok(match modules(folder, family.hidden(&config)?) {
                Ok((pooling, layers)) if pooling.is_mean() => linear(&layers),
                _ => OwnHead::Other,
            });
        }
    }
    let name = format!("{}.weight", family.output_name());
    let source = Source::of_model(&backbone, 0)?;
    let has_one_label = source.shape(&name).is_some_and(|shape| shape.first() == Some(&1));
    Ok(if has_one_label {
        OwnHead::Family
    } else {
        OwnHead::None
    })
}

fn outputs(folder: &Path, module: &Value) -> Option<u64> {
    let text = std::fs::read_to_string(place_of(folder, module).ok()?.join("config.json")).ok()?;
    serde_json::from_str::<Value>(&text).ok()?["out_features"].as_u64()
}

/// One linear layer, or some with their mean on top.
fn linear(layers: &[crate::head::DenseLayer]) -> OwnHead {
    let (first, is_known) = match layers {
        [one] => (one, true),
        [members, mean] => (members, mean.is_mean()),
        _ => return OwnHead::Other,
    };
    if !is_known || layers.iter().any(|layer| layer.tanh) {
        return OwnHead::Other;
    }
    OwnHead::Mean(MeanHead {
        rows: first
            .weight
            .chunks_exact(first.inner)
            .map(<[f32]>::to_vec)
            .collect(),
        bias: first.bias.clone(),
    })
}
