//! From gradients of the last hidden states to gradients of every weight.

use std::borrow::Cow;
use std::mem::take;

use super::super::batch::{Batch, Reads};
use super::super::dropout::Mask;
use super::super::kernels;
use super::super::kernels::units::{Write, multiply};
use super::super::weights::Weights;
use super::forward::{Queries, gather};
use super::packed::{Dense, Layer, Packed};
use super::places::{Both, LayerPlaces};
use super::{Fused, Gradients, LayerTape, Scratch};

impl Fused {
    /// Adds the gradients of what [`Fused::forward`] computed last with this scratch, given those of its result.
    pub fn backward(
        &self,
        weights: &Weights,
        packed: &Packed,
        (batch, reads): (&Batch, Reads),
        mut dx: Vec<f32>,
        scratch: &mut Scratch,
        to: &mut Gradients,
    ) -> candle_core::Result<()> {
        let tapes = take(&mut scratch.layers);
        let mut input = take(&mut scratch.y);
        for (i, tape) in tapes.iter().enumerate().rev() {
            let x = if i == 0 {
                &tape.x
            } else {
                let (sum, norm) = (&tapes[i - 1].after.wide_sum, &packed.layers[i - 1].dense_norm);
                input.resize(sum.len(), 0.0);
                let epsilon = self.sizes.epsilon as f32;
                kernels::layer_norm(sum, &norm.gain, &norm.bias, epsilon, &mut input);
                &input
            };
            let read = Self::read(batch, reads, i + 1 == tapes.len());
            scratch.masks = Self::masks(batch, i);
            let mut layer = LayerBackward {
                fused: self,
                places: &self.places.layers[i],
                layer: &packed.layers[i],
                tape,
                x,
                scratch,
                to,
            };
            dx = layer.run(batch, read.as_deref(), dx);
        }
        (scratch.layers, scratch.y) = (tapes, input);
        self.embed_backward(weights, batch, scratch, dx, to)
    }
}

struct LayerBackward<'a> {
    fused: &'a Fused,
    places: &'a LayerPlaces,
    layer: &'a Layer,
    tape: &'a LayerTape,
    /// The layer's input.
    x: &'a [f32],
    scratch: &'a mut Scratch,
    to: &'a mut Gradients,
}

