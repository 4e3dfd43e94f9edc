//! What a run is asked to do: one serialisable struct, checked before anything starts.

mod check;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::backbone::Precision;
use crate::data::Truncation;
use crate::device::Device;
use crate::loss::Ties;
use crate::optimizer::{Rule, Schedule};
pub use check::ConfigError;

/// Which parts of the model are trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A linear head on the frozen backbone's mean-pooled embeddings: seconds, once they are cached.
    Head,
    /// Low-rank matrices beside the layers named in `lora`, and the head on top (Hu et al. 2021, "LoRA").
    Lora,
    /// The last `last_layers` layers, and the head on top.
    Layers,
    /// Every weight: minutes.
    Full,
}

/// What turns a text's hidden states into one vector, for all methods but `head`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolBy {
    /// As transformers' `…ForSequenceClassification` of the family does: for BERT a pooler on the first token.
    #[default]
    Family,
    /// The mean over tokens, then one linear output: what sentence encoders were trained with.
    Mean,
    /// The mean for encoders, the family's way for decoders, whose last token alone has read all others.
    Auto,
}

/// Low-rank adaptation: a layer's `W·x` becomes `W·x + alpha/rank · B·A·x`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lora {
    /// Rows of A, 1 to 256.
    pub rank: usize,
    /// What B·A·x is multiplied by, times the rank; above 0.
    pub alpha: f64,
    /// Share of x that is dropped before A, in 0..1.
    pub dropout: f64,
    /// Ends of the names of the layers, as in `peft`; empty for the queries and values of attention.
    pub target_modules: Vec<String>,
}

impl Default for Lora {
    fn default() -> Self {
        Self {
            rank: 16,
            alpha: 32.0,
            dropout: 0.0,
            target_modules: Vec::new(),
        }
    }
}

/// Which weights a run ends with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// Those after the last step.
    #[default]
    Last,
    /// Those of the evaluation with the lowest log loss.
    Best,
}

/// Everything that decides how a model is trained. The same configuration, pairs and base weights give
/// the same curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainConfig {
    /// Which parts are trained.
    pub method: Method,
    /// Folder of the base model: `config.json`, `model.safetensors`, `tokenizer.json`.
    pub base_model: PathBuf,
    /// What the reward is read from; a head has the mean.
    #[serde(default)]
    pub pooling: PoolBy,
    /// Layers that learn, counted from the last; for `layers` alone.
    #[serde(default = "some_layers")]
    pub last_layers: usize,
    /// For `lora` alone.
    #[serde(default)]
    pub lora: Lora,
    /// Every weight starts at random, as transformers would make it, instead of from the base model; for `full` alone.
    #[serde(default)]
    pub from_scratch: bool,
    /// Heads that learn side by side, each on its own resampling of the pairs (Oza and Russell 2001, "Online bagging"); the
    /// reward is their mean, their spread its uncertainty. More than 1 for `head` alone.
    #[serde(default = "one")]
    pub ensemble: usize,
    /// Decides the order of the pairs, the weights that start at random and what is dropped.
    pub seed: u64,
    /// Passes over the training pairs, at least 1.
    pub epochs: u32,
    /// Numbers that products are computed in; for encoders like BERT.
    #[serde(default)]
    pub precision: Precision,
    /// What the model is computed on; weights, optimizer and checkpoints are in main memory on either.
    #[serde(default)]
    pub device: Device,
    /// Pairs in a batch, at least 1.
    pub batch_pairs: usize,
    /// Batches of pairs whose gradients are summed into one step, at least 1.
    #[serde(default = "one")]
    pub accumulate: usize,
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
    /// That of the weights that start at random on top of the model; the same as `learning_rate` if not given. Not for `head`.
    #[serde(default)]
    pub head_learning_rate: Option<f64>,
    /// What the learning rate is multiplied by for each layer further down, above 0 and at most 1 (Howard and Ruder 2018).
    #[serde(default = "all")]
    pub layer_decay: f64,
    /// Share of the embeddings, of every sublayer's output and of the pooled vector that is dropped while training, in
    /// 0..1 (Srivastava et al. 2014). Not for `head`.
    #[serde(default)]
    pub dropout: f64,
    /// Weight decay, 0 or more; never applied to biases and the gains of norms.
    pub weight_decay: f64,
    /// Share of the steps over which the learning rate rises from 0, in 0..1.
    pub warmup_share: f64,
    /// Longest text in tokens, the two special ones included.
    pub max_tokens: usize,
    /// What is left out of longer texts.
    #[serde(default)]
    pub truncation: Truncation,
    /// Whether the pairs' margins enter the loss.
    pub use_margin: bool,
    /// What the pairs' margins are multiplied by, 0 or more.
    #[serde(default = "all")]
    pub margin_scale: f64,
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
    /// The same in steps; 0 to go by `evaluate_every`.
    #[serde(default)]
    pub evaluate_every_steps: u64,
    /// Evaluations in a row without a lower log loss after which the run ends; 0 for never.
    #[serde(default)]
    pub patience: u32,
    /// Which weights the run ends with.
    #[serde(default)]
    pub keep: Keep,
    /// Steps between checkpoints; 0 for none by steps.
    pub checkpoint_every_steps: u64,
    /// Seconds between checkpoints; 0 for none by time.
    pub checkpoint_every_seconds: u64,
}

