//! `config.json` of a model folder, field by field.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::ops::{Activation, Rotation};
use crate::error::ModelError;

/// Above these a number in the file is a mistake, and believing it would ask for more memory than there is.
const LARGEST_COUNT: u64 = (1 << 31) - 1;
const MOST_LAYERS: usize = 1024;
const LONGEST_HEAD: usize = 8192;

/// The file's content; what is missing or unsupported is named with the file.
#[derive(Debug, Clone)]
pub(crate) struct ModelConfig {
    path: PathBuf,
    fields: Map<String, Value>,
}

impl ModelConfig {
    /// Reads `config.json` in `folder`.
    ///
    /// # Errors
    /// When it is missing or not a JSON object.
    pub fn load(folder: &Path) -> Result<Self, ModelError> {
        let path = folder.join("config.json");
        if !path.exists() && folder.join("adapter_config.json").exists() {
            let message = "it is an adapter alone, without the model that it belongs to: merge them in Python with \
                           `PeftModel.from_pretrained(…).merge_and_unload().save_pretrained(…)`";
            return Err(ModelError::content(folder, message));
        }
        let text = std::fs::read_to_string(&path).map_err(ModelError::file(&path))?;
        let fields = serde_json::from_str(&text).map_err(|error| ModelError::json(&path, &error))?;
        Ok(Self { path, fields })
    }

    /// An error about this file.
    pub fn error(&self, message: impl std::fmt::Display) -> ModelError {
        ModelError::content(&self.path, message)
    }

    fn get(&self, field: &str) -> Option<&Value> {
        self.fields.get(field).filter(|value| !value.is_null())
    }

    fn or<T>(&self, field: &str, otherwise: T, read: impl Fn(&Value) -> Option<T>) -> Result<T, ModelError> {
        match self.get(field) {
            None => Ok(otherwise),
            Some(value) => read(value).ok_or_else(|| self.error(format!("{field} is {value}"))),
        }
    }

    /// A count that must be there and above 0.
    pub fn count(&self, field: &str) -> Result<usize, ModelError> {
        match self.count_or(field, 0)? {
            0 => Err(self.error(format!("no {field}"))),
            count => Ok(count),
        }
    }

    /// A count, or another where the file has none.
    pub fn count_or(&self, field: &str, otherwise: usize) -> Result<usize, ModelError> {
        self.or(field, otherwise, |value| {
            value.as_u64().filter(|n| *n <= LARGEST_COUNT).map(|n| n as usize)
        })
    }

    /// A number, or another where the file has none.
    pub fn number_or(&self, field: &str, otherwise: f64) -> Result<f64, ModelError> {
        self.or(field, otherwise, Value::as_f64)
    }

    /// A number that may be missing.
    pub fn number(&self, field: &str) -> Result<Option<f64>, ModelError> {
        self.or(field, None, |value| value.as_f64().map(Some))
    }

    /// A switch, or another where the file has none.
    pub fn flag_or(&self, field: &str, otherwise: bool) -> Result<bool, ModelError> {
        self.or(field, otherwise, Value::as_bool)
    }

    /// A word, or another where the file has none.
    pub fn word_or<'a>(&'a self, field: &str, otherwise: &'a str) -> &'a str {
        self.get(field).and_then(Value::as_str).unwrap_or(otherwise)
    }

    /// Words of a list, or of one word with parts.
    pub fn words(&self, field: &str, between: char) -> Vec<String> {
        match self.get(field) {
            Some(Value::Array(words)) => words
                .iter()
                .filter_map(|w| w.as_str().map(str::to_owned))
                .collect(),
            Some(Value::String(words)) => words.split(between).map(|word| word.trim().to_owned()).collect(),
            _ => Vec::new(),
        }
    }

    /// Refuses any other value of a field than the one that is computed.
    pub fn expect(&self, field: &str, value: &str) -> Result<(), ModelError> {
        match self.word_or(field, value) {
            other if other != value => {
                Err(self.error(format!("{field} is {other:?}; only {value:?} is supported")))
            }
            _ => Ok(()),
        }
    }

    /// The activation named by a field.
    pub fn activation(&self, field: &str, otherwise: &str) -> Result<Activation, ModelError> {
        let name = self.word_or(field, otherwise);
        Activation::named(name).ok_or_else(|| self.error(format!("{field} {name:?} is not supported")))
    }

    /// Length of a head where it is the hidden size's share.
    pub fn head_size(&self, hidden: &str, heads: &str) -> Result<usize, ModelError> {
        let (hidden_size, count) = (self.count(hidden)?, self.count(heads)?);
        if !hidden_size.is_multiple_of(count) {
            return Err(self.error(format!("{hidden} must be a multiple of {heads}")));
        }
        self.head_of(hidden_size / count)
    }

    /// A head of this length, if there can be one.
    pub fn head_of(&self, size: usize) -> Result<usize, ModelError> {
        if size > LONGEST_HEAD {
            return Err(self.error(format!(
                "heads of {size} elements; at most {LONGEST_HEAD} are supported"
            )));
        }
        Ok(size)
    }

    /// How many layers there are.
    pub fn layers(&self, field: &str) -> Result<usize, ModelError> {
        match self.count(field)? {
            count if count > MOST_LAYERS => {
                Err(self.error(format!("{field} is {count}; at most {MOST_LAYERS} are supported")))
            }
            count => Ok(count),
        }
    }

    /// What `layer_types` says of a layer: "full_attention" or "sliding_attention".
    pub fn layer_type(&self, layer: usize) -> Option<&str> {
        self.get("layer_types")?.get(layer)?.as_str()
    }

    /// How heads of `size` turn: by `rope_parameters` (transformers 5), which may differ by kind of layer, or by
    /// `rope_theta` and `rope_scaling`.
    pub fn rotation(&self, kind: &str, theta: f64, size: usize) -> Result<Rotation, ModelError> {
        if !size.is_multiple_of(2) {
            return Err(self.error(format!("heads of {size} elements, an odd number, cannot turn")));
        }
        let parameters = self.get("rope_parameters");
        let own = parameters.map(|all| all.get(kind).unwrap_or(all));
        let read = |field: &str| own.and_then(|own| own.get(field)).and_then(Value::as_f64);
        let theta = match (read("rope_theta"), own) {
            (Some(theta), _) => theta,
            (None, Some(_)) => theta,
            (None, None) => self.number_or("rope_theta", theta)?,
        };
        let plain = Rotation::plain(theta, size);
        let Some(scaling) = own.or_else(|| self.get("rope_scaling")) else {
            return Ok(plain);
        };
        let field = |name: &str| {
            let value = scaling.get(name).and_then(Value::as_f64);
            value.ok_or_else(|| self.error(format!("the rope parameters have no {name}")))
        };
        let name = scaling.get("rope_type").or_else(|| scaling.get("type"));
        match name.and_then(Value::as_str).unwrap_or("default") {
            "default" => Ok(plain),
            "linear" => Ok(plain.slowed(field("factor")?)),
            "llama3" => Ok(plain.slowed_by_wavelength(
                field("factor")?,
                [field("low_freq_factor")?, field("high_freq_factor")?],
                field("original_max_position_embeddings")?,
            )),
            other => Err(self.error(format!("rope type {other:?} is not supported"))),
        }
    }
}
