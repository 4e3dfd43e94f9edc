//! What settings come to with a base model: what the reward is read from, and whether the base model's own head goes on.

use std::path::Path;

use crate::backbone::{Family, ModelConfig};
use crate::base::{MeanHead, OwnHead, backbone_folder, own_head};
use crate::error::ModelError;
use recipe::{Method, Pooling, Recipe};

/// The rules that runs begin by today; a checkpoint keeps its own, so that a run goes on to the same numbers. Before they were
/// counted (0), heads of mean-pooled base models began anew and pairs that are equal to the model were learnt from.
pub(super) const RULES: u32 = 1;

/// A run's beginning.
pub(super) struct Begin {
    /// The settings, with the backbone's folder and what the reward is read from.
    pub config: Recipe,
    /// The head that the run goes on from.
    pub head: Option<MeanHead>,
    /// What becomes of the base model's own head, as a sentence; nothing where it has none.
    pub note: Option<&'static str>,
}

impl Begin {
    /// By the rules of the run's first start.
    ///
    /// # Errors
    /// When the base model cannot be read.
    pub fn new(asked: &Recipe, rules: u32) -> Result<Self, ModelError> {
        let backbone = backbone_folder(&asked.base_model)?;
        let pooling = pooling(asked, &backbone)?;
        let own = match asked.from_scratch || rules == 0 {
            true => OwnHead::None,
            false => own_head(&asked.base_model)?,
        };
        let note = note(&own, pooling, asked.method);
        let head = match own {
            OwnHead::Mean(head) if pooling == Pooling::Mean => Some(head),
            _ => None,
        };
        let config = Recipe {
            base_model: backbone,
            pooling,
            ..asked.clone()
        };
        Ok(Self { config, head, note })
    }
}

/// What the reward is read from; never `Auto`.
fn pooling(asked: &Recipe, backbone: &Path) -> Result<Pooling, ModelError> {
    if asked.method == Method::Head {
        return Ok(Pooling::Mean);
    }
    let family = Family::of(&ModelConfig::load(backbone)?)?;
    Ok(family.pooled(asked.pooling).pooling())
}

fn note(own: &OwnHead, pooling: Pooling, method: Method) -> Option<&'static str> {
    Some(match (own, pooling) {
        (OwnHead::None, _) => return None,
        (OwnHead::Mean(_), Pooling::Mean) | (OwnHead::Family, Pooling::Family) => {
            "The base model's own head goes on."
        }
        (OwnHead::Mean(_), _) => {
            "A new head begins: the base model's own reads the mean over the tokens, and would go on with pooling = mean."
        }
        (OwnHead::Family, _) if method == Method::Head => {
            "A new head begins: the base model's own does not read the mean over the tokens, as the method head does."
        }
        (OwnHead::Family, _) => {
            "A new head begins: the base model's own does not read the mean over the tokens, and would go on with pooling = family."
        }
        (OwnHead::Other, _) => {
            "A new head begins: the base model's own is no single layer on the mean over the tokens."
        }
    })
}
