//! Which run this is: hashes of all that decides its numbers.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::backbone::weight_files;
use crate::chat::ChatTemplate;
use crate::config::TrainConfig;
use crate::data::{Pair, render};
use crate::embed::hex;
use crate::error::ModelError;

/// Hash of the files that decide what the base model computes, and of the chat template if it reads with one.
pub(crate) fn hash_model(folder: &Path) -> Result<String, ModelError> {
    let mut hash = Sha256::new();
    let files = ["config.json", "tokenizer.json"].map(|name| folder.join(name));
    for path in files.into_iter().chain(weight_files(folder)?) {
        let mut file = std::fs::File::open(&path).map_err(ModelError::file(&path))?;
        std::io::copy(&mut file, &mut hash).map_err(ModelError::file(&path))?;
    }
    if let Some(chat) = ChatTemplate::of_model(folder)? {
        hash.update(chat.identity());
    }
    Ok(hex(&hash.finalize()))
}

/// Hash of pairs, their margins and weights, in their order.
#[derive(Default)]
pub(super) struct PairHash(Sha256);

impl PairHash {
    /// Takes in the next pair.
    pub fn add(&mut self, pair: &Pair) {
        let Self(hash) = self;
        let [chosen, rejected] =
            [&pair.chosen, &pair.rejected].map(|response| render(&pair.prompt, response));
        for text in [&pair.id, &chosen, &rejected].into_iter().chain(&pair.lower) {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        hash.update(pair.belief.to_le_bytes());
        hash.update(pair.margin.to_le_bytes());
        hash.update(pair.weight.to_le_bytes());
        if pair.tied {
            hash.update(b"tied");
        }
    }

    /// In hexadecimal.
    pub fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

/// Hash of all that decides the numbers; how often checkpoints are written and where the base model lies do not.
pub(super) fn fingerprint(config: &TrainConfig, base_hash: &str, [train, held_out]: [&str; 2]) -> String {
    let config = TrainConfig {
        base_model: PathBuf::new(),
        checkpoint_every_steps: 0,
        checkpoint_every_seconds: 0,
        ..config.clone()
    };
    let text = format!("{config:?} {base_hash} {train} {held_out}");
    hex(&Sha256::digest(text.as_bytes()))
}
