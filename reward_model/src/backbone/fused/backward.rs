//! From gradients of the last hidden states to gradients of every weight.

use std::borrow::Cow;
use std::mem::take;

use super::super::batch::{Batch, Reads};
use super::super::dropout::Mask;
use super::super::kernels;
use super::super::kernels::units::{Write, multiply};
use super::super::weights::Weights;
use super::forward::{Queries, gather};
use super::packed::{Layer, Packed};
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
        for (i, tape) in tapes.iter().enumerate().rev() {
            let read = Self::read(batch, reads, i + 1 == tapes.len());
            scratch.masks = Self::masks(batch, i);
            let mut layer = LayerBackward {
                fused: self,
                places: &self.places.layers[i],
                layer: &packed.layers[i],
                tape,
                scratch,
                to,
            };
            dx = layer.run(batch, read.as_deref(), dx);
        }
        scratch.layers = tapes;
        self.embed_backward(weights, batch, scratch, dx, to)
    }
}

struct LayerBackward<'a> {
    fused: &'a Fused,
    places: &'a LayerPlaces,
    layer: &'a Layer,
    tape: &'a LayerTape,
    scratch: &'a mut Scratch,
    to: &'a mut Gradients,
}

impl LayerBackward<'_> {
    /// From the gradient of the layer's result to that of its input.
    fn run(&mut self, batch: &Batch, read: Option<&[usize]>, dout: Vec<f32>) -> Vec<f32> {
        let (hidden, inner) = (self.fused.sizes.hidden, self.fused.sizes.inner);
        let (layer, tape, precision) = (self.layer, self.tape, self.fused.precision);
        let dsum = self.norm(
            &tape.after.wide_sum,
            &layer.dense_norm.gain,
            self.places.dense_norm,
            &dout,
        );

        self.fused
            .sizes
            .activation
            .forward(&tape.after.wide, &mut self.scratch.active);
        let active = take(&mut self.scratch.active);
        let dnarrow = dropped(&dsum, self.scratch.masks[1]);
        self.dense(self.places.narrow, &dnarrow, [hidden, hidden], &active, inner);
        self.scratch.active = active;
        let mut dwide = take(&mut self.scratch.wide);
        dwide.resize(tape.after.wide.len(), 0.0);
        self.scratch.left.fill(precision, &dnarrow, hidden);
        drop(dnarrow);
        multiply(
            &mut dwide,
            inner,
            self.scratch.left.left(),
            &layer.narrow.backward,
            Write::Over,
        );
        self.fused.sizes.activation.backward(&tape.after.wide, &mut dwide);
        self.dense(self.places.widen, &dwide, [inner, inner], &tape.after.y, hidden);
        let mut dy = dsum;
        self.scratch.left.fill(precision, &dwide, inner);
        multiply(
            &mut dy,
            hidden,
            self.scratch.left.left(),
            &layer.widen.backward,
            Write::Add,
        );
        self.scratch.wide = dwide;

        let dsum = self.norm(
            &tape.after.sum,
            &layer.attention_norm.gain,
            self.places.attention_norm,
            &dy,
        );
        let doutput = dropped(&dsum, self.scratch.masks[0]);
        self.dense(
            self.places.attention[3],
            &doutput,
            [hidden, hidden],
            &tape.after.context,
            hidden,
        );
        let mut dcontext = dy;
        self.scratch.left.fill(precision, &doutput, hidden);
        drop(doutput);
        multiply(
            &mut dcontext,
            hidden,
            self.scratch.left.left(),
            &layer.attention[3].backward,
            Write::Over,
        );
        self.attention(batch, read, &dcontext, dsum)
    }

    /// Through the heads and the layers of queries, keys and values; `dx` holds the residual's gradient.
    fn attention(
        &mut self,
        batch: &Batch,
        read: Option<&[usize]>,
        dcontext: &[f32],
        dx: Vec<f32>,
    ) -> Vec<f32> {
        let (hidden, tape, precision) = (self.fused.sizes.hidden, self.tape, self.fused.precision);
        let mut dqkv = vec![0.0; tape.qkv.len()];
        let queries = match read {
            Some(_) => Queries::OneOfEach,
            None => Queries::Rows(0..batch.ids().len()),
        };
        for head in self.fused.heads(batch, queries) {
            let own = [&tape.after.context, dcontext, &tape.after.log_sums];
            head.backward(&tape.qkv, own, &mut dqkv, &mut self.scratch.head);
        }
        let rows = dcontext.len() / hidden;
        let [q, k, v, _] = self.places.attention;
        let mut queried = take(&mut self.scratch.rows);
        if let Some(read) = read {
            gather(&tape.x, read, hidden, &mut queried);
        }
        let x_of_queries: &[f32] = if read.is_some() { &queried } else { &tape.x };
        let stride = 3 * hidden;
        self.dense(q, &dqkv[..rows * stride], [hidden, stride], x_of_queries, hidden);
        self.dense(k, &dqkv[hidden..], [hidden, stride], &tape.x, hidden);
        self.dense(v, &dqkv[2 * hidden..], [hidden, stride], &tape.x, hidden);
        self.scratch.rows = queried;

        let mut through = |part: usize, rows: usize, to: &mut [f32]| {
            let left = &mut self.scratch.left;
            left.fill_part(precision, &dqkv[part * hidden..], [rows, hidden], stride);
            multiply(
                to,
                hidden,
                left.left(),
                &self.layer.attention[part].backward,
                Write::Add,
            );
        };
        let mut dx = dx;
        through(0, rows, &mut dx);
        if let Some(read) = read {
            let mut all = vec![0.0; tape.x.len()];
            for (&row, from) in read.iter().zip(dx.chunks_exact(hidden)) {
                kernels::add_scaled(&mut all[row * hidden..][..hidden], from, 1.0);
            }
            dx = all;
        }
        let tokens = tape.x.len() / hidden;
        through(1, tokens, &mut dx);
        through(2, tokens, &mut dx);
        dx
    }

    /// Gradients of a norm's gain and bias; gives that of its input.
    fn norm(&mut self, x: &[f32], gain: &[f32], [gains, biases]: Both, dy: &[f32]) -> Vec<f32> {
        let [dx, dgain, dbias] = kernels::layer_norm_backward(x, gain, self.fused.sizes.epsilon as f32, dy);
        kernels::add_scaled(&mut self.to.weights[gains], &dgain, 1.0);
        kernels::add_scaled(&mut self.to.weights[biases], &dbias, 1.0);
        dx
    }

    /// Gradients of a dense layer's weight, `dyᵀ · x`, and bias; `dy` has rows of `outer` that are `stride` apart.
    fn dense(
        &mut self,
        [weight, bias]: Both,
        dy: &[f32],
        [outer, stride]: [usize; 2],
        x: &[f32],
        inner: usize,
    ) {
        let (precision, rows) = (self.fused.precision, x.len() / inner);
        let (turned, panels) = (&mut self.scratch.turned, &mut self.scratch.panels);
        turned.fill(precision, dy, [rows, outer], stride);
        panels.fill(precision, x, [rows, inner], inner);
        multiply(
            &mut self.to.weights[weight],
            inner,
            turned.left(),
            panels,
            Write::Add,
        );
        for row in dy.chunks(stride).take(rows) {
            kernels::add_scaled(&mut self.to.weights[bias], &row[..outer], 1.0);
        }
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
