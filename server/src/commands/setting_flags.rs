//! A run's settings on the command line.

use std::str::FromStr;

use clap::{ArgAction::Set, Args};
use domain::run::{Device, Keep, Optimizer, Pooling, Precision, Schedule, Ties, Truncation};
use serde::Serialize;
use serde_json::{Map, Value};

/// Settings as flags, by the engine's names for them; what is not given is the method's default.
#[derive(Debug, Default, Args, Serialize)]
#[command(next_help_heading = "Settings; those not given are the method's defaults")]
pub struct SettingFlags {
    /// Decides the order of the pairs, the weights that start at random and what is dropped.
    #[arg(long)]
    pub seed: Option<u64>,
    /// What the reward is read from, for all methods but head: family (as transformers does) or mean (over tokens).
    #[arg(long)]
    pub pooling: Option<Pooling>,
    /// Numbers that products are computed in: f32 or bf16.
    #[arg(long)]
    pub precision: Option<Precision>,
    /// What the model is computed on: cpu, or in a build for it cuda (cuda:1 for the second GPU).
    #[arg(long)]
    pub device: Option<Device>,
    /// Heads that learn side by side; for head.
    #[arg(long)]
    pub ensemble: Option<usize>,
    /// Layers that learn, counted from the last; for layers.
    #[arg(long)]
    pub last_layers: Option<usize>,
    #[command(flatten)]
    pub lora: LoraFlags,
    /// Start every weight at random; for full.
    #[arg(long, action = Set, num_args = 0..=1, default_missing_value = "true", value_name = "true|false")]
    pub from_scratch: Option<bool>,
    /// Passes over the training pairs.
    #[arg(long)]
    pub epochs: Option<u32>,
    /// Pairs in a batch.
    #[arg(long)]
    pub batch_pairs: Option<usize>,
    /// Batches per step.
    #[arg(long)]
    pub accumulate: Option<usize>,
    /// Draw the order of the batches anew in each epoch.
    #[arg(long, action = Set, num_args = 0..=1, default_missing_value = "true", value_name = "true|false")]
    pub shuffle: Option<bool>,
    /// adamw, adam, sgd or rmsprop.
    #[arg(long)]
    pub optimizer: Option<Optimizer>,
    /// The learning rate after its warm-up: linear, constant or cosine.
    #[arg(long)]
    pub schedule: Option<Schedule>,
    /// Peak learning rate.
    #[arg(long)]
    pub learning_rate: Option<f64>,
    /// That of the weights on top of the model; not for head.
    #[arg(long)]
    pub head_learning_rate: Option<f64>,
    /// What the learning rate is multiplied by for each layer further down; not for head.
    #[arg(long)]
    pub layer_decay: Option<f64>,
    #[arg(long)]
    pub weight_decay: Option<f64>,
    /// Share of the steps over which the learning rate rises.
    #[arg(long)]
    pub warmup_share: Option<f64>,
    /// Share that is dropped while training; not for head.
    #[arg(long)]
    pub dropout: Option<f64>,
    /// Longer gradients are scaled down to this; 0 for no limit.
    #[arg(long)]
    pub max_grad_norm: Option<f64>,
    /// Longest text in tokens.
    #[arg(long)]
    pub max_tokens: Option<usize>,
    /// What is cut of longer texts: beginning, middle or end.
    #[arg(long)]
    pub truncation: Option<Truncation>,
    /// What the pairs' margins are multiplied by.
    #[arg(long)]
    pub margin_scale: Option<f64>,
    /// Probability with which a label is taken to be wrong.
    #[arg(long)]
    pub label_smoothing: Option<f64>,
    /// Learn from ties, by a threshold in units of reward or a weight: none, rao_kupper=0.5, davidson=1.
    #[arg(long, value_name = "none|rao_kupper=THRESHOLD|davidson=WEIGHT")]
    pub ties: Option<TiesFlag>,
    /// Weight of the square of the two rewards' sum.
    #[arg(long)]
    pub centring: Option<f64>,
    /// Epochs between evaluations, such as 0.25.
    #[arg(long)]
    pub evaluate_every: Option<f64>,
    /// The same in steps; 0 to go by epochs.
    #[arg(long)]
    pub evaluate_every_steps: Option<u64>,
    /// Evaluations without a lower loss after which the run ends; 0 for never.
    #[arg(long)]
    pub patience: Option<u32>,
    /// Weights that the run ends with: last or best.
    #[arg(long)]
    pub keep: Option<Keep>,
    /// Steps between checkpoints, beside those by time.
    #[arg(long)]
    pub checkpoint_every_steps: Option<u64>,
}

