//! A reward model as transformers' `BertForSequenceClassification` with one label: encoder, pooler (dense and tanh on
//! the first token), classifier.

use candle_core::Tensor;

use crate::backbone::{Batch, Bert, BertConfig, Reads, Source, Weights, linear};
use crate::error::ModelError;

/// The whole model; its variables, if trainable, are in a [`Weights`] beside it.
pub(crate) struct Classifier {
    pub bert: Bert,
    pooler: [Tensor; 2],
    classifier: [Tensor; 2],
}

impl Classifier {
    /// The name of the last bias. Bradley–Terry's loss is blind to it: every reward moves alike.
    pub const BIAS: &'static str = "classifier.bias";

    /// Takes a base model's tensors, or a whole classifier's. A pooler or classifier that the file lacks starts at
    /// random, by the source's seed.
    pub fn load(config: &BertConfig, source: &mut Source, weights: &mut Weights) -> Result<Self, ModelError> {
        let h = config.hidden_size;
        let bert = Bert::load(config, source, weights)?;
        let prefix = if source.has("pooler.dense.weight") {
            "pooler.dense"
        } else {
            "bert.pooler.dense"
        };
        let mut add = |name: &str, tensor| weights.register(name, tensor);
        let pooler = [
            add(
                "bert.pooler.dense.weight",
                source.or_random(&format!("{prefix}.weight"), &[h, h])?,
            )?,
            add(
                "bert.pooler.dense.bias",
                source.or_zeros(&format!("{prefix}.bias"), &[h])?,
            )?,
        ];
        let classifier = [
            add(
                "classifier.weight",
                source.or_random("classifier.weight", &[1, h])?,
            )?,
            add(Self::BIAS, source.or_zeros(Self::BIAS, &[1])?)?,
        ];
        Ok(Self {
            bert,
            pooler,
            classifier,
        })
    }

    /// The same weights, sharing their memory, for computing without a graph.
    pub fn frozen(&self) -> Self {
        let detach = |pair: &[Tensor; 2]| [pair[0].detach(), pair[1].detach()];
        Self {
            bert: self.bert.frozen(),
            pooler: detach(&self.pooler),
            classifier: detach(&self.classifier),
        }
    }

    /// Rewards \[texts\] from looked-up words \[tokens, hidden\].
    pub fn forward(&self, batch: &Batch, words: &Tensor) -> Result<Tensor, ModelError> {
        let first = self.bert.forward(batch, words, Reads::First)?;
        let pooled = linear(&first, &self.pooler[0], &self.pooler[1])?.tanh()?;
        Ok(linear(&pooled, &self.classifier[0], &self.classifier[1])?.squeeze(1)?)
    }

    /// Rewards of a batch, for a frozen model.
    pub fn rewards(&self, batch: &Batch) -> Result<Vec<f32>, ModelError> {
        Ok(self.forward(batch, &self.bert.look_up(batch)?)?.to_vec1()?)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::Value;

    use super::*;
    use crate::loss::bradley_terry;

    /// Loss and gradients against PyTorch's, for every weight: tests/python/make_fixture.py (transformers 5.23, torch
    /// 2.15). A weight without a gradient fails here.
    #[test]
    fn every_gradient_equals_torch() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny");
        let text = std::fs::read_to_string(folder.join("expected.json")).unwrap();
        let expected: Value = serde_json::from_str(&text).unwrap();
        let ids: Vec<Vec<u32>> = serde_json::from_value(expected["ids"].clone()).unwrap();
        let config = BertConfig::load(&folder).unwrap();
        let mut source = Source::open(&folder.join("model.safetensors"), 0).unwrap();
        let mut weights = Weights::default();
        let model = Classifier::load(&config, &mut source, &mut weights).unwrap();
        assert_eq!(
            weights.names.len(),
            expected["gradients"].as_object().unwrap().len()
        );

        let batch = Batch::new(ids.iter().map(Vec::as_slice));
        let words = model.bert.trainable(&batch).unwrap();
        let rewards = model.forward(&batch, words.as_tensor()).unwrap();
        let values: Vec<f32> = rewards.to_vec1().unwrap();
        let (mut loss, mut slopes) = (0.0, Vec::new());
        for (i, pair) in values.chunks(2).enumerate() {
            let margin = expected["margins"][i].as_f64().unwrap();
            let of = bradley_terry(f64::from(pair[0]), f64::from(pair[1]), margin, 0.5);
            loss += of.loss;
            slopes.extend([of.slope as f32, -of.slope as f32]);
        }
        assert!((loss - expected["loss"].as_f64().unwrap()).abs() < 1e-4, "{loss}");
        let slopes = Tensor::new(slopes, &candle_core::Device::Cpu).unwrap();
        let store = (rewards * slopes).unwrap().sum_all().unwrap().backward().unwrap();

        for (i, (name, var)) in weights.names.iter().zip(&weights.vars).enumerate() {
            let got: Vec<f32> = if i == Bert::WORDS {
                let mut dense = vec![0.0; var.elem_count()];
                let rows: Vec<Vec<f32>> = store.get(words.as_tensor()).unwrap().to_vec2().unwrap();
                for (row, &id) in rows.iter().zip(batch.ids()) {
                    let at = id as usize * model.bert.hidden;
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

    /// A frozen model makes no graph and gives the same rewards.
    #[test]
    fn frozen_gives_the_same_rewards_without_a_graph() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny");
        let config = BertConfig::load(&folder).unwrap();
        let mut source = Source::open(&folder.join("model.safetensors"), 0).unwrap();
        let model = Classifier::load(&config, &mut source, &mut Weights::default()).unwrap();
        let batch = Batch::new([[2u32, 9, 14, 3].as_slice(), &[2, 20, 3]]);
        let frozen = model.frozen();
        let rewards = frozen
            .forward(&batch, &frozen.bert.look_up(&batch).unwrap())
            .unwrap();
        assert!(!rewards.track_op());
        let tracked = model
            .forward(&batch, &model.bert.look_up(&batch).unwrap())
            .unwrap();
        assert!(tracked.track_op());
        assert_eq!(
            tracked.to_vec1::<f32>().unwrap(),
            rewards.to_vec1::<f32>().unwrap()
        );
    }
}