fn yes() -> bool {
    true
}

fn one() -> usize {
    1
}

fn some_layers() -> usize {
    2
}

fn all() -> f64 {
    1.0
}

impl TrainConfig {
    /// Defaults for a head; chosen by five-fold cross-validation on 1,850 pairs of hh-rlhf's harmless set (docs/models.md).
    pub fn head() -> Self {
        Self {
            method: Method::Head,
            base_model: PathBuf::new(),
            pooling: PoolBy::Family,
            last_layers: some_layers(),
            lora: Lora::default(),
            from_scratch: false,
            ensemble: 1,
            seed: 0,
            epochs: 20,
            precision: Precision::F32,
            device: Device::Cpu,
            batch_pairs: 32,
            accumulate: 1,
            shuffle: true,
            optimizer: Rule::Adamw,
            schedule: Schedule::Linear,
            learning_rate: 1e-2,
            head_learning_rate: None,
            layer_decay: 1.0,
            dropout: 0.0,
            weight_decay: 0.3,
            warmup_share: 0.1,
            max_tokens: 512,
            truncation: Truncation::Beginning,
            use_margin: true,
            margin_scale: 1.0,
            label_smoothing: 0.0,
            ties: None,
            centring: 0.0,
            max_grad_norm: 1.0,
            evaluate_every: 1.0,
            evaluate_every_steps: 0,
            patience: 0,
            keep: Keep::Last,
            checkpoint_every_steps: 0,
            checkpoint_every_seconds: 5,
        }
    }

    /// Defaults for full fine-tuning of a small encoder; docs/models.md has what they were chosen by.
    pub fn full() -> Self {
        Self {
            method: Method::Full,
            pooling: PoolBy::Auto,
            epochs: 1,
            batch_pairs: 8,
            learning_rate: 1e-4,
            weight_decay: 0.01,
            warmup_share: 0.06,
            evaluate_every: 0.25,
            checkpoint_every_seconds: 60,
            ..Self::head()
        }
    }

    /// Defaults for low-rank adaptation of a small encoder.
    pub fn lora() -> Self {
        Self {
            method: Method::Lora,
            learning_rate: 5e-4,
            ..Self::full()
        }
    }

    /// Defaults for the last layers of a small encoder.
    pub fn layers() -> Self {
        Self {
            method: Method::Layers,
            ..Self::full()
        }
    }

    /// Defaults of a method.
    pub fn of(method: Method) -> Self {
        match method {
            Method::Head => Self::head(),
            Method::Lora => Self::lora(),
            Method::Layers => Self::layers(),
            Method::Full => Self::full(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_survive_json() {
        for method in [Method::Head, Method::Lora, Method::Layers, Method::Full] {
            let mut config = TrainConfig::of(method);
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
                ..good.clone()
            }),
            "evaluate_every"
        );
        if !Device::Cuda(0).is_built_in() {
            assert_eq!(
                field(TrainConfig {
                    device: Device::Cuda(0),
                    ..good
                }),
                "device"
            );
        }
    }
}
