//! The encoder as a [`Backbone`], to compute with it without a graph.

use std::sync::Mutex;

use candle_core::{Device, Tensor};

use super::super::Backbone;
use super::super::batch::{Batch, Reads};
use super::super::kernels::share;
use super::super::weights::Weights;
use super::{Fused, Packed, Scratch};

/// An encoder with its packed weights, and scratch for as many threads as have used it at once.
pub(crate) struct FusedBackbone {
    fused: Fused,
    weights: Weights,
    packed: Packed,
    scratch: Mutex<Vec<Scratch>>,
}

impl FusedBackbone {
    /// Packs the weights, whose memory is shared.
    ///
    /// # Errors
    /// candle's, when they are not f32 on the CPU.
    pub fn new(fused: Fused, weights: Weights) -> candle_core::Result<Self> {
        let mut packed = Packed::default();
        fused.pack(&weights, false, &mut packed)?;
        Ok(Self {
            fused,
            weights,
            packed,
            scratch: Mutex::default(),
        })
    }
}

impl Backbone for FusedBackbone {
    fn words(&self) -> &Tensor {
        self.weights.vars[self.fused.places.words].as_tensor()
    }

    /// Words are looked up here, by the batch's ids: `_words` is left alone.
    fn forward(&self, batch: &Batch, _words: &Tensor, reads: Reads) -> candle_core::Result<Tensor> {
        let pool = || {
            self.scratch
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
        };
        let mut scratch = pool().pop().unwrap_or_default();
        let (fused, weights, packed) = (&self.fused, &self.weights, &self.packed);
        let states = if share::is_shared() {
            fused.forward_shared(weights, packed, (batch, reads), &mut scratch)?
        } else {
            fused.forward(weights, packed, (batch, reads), false, &mut scratch)?
        };
        pool().push(scratch);
        let hidden = self.fused.sizes.hidden;
        let rows = states.len() / hidden;
        Tensor::from_vec(states, (rows, hidden), &Device::Cpu)
    }
}
