//! Which run this is: hashes of all that decides its numbers.

mod former;

use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::backbone::weight_files;
use crate::base::{MeanHead, backbone_folder};
use crate::chat::ChatTemplate;
use crate::data::{Pair, render};
use crate::embed::hex;
use crate::error::ModelError;
use recipe::Recipe;

/// Hash of the files that decide what the base model computes, and of the chat template if it reads with one. A head on top does
/// not enter: what the backbone makes of a text is the same with it.
pub(crate) fn hash_model(folder: &Path) -> Result<String, ModelError> {
    let folder = &backbone_folder(folder)?;
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

/// Hash of a head that is gone on from.
pub(super) fn hash_head(head: &MeanHead) -> String {
    let mut hash = Sha256::new();
    for value in head.rows.iter().flatten().chain(&head.bias) {
        hash.update(value.to_le_bytes());
    }
    hex(&hash.finalize())
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

/// All that decides a run's numbers.
pub(super) struct Identity<'a> {
    /// As asked for: what follows from it and from the base model adds nothing.
    pub config: &'a Recipe,
    /// By [`hash_model`].
    pub base: &'a str,
    /// By [`hash_head`], where the run goes on from one.
    pub head: Option<String>,
    /// Of the training and of the held-out pairs, by [`PairHash`].
    pub pairs: [&'a str; 2],
}

impl Identity<'_> {
    /// A hash of the settings that say something, by their names, of the base model and of the pairs.
    pub fn fingerprint(&self) -> String {
        let [train, held_out] = self.pairs;
        let mut lines = told(self.config);
        lines.push(format!("base {}", self.base));
        lines.push(format!("pairs {train} {held_out}"));
        lines.extend(self.head.iter().map(|head| format!("head {head}")));
        hex(&Sha256::digest(lines.join("\n").as_bytes()))
    }

    /// Whether a stored fingerprint is this run's, also in the form that version 0.1.0 stored.
    pub fn is(&self, stored: &str) -> bool {
        stored == self.fingerprint() || stored == former::fingerprint(self)
    }
}

/// The configuration without what decides no number: where the base model lies, and how often checkpoints are written.
fn decisive(config: &Recipe) -> Recipe {
    Recipe {
        base_model: PathBuf::new(),
        checkpoint_every_steps: 0,
        checkpoint_every_seconds: 0,
        ..config.clone()
    }
}

/// The settings that every version had: they are hashed whatever they stand at.
const ALWAYS: [&str; 14] = [
    "base_model",
    "batch_pairs",
    "checkpoint_every_seconds",
    "checkpoint_every_steps",
    "epochs",
    "evaluate_every",
    "learning_rate",
    "max_grad_norm",
    "max_tokens",
    "method",
    "seed",
    "use_margin",
    "warmup_share",
    "weight_decay",
];

/// Settings by name, sorted. Another than [`ALWAYS`] that stands at what a stored recipe without it means is left out: so a field
/// that is added later, whose default is what the engine did before, leaves the runs from before the same runs.
fn told(config: &Recipe) -> Vec<String> {
    let [all, before] = [decisive(config), Recipe::as_before()]
        .map(|recipe| serde_json::to_value(recipe).unwrap_or_default());
    let mut lines = Vec::new();
    for (name, value) in all.as_object().into_iter().flatten() {
        match value {
            Value::Object(parts) => {
                let says = parts.iter().filter(|(part, value)| before[name][part] != **value);
                lines.extend(says.map(|(part, value)| format!("{name}.{part} = {value}")));
            }
            value if ALWAYS.contains(&name.as_str()) || before[name] != *value => {
                lines.push(format!("{name} = {value}"));
            }
            _ => {}
        }
    }
    lines.sort();
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use recipe::Ties;
    use recipe::{Lora, Method};

    fn fingerprint(config: &Recipe) -> String {
        identity(config).fingerprint()
    }

    fn identity(config: &Recipe) -> Identity<'_> {
        Identity {
            config,
            base: "b",
            head: None,
            pairs: ["t", "h"],
        }
    }

    /// What is hashed today: a setting that is added must not appear here while it stands at its default.
    #[test]
    fn settings_that_mean_as_before_are_left_out() {
        let lines = told(&Recipe::of(Method::Head));
        let names: Vec<&str> = lines.iter().filter_map(|line| line.split(" = ").next()).collect();
        assert_eq!(names, ALWAYS);
        let config = Recipe {
            lora: Lora {
                rank: 2,
                ..Lora::default()
            },
            ties: Some(Ties::Davidson { weight: 1.5 }),
            method: Method::Lora,
            ..Recipe::of(Method::Full)
        };
        let lines = told(&config);
        for line in [
            "lora.rank = 2",
            "ties.model = \"davidson\"",
            "ties.weight = 1.5",
            "pooling = \"auto\"",
        ] {
            assert!(lines.iter().any(|told| told == line), "{line}: {lines:?}");
        }
        assert!(
            !lines.iter().any(|line| line.starts_with("lora.alpha")),
            "{lines:?}"
        );
    }

    #[test]
    fn what_decides_numbers_changes_the_fingerprint_and_nothing_else_does() {
        let config = Recipe::of(Method::Full);
        let same = Recipe {
            base_model: "elsewhere".into(),
            checkpoint_every_steps: 3,
            checkpoint_every_seconds: 7,
            ..config.clone()
        };
        assert_eq!(fingerprint(&config), fingerprint(&same));
        for other in [
            Recipe {
                seed: 1,
                ..config.clone()
            },
            Recipe {
                shuffle: false,
                ..config.clone()
            },
            Recipe {
                head_learning_rate: Some(1e-4),
                ..config.clone()
            },
        ] {
            assert_ne!(fingerprint(&config), fingerprint(&other));
        }
        let with_head = Identity {
            head: Some("x".to_owned()),
            ..identity(&config)
        };
        assert_ne!(fingerprint(&config), with_head.fingerprint());
    }

    #[test]
    fn the_former_form_is_known_again_and_only_of_the_same_run() {
        let config = Recipe::of(Method::Head);
        let former = former::fingerprint(&identity(&config));
        assert!(identity(&config).is(&former));
        let other = Recipe { seed: 1, ..config };
        assert!(!identity(&other).is(&former));
    }
}
