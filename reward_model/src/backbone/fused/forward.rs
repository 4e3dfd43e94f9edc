//! From token ids to the last hidden states.

use std::mem::take;

use super::super::batch::{Batch, Reads};
use super::super::kernels;
use super::super::kernels::units::{Rows, Write, multiply};
use super::super::weights::Weights;
use super::attention::Head;
use super::packed::{Dense, Layer, Packed};
use super::{Fused, LayerTape, Scratch};

impl Fused {
    /// The last hidden states that are read, \[tokens, hidden\] or \[texts, hidden\]. With `keep`, what the backward pass needs
    /// stays in `scratch`; without, one layer's memory serves all.
    pub fn forward(
        &self,
        weights: &Weights,
        packed: &Packed,
        (batch, reads): (&Batch, Reads),
        keep: bool,
        scratch: &mut Scratch,
    ) -> candle_core::Result<Vec<f32>> {
        let (layers, mut tapes) = (packed.layers.len(), take(&mut scratch.layers));
        tapes.resize_with(if keep { layers } else { 1 }, LayerTape::default);
        let (mut x, mut next) = (take(&mut tapes[0].x), Vec::new());
        self.embed(weights, batch, scratch, &mut x)?;
        for (i, layer) in packed.layers.iter().enumerate() {
            let read = Self::read(batch, reads, i + 1 == layers);
            if keep && i + 1 < layers {
                next = take(&mut tapes[i + 1].x);
            }
            let tape = &mut tapes[if keep { i } else { 0 }];
            tape.x = x;
            self.layer(layer, batch, read.as_deref(), tape, &mut next, scratch);
            x = take(&mut next);
            if !keep {
                next = take(&mut tape.x);
            }
        }
        scratch.layers = tapes;
        Ok(x)
    }

    fn layer(
        &self,
        layer: &Layer,
        batch: &Batch,
        read: Option<&[usize]>,
        tape: &mut LayerTape,
        next: &mut Vec<f32>,
        scratch: &mut Scratch,
    ) {
        let (hidden, inner, precision) = (self.sizes.hidden, self.sizes.inner, self.precision);
        let LayerTape {
            x,
            qkv,
            context,
            sum,
            y,
            wide,
            wide_sum,
            ..
        } = tape;
        let tokens = x.len() / hidden;
        qkv.resize(tokens * 3 * hidden, 0.0);
        scratch.left.fill(precision, x, hidden);
        let [q, k, v, o] = &layer.attention;
        for (part, dense) in [k, v].into_iter().enumerate() {
            dense.into_part(&scratch.left, &mut qkv[(part + 1) * hidden..], 3 * hidden);
        }
        let rows = match read {
            None => {
                q.into_part(&scratch.left, qkv, 3 * hidden);
                tokens
            }
            Some(read) => {
                gather(x, read, hidden, &mut scratch.rows);
                scratch.left.fill(precision, &scratch.rows, hidden);
                q.into_part(&scratch.left, qkv, 3 * hidden);
                read.len()
            }
        };
        context.resize(rows * hidden, 0.0);
        tape.log_sums.resize(rows * self.sizes.heads, 0.0);
        for head in self.heads(batch, read.is_some()) {
            head.forward(qkv, context, &mut tape.log_sums, &mut scratch.head);
        }
        let residual: &[f32] = if read.is_some() { &scratch.rows } else { x };
        scratch.left.fill(precision, context, hidden);
        o.onto(&scratch.left, residual, sum);
        let epsilon = self.sizes.epsilon as f32;
        let norm = &layer.attention_norm;
        kernels::layer_norm(sum, &norm.gain, &norm.bias, epsilon, y);
        wide.resize(rows * inner, 0.0);
        scratch.left.fill(precision, y, hidden);
        layer.widen.into_part(&scratch.left, wide, inner);
        self.sizes.activation.forward(wide, &mut scratch.active);
        scratch.left.fill(precision, &scratch.active, inner);
        layer.narrow.onto(&scratch.left, y, wide_sum);
        let norm = &layer.dense_norm;
        kernels::layer_norm(wide_sum, &norm.gain, &norm.bias, epsilon, next);
    }

    /// Every head of every text; where only one row of each is read, its query is the text's place.
    pub(super) fn heads(&self, batch: &Batch, one_query: bool) -> impl Iterator<Item = Head> + use<'_> {
        let (hidden, heads) = (self.sizes.hidden, self.sizes.heads);
        let (size, offsets) = (hidden / heads, batch.offsets().clone());
        (0..batch.texts()).flat_map(move |text| {
            let (from, keys) = (offsets[text], offsets[text + 1] - offsets[text]);
            let (row, rows) = if one_query { (text, 1) } else { (from, keys) };
            (0..heads).map(move |head| {
                let at = head * size;
                let key = from * 3 * hidden + hidden + at;
                Head {
                    precision: self.precision,
                    scale: 1.0 / (size as f32).sqrt(),
                    size,
                    rows,
                    keys,
                    places: [row * 3 * hidden + at, key, key + hidden],
                    stride: 3 * hidden,
                    context: row * hidden + at,
                    context_stride: hidden,
                    sums: row * heads + head,
                    heads,
                }
            })
        })
    }
}

impl Dense {
    /// `x · wᵀ + b` into rows that are `stride` apart.
    fn into_part(&self, x: &Rows, out: &mut [f32], stride: usize) {
        for row in out.chunks_mut(stride).take(x.data.len() / x.units.max(1)) {
            row[..self.bias.len()].copy_from_slice(&self.bias);
        }
        multiply(out, stride, x.left(), &self.forward, Write::Add);
    }

    /// `x · wᵀ + b + residual`.
    fn onto(&self, x: &Rows, residual: &[f32], out: &mut Vec<f32>) {
        let width = self.bias.len();
        out.resize(residual.len(), 0.0);
        for (to, from) in out.chunks_exact_mut(width).zip(residual.chunks_exact(width)) {
            to.iter_mut()
                .zip(from)
                .zip(&self.bias)
                .for_each(|((to, from), bias)| *to = from + bias);
        }
        multiply(out, width, x.left(), &self.forward, Write::Add);
    }
}

/// Some rows of x.
pub(super) fn gather(x: &[f32], rows: &[usize], width: usize, to: &mut Vec<f32>) {
    to.clear();
    for row in rows {
        to.extend_from_slice(&x[row * width..][..width]);
    }
}