impl LayerBackward<'_> {
    /// From the gradient of the layer's result to that of its input.
    fn run(&mut self, batch: &Batch, read: Option<&[usize]>, mut dout: Vec<f32>) -> Vec<f32> {
        let (hidden, inner) = (self.fused.sizes.hidden, self.fused.sizes.inner);
        let (layer, tape) = (self.layer, self.tape);
        self.norm(
            &tape.after.wide_sum,
            &layer.dense_norm.gain,
            self.places.dense_norm,
            &mut dout,
        );
        let mut dsum = dout;
        let dwide = self.narrow(&dropped(&dsum, self.scratch.masks[1]));
        let panels = &mut self.scratch.panels;
        let (sum, norm, epsilon) = (
            &tape.after.sum,
            &layer.attention_norm,
            self.fused.sizes.epsilon as f32,
        );
        panels.fill_with(self.fused.precision, [sum.len() / hidden, hidden], |row, y| {
            kernels::layer_norm(
                &sum[row * hidden..][..y.len()],
                &norm.gain,
                &norm.bias,
                epsilon,
                y,
            );
        });
        self.dense(self.places.widen, &dwide, [inner, inner]);
        self.through(&layer.widen, &dwide, [inner, inner], &mut dsum, Write::Add);
        self.scratch.wide = dwide;

        self.norm(
            &tape.after.sum,
            &layer.attention_norm.gain,
            self.places.attention_norm,
            &mut dsum,
        );
        let doutput = dropped(&dsum, self.scratch.masks[0]);
        self.panels(&tape.after.context, hidden);
        self.dense(self.places.attention[3], &doutput, [hidden, hidden]);
        let mut dcontext = take(&mut self.scratch.dcontext);
        dcontext.resize(dsum.len(), 0.0);
        self.through(
            &layer.attention[3],
            &doutput,
            [hidden, hidden],
            &mut dcontext,
            Write::Over,
        );
        let dx = self.attention(batch, read, &dcontext, dsum);
        self.scratch.dcontext = dcontext;
        dx
    }

    /// Through the second dense layer and the activation before it, which is computed again.
    fn narrow(&mut self, dsum: &[f32]) -> Vec<f32> {
        let (hidden, inner) = (self.fused.sizes.hidden, self.fused.sizes.inner);
        let (wide, activation) = (&self.tape.after.wide, self.fused.sizes.activation);
        let mut dwide = take(&mut self.scratch.wide);
        dwide.resize(wide.len(), 0.0);
        self.through(
            &self.layer.narrow,
            dsum,
            [hidden, hidden],
            &mut dwide,
            Write::Over,
        );
        let panels = &mut self.scratch.panels;
        panels.fill_with(
            self.fused.precision,
            [wide.len() / inner, inner],
            |row, active| {
                let (at, count) = (row * inner, active.len());
                activation.backward(&wide[at..][..count], &mut dwide[at..][..count], active);
            },
        );
        self.dense(self.places.narrow, dsum, [hidden, hidden]);
        dwide
    }

    /// Through the heads and the layers of queries, keys and values; `dx` holds the residual's gradient.
    fn attention(
        &mut self,
        batch: &Batch,
        read: Option<&[usize]>,
        dcontext: &[f32],
        mut dx: Vec<f32>,
    ) -> Vec<f32> {
        let (hidden, tape, layer) = (self.fused.sizes.hidden, self.tape, self.layer);
        // Whatever it holds: the heads write all that is read.
        let mut dqkv = take(&mut self.scratch.dqkv);
        dqkv.resize(tape.qkv.len(), 0.0);
        let queries = match read {
            Some(_) => Queries::OneOfEach,
            None => Queries::Rows(0..batch.ids().len()),
        };
        for head in self.fused.heads(batch, queries) {
            let own = [&tape.after.context, dcontext, &tape.after.log_sums];
            head.backward(&tape.qkv, own, &mut dqkv, &mut self.scratch.head);
        }
        let rows = dcontext.len() / hidden;
        let ([q, k, v, _], shape) = (self.places.attention, [hidden, 3 * hidden]);
        let own = &dqkv[..rows * shape[1]];
        if let Some(read) = read {
            let mut queried = take(&mut self.scratch.rows);
            gather(self.x, read, hidden, &mut queried);
            self.panels(&queried, hidden);
            self.scratch.rows = queried;
            self.dense(q, own, shape);
        }
        self.panels(self.x, hidden);
        if read.is_none() {
            self.dense(q, own, shape);
        }
        self.dense(k, &dqkv[hidden..], shape);
        self.dense(v, &dqkv[2 * hidden..], shape);

        self.through(&layer.attention[0], own, shape, &mut dx, Write::Add);
        if let Some(read) = read {
            let mut all = vec![0.0; self.x.len()];
            for (&row, from) in read.iter().zip(dx.chunks_exact(hidden)) {
                kernels::add_scaled(&mut all[row * hidden..][..hidden], from, 1.0);
            }
            dx = all;
        }
        self.through(&layer.attention[1], &dqkv[hidden..], shape, &mut dx, Write::Add);
        self.through(
            &layer.attention[2],
            &dqkv[2 * hidden..],
            shape,
            &mut dx,
            Write::Add,
        );
        self.scratch.dqkv = dqkv;
        dx
    }

    /// The gradient by a dense layer's input, `dy · w`; `dy` has rows of `outer` that are `stride` apart.
    fn through(
        &mut self,
        dense: &Dense,
        dy: &[f32],
        [outer, stride]: [usize; 2],
        dx: &mut [f32],
        write: Write,
    ) {
        let inner = dense.backward.columns();
        let left = &mut self.scratch.left;
        let left = left.view(self.fused.precision, dy, [dx.len() / inner, outer], stride);
        multiply(dx, inner, left, &dense.backward, write);
    }

    /// Gradients of a norm's gain and bias; that of its result becomes that of its input.
    fn norm(&mut self, x: &[f32], gain: &[f32], [gains, biases]: Both, dy: &mut [f32]) {
        let [dgain, dbias] = kernels::layer_norm_backward(x, gain, self.fused.sizes.epsilon as f32, dy);
        kernels::add_scaled(&mut self.to.weights[gains], &dgain, 1.0);
        kernels::add_scaled(&mut self.to.weights[biases], &dbias, 1.0);
    }

    /// Takes in what [`LayerBackward::dense`] multiplies with.
    fn panels(&mut self, x: &[f32], inner: usize) {
        let panels = &mut self.scratch.panels;
        panels.fill(self.fused.precision, x, [x.len() / inner, inner], inner);
    }

    /// Gradients of a dense layer's weight, `dyᵀ · x`, and bias, where x is in the panels; `dy` has rows of `outer` that are
    /// `stride` apart.
    fn dense(&mut self, [weight, bias]: Both, dy: &[f32], [outer, stride]: [usize; 2]) {
        let rows = dy.len().div_ceil(stride);
        let (turned, panels) = (&mut self.scratch.turned, &self.scratch.panels);
        turned.fill(self.fused.precision, dy, [rows, outer], stride);
        let (inner, to) = (panels.columns(), &mut self.to.weights);
        multiply(&mut to[weight], inner, turned.left(), panels, Write::Add);
        kernels::add_rows(&mut to[bias], dy, rows, stride);
    }
}

/// The gradient by what a mask was laid over, from that by what it left.
fn dropped(gradient: &[f32], mask: Option<Mask>) -> Cow<'_, [f32]> {
    match mask {
        None => Cow::Borrowed(gradient),
        Some(mask) => {
            let mut own = gradient.to_vec();
            mask.apply(&mut own);
            Cow::Owned(own)
        }
    }
}
