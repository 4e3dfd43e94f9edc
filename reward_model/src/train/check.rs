//! What is refused before any work.

use super::{TrainRequest, what};
use crate::backbone::{Family, ModelConfig};
use crate::config::ConfigError;
use crate::error::TrainError;
use crate::save::check_base_model;

/// Settings, pairs and the base model's files.
pub(super) fn check(request: &TrainRequest) -> Result<(), TrainError> {
    let config = &request.config;
    config.validate()?;
    if request.train.is_empty() {
        return Err(TrainError::NoPairs);
    }
    for pair in request.train.iter().chain(&request.held_out) {
        let problem = if !pair.margin.is_finite() {
            "its margin is not a finite number"
        } else if !(pair.weight.is_finite() && pair.weight >= 0.0) {
            "its weight is not a finite number of 0 or more"
        } else if !(0.0..=1.0).contains(&pair.belief) {
            "its belief is not a probability"
        } else if pair.tied && !pair.lower.is_empty() {
            "it is a tie and a ranking at once"
        } else if pair.tied && config.ties.is_none() {
            "it is a tie, and the setting `ties` does not say how ties are learnt"
        } else {
            continue;
        };
        return Err(TrainError::Pair {
            id: pair.id.clone(),
            message: problem.to_owned(),
        });
    }
    check_base_model(&config.base_model)?;
    let base = ModelConfig::load(&config.base_model)?;
    let family = Family::of(&base)?;
    let positions = family.max_tokens(&base)?;
    if config.max_tokens > positions {
        let message = format!("the base model takes at most {positions}");
        return Err(ConfigError {
            field: "max_tokens",
            message,
        }
        .into());
    }
    what::check(family, &base, config)
}
