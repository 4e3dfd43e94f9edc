//! What a run tells while it works. Listeners store it or show it; training knows no screen.

use serde::{Deserialize, Serialize};

use crate::data::Cut;
use crate::evaluate::Metrics;

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// Frozen embeddings are being computed or read from the cache; comes before `Started`, for a head only.
    Embedding {
        /// Texts done.
        done: usize,
        /// Texts in all.
        total: usize,
        /// Speed of those computed now; 0 while all came from the cache.
        tokens_per_second: f64,
    },
    /// Something of interest to the person who waits, as a sentence.
    Note {
        /// The sentence.
        text: String,
    },
    /// Steps begin.
    Started {
        /// Pairs to learn from.
        train_pairs: usize,
        /// Pairs to measure on.
        held_out_pairs: usize,
        /// Optimizer steps in all.
        steps: u64,
        /// Steps done before: above 0 when the run goes on from a checkpoint.
        first_step: u64,
        /// What was left out of the training texts.
        train_cut: Cut,
        /// What was left out of the held-out texts.
        held_out_cut: Cut,
        /// Training and held-out pairs that are left out because their responses are one text to the model.
        #[serde(default)]
        alike: [usize; 2],
    },
    /// A step was taken. A head tells some two hundred of its steps.
    Step {
        /// Steps done.
        step: u64,
        /// Steps in all.
        steps: u64,
        /// Passes done over the training pairs, with a fraction.
        epoch: f64,
        /// Weighted mean loss of the step's pairs before the step, in nats.
        loss: f64,
        /// Learning rate of the step.
        learning_rate: f64,
        /// Length of the gradient before it was limited.
        grad_norm: f64,
        /// Share of the step's pairs whose chosen reward was higher before the step.
        #[serde(default)]
        accuracy: f64,
        /// Mean of chosen less rejected rewards.
        #[serde(default)]
        margin: f64,
        /// Mean of the rewards.
        #[serde(default)]
        reward_mean: f64,
        /// Standard deviation of the rewards.
        #[serde(default)]
        reward_spread: f64,
        /// Speed over the last twenty steps.
        pairs_per_second: f64,
        /// Speed over the last twenty steps.
        tokens_per_second: f64,
        /// Expected seconds to the end.
        seconds_left: f64,
    },
    /// The held-out pairs were scored.
    Evaluated {
        /// Steps done.
        step: u64,
        /// Steps in all.
        steps: u64,
        /// What was found.
        metrics: Metrics,
    },
    /// The run can go on from here after a crash.
    Checkpointed {
        /// Steps done.
        step: u64,
    },
    /// The model is saved.
    Finished {
        /// The evaluation of the saved weights, if there were held-out pairs.
        metrics: Option<Metrics>,
        /// Seconds of work in all.
        seconds: f64,
    },
}
