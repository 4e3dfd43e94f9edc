//! What is refused before any work.

use super::pairs::Pairs;
use super::{Request, what};
use crate::backbone::{Family, ModelConfig};
use crate::base::backbone_folder;
use crate::data::Pair;
use crate::device::{self, NOT_BUILT_IN, is_built_in};
use crate::error::TrainError;
use crate::save::check_base_model;
use recipe::{Keep, Recipe, Refusal};

/// A pair's own numbers.
pub(super) fn check_pair(pair: &Pair, config: &Recipe) -> Result<(), TrainError> {
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
        return Ok(());
    };
    Err(TrainError::Pair {
        id: pair.id.clone(),
        message: problem.to_owned(),
    })
}

/// The device that a run computes on.
///
/// # Errors
/// When the machine has it not.
pub(super) fn open_device(config: &Recipe) -> Result<candle_core::Device, Refusal> {
    device::open(config.device).map_err(|reason| Refusal {
        setting: "device",
        reason,
    })
}

/// What is decided by held-out pairs wants some.
pub(super) fn needs_held_out(config: &Recipe, held_out: usize) -> Result<(), Refusal> {
    let setting = match config.keep {
        Keep::Best => "keep",
        Keep::Last if config.patience > 0 => "patience",
        Keep::Last => return Ok(()),
    };
    if held_out > 0 {
        return Ok(());
    }
    Err(Refusal {
        setting,
        reason: "goes by held-out pairs, and none are held out".to_owned(),
    })
}

/// Pairs that are one text to the model leave something to learn from, and something to measure on where that was asked.
pub(super) fn tell_something(
    request: &Request,
    train: &Pairs,
    [alike, held_out_alike]: &[Vec<usize>; 2],
) -> Result<(), TrainError> {
    let max_tokens = request.config.max_tokens;
    let refused = |which, pairs| TrainError::Alike {
        which,
        pairs,
        max_tokens,
    };
    if alike.len() == train.len() {
        return Err(refused("training", train.len()));
    }
    let measured = |place: &usize| !request.held_out[*place].tied;
    let held_out = (0..request.held_out.len()).filter(measured).count();
    if held_out > 0 && held_out_alike.iter().filter(|place| measured(place)).count() == held_out {
        return Err(refused("held-out", held_out));
    }
    Ok(())
}

/// What of a recipe is refused before the base model is looked at.
///
/// # Errors
/// The first setting that cannot be used, by this build.
pub fn check_recipe(recipe: &Recipe) -> Result<(), Refusal> {
    let refused = |setting, reason: &str| {
        Err(Refusal {
            setting,
            reason: reason.to_owned(),
        })
    };
    if recipe.base_model.as_os_str().is_empty() {
        return refused("base_model", "name the folder of a base model");
    }
    if !is_built_in(recipe.device) {
        return refused("device", NOT_BUILT_IN);
    }
    recipe.check()
}

/// Settings and the base model's files.
pub(super) fn check(config: &Recipe) -> Result<(), TrainError> {
    check_recipe(config)?;
    let folder = backbone_folder(&config.base_model)?;
    check_base_model(&folder)?;
    let base = ModelConfig::load(&folder)?;
    let family = Family::of(&base)?;
    let positions = family.max_tokens(&base)?;
    if config.max_tokens > positions {
        return Err(Refusal {
            setting: "max_tokens",
            reason: format!("the base model takes at most {positions}"),
        }
        .into());
    }
    what::check(family, &base, config)
}
