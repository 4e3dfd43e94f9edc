//! What a run is asked to do: one serialisable struct, checked before anything starts.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::backbone::Precision;
use crate::loss::Ties;
use crate::optimizer::{Rule, Schedule};

/// Which parts of the model are trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A linear head on the frozen backbone's mean-pooled embeddings: seconds, once they are cached.
    Head,
    /// Every weight, with transformers' own pooler and classifier on the first token: minutes.
    Full,
}

/// Everything that decides how a model is trained. The same configuration, pairs and base weights give
/// the same curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainConfig {
    /// Head or full fine-tuning.
    pub method: Method,
    /// Folder of the base model: `config.json`, `model.safetensors`, `tokenizer.json`.
    pub base_model: PathBuf,
    /// Decides the order of the pairs and the weights that start at random.
    pub seed: u64,
    /// Passes over the training pairs, at least 1.
    pub epochs: u32,
    /// Numbers that products are computed in; for encoders like BERT.
    #[serde(default)]
    pub precision: Precision,
    /// Pairs per optimizer step, at least 1.
    pub batch_pairs: usize,
    /// Pairs of like length together, in batches whose order is drawn anew in each epoch; without it pairs come as they are given.
    #[serde(default = "yes")]
    pub shuffle: bool,
    /// How gradients move weights.
    #[serde(default)]
    pub optimizer: Rule,
    /// What the learning rate does after its warm-up.
    #[serde(default)]
    pub schedule: Schedule,
    /// Peak learning rate, above 0.
    pub learning_rate: f64,
    /// Weight decay, 0 or more; never applied to biases and the gains of norms.
    pub weight_decay: f64,
    /// Share of the steps over which the learning rate rises from 0, in 0..1.
    pub warmup_share: f64,
    /// Longest text in tokens, the two special ones included; the end is kept.
    pub max_tokens: usize,
    /// Whether the pairs' margins enter the loss.
    pub use_margin: bool,
    /// Probability with which a label is taken to be wrong, in 0..0.5; not together with `ties`.
    #[serde(default)]
    pub label_smoothing: f64,
    /// How ties enter the loss; pairs that are tied need it. Margins are then left out.
    #[serde(default)]
    pub ties: Option<Ties>,
    /// Weight of the square of the two rewards' sum, 0 or more; TRL's `center_rewards_coefficient`, usually 0.01.
    #[serde(default)]
    pub centring: f64,
    /// Gradients longer than this are scaled down to it; 0 leaves them as they are.
    pub max_grad_norm: f64,
    /// How often the held-out pairs are scored, as a share of an epoch, above 0.
    pub evaluate_every: f64,
    /// Steps between checkpoints; 0 for none by steps.
    pub checkpoint_every_steps: u64,
    /// Seconds between checkpoints; 0 for none by time.
    pub checkpoint_every_seconds: u64,
}

/// A field of a [`TrainConfig`] that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct ConfigError {
    /// Name of the field, as in the struct.
    pub field: &'static str,
    /// What is expected of it.
    pub message: String,
}

fn yes() -> bool {
    true
}

impl TrainConfig {
    /// Defaults for a head; chosen by five-fold cross-validation on 1,850 pairs of hh-rlhf's harmless set (docs/models.md).
    pub fn head() -> Self {
        Self {
            method: Method::Head,
            base_model: PathBuf::new(),
            seed: 0,
            epochs: 20,
            precision: Precision::F32,
            batch_pairs: 32,
            shuffle: true,
            optimizer: Rule::Adamw,
            schedule: Schedule::Linear,
            learning_rate: 1e-2,
            weight_decay: 0.3,
            warmup_share: 0.1,
            max_tokens: 512,
            use_margin: true,
            label_smoothing: 0.0,
            ties: None,
            centring: 0.0,
            max_grad_norm: 1.0,
            evaluate_every: 1.0,
            checkpoint_every_steps: 0,
            checkpoint_every_seconds: 5,
        }
    }

    /// Defaults for full fine-tuning of a small encoder.
    pub fn full() -> Self {
        Self {
            method: Method::Full,
            epochs: 1,
            batch_pairs: 8,
            learning_rate: 5e-5,
            weight_decay: 0.01,
            warmup_share: 0.06,
            evaluate_every: 0.25,
            checkpoint_every_seconds: 60,
            ..Self::head()
        }
    }

    /// Checks every field on its own; the base model is looked at when training starts.
    ///
    /// # Errors
    /// The first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let checks = [
            (
                "base_model",
                !self.base_model.as_os_str().is_empty(),
                "name the folder of a base model",
            ),
            ("epochs", (1..=1000).contains(&self.epochs), "must be 1 to 1,000"),
            (
                "batch_pairs",
                (1..=4096).contains(&self.batch_pairs),
                "must be 1 to 4,096",
            ),
            (
                "learning_rate",
                self.learning_rate > 0.0 && self.learning_rate <= 1.0,
                "must be above 0 and at most 1",
            ),
            (
                "weight_decay",
                (0.0..=10.0).contains(&self.weight_decay),
                "must be 0 to 10",
            ),
            (
                "warmup_share",
                (0.0..1.0).contains(&self.warmup_share),
                "must be at least 0 and below 1",
            ),
            (
                "max_tokens",
                (8..=8192).contains(&self.max_tokens),
                "must be 8 to 8,192",
            ),
            (
                "label_smoothing",
                (0.0..0.5).contains(&self.label_smoothing)
                    && (self.label_smoothing == 0.0 || self.ties.is_none()),
                "must be at least 0 and below 0.5, and 0 where ties are learnt",
            ),
            (
                "ties",
                self.ties.is_none_or(|ties| ties.is_sound()),
                "the threshold or weight must be above 0 and finite",
            ),
            (
                "centring",
                self.centring >= 0.0 && self.centring.is_finite(),
                "must be 0 or more",
            ),
            (
                "max_grad_norm",
                self.max_grad_norm >= 0.0 && self.max_grad_norm.is_finite(),
                "must be 0 (no limit) or more",
            ),
            (
                "evaluate_every",
                self.evaluate_every >= 0.01 && self.evaluate_every <= 1000.0,
                "must be 0.01 to 1,000 epochs",
            ),
        ];
        match checks.into_iter().find(|(_, holds, _)| !holds) {
            Some((field, _, message)) => Err(ConfigError {
                field,
                message: message.to_owned(),
            }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_survive_json() {
        for mut config in [TrainConfig::head(), TrainConfig::full()] {
            config.base_model = "base".into();
            config.validate().unwrap();
            let json = serde_json::to_string(&config).unwrap();
            assert_eq!(serde_json::from_str::<TrainConfig>(&json).unwrap(), config);
        }
    }

    #[test]
    fn a_bad_field_is_named() {
        let good = TrainConfig {
            base_model: "base".into(),
            ..TrainConfig::full()
        };
        let field = |config: TrainConfig| config.validate().unwrap_err().field;
        assert_eq!(field(TrainConfig::full()), "base_model");
        assert_eq!(
            field(TrainConfig {
                learning_rate: f64::NAN,
                ..good.clone()
            }),
            "learning_rate"
        );
        assert_eq!(
            field(TrainConfig {
                epochs: 0,
                ..good.clone()
            }),
            "epochs"
        );
        assert_eq!(
            field(TrainConfig {
                evaluate_every: 0.0,
                ..good
            }),
            "evaluate_every"
        );
    }
}
