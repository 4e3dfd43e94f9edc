//! Model folders that Python opens: transformers' for a full model, sentence-transformers' for a head. Each also has
//! `touchstone.json`, which says how it was made.

mod adapter;
mod card;
mod modules;

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::backbone::{Family, ModelConfig, Weights, weight_files};
use crate::base::{MODULES, backbone_folder};
use crate::chat::{SPECIAL_TOKENS, TEMPLATE_FILE, special_tokens};
use crate::data::{Cut, Encoder};
use crate::error::ModelError;
use crate::evaluate::Metrics;
use crate::padding;
use crate::train::Best;
pub(crate) use modules::Linear;
use recipe::Recipe;
use recipe::Truncation;

/// `touchstone.json`: how a model was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// The settings it was trained with.
    pub config: Recipe,
    /// Version of the crate that trained it.
    pub code_version: String,
    /// Hash of settings, pairs and base model, in hexadecimal.
    pub fingerprint: String,
    /// SHA-256 of the training pairs, in hexadecimal.
    pub data_hash: String,
    /// Pairs trained on.
    pub train_pairs: usize,
    /// Pairs measured on.
    #[serde(default)]
    pub held_out_pairs: usize,
    /// Training and held-out pairs that were left out because to the model their responses are one text.
    #[serde(default)]
    pub alike: [usize; 2],
    /// What of their texts was left out.
    pub train_cut: Cut,
    /// Optimizer steps that the saved weights have behind them.
    #[serde(default)]
    pub step: u64,
    /// On the held-out pairs, if there were any.
    pub metrics: Option<Metrics>,
    /// An earlier evaluation with a lower log loss, where the last weights were kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub better: Option<Best>,
    /// Seconds of work, from the first text to the saved model.
    pub seconds: f64,
}

impl About {
    /// Reads `touchstone.json` of a model folder; nothing when it has none.
    ///
    /// # Errors
    /// When the file is there but cannot be read.
    pub fn load(folder: &Path) -> Result<Option<Self>, ModelError> {
        let path = folder.join("touchstone.json");
        match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text)
                .map(Some)
                .map_err(|error| ModelError::json(&path, &error)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ModelError::file(&path)(error)),
        }
    }
}

/// Checks that a folder holds a base model that can be trained: its configuration, tokenizer and weights are there and
/// of a family that is supported. Does not read the weights.
///
/// # Errors
/// What is missing or unsupported.
pub fn check_base_model(folder: &Path) -> Result<(), ModelError> {
    let folder = &backbone_folder(folder)?;
    let config = ModelConfig::load(folder)?;
    let positions = Family::of(&config)?.max_tokens(&config)?;
    check_tokenizer(folder, &config, &Encoder::load(folder, positions)?, positions)?;
    for weights in weight_files(folder)? {
        std::fs::metadata(&weights).map_err(ModelError::file(&weights))?;
    }
    Ok(())
}

/// The longest text that a base model takes, in tokens, the special ones included.
///
/// # Errors
/// When its configuration cannot be read.
pub fn longest_text(folder: &Path) -> Result<usize, ModelError> {
    let config = ModelConfig::load(&backbone_folder(folder)?)?;
    Family::of(&config)?.max_tokens(&config)
}

/// Checks that a model has words and positions for all that its tokenizer makes.
pub(crate) fn check_tokenizer(
    folder: &Path,
    config: &ModelConfig,
    encoder: &Encoder,
    positions: usize,
) -> Result<(), ModelError> {
    let (own, words) = (encoder.vocabulary(), config.count("vocab_size")?);
    let message = if own > words {
        format!("{own} tokens, but vocab_size in config.json is {words}")
    } else if encoder.max_tokens() > positions {
        format!("its special tokens leave no room for a text: the model takes {positions} tokens")
    } else {
        return Ok(());
    };
    Err(ModelError::content(&folder.join("tokenizer.json"), message))
}

/// What both kinds of folder are made from.
pub(crate) struct Parts<'a> {
    /// The folder of its backbone.
    pub base_model: &'a Path,
    pub encoder: &'a Encoder,
    pub about: &'a About,
}

