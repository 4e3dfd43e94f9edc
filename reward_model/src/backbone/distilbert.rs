//! DistilBERT (Sanh et al. 2019): BERT with half of the layers and no token types.

use candle_core::Tensor;

use super::Backbone;
use super::batch::{Batch, Reads, rows};
use super::config::ModelConfig;
use super::layers::{Builder, LayerNorm};
use super::post_norm::{Names, PostNorm, Sizes};
use crate::error::ModelError;

pub(super) const NAMES: Names = Names {
    layers: "transformer.layer",
    attention: [
        "attention.q_lin",
        "attention.k_lin",
        "attention.v_lin",
        "attention.out_lin",
    ],
    attention_norm: "sa_layer_norm",
    dense: ["ffn.lin1", "ffn.lin2"],
    dense_norm: "output_layer_norm",
};

/// Sizes of the layers.
pub(super) fn sizes(config: &ModelConfig) -> Result<Sizes, ModelError> {
    Ok(Sizes {
        hidden: config.count("dim")?,
        inner: config.count("hidden_dim")?,
        heads: config.count("n_heads")?,
        layers: config.layers("n_layers")?,
        epsilon: 1e-12,
        activation: config.activation("activation", "gelu")?,
    })
}

/// Embeddings and layers.
pub(super) struct DistilBert {
    words: Tensor,
    positions: Tensor,
    norm: LayerNorm,
    layers: PostNorm,
}

impl DistilBert {
    pub fn load(config: &ModelConfig, b: &mut Builder) -> Result<Self, ModelError> {
        config.head_size("dim", "n_heads")?;
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
            norm: b.layer_norm("embeddings.LayerNorm", sizes.hidden, sizes.epsilon)?,
            layers: PostNorm::load(b, sizes, &NAMES)?,
        })
    }
}

impl Backbone for DistilBert {
    fn words(&self) -> &Tensor {
        &self.words
    }

    fn forward(&self, batch: &Batch, words: &Tensor, reads: Reads) -> candle_core::Result<Tensor> {
        let x = (words + rows(&self.positions, &batch.positions())?)?;
        self.layers.forward(self.norm.forward(&x)?, batch, reads)
    }
}
