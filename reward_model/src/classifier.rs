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
        let prefix = if source.has("pooler.dense.weight") { "pooler.dense" } else { "bert.pooler.dense" };
        let mut add = |name: &str, tensor| weights.register(name, tensor);
        let pooler = [
            add("bert.pooler.dense.weight", source.or_random(&format!("{prefix}.weight"), &[h, h])?)?,
            add("bert.pooler.dense.bias", source.or_zeros(&format!("{prefix}.bias"), &[h])?)?,
        ];
        let classifier = [
            add("classifier.weight", source.or_random("classifier.weight", &[1, h])?)?,
            add(Self::BIAS, source.or_zeros(Self::BIAS, &[1])?)?,
        ];
        Ok(Self { bert, pooler, classifier })
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
