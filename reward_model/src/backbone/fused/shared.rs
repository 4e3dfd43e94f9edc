//! The forward pass of a few texts on all threads of a pool: each takes some of the rows through a layer, and they wait for one
//! another once a layer, when queries meet all keys.

use rayon::prelude::*;

use super::super::batch::{Batch, Reads};
use super::super::weights::Weights;
use super::forward::Queries;
use super::packed::{Layer, Packed};
use super::{AfterTape, Fused, LayerTape, Scratch};

/// Rows that are worth a thread's while.
const FEWEST: usize = 24;

/// What a thread keeps from layer to layer.
#[derive(Default)]
struct Part {
    scratch: Scratch,
    tape: AfterTape,
    next: Vec<f32>,
}

impl Fused {
    /// [`Fused::forward`] without what the backward pass needs, on the threads of the pool that it runs in.
    pub(super) fn forward_shared(
        &self,
        weights: &Weights,
        packed: &Packed,
        (batch, reads): (&Batch, Reads),
        scratch: &mut Scratch,
    ) -> candle_core::Result<Vec<f32>> {
        let (hidden, tokens) = (self.sizes.hidden, batch.ids().len());
        let rows = tokens.div_ceil(rayon::current_num_threads()).max(FEWEST);
        let mut parts: Vec<Part> = (0..tokens.div_ceil(rows)).map(|_| Part::default()).collect();
        let (mut x, mut qkv) = (Vec::new(), vec![0.0; tokens * 3 * hidden]);
        self.embed(weights, batch, scratch, &mut x)?;
        for (i, layer) in packed.layers.iter().enumerate() {
            if i + 1 == packed.layers.len() && reads != Reads::All {
                return Ok(self.last(layer, (batch, reads), x, qkv, &mut parts, scratch));
            }
            self.project_shared(layer, &x, &mut qkv, true, &mut parts);
            let blocks = x.par_chunks(rows * hidden).enumerate().zip(&mut parts);
            blocks.for_each(|((i, residual), part)| {
                let Part { scratch, tape, next } = part;
                let from = i * rows;
                let heads = self.heads(batch, Queries::Rows(from..from + residual.len() / hidden));
                self.after(layer, heads, (residual, &qkv), tape, next, scratch);
            });
            x.clear();
            parts.iter().for_each(|part| x.extend_from_slice(&part.next));
        }
        Ok(x)
    }

    fn project_shared(&self, layer: &Layer, x: &[f32], qkv: &mut [f32], queries: bool, parts: &mut [Part]) {
        let hidden = self.sizes.hidden;
        let rows = (x.len() / hidden).div_ceil(parts.len());
        let rows = rows.max(FEWEST);
        x.par_chunks(rows * hidden)
            .zip(qkv.par_chunks_mut(rows * 3 * hidden))
            .zip(parts)
            .for_each(|((x, qkv), part)| self.project(layer, x, qkv, queries, &mut part.scratch));
    }

    /// A last layer of which one row of each text is read.
    fn last(
        &self,
        layer: &Layer,
        (batch, reads): (&Batch, Reads),
        x: Vec<f32>,
        mut qkv: Vec<f32>,
        parts: &mut [Part],
        scratch: &mut Scratch,
    ) -> Vec<f32> {
        self.project_shared(layer, &x, &mut qkv, false, parts);
        let (read, mut next) = (batch.read(reads).unwrap_or_default(), Vec::new());
        let mut tape = LayerTape {
            x,
            qkv,
            ..LayerTape::default()
        };
        self.read_rows(layer, batch, &read, &mut tape, &mut next, scratch);
        next
    }
}
