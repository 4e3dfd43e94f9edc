//! From token ids to the last hidden states.

use std::mem::take;

use super::super::batch::{Batch, Reads};
use super::super::dropout::Mask;
use super::super::kernels;
use super::super::kernels::units::{Left, Write, multiply};
use super::super::weights::Weights;
use super::attention::Head;
use super::packed::{Dense, Layer, Packed};
use super::{AfterTape, Fused, LayerTape, Scratch};

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
        // Those of training lie still while something is measured: they would be freed and made again.
        tapes.resize_with(tapes.len().max(if keep { layers } else { 1 }), LayerTape::default);
        let (mut x, mut next) = (take(&mut tapes[0].x), Vec::new());
        self.embed(weights, batch, scratch, &mut x)?;
        for (i, layer) in packed.layers.iter().enumerate() {
            let read = Self::read(batch, reads, i + 1 == layers);
            let tape = &mut tapes[if keep { i } else { 0 }];
            tape.x = x;
            scratch.masks = Self::masks(batch, i);
            self.layer(layer, batch, read.as_deref(), tape, &mut next, scratch);
            x = take(&mut next);
            // The backward pass computes it again from what the layer before kept.
            if i > 0 || !keep {
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
        let (hidden, tokens) = (self.sizes.hidden, batch.ids().len());
        tape.qkv.resize(tokens * 3 * hidden, 0.0);
        self.project(layer, &tape.x, &mut tape.qkv, read.is_none(), scratch);
        match read {
            None => {
                let heads = self.heads(batch, Queries::Rows(0..tokens));
                self.after(layer, heads, (&tape.x, &tape.qkv), &mut tape.after, next, scratch);
            }
            Some(read) => self.read_rows(layer, batch, read, tape, next, scratch),
        }
    }

    /// A layer of which one row of each text is read, whose keys and values are there.
    pub(super) fn read_rows(
        &self,
        layer: &Layer,
        batch: &Batch,
        read: &[usize],
        tape: &mut LayerTape,
        next: &mut Vec<f32>,
        scratch: &mut Scratch,
    ) {
        let (hidden, mut residual) = (self.sizes.hidden, take(&mut scratch.rows));
        gather(&tape.x, read, hidden, &mut residual);
        let shape = [read.len(), hidden];
        let left = scratch.left.view(self.precision, &residual, shape, hidden);
        layer.attention[0].write_part(left, &mut tape.qkv, 3 * hidden);
        let out = (tape.qkv.as_mut_slice(), 3 * hidden);
        layer.beside(0, self.precision, &residual, out, &mut scratch.branch);
        let heads = self.heads(batch, Queries::OneOfEach);
        self.after(
            layer,
            heads,
            (&residual, &tape.qkv),
            &mut tape.after,
            next,
            scratch,
        );
        scratch.rows = residual;
    }

    /// Keys and values of some rows, and their queries if asked for.
    pub(super) fn project(
        &self,
        layer: &Layer,
        x: &[f32],
        qkv: &mut [f32],
        queries: bool,
        scratch: &mut Scratch,
    ) {
        let hidden = self.sizes.hidden;
        let shape = [x.len() / hidden, hidden];
        let left = scratch.left.view(self.precision, x, shape, hidden);
        for part in usize::from(!queries)..3 {
            let out = &mut qkv[part * hidden..];
            layer.attention[part].write_part(left, out, 3 * hidden);
            layer.beside(part, self.precision, x, (out, 3 * hidden), &mut scratch.branch);
        }
    }

    /// From queries, keys and values to the layer's result, for the rows of `residual`, whose heads are given.
    pub(super) fn after(
        &self,
        layer: &Layer,
        heads: impl Iterator<Item = Head>,
        (residual, qkv): (&[f32], &[f32]),
        tape: &mut AfterTape,
        next: &mut Vec<f32>,
        scratch: &mut Scratch,
    ) {
        let (hidden, inner, precision) = (self.sizes.hidden, self.sizes.inner, self.precision);
        let AfterTape {
            log_sums,
            context,
            sum,
            wide,
            wide_sum,
        } = tape;
        let rows = residual.len() / hidden;
        context.resize(rows * hidden, 0.0);
        log_sums.resize(rows * self.sizes.heads, 0.0);
        for head in heads {
            head.forward(qkv, context, log_sums, &mut scratch.head);
        }
        let left = scratch.left.view(precision, context, [rows, hidden], hidden);
        let beside =
            |out: &mut [f32]| layer.beside(3, precision, context, (out, hidden), &mut scratch.branch);
        layer.attention[3].write_onto(left, residual, scratch.masks[0], sum, beside);
        let epsilon = self.sizes.epsilon as f32;
        let norm = &layer.attention_norm;
        let mut y = take(&mut scratch.y);
        y.resize(rows * hidden, 0.0);
        kernels::layer_norm(sum, &norm.gain, &norm.bias, epsilon, &mut y);
        wide.resize(rows * inner, 0.0);
        let left = scratch.left.view(precision, &y, [rows, hidden], hidden);
        layer.widen.write_part(left, wide, inner);
        layer.beside(4, precision, &y, (wide, inner), &mut scratch.branch);
        let active =
            |i: usize, to: &mut [f32]| self.sizes.activation.forward(&wide[i * inner..][..inner], to);
        scratch.left.fill_with(precision, [rows, inner], active);
        let beside = |out: &mut [f32]| {
            if layer.branches[5].is_some() {
                let mut active = vec![0.0; wide.len()];
                self.sizes.activation.forward(wide, &mut active);
                layer.beside(5, precision, &active, (out, hidden), &mut scratch.branch);
            }
        };
        let left = scratch.left.left();
        layer
            .narrow
            .write_onto(left, &y, scratch.masks[1], wide_sum, beside);
        scratch.y = y;
        let norm = &layer.dense_norm;
        next.resize(rows * hidden, 0.0);
        kernels::layer_norm(wide_sum, &norm.gain, &norm.bias, epsilon, next);
    }

    /// Every head of the texts that these queries belong to.
    pub(super) fn heads(&self, batch: &Batch, queries: Queries) -> impl Iterator<Item = Head> + use<> {
        let (hidden, heads, precision) = (self.sizes.hidden, self.sizes.heads, self.precision);
        let (size, offsets) = (hidden / heads, batch.offsets().clone());
        (0..batch.texts()).flat_map(move |text| {
            let (from, to) = (offsets[text], offsets[text + 1]);
            // The first query's row among all, and among those that are asked for; how many there are.
            let (row, own, rows) = match &queries {
                Queries::OneOfEach => (text, text, 1),
                Queries::Rows(asked) => {
                    let first = from.max(asked.start);
                    (
                        first,
                        first.saturating_sub(asked.start),
                        to.min(asked.end).saturating_sub(first),
                    )
                }
            };
            (0..if rows == 0 { 0 } else { heads }).map(move |head| {
                let at = head * size;
                let key = from * 3 * hidden + hidden + at;
                Head {
                    precision,
                    scale: 1.0 / (size as f32).sqrt(),
                    size,
                    rows,
                    keys: to - from,
                    places: [row * 3 * hidden + at, key, key + hidden],
                    stride: 3 * hidden,
                    context: own * hidden + at,
                    context_stride: hidden,
                    sums: own * heads + head,
                    heads,
                }
            })
        })
    }
}

