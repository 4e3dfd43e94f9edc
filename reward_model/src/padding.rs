//! The token that a decoder's classifier takes for padding. transformers 5.23 finds a text's reward at the last token that
//! is not this one (`GenericForSequenceClassification`), also where a text itself ends with it: a chat template may write
//! the end of a turn with a token that pads, too.

use std::path::Path;

use serde_json::{Map, Value};

use crate::chat::special_tokens;
use crate::data::Encoder;
use crate::error::ModelError;

/// What a model folder itself calls padding; nothing where rewards are at the very last token.
pub(crate) fn of_classifier(folder: &Path) -> Result<Option<u32>, ModelError> {
    Ok(given(&config(folder)?))
}

/// What a classifier trained from a base model calls padding: what the base model does, or what its tokenizer pads with,
/// or else the end of texts.
pub(crate) fn of_trained(base_model: &Path, encoder: &Encoder) -> Result<u32, ModelError> {
    let config = config(base_model)?;
    let tokens = special_tokens(base_model)?;
    let of_tokenizer = || encoder.id_of(tokens.get("pad_token")?);
    let end = || id(config.get("eos_token_id").map(|id| id.get(0).unwrap_or(id))?);
    Ok(given(&config)
        .or_else(of_tokenizer)
        .or_else(end)
        .unwrap_or_default())
}

fn config(folder: &Path) -> Result<Map<String, Value>, ModelError> {
    let path = folder.join("config.json");
    let text = std::fs::read_to_string(&path).map_err(ModelError::file(&path))?;
    serde_json::from_str(&text).map_err(|error| ModelError::json(&path, &error))
}

fn given(config: &Map<String, Value>) -> Option<u32> {
    id(config.get("pad_token_id")?)
}

/// A token's id; some files write -1 where they mean none.
fn id(value: &Value) -> Option<u32> {
    u32::try_from(value.as_u64()?).ok()
}
