//! What ends a run in the middle, in words that say where and what to do.

use crate::backbone::{Source, weight_files};
use crate::error::TrainError;
use recipe::Recipe;

/// How a step's numbers are broken.
pub(super) enum Fault {
    NotFinite,
    Diverged,
}

/// What the base model has to do with it: a weight of its own that is no number.
fn broken_weight(config: &Recipe) -> Option<String> {
    let files = weight_files(&config.base_model).ok()?;
    let name = |file: &std::path::PathBuf| Source::open(file, 0).ok()?.not_finite();
    let name = files.iter().find_map(name)?;
    Some(format!(
        "{name} of the base model holds numbers that are not finite (NaN or infinite): take another base model"
    ))
}

/// The error of a step and its pairs, by their ids; without any it was the held-out ones.
pub(super) fn broken(fault: Fault, (step, pairs): (u64, Vec<String>), config: &Recipe) -> TrainError {
    let slower = || {
        format!(
            "try a lower learning rate (it was {:e}), for example {:e}, or a longer warm-up",
            config.learning_rate,
            config.learning_rate / 5.0
        )
    };
    let suggestion = broken_weight(config).unwrap_or_else(slower);
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
