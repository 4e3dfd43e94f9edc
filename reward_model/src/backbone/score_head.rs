//! What turns a text's hidden states into one reward, as transformers' `…ForSequenceClassification` with one label has it.

use candle_core::Tensor;

use super::batch::{Batch, Reads};
use super::dropout::Site;
use super::layers::{Dense, LayerNorm};
use super::ops::Activation;

/// Pooling, perhaps a layer with an activation and a norm, then one output.
pub(crate) struct ScoreHead {
    pub pooling: HeadPooling,
    pub dense: Option<(Dense, Activation)>,
    pub norm: Option<LayerNorm>,
    pub output: Dense,
}

/// Which hidden state stands for a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeadPooling {
    First,
    Last,
    Mean,
}

impl HeadPooling {
    /// The rows of the last layer that are needed.
    pub fn reads(self) -> Reads {
        match self {
            Self::First => Reads::First,
            Self::Last => Reads::Last,
            Self::Mean => Reads::All,
        }
    }
}

impl ScoreHead {
    /// States that were read, [texts, hidden] or [tokens, hidden] → rewards [texts].
    pub fn forward(&self, states: &Tensor, batch: &Batch) -> candle_core::Result<Tensor> {
        let mut x = match self.pooling {
            HeadPooling::Mean => mean(states, batch)?,
            _ => states.clone(),
        };
        if let Some((dense, activation)) = &self.dense {
            x = activation.apply(&dense.forward(&x)?)?;
        }
        if let Some(norm) = &self.norm {
            x = norm.forward(&x)?;
        }
        self.output.forward(&batch.drop(Site::Pooled, x)?)?.squeeze(1)
    }
}

/// Mean over each text's tokens: a product with a matrix of shares.
fn mean(states: &Tensor, batch: &Batch) -> candle_core::Result<Tensor> {
    let tokens = batch.ids().len();
    let mut shares = vec![0.0f32; batch.texts() * tokens];
    for (text, shares) in shares.chunks_exact_mut(tokens).enumerate() {
        let rows = batch.rows_of(text);
        let share = 1.0 / rows.iter().map(ExactSizeIterator::len).sum::<usize>() as f32;
        rows.into_iter().for_each(|rows| shares[rows].fill(share));
    }
    Tensor::from_vec(shares, (batch.texts(), tokens), states.device())?.matmul(states)
}
