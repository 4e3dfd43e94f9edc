//! A reward head on pooled embeddings, as a sentence-transformers folder describes it: Pooling, then Dense.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::backbone::{Backbone, Batch, Floats, Reads, add_scaled, dot, look_up, on_host};
use crate::error::ModelError;

/// How token embeddings become one vector: the parts that are on, in this order, one after the other. The names are
/// those of sentence-transformers' `1_Pooling/config.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PoolingModule {
    /// Hidden size of the encoder.
    pub word_embedding_dimension: usize,
    /// The first token's embedding.
    #[serde(default)]
    pub pooling_mode_cls_token: bool,
    /// The largest value of each dimension.
    #[serde(default)]
    pub pooling_mode_max_tokens: bool,
    /// The mean over tokens.
    #[serde(default)]
    pub pooling_mode_mean_tokens: bool,
    /// Not supported; read so that it can be refused.
    #[serde(default)]
    pub pooling_mode_mean_sqrt_len_tokens: bool,
    /// Not supported; read so that it can be refused.
    #[serde(default)]
    pub pooling_mode_weightedmean_tokens: bool,
    /// The last token's embedding.
    #[serde(default)]
    pub pooling_mode_lasttoken: bool,
}

impl PoolingModule {
    /// The mean over tokens, which the base model was trained for.
    pub fn mean(hidden: usize) -> Self {
        Self {
            word_embedding_dimension: hidden,
            pooling_mode_cls_token: false,
            pooling_mode_max_tokens: false,
            pooling_mode_mean_tokens: true,
            pooling_mode_mean_sqrt_len_tokens: false,
            pooling_mode_weightedmean_tokens: false,
            pooling_mode_lasttoken: false,
        }
    }

    /// Whether it is the mean over tokens and nothing else.
    pub fn is_mean(&self) -> bool {
        *self == Self::mean(self.word_embedding_dimension)
    }

    /// Whether every mode that is on is one that we compute.
    pub fn supported(&self) -> bool {
        let other = self.pooling_mode_mean_sqrt_len_tokens || self.pooling_mode_weightedmean_tokens;
        !other && self.width() > 0
    }

    /// Length of a pooled vector.
    pub fn width(&self) -> usize {
        let on = [
            self.pooling_mode_cls_token,
            self.pooling_mode_max_tokens,
            self.pooling_mode_mean_tokens,
            self.pooling_mode_lasttoken,
        ];
        on.iter().filter(|on| **on).count() * self.word_embedding_dimension
    }

    /// One vector for each text of a batch, by a frozen encoder.
    pub fn embed(&self, backbone: &dyn Backbone, batch: &Batch) -> Result<Vec<Vec<f32>>, ModelError> {
        let h = self.word_embedding_dimension;
        let states = backbone.forward(batch, &look_up(backbone, batch)?, Reads::All)?;
        let states = on_host(&states)?;
        let states = Floats::of(&states)?;
        let pool = |ranges: [Range<usize>; 2]| {
            let rows = || {
                let ranges = ranges.iter().cloned();
                ranges.flat_map(|rows| states[rows.start * h..rows.end * h].chunks_exact(h))
            };
            let n: usize = ranges.iter().map(ExactSizeIterator::len).sum();
            let mut pooled = Vec::with_capacity(self.width());
            if self.pooling_mode_cls_token {
                pooled.extend(rows().next().into_iter().flatten());
            }
            if self.pooling_mode_max_tokens {
                let mut highest = vec![f32::NEG_INFINITY; h];
                for row in rows() {
                    highest.iter_mut().zip(row).for_each(|(to, &x)| *to = to.max(x));
                }
                pooled.extend(highest);
            }
            if self.pooling_mode_mean_tokens {
                let mut mean = vec![0.0; h];
                rows().for_each(|row| add_scaled(&mut mean, row, 1.0));
                pooled.extend(mean.into_iter().map(|x| x / n as f32));
            }
            if self.pooling_mode_lasttoken {
                pooled.extend(rows().last().into_iter().flatten());
            }
            pooled
        };
        Ok((0..batch.texts()).map(|text| pool(batch.rows_of(text))).collect())
    }
}

/// The standard deviation of an ensemble's rewards, whose mean is given.
pub(crate) fn spread_of(rewards: &[f32], mean: f32) -> f32 {
    let square = |reward: &f32| f64::from(reward - mean).powi(2);
    (rewards.iter().map(square).sum::<f64>() / rewards.len() as f64).sqrt() as f32
}

/// One Dense module: weight \[outer, inner\], bias \[outer\], then tanh or nothing.
#[derive(Debug, Clone)]
pub(crate) struct DenseLayer {
    pub inner: usize,
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
    pub tanh: bool,
}

impl DenseLayer {
    /// Whether it is the mean of what the layer before it gives.
    pub fn is_mean(&self) -> bool {
        self.bias == [0.0] && self.weight.iter().all(|w| *w == 1.0 / self.inner as f32)
    }

    /// `activation(weight · x + bias)`.
    pub fn forward(&self, x: &[f32]) -> Vec<f32> {
        let rows = self.weight.chunks_exact(self.inner).zip(&self.bias);
        rows.map(|(row, bias)| {
            let y = dot(row, x) + bias;
            if self.tanh { y.tanh() } else { y }
        })
        .collect()
    }
}