fn write(folder: &Path, name: &str, value: &impl Serialize) -> Result<(), ModelError> {
    let path = folder.join(name);
    let text = serde_json::to_string_pretty(value).map_err(|error| ModelError::content(&path, error))?;
    std::fs::write(&path, text).map_err(ModelError::file(&path))
}

impl Parts<'_> {
    fn base_json(&self, name: &str) -> Result<serde_json::Map<String, Value>, ModelError> {
        let path = self.base_model.join(name);
        let text = std::fs::read_to_string(&path).map_err(ModelError::file(&path))?;
        serde_json::from_str(&text).map_err(|error| ModelError::json(&path, &error))
    }

    fn family(&self) -> Result<Family, ModelError> {
        Family::of(&ModelConfig::load(self.base_model)?)
    }

    fn tokenizer(&self, folder: &Path) -> Result<(), ModelError> {
        let path = folder.join("tokenizer.json");
        std::fs::write(&path, self.encoder.to_json()?).map_err(ModelError::file(&path))?;
        let base = self.base_json("tokenizer_config.json").unwrap_or_default();
        let named = special_tokens(self.base_model)?;
        let mut special = serde_json::Map::new();
        for name in SPECIAL_TOKENS {
            let usual = format!("[{}]", name.trim_end_matches("_token").to_uppercase());
            match named.get(name) {
                Some(token) => special.insert(name.to_owned(), json!(token)),
                None if self.encoder.id_of(&usual).is_some() => special.insert(name.to_owned(), json!(usual)),
                None => None,
            };
        }
        write(folder, "special_tokens_map.json", &special)?;
        // The generic class takes tokenizer.json as it stands; a family's own would build another from a vocabulary.
        let mut config = json!({
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": self.encoder.max_tokens(),
            "truncation_side": match self.encoder.truncation() {
                Truncation::End => "right",
                // transformers cannot leave out the middle.
                Truncation::Beginning | Truncation::Middle => "left",
            },
            "padding_side": "right",
            "clean_up_tokenization_spaces": false,
        });
        if self.family()?.has_token_types() {
            config["model_input_names"] = json!(["input_ids", "token_type_ids", "attention_mask"]);
        }
        if let Value::Object(config) = &mut config {
            config.extend(special);
            config.extend(
                base.get("chat_template")
                    .map(|t| ("chat_template".to_owned(), t.clone())),
            );
        }
        let template = self.base_model.join(TEMPLATE_FILE);
        if template.exists() {
            std::fs::copy(&template, folder.join(TEMPLATE_FILE)).map_err(ModelError::file(&template))?;
        }
        write(folder, "tokenizer_config.json", &config)
    }

    /// transformers' folder of an `AutoModelForSequenceClassification` with one label.
    pub fn save_classifier(&self, folder: &Path, weights: &Weights) -> Result<(), ModelError> {
        let (mut config, family) = (self.base_json("config.json")?, self.family()?);
        config.insert("architectures".into(), json!([family.classifier_class()]));
        if family.is_decoder() {
            let padding = padding::of_trained(self.base_model, self.encoder)?;
            config.insert("pad_token_id".into(), json!(padding));
        }
        config.insert("id2label".into(), json!({"0": "LABEL_0"}));
        config.insert("label2id".into(), json!({"LABEL_0": 0}));
        config.insert("num_labels".into(), json!(1));
        config.insert("problem_type".into(), json!("regression"));
        config.insert("torch_dtype".into(), json!("float32"));
        write(folder, "config.json", &config)?;
        self.tokenizer(folder)?;
        weights.save(&folder.join("model.safetensors"))?;
        self.about(folder, Kind::Classifier)
    }

    /// `touchstone.json`, and the same for people.
    fn about(&self, folder: &Path, kind: Kind) -> Result<(), ModelError> {
        write(folder, "touchstone.json", self.about)?;
        let path = folder.join("README.md");
        std::fs::write(&path, card::card(self.about, kind)).map_err(ModelError::file(&path))
    }
}

/// How a model folder is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// transformers': a backbone and the head of its family.
    Classifier,
    /// sentence-transformers': a backbone, pooling and dense layers.
    Modules,
}

/// What a model folder is, by its files.
pub(crate) fn kind(folder: &Path) -> Kind {
    if folder.join(MODULES).exists() {
        Kind::Modules
    } else {
        Kind::Classifier
    }
}
