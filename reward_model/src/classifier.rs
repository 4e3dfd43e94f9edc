//! A reward model as transformers' `…ForSequenceClassification` with one label: a backbone and the head of its family.

use candle_core::Tensor;

use crate::backbone::{Backbone, Batch, Family, Learning, ModelConfig, ScoreHead, Source, Weights, look_up};
use crate::error::ModelError;
use recipe::Precision;

/// The whole model; its variables, if trainable, are in a [`Weights`] beside it.
pub(crate) struct Classifier {
    pub backbone: Box<dyn Backbone>,
    pub head: ScoreHead,
}

impl Classifier {
    /// Takes a base model's tensors, or a whole classifier's. A head that the file lacks starts at random, by the source's
    /// seed.
    pub fn load(
        family: Family,
        config: &ModelConfig,
        source: &mut Source,
        weights: &mut Weights,
    ) -> Result<Self, ModelError> {
        let mut builder = family.builder(source, weights);
        Ok(Self {
            backbone: family.backbone(config, &mut builder)?,
            head: family.score_head(config, &mut builder)?,
        })
    }

    /// Weights that are there already, sharing their memory; a graph leads to those that learn.
    pub fn partly(
        family: Family,
        config: &ModelConfig,
        weights: &Weights,
        learning: &Learning,
        precision: Precision,
    ) -> Result<Self, ModelError> {
        let mut builder = family.partly(weights, learning).computing_in(precision);
        Ok(Self {
            backbone: family.backbone(config, &mut builder)?,
            head: family.score_head(config, &mut builder)?,
        })
    }

    /// The same weights, sharing their memory, for computing without a graph.
    pub fn frozen(
        family: Family,
        config: &ModelConfig,
        weights: &Weights,
        precision: Precision,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            backbone: family.frozen_backbone(config, weights, precision)?,
            head: family.score_head(config, &mut family.frozen(weights))?,
        })
    }

    /// Rewards \[texts\] from looked-up words \[tokens, hidden\].
    pub fn forward(&self, batch: &Batch, words: &Tensor) -> Result<Tensor, ModelError> {
        let states = self.backbone.forward(batch, words, self.head.pooling.reads())?;
        Ok(self.head.forward(&states, batch)?)
    }

    /// Rewards of a batch, for a frozen model.
    pub fn rewards(&self, batch: &Batch) -> Result<Vec<f32>, ModelError> {
        Ok(self
            .forward(batch, &look_up(self.backbone.as_ref(), batch)?)?
            .to_vec1()?)
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures")
            .join(name)
    }

    fn load(folder: &Path) -> (Family, ModelConfig, Weights, Classifier) {
        let config = ModelConfig::load(folder).unwrap();
        let family = Family::of(&config).unwrap();
        let mut weights = Weights::default();
        let mut source = Source::of_model(folder, 0).unwrap();
        let model = Classifier::load(family, &config, &mut source, &mut weights).unwrap();
        (family, config, weights, model)
    }

    /// A frozen model makes no graph and gives the same rewards.
    #[test]
    fn frozen_gives_the_same_rewards_without_a_graph() {
        for name in ["tiny", "qwen3"] {
            let (family, config, weights, model) = load(&fixture(name));
            let batch = Batch::new([[2u32, 9, 14, 3].as_slice(), &[2, 20, 3]]);
            let words = look_up(model.backbone.as_ref(), &batch).unwrap();
            let frozen = Classifier::frozen(family, &config, &weights, Precision::F32).unwrap();
            let rewards = frozen.forward(&batch, &words).unwrap();
            assert!(!rewards.track_op());
            let tracked = model.forward(&batch, &words).unwrap();
            assert!(tracked.track_op());
            let both = [tracked, rewards].map(|rewards| rewards.to_vec1::<f32>().unwrap());
            for (a, b) in both[0].iter().zip(&both[1]) {
                assert!((a - b).abs() < 1e-6, "{name}: {a} {b}");
            }
        }
    }
}