/// Which queries are computed.
#[derive(Clone)]
pub(super) enum Queries {
    /// These rows of the batch.
    Rows(std::ops::Range<usize>),
    /// One of each text, whose rows stand first.
    OneOfEach,
}

impl Dense {
    /// `x · wᵀ + b` into rows that are `stride` apart.
    fn write_part(&self, x: Left, out: &mut [f32], stride: usize) {
        multiply(out, stride, x, &self.forward, Write::Onto(&self.bias));
    }

    /// `x · wᵀ + b` and what `beside` adds, of which `mask` drops some, `+ residual`.
    fn write_onto(
        &self,
        x: Left,
        residual: &[f32],
        mask: Option<Mask>,
        out: &mut Vec<f32>,
        beside: impl FnOnce(&mut [f32]),
    ) {
        let width = self.bias.len();
        out.resize(residual.len(), 0.0);
        if let Some(mask) = mask {
            self.write_part(x, out, width);
            beside(out);
            mask.apply(out);
            kernels::add_scaled(out, residual, 1.0);
            return;
        }
        for (to, from) in out.chunks_exact_mut(width).zip(residual.chunks_exact(width)) {
            to.iter_mut()
                .zip(from)
                .zip(&self.bias)
                .for_each(|((to, from), bias)| *to = from + bias);
        }
        multiply(out, width, x, &self.forward, Write::Add);
        beside(out);
    }
}

/// Some rows of x.
pub(super) fn gather(x: &[f32], rows: &[usize], width: usize, to: &mut Vec<f32>) {
    to.clear();
    for row in rows {
        to.extend_from_slice(&x[row * width..][..width]);
    }
}