/// The settings of the method lora.
#[derive(Debug, Default, Args, Serialize)]
pub struct LoraFlags {
    /// Rows of the low-rank matrices; for lora.
    #[arg(long = "lora-rank", value_name = "RANK")]
    pub rank: Option<usize>,
    /// What the low-rank part is multiplied by, times the rank; for lora.
    #[arg(long = "lora-alpha", value_name = "ALPHA")]
    pub alpha: Option<f64>,
    /// Share that is dropped before the low-rank part; for lora.
    #[arg(id = "lora_dropout", long = "lora-dropout", value_name = "SHARE")]
    pub dropout: Option<f64>,
    /// Ends of the names of the layers, with commas; for lora.
    #[arg(long = "lora-target-modules", value_delimiter = ',', value_name = "NAME,NAME")]
    pub target_modules: Option<Vec<String>>,
}

/// How ties are learnt, if at all.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TiesFlag(pub Option<Ties>);

impl FromStr for TiesFlag {
    type Err = String;

    fn from_str(text: &str) -> Result<TiesFlag, String> {
        let (model, number) = text.split_once('=').unwrap_or((text, ""));
        let number = |default: f64| match number {
            "" => Ok(default),
            typed => typed.parse().map_err(|_| format!("“{typed}” is not a number")),
        };
        Ok(TiesFlag(match model {
            "none" => None,
            "rao_kupper" => Some(Ties::RaoKupper {
                threshold: number(Ties::THRESHOLD)?,
            }),
            "davidson" => Some(Ties::Davidson {
                weight: number(Ties::WEIGHT)?,
            }),
            other => return Err(format!("“{other}” is not none, rao_kupper or davidson")),
        }))
    }
}

impl SettingFlags {
    /// What was given, by the engine's names.
    pub fn given(&self) -> Result<Map<String, Value>, serde_json::Error> {
        let Value::Object(mut given) = without_nulls(serde_json::to_value(self)?) else {
            return Ok(Map::new());
        };
        given.retain(|_, value| value.as_object().is_none_or(|table| !table.is_empty()));
        if self.ties == Some(TiesFlag(None)) {
            given.insert("ties".to_owned(), Value::Null);
        }
        Ok(given)
    }
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(table) => {
            let kept = table.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key, without_nulls(value))).collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use domain::run::Settings;
    use serde_json::json;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        flags: SettingFlags,
    }

    fn given(line: &str) -> Value {
        let words = std::iter::once("train").chain(line.split_whitespace());
        Line::parse_from(words).flags.given().unwrap().into()
    }

    #[test]
    fn only_what_is_given_is_told() {
        assert_eq!(given(""), json!({}));
        let line = "--from-scratch --shuffle false --lora-rank 4 --lora-target-modules key,dense --keep best --ties davidson";
        let told = json!({
            "from_scratch": true, "shuffle": false, "lora": { "rank": 4, "target_modules": ["key", "dense"] },
            "keep": "best", "ties": { "model": "davidson", "weight": 1.0 },
        });
        assert_eq!(given(line), told);
        let one = |line: &str, told: Value| assert_eq!(given(line), told, "{line}");
        one("--dropout 0.1", json!({ "dropout": 0.1 }));
        one("--lora-dropout 0.1", json!({ "lora": { "dropout": 0.1 } }));
        assert_eq!(given("--ties none"), json!({ "ties": null }));
        let broken: Result<TiesFlag, _> = "rao_kupper=much".parse();
        assert_eq!(broken.unwrap_err(), "“much” is not a number");
    }

    /// The method has a flag of the command's own.
    #[test]
    fn every_setting_has_a_flag_of_its_name() {
        let Value::Object(flags) = serde_json::to_value(SettingFlags::default()).unwrap() else {
            panic!("no table")
        };
        let Value::Object(settings) = serde_json::to_value(Settings::default()).unwrap() else {
            panic!("no table")
        };
        for name in settings.keys().filter(|name| *name != "method") {
            assert!(flags.contains_key(name), "{name} has no flag");
        }
        assert_eq!(flags.len() + 1, settings.len());
    }
}
