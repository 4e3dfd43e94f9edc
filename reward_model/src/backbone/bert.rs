//! BERT (Devlin et al. 2018), RoBERTa (Liu et al. 2019) and XLM-RoBERTa (Conneau et al. 2020) as transformers computes them
//! in evaluation mode: absolute positions and no dropout. The later two count positions from behind the padding's id.

use candle_core::Tensor;

use super::Backbone;
use super::batch::{Batch, Reads, rows};
use super::config::ModelConfig;
use super::layers::{Builder, LayerNorm};
use super::post_norm::{Names, PostNorm, Sizes};
use crate::error::ModelError;

pub(super) const NAMES: Names = Names {
    layers: "encoder.layer",
    attention: [
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
        "attention.output.dense",
    ],
    attention_norm: "attention.output.LayerNorm",
    dense: ["intermediate.dense", "output.dense"],
    dense_norm: "output.LayerNorm",
};

/// What RoBERTa leaves out at the beginning of its position embeddings; 0 for BERT.
pub(super) fn skipped_positions(config: &ModelConfig) -> Result<usize, ModelError> {
    match config.word_or("model_type", "bert") {
        "bert" => Ok(0),
        _ => Ok(config.count_or("pad_token_id", 1)? + 1),
    }
}

/// Sizes of the layers.
pub(super) fn sizes(config: &ModelConfig) -> Result<Sizes, ModelError> {
    Ok(Sizes {
        hidden: config.count("hidden_size")?,
        inner: config.count("intermediate_size")?,
        heads: config.count("num_attention_heads")?,
        layers: config.layers("num_hidden_layers")?,
        epsilon: config.number_or("layer_norm_eps", 1e-12)?,
        activation: config.activation("hidden_act", "gelu")?,
    })
}

/// Embeddings and layers.
pub(super) struct Bert {
    words: Tensor,
    positions: Tensor,
    kinds: Tensor,
    norm: LayerNorm,
    layers: PostNorm,
    skipped: usize,
}

impl Bert {
    pub fn load(config: &ModelConfig, b: &mut Builder) -> Result<Self, ModelError> {
        config.expect("position_embedding_type", "absolute")?;
        config.head_size("hidden_size", "num_attention_heads")?;
        let sizes = sizes(config)?;
        let mut embedding = |name: &str, count: usize| {
            b.tensor(
                &format!("embeddings.{name}_embeddings.weight"),
                &[count, sizes.hidden],
            )
        };
        Ok(Self {
            words: embedding("word", config.count("vocab_size")?)?,
            positions: embedding("position", config.count("max_position_embeddings")?)?,
            kinds: embedding("token_type", config.count("type_vocab_size")?)?,
            norm: b.layer_norm("embeddings.LayerNorm", sizes.hidden, sizes.epsilon)?,
            layers: PostNorm::load(b, sizes, &NAMES)?,
            skipped: skipped_positions(config)?,
        })
    }
}

impl Backbone for Bert {
    fn words(&self) -> &Tensor {
        &self.words
    }

    fn forward(&self, batch: &Batch, words: &Tensor, reads: Reads) -> candle_core::Result<Tensor> {
        let positions: Vec<usize> = batch.positions().iter().map(|p| p + self.skipped).collect();
        let x = (words + rows(&self.positions, &positions)?)?;
        let x = self
            .norm
            .forward(&x.broadcast_add(&self.kinds.narrow(0, 0, 1)?)?)?;
        self.layers.forward(x, batch, reads)
    }
}
