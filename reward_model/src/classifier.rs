//! A reward model as transformers' `…ForSequenceClassification` with one label: a backbone and the head of its family.

use candle_core::Tensor;

use crate::backbone::{Backbone, Batch, Family, ModelConfig, ScoreHead, Source, Weights, look_up};
use crate::error::ModelError;

/// The whole model; its variables, if trainable, are in a [`Weights`] beside it.
pub(crate) struct Classifier {
    pub backbone: Box<dyn Backbone>,
    head: ScoreHead,
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

    /// The same weights, sharing their memory, for computing without a graph.
    pub fn frozen(family: Family, config: &ModelConfig, weights: &Weights) -> Result<Self, ModelError> {
        let mut builder = family.frozen(weights);
        Ok(Self {
            backbone: family.backbone(config, &mut builder)?,
            head: family.score_head(config, &mut builder)?,
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

    use serde_json::Value;

    use super::*;
    use crate::backbone::{WORDS, trainable};
    use crate::loss::bradley_terry;

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

    /// Rewards, loss and gradients against PyTorch's, for every weight: tests/python/make_fixtures.py (transformers 5.23,
    /// torch 2.15). A weight without a gradient fails here.
    fn check(name: &str) {
        let folder = fixture(name);
        let text = std::fs::read_to_string(folder.join("expected.json")).unwrap();
        let expected: Value = serde_json::from_str(&text).unwrap();
        let ids: Vec<Vec<u32>> = serde_json::from_value(expected["ids"].clone()).unwrap();
        let (_, _, weights, model) = load(&folder);
        let mut names: Vec<&String> = weights.names.iter().collect();
        names.sort();
        // serde_json's maps keep another order where a crate beside this one asks for it.
        let mut theirs: Vec<&String> = expected["gradients"].as_object().unwrap().keys().collect();
        theirs.sort();
        assert_eq!(names, theirs, "{name}");

        let batch = Batch::new(ids.iter().map(Vec::as_slice));
        let words = trainable(model.backbone.as_ref(), &batch).unwrap();
        let rewards = model.forward(&batch, words.as_tensor()).unwrap();
        let values: Vec<f32> = rewards.to_vec1().unwrap();
        for (got, want) in values.iter().zip(expected["rewards"].as_array().unwrap()) {
            assert!(
                (f64::from(*got) - want.as_f64().unwrap()).abs() < 1e-4,
                "{name}: {got} {want}"
            );
        }
        let (mut loss, mut slopes) = (0.0, Vec::new());
        for (i, pair) in values.chunks(2).enumerate() {
            let margin = expected["margins"][i].as_f64().unwrap();
            let of = bradley_terry(f64::from(pair[0]), f64::from(pair[1]), margin, 1.0);
            loss += 0.5 * of.loss;
            slopes.extend([0.5 * of.slope as f32, -0.5 * of.slope as f32]);
        }
        assert!((loss - expected["loss"].as_f64().unwrap()).abs() < 1e-4, "{loss}");
        let slopes = Tensor::new(slopes, &candle_core::Device::Cpu).unwrap();
        let store = (rewards * slopes).unwrap().sum_all().unwrap().backward().unwrap();

        for (i, (name, var)) in weights.names.iter().zip(&weights.vars).enumerate() {
            let got: Vec<f32> = if i == WORDS {
                let width = var.dim(1).unwrap();
                let mut dense = vec![0.0; var.elem_count()];
                let rows: Vec<Vec<f32>> = store.get(words.as_tensor()).unwrap().to_vec2().unwrap();
                for (row, &id) in rows.iter().zip(batch.ids()) {
                    let at = id as usize * width;
                    row.iter().enumerate().for_each(|(j, x)| dense[at + j] += x);
                }
                dense
            } else {
                let gradient = store
                    .get(var.as_tensor())
                    .unwrap_or_else(|| panic!("{name} got no gradient"));
                gradient.flatten_all().unwrap().to_vec1().unwrap()
            };
            let want = &expected["gradients"][name];
            let norm = want["norm"].as_f64().unwrap();
            let own = got.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
            // Keys' biases shift all of a query's scores alike: their gradient is zero but for rounding.
            let close = |a: f64, b: f64| (a - b).abs() <= 1e-3 * norm.max(1e-4);
            assert!(close(own, norm), "{name}: {own} {norm}");
            let every = want["every"].as_u64().unwrap() as usize;
            for (value, want) in got.iter().step_by(every).zip(want["values"].as_array().unwrap()) {
                assert!(
                    close(f64::from(*value), want.as_f64().unwrap()),
                    "{name}: {value} {want}"
                );
            }
        }
    }

    #[test]
    fn bert_equals_transformers() {
        check("tiny");
    }

    #[test]
    fn encoders_equal_transformers() {
        for name in ["distilbert", "roberta", "deberta", "modernbert"] {
            check(name);
        }
    }

    #[test]
    fn decoders_equal_transformers() {
        for name in ["llama", "qwen2", "qwen3", "gemma2", "gemma3"] {
            check(name);
        }
    }

    /// A frozen model makes no graph and gives the same rewards.
    #[test]
    fn frozen_gives_the_same_rewards_without_a_graph() {
        for name in ["tiny", "qwen3"] {
            let (family, config, weights, model) = load(&fixture(name));
            let batch = Batch::new([[2u32, 9, 14, 3].as_slice(), &[2, 20, 3]]);
            let words = look_up(model.backbone.as_ref(), &batch).unwrap();
            let frozen = Classifier::frozen(family, &config, &weights).unwrap();
            let rewards = frozen.forward(&batch, &words).unwrap();
            assert!(!rewards.track_op());
            let tracked = model.forward(&batch, &words).unwrap();
            assert!(tracked.track_op());
            assert_eq!(
                tracked.to_vec1::<f32>().unwrap(),
                rewards.to_vec1::<f32>().unwrap()
            );
        }
    }
}
