//! Everything but the data that decides how a model is trained. Fields have the engine's names, in which a run's
//! settings are stored, given on the command line and posted.

use serde::{Deserialize, Serialize};

use super::Device;

/// A word that is none of a setting's choices.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("“{given}” is not a {setting}: use {choices}")]
pub struct UnknownChoice {
    given: String,
    setting: &'static str,
    choices: String,
}

/// An enum without data, spelled the same in the database, in forms and on the command line.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident, $setting:literal { $first:ident = $text:literal $(, $other:ident = $spelling:literal)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            #[default]
            #[serde(rename = $text)]
            $first,
            $(#[serde(rename = $spelling)] $other,)*
        }

        impl $name {
            pub const ALL: &'static [$name] = &[$name::$first $(, $name::$other)*];

            /// The spelling in forms, on the command line and in the API.
            pub fn as_str(self) -> &'static str {
                match self {
                    $name::$first => $text,
                    $($name::$other => $spelling,)*
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownChoice;

            fn from_str(text: &str) -> Result<$name, UnknownChoice> {
                let found = $name::ALL.iter().copied().find(|choice| choice.as_str() == text);
                found.ok_or_else(|| UnknownChoice {
                    given: text.to_owned(),
                    setting: $setting,
                    choices: [$text $(, $spelling)*].join(", "),
                })
            }
        }
    };
}

choice! {
    /// Which parts of the model learn: one layer on the frozen model's embeddings, low-rank matrices beside its layers,
    /// its last layers, or every weight.
    Method, "method" { Head = "head", Lora = "lora", Layers = "layers", Full = "full" }
}

choice! {
    /// What the reward is read from: what the model's family has for it, the mean over tokens, or the mean for encoders and the
    /// family's for decoders.
    Pooling, "way of pooling" { Family = "family", Mean = "mean", Auto = "auto" }
}

choice! {
    /// Numbers that products are computed in.
    Precision, "precision" { F32 = "f32", Bf16 = "bf16" }
}

choice! {
    /// How gradients move weights.
    Optimizer, "optimizer" { Adamw = "adamw", Adam = "adam", Sgd = "sgd", Rmsprop = "rmsprop" }
}

choice! {
    /// What the learning rate does after its warm-up.
    Schedule, "schedule" { Linear = "linear", Constant = "constant", Cosine = "cosine" }
}

choice! {
    /// Which weights a run ends with: those after the last step, or those of the best evaluation.
    Keep, "choice of what to keep" { Last = "last", Best = "best" }
}

choice! {
    /// What is left out of texts that are too long.
    Truncation, "choice of what to leave out" { Beginning = "beginning", Middle = "middle", End = "end" }
}

/// How ties enter the loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "model", rename_all = "snake_case")]
pub enum Ties {
    /// What differs by less than the threshold cannot be told apart.
    RaoKupper { threshold: f64 },
    /// A tie is as likely as `weight` times the geometric mean of the two wins.
    Davidson { weight: f64 },
}

/// Low-rank adaptation; for the method of that name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lora {
    pub rank: usize,
    pub alpha: f64,
    pub dropout: f64,
    /// Ends of the names of the layers; empty for the queries and values of attention.
    pub target_modules: Vec<String>,
}

/// Everything but the data that decides how a model is trained. The default is what runs did before a setting
/// existed, so that runs stored then still read as they were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    pub method: Method,
    pub pooling: Pooling,
    /// Layers that learn, counted from the last; for `layers`.
    pub last_layers: usize,
    pub lora: Lora,
    /// Every weight starts at random; for `full`.
    pub from_scratch: bool,
    /// Heads side by side, each on its own resampling of the pairs; for `head`.
    pub ensemble: usize,
    /// Decides the order of the pairs, the weights that start at random and what is dropped.
    pub seed: u64,
    /// Passes over the training pairs.
    pub epochs: u32,
    pub precision: Precision,
    /// What the model is computed on.
    pub device: Device,
    /// Pairs in a batch.
    pub batch_pairs: usize,
    /// Batches per optimizer step.
    pub accumulate: usize,
    pub shuffle: bool,
    pub optimizer: Optimizer,
    pub schedule: Schedule,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// That of the weights on top; None for the same.
    pub head_learning_rate: Option<f64>,
    /// What the learning rate is multiplied by for each layer further down.
    pub layer_decay: f64,
    pub dropout: f64,
    pub weight_decay: f64,
    /// Share of the steps over which the learning rate rises.
    pub warmup_share: f64,
    /// Longest text in tokens.
    pub max_tokens: usize,
    pub truncation: Truncation,
    /// What the margins of clearer preferences are multiplied by.
    pub margin_scale: f64,
    pub label_smoothing: f64,
    pub ties: Option<Ties>,
    /// Weight of the square of the two rewards' sum.
    pub centring: f64,
    /// Longer gradients are scaled down to this; 0 for no limit.
    pub max_grad_norm: f64,
    /// Epochs between evaluations, such as 0.25.
    pub evaluate_every: f64,
    /// The same in steps; 0 to go by `evaluate_every`.
    pub evaluate_every_steps: u64,
    /// Evaluations without progress after which the run ends; 0 for never.
    pub patience: u32,
    pub keep: Keep,
    /// Steps between checkpoints; 0 for checkpoints by time alone.
    pub checkpoint_every_steps: u64,
}

impl Ties {
    /// The threshold where none is given, in units of reward.
    pub const THRESHOLD: f64 = 0.5;
    /// The weight where none is given.
    pub const WEIGHT: f64 = 1.0;
}

impl Default for Lora {
    fn default() -> Lora {
        Lora {
            rank: 16,
            alpha: 32.0,
            dropout: 0.0,
            target_modules: Vec::new(),
        }
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            method: Method::Head,
            pooling: Pooling::Family,
            last_layers: 2,
            lora: Lora::default(),
            from_scratch: false,
            ensemble: 1,
            seed: 0,
            epochs: 1,
            precision: Precision::F32,
            device: Device::Cpu,
            batch_pairs: 8,
            accumulate: 1,
            shuffle: true,
            optimizer: Optimizer::Adamw,
            schedule: Schedule::Linear,
            learning_rate: 0.01,
            head_learning_rate: None,
            layer_decay: 1.0,
            dropout: 0.0,
            weight_decay: 0.0,
            warmup_share: 0.0,
            max_tokens: 512,
            truncation: Truncation::Beginning,
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_stored_before_most_settings_existed_is_read_as_it_was() {
        let stored = r#"{"method": "full", "seed": 3, "epochs": 2, "batch_pairs": 8, "learning_rate": 5e-5,
            "weight_decay": 0.01, "warmup_share": 0.06, "max_tokens": 256, "evaluate_every": 0.25}"#;
        let read: Settings = serde_json::from_str(stored).unwrap();
        let was = Settings {
            method: Method::Full,
            seed: 3,
            epochs: 2,
            learning_rate: 5e-5,
            weight_decay: 0.01,
            warmup_share: 0.06,
            max_tokens: 256,
            evaluate_every: 0.25,
            ..Settings::default()
        };
        assert_eq!(read, was);
        assert_eq!(
            (read.accumulate, read.shuffle, read.max_grad_norm),
            (1, true, 1.0)
        );
    }

    #[test]
    fn choices_are_spelled_alike_everywhere() {
        for method in Method::ALL {
            assert_eq!(method.as_str().parse(), Ok(*method));
            assert_eq!(serde_json::to_value(method).unwrap(), method.as_str());
        }
        let error = "half".parse::<Method>().unwrap_err().to_string();
        assert_eq!(error, "“half” is not a method: use head, lora, layers, full");
    }
}
