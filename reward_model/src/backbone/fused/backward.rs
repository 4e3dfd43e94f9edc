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
        for (i, tape) in tapes.iter().enumerate().skip(self.learns.lowest).rev() {
            let read = Self::read(batch, reads, i + 1 == tapes.len());
            scratch.masks = Self::masks(batch, i);
            let mut layer = LayerBackward {
                fused: self,
                places: &self.places.layers[i],
                layer: &packed.layers[i],
                tape,
                scratch,
                to,
                below: self.learns.embeddings || i > self.learns.lowest,
            };
            dx = layer.run(batch, read.as_deref(), dx);
        }
        scratch.layers = tapes;
        if self.learns.embeddings {
            self.embed_backward(weights, batch, scratch, dx, to)?;
        }
        Ok(())
    }
}

struct LayerBackward<'a> {
    fused: &'a Fused,
    places: &'a LayerPlaces,
    layer: &'a Layer,
    tape: &'a LayerTape,
    scratch: &'a mut Scratch,
    to: &'a mut Gradients,
    /// Whether anything learns below the layer.
    below: bool,
}

impl LayerBackward<'_> {
    /// From the gradient of the layer's result to that of its input, if that is asked for.
    fn run(&mut self, batch: &Batch, read: Option<&[usize]>, dout: Vec<f32>) -> Vec<f32> {
        let (hidden, inner) = (self.fused.sizes.hidden, self.fused.sizes.inner);
        let (layer, tape, precision) = (self.layer, self.tape, self.fused.precision);
        let dsum = self.norm(
            &tape.after.wide_sum,
            &layer.dense_norm.gain,
            self.places.dense_norm,
            &dout,
        );

        let mut active = take(&mut self.scratch.active);
        if self.learns(self.places.narrow) || layer.branches[5].is_some() {
            self.fused.sizes.activation.forward(&tape.after.wide, &mut active);
        }
        let dnarrow = dropped(&dsum, self.scratch.masks[1]);
        self.dense(self.places.narrow, &dnarrow, [hidden, hidden], &active, inner);
        let mut dwide = take(&mut self.scratch.wide);
        dwide.resize(tape.after.wide.len(), 0.0);
        self.scratch.left.fill(precision, &dnarrow, hidden);
        multiply(
            &mut dwide,
            inner,
            self.scratch.left.left(),
            &layer.narrow.backward,
            Write::Over,
        );
        self.beside(5, (&dnarrow, hidden), &active, Some(&mut dwide));
        drop(dnarrow);
        self.scratch.active = active;
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
        self.beside(4, (&dwide, inner), &tape.after.y, Some(&mut dy));
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
        multiply(
            &mut dcontext,
            hidden,
            self.scratch.left.left(),
            &layer.attention[3].backward,
            Write::Over,
        );
        self.beside(3, (&doutput, hidden), &tape.after.context, Some(&mut dcontext));
        drop(doutput);
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
        let (hidden, tape) = (self.fused.sizes.hidden, self.tape);
        let learns =
            |part: usize| self.learns(self.places.attention[part]) || self.layer.branches[part].is_some();
        if !self.below && !(0..3).any(learns) {
            return Vec::new();
        }
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
        let dq = &dqkv[..rows * stride];
        self.dense(q, dq, [hidden, stride], x_of_queries, hidden);
        self.dense(k, &dqkv[hidden..], [hidden, stride], &tape.x, hidden);
        self.dense(v, &dqkv[2 * hidden..], [hidden, stride], &tape.x, hidden);

        let mut dx = dx;
        self.through(0, (dq, rows), x_of_queries, &mut dx);
        self.scratch.rows = queried;
        if let Some(read) = read.filter(|_| self.below) {
            let mut all = vec![0.0; tape.x.len()];
            for (&row, from) in read.iter().zip(dx.chunks_exact(hidden)) {
                kernels::add_scaled(&mut all[row * hidden..][..hidden], from, 1.0);
            }
            dx = all;
        }
        let tokens = tape.x.len() / hidden;
        self.through(1, (&dqkv[hidden..], tokens), &tape.x, &mut dx);
        self.through(2, (&dqkv[2 * hidden..], tokens), &tape.x, &mut dx);
        dx
    }

    /// Through the layer of queries, keys or values and what stands beside it, into the gradient of its input if that is asked for.
    fn through(&mut self, part: usize, (dy, rows): (&[f32], usize), x: &[f32], dx: &mut [f32]) {
        let (hidden, precision) = (self.fused.sizes.hidden, self.fused.precision);
        let stride = 3 * hidden;
        if !self.below {
            return self.beside(part, (dy, stride), x, None);
        }
        let left = &mut self.scratch.left;
        left.fill_part(precision, dy, [rows, hidden], stride);
        let right = &self.layer.attention[part].backward;
        multiply(dx, hidden, left.left(), right, Write::Add);
        self.beside(part, (dy, stride), x, Some(dx));
    }

    /// Whether a layer's own weight learns.
    fn learns(&self, [weight, _]: Both) -> bool {
        !self.to.weights[weight].is_empty()
    }

    /// Gradients of what stands beside one of the dense layers; `dx` gets its part of that of x.
    fn beside(&mut self, part: usize, dy: (&[f32], usize), x: &[f32], dx: Option<&mut [f32]>) {
        if let Some(branch) = &self.layer.branches[part] {
            let scratch = &mut self.scratch.branch;
            branch.backward(self.fused.precision, dy, (x, dx), scratch, self.to);
        }
    }

    /// Gradients of a norm's gain and bias; gives that of its input.
    fn norm(&mut self, x: &[f32], gain: &[f32], [gains, biases]: Both, dy: &[f32]) -> Vec<f32> {
        let [dx, dgain, dbias] = kernels::layer_norm_backward(x, gain, self.fused.sizes.epsilon as f32, dy);
        if self.learns([gains, biases]) {
            kernels::add_scaled(&mut self.to.weights[gains], &dgain, 1.0);
            kernels::add_scaled(&mut self.to.weights[biases], &dbias, 1.0);
        }
        dx
    }

    /// Gradients of a dense layer's weight, `dyᵀ · x`, and bias, if they learn; `dy` has rows of `outer` that are `stride` apart.
    fn dense(
        &mut self,
        [weight, bias]: Both,
        dy: &[f32],
        [outer, stride]: [usize; 2],
        x: &[f32],
        inner: usize,
    ) {
        if !self.learns([weight, bias]) {
            return;
        }
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
