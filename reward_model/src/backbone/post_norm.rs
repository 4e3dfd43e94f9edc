//! The encoder of BERT and those after it: attention, then two dense layers, a layer norm after each residual.

use candle_core::Tensor;

use super::batch::{Batch, Reads, queries};
use super::dropout::Site;
use super::layers::{Builder, Dense, LayerNorm};
use super::ops::{Activation, Attention, Span};
use crate::error::ModelError;

/// Sizes that the layers of a model share.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub hidden: usize,
    pub inner: usize,
    pub heads: usize,
    pub layers: usize,
    pub epsilon: f64,
    pub activation: Activation,
}

/// Names of a layer's parts, within it.
#[derive(Clone, Copy)]
pub(crate) struct Names {
    /// Where layer i is, without its number.
    pub layers: &'static str,
    /// Query, key, value and output.
    pub attention: [&'static str; 4],
    pub attention_norm: &'static str,
    /// The layer that widens and the one that narrows.
    pub dense: [&'static str; 2],
    pub dense_norm: &'static str,
}

struct Layer {
    attention: [Dense; 4],
    attention_norm: LayerNorm,
    widen: Dense,
    narrow: Dense,
    dense_norm: LayerNorm,
}

/// The layers of an encoder.
pub(crate) struct PostNorm {
    layers: Vec<Layer>,
    sizes: Sizes,
}

impl PostNorm {
    pub fn load(b: &mut Builder, sizes: Sizes, names: &Names) -> Result<Self, ModelError> {
        let Sizes {
            hidden,
            inner,
            epsilon,
            ..
        } = sizes;
        let layer = |i: usize| {
            let name = |part: &str| format!("{}.{i}.{part}", names.layers);
            let [q, k, v, o] = names.attention.map(|part| b.dense(&name(part), hidden, hidden));
            let attention = [q?, k?, v?, o?];
            Ok(Layer {
                attention,
                attention_norm: b.layer_norm(&name(names.attention_norm), hidden, epsilon)?,
                widen: b.dense(&name(names.dense[0]), hidden, inner)?,
                narrow: b.dense(&name(names.dense[1]), inner, hidden)?,
                dense_norm: b.layer_norm(&name(names.dense_norm), hidden, epsilon)?,
            })
        };
        let layers = (0..sizes.layers).map(layer).collect::<Result<_, ModelError>>()?;
        Ok(Self { layers, sizes })
    }

    /// From embedded tokens [tokens, hidden] to the last hidden states that are read.
    pub fn forward(&self, x: Tensor, batch: &Batch, reads: Reads) -> candle_core::Result<Tensor> {
        let Sizes {
            hidden,
            heads,
            activation,
            ..
        } = self.sizes;
        let mut x = batch.drop(Site::Embeddings, x)?;
        for (i, layer) in self.layers.iter().enumerate() {
            let last = i + 1 == self.layers.len();
            let (rows, segments) = queries(&x, batch, if last { reads } else { Reads::All })?;
            let [q, k, v, o] = &layer.attention;
            let attention = Attention {
                heads,
                key_heads: heads,
                scale: 1.0 / ((hidden / heads) as f32).sqrt(),
                cap: None,
                span: Span::Text,
                precision: o.precision(),
                segments,
            };
            let context = attention.apply(&q.forward(&rows)?, &k.forward(&x)?, &v.forward(&x)?)?;
            let y = layer
                .attention_norm
                .forward(&(batch.drop(Site::Attention(i), o.forward(&context)?)? + rows)?)?;
            let wide = activation.apply(&layer.widen.forward(&y)?)?;
            x = layer
                .dense_norm
                .forward(&(batch.drop(Site::Dense(i), layer.narrow.forward(&wide)?)? + y)?)?;
        }
        Ok(x)
    }
}
