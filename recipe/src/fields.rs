//! The settings as values.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Device, Keep, Method, Optimizer, Pooling, Precision, Schedule, Ties, Truncation};

/// Low-rank adaptation: a layer's `W·x` becomes `W·x + alpha/rank · B·A·x`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lora {
    /// Rows of A.
    pub rank: usize,
    /// What B·A·x is multiplied by, times the rank.
    pub alpha: f64,
    /// Share of x that is dropped before A.
    pub dropout: f64,
    /// Ends of the names of the layers, as in `peft`; empty for the queries and values of attention.
    pub target_modules: Vec<String>,
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

/// `name: type = what runs did before the setting existed => what a method starts from`; without an arrow that is the same.
macro_rules! fields {
    (
        $method:ident;
        $($(#[$doc:meta])* $name:ident: $type:ty = $before:expr $(=> $start:expr)?;)*
    ) => {
        /// Everything but the pairs that decides how a model is trained. The same recipe, pairs and base weights give the same
        /// curve. A field that stored JSON lacks reads as [`Recipe::as_before`].
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(default = "Recipe::as_before")]
        pub struct Recipe {
            $($(#[$doc])* pub $name: $type,)*
        }

        impl Recipe {
            /// What runs did before a setting existed, so that those stored then still read as they were.
            pub fn as_before() -> Recipe {
                Recipe { $($name: $before,)* }
            }

            /// What a method starts from; docs/models.md has what the numbers were chosen by.
            pub fn of($method: Method) -> Recipe {
                Recipe { $($name: fields!(@start $before $(, $start)?),)* }
            }
        }
    };
    (@start $before:expr) => { $before };
    (@start $before:expr, $start:expr) => { $start };
}

fields! {
    method;
    /// Which parts are trained.
    method: Method = Method::Head => method;
    /// Folder of the base model: `config.json`, `model.safetensors`, `tokenizer.json`. Empty where it is found at the start.
    base_model: PathBuf = PathBuf::new();
    /// What the reward is read from; a head has the mean.
    pooling: Pooling = Pooling::Family => head_or(method, Pooling::Family, Pooling::Auto);
    /// Layers that learn, counted from the last; for `layers` alone.
    last_layers: usize = 2;
    /// For `lora` alone.
    lora: Lora = Lora::default();
    /// Every weight starts at random, as transformers would make it, instead of from the base model; for `full` alone.
    from_scratch: bool = false;
    /// Heads that learn side by side, each on its own resampling of the pairs (Oza and Russell 2001, "Online bagging"); the
    /// reward is their mean, their spread its uncertainty. More than 1 for `head` alone.
    ensemble: usize = 1;
    /// Decides the order of the pairs, the weights that start at random and what is dropped.
    seed: u64 = 0;
    /// Passes over the training pairs.
    epochs: u32 = 1 => head_or(method, 20, 1);
    /// Numbers that products are computed in; for encoders like BERT.
    precision: Precision = Precision::F32;
    /// What the model is computed on; weights, optimizer and checkpoints are in main memory on either.
    device: Device = Device::Cpu;
    /// Pairs in a batch.
    batch_pairs: usize = 8 => head_or(method, 32, 8);
    /// Batches of pairs whose gradients are summed into one step.
    accumulate: usize = 1;
    /// Pairs of like length together, in batches whose order is drawn anew in each epoch; without it pairs come as they are given.
    shuffle: bool = true;
    /// How gradients move weights.
    optimizer: Optimizer = Optimizer::Adamw;
    /// What the learning rate does after its warm-up.
    schedule: Schedule = Schedule::Linear;
    /// Peak learning rate.
    learning_rate: f64 = 0.01 => match method {
        Method::Head => 1e-2,
        Method::Lora => 5e-4,
        Method::Layers | Method::Full => 1e-4,
    };
    /// That of the weights that start at random on top of the model; the same as `learning_rate` if not given. Not for `head`.
    head_learning_rate: Option<f64> = None;
    /// What the learning rate is multiplied by for each layer further down (Howard and Ruder 2018). Not for `head`.
    layer_decay: f64 = 1.0;
    /// Share of the embeddings, of every sublayer's output and of the pooled vector that is dropped while training
    /// (Srivastava et al. 2014). Not for `head`.
    dropout: f64 = 0.0;
    /// Weight decay; never applied to biases and the gains of norms.
    weight_decay: f64 = 0.0 => head_or(method, 0.3, 0.01);
    /// What the schedule leaves of the peak learning rate in the end, as a share of it.
    floor_share: f64 = 0.0;
    /// Share of the steps over which the learning rate rises from 0.
    warmup_share: f64 = 0.0 => head_or(method, 0.1, 0.06);
    /// Longest text in tokens, the two special ones included.
    max_tokens: usize = 512;
    /// What is left out of longer texts.
    truncation: Truncation = Truncation::Beginning;
    /// Whether the pairs' margins enter the loss.
    use_margin: bool = true;
    /// What the pairs' margins are multiplied by.
    margin_scale: f64 = 1.0;
    /// Probability with which a label is taken to be wrong; not together with `ties`.
    label_smoothing: f64 = 0.0;
    /// How ties enter the loss; pairs that are tied need it. Margins are then left out.
    ties: Option<Ties> = None;
    /// Weight of the square of the two rewards' sum; TRL's `center_rewards_coefficient`, usually 0.01.
    centring: f64 = 0.0;
    /// Gradients longer than this are scaled down to it; 0 leaves them as they are.
    max_grad_norm: f64 = 1.0;
    /// How often the held-out pairs are scored, as a share of an epoch.
    evaluate_every: f64 = 1.0 => head_or(method, 1.0, 0.25);
    /// The same in steps; 0 to go by `evaluate_every`.
    evaluate_every_steps: u64 = 0;
    /// Evaluations in a row without a lower log loss after which the run ends; 0 for never.
    patience: u32 = 0;
    /// Which weights the run ends with.
    keep: Keep = Keep::Last;
    /// Steps between checkpoints; 0 for none by steps.
    checkpoint_every_steps: u64 = 0;
    /// Seconds between checkpoints; 0 for none by time.
    checkpoint_every_seconds: u64 = 5 => head_or(method, 5, 60);
}

/// One value for heads, another for what trains layers.
fn head_or<T>(method: Method, head: T, others: T) -> T {
    match method {
        Method::Head => head,
        Method::Lora | Method::Layers | Method::Full => others,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_stored_before_most_settings_existed_is_read_as_it_was() {
        let stored = r#"{"method": "full", "seed": 3, "epochs": 2, "batch_pairs": 8, "learning_rate": 5e-5,
            "weight_decay": 0.01, "warmup_share": 0.06, "max_tokens": 256, "evaluate_every": 0.25}"#;
        let read: Recipe = serde_json::from_str(stored).unwrap();
        let was = Recipe {
            method: Method::Full,
            seed: 3,
            epochs: 2,
            learning_rate: 5e-5,
            weight_decay: 0.01,
            warmup_share: 0.06,
            max_tokens: 256,
            evaluate_every: 0.25,
            ..Recipe::as_before()
        };
        assert_eq!(read, was);
        assert_eq!(
            (read.accumulate, read.shuffle, read.max_grad_norm),
            (1, true, 1.0)
        );
    }

    #[test]
    fn what_methods_start_from_is_sound_and_survives_json() {
        for method in Method::ALL {
            let recipe = Recipe::of(*method);
            recipe.check().unwrap();
            let json = serde_json::to_string(&recipe).unwrap();
            assert_eq!(serde_json::from_str::<Recipe>(&json).unwrap(), recipe);
        }
    }
}
