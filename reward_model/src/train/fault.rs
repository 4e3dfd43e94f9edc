//! What ends a run in the middle, in words that say where and what to do.

use crate::config::TrainConfig;
use crate::error::TrainError;

/// How a step's numbers are broken.
pub(super) enum Fault {
    NotFinite,
    Diverged,
}

/// The error of a step and its pairs, by their ids; without any it was the held-out ones.
pub(super) fn broken(fault: Fault, (step, pairs): (u64, Vec<String>), config: &TrainConfig) -> TrainError {
    let suggestion = format!(
        "try a lower learning rate (it was {:e}), for example {:e}, or a longer warm-up",
        config.learning_rate,
        config.learning_rate / 5.0
    );
    let batch = match pairs.as_slice() {
        [] => "the held-out pairs".to_owned(),
        [some @ .., last] if some.len() < NAMED => [some, std::slice::from_ref(last)].concat().join(", "),
        many => format!("{} and {} more", many[..NAMED].join(", "), many.len() - NAMED),
    };
    match fault {
        Fault::NotFinite => TrainError::NotFinite {
            step,
            batch,
            suggestion,
        },
        Fault::Diverged => TrainError::Diverged {
            step,
            batch,
            suggestion,
        },
    }
}

/// Pairs that a message names.
const NAMED: usize = 8;
