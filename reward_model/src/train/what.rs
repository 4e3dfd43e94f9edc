//! What a run learns: the weights it starts from, and which of them move.

use super::rates;
use crate::backbone::{Family, Learning, ModelConfig, Module, Source, Weights, attach, targets};
use crate::classifier::Classifier;
use crate::error::{ModelError, TrainError};
use recipe::{Lora, Method, Recipe, Refusal};

/// The base model's weights, or such as start at random, with a head and with what the method puts beside them.
///
/// # Errors
/// What is missing or broken in the base model's folder, and a target that means no layer.
pub(super) fn load(
    family: Family,
    model: &ModelConfig,
    config: &Recipe,
) -> Result<(Weights, Learning), TrainError> {
    let mut source = match config.from_scratch {
        true => Source::from_scratch(model, config.seed)?,
        false => Source::of_model(&config.base_model, config.seed)?,
    };
    let mut weights = Weights::default();
    Classifier::load(family, model, &mut source, &mut weights)?;
    let lora = (config.method == Method::Lora).then(|| config.lora.clone());
    if let Some(lora) = &lora {
        let modules = lora_targets(family, model, lora)?;
        attach(&mut weights, &modules, lora.rank, config.seed)?;
    }
    let rates = rates::of(&weights, family, config);
    Ok((weights, Learning { rates, lora }))
}

/// The layers that matrices stand beside.
///
/// # Errors
/// A target that means no layer, and a configuration of a model that cannot be read.
pub(super) fn lora_targets(
    family: Family,
    model: &ModelConfig,
    lora: &Lora,
) -> Result<Vec<Module>, TrainError> {
    let refused = |reason| Refusal {
        setting: "lora_target_modules",
        reason,
    };
    let names = target_names(family, lora);
    Ok(targets(family.modules(model)?, &names).map_err(refused)?)
}

/// Their names' ends, as given or the family's own.
pub(super) fn target_names(family: Family, lora: &Lora) -> Vec<&str> {
    if lora.target_modules.is_empty() {
        return family.queries_and_values().to_vec();
    }
    lora.target_modules.iter().map(|name| name.trim()).collect()
}

/// Refuses what the base model cannot do, without reading its weights.
///
/// # Errors
/// The setting and a sentence.
pub(super) fn check(family: Family, model: &ModelConfig, config: &Recipe) -> Result<(), TrainError> {
    let layers = family.layers(model)?;
    match config.method {
        Method::Layers if config.last_layers > layers => Err(Refusal {
            setting: "last_layers",
            reason: format!("the base model has {layers}"),
        }
        .into()),
        Method::Lora => lora_targets(family, model, &config.lora).map(drop),
        _ => Ok(()),
    }
}

/// What a model's weights are once matrices beside them are added in.
pub(super) fn whole(weights: &Weights, learning: &Learning) -> Result<Weights, ModelError> {
    match &learning.lora {
        Some(lora) => crate::backbone::merged(weights, lora),
        None => Ok(weights.clone()),
    }
}
