//! Where a model folder keeps its chat template and its special tokens: `from_pretrained` of transformers 5.23.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use serde_json::Value;

use crate::error::ModelError;

/// A template in a file of its own, which goes before the one in `tokenizer_config.json`.
pub(crate) const TEMPLATE_FILE: &str = "chat_template.jinja";

/// `SPECIAL_TOKENS_ATTRIBUTES` of transformers' tokenizers.
pub(crate) const SPECIAL_TOKENS: [&str; 7] = [
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
];

fn read(path: &Path) -> Result<Option<String>, ModelError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ModelError::file(path)(error)),
    }
}

fn read_json(path: &Path) -> Result<Value, ModelError> {
    match read(path)? {
        Some(text) => serde_json::from_str(&text).map_err(|error| ModelError::json(path, &error)),
        None => Ok(Value::Null),
    }
}

/// The template of a folder: its own file's, or the only or the default one of `tokenizer_config.json`.
pub(super) fn template(folder: &Path) -> Result<Option<String>, ModelError> {
    if let Some(template) = read(&folder.join(TEMPLATE_FILE))? {
        return Ok(Some(template));
    }
    let config = read_json(&folder.join("tokenizer_config.json"))?;
    Ok(match &config["chat_template"] {
        Value::Array(named) => named
            .iter()
            .find(|named| named["name"] == "default")
            .and_then(|named| named["template"].as_str()),
        one => one.as_str(),
    }
    .map(str::to_owned))
}

/// `bos_token`, `eos_token` and so on, as far as the folder names them.
pub(crate) fn special_tokens(folder: &Path) -> Result<BTreeMap<String, String>, ModelError> {
    let config = read_json(&folder.join("tokenizer_config.json"))?;
    // The older file counts only where the newer list of tokens is missing.
    let older = match config.get("added_tokens_decoder") {
        Some(_) => Value::Null,
        None => read_json(&folder.join("special_tokens_map.json"))?,
    };
    let token = |name: &str| {
        let given = older.get(name).or(config.get(name))?;
        // A token is written as a word, or as an object about it.
        let word = given.get("content").unwrap_or(given).as_str()?.to_owned();
        Some((name.to_owned(), word))
    };
    Ok(SPECIAL_TOKENS.into_iter().filter_map(token).collect())
}
