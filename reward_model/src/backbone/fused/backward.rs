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
        for (i, tape) in tapes.iter().enumerate().skip(self.learns.lowest).rev() {
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
                below: self.learns.embeddings || i > self.learns.lowest,
            };
            dx = layer.run(batch, read.as_deref(), dx);
        }
        (scratch.layers, scratch.y) = (tapes, input);
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
    /// The layer's input.
    x: &'a [f32],
    scratch: &'a mut Scratch,
    to: &'a mut Gradients,
    /// Whether anything learns below the layer.
    below: bool,
}

impl LayerBackward<'_> {
    /// From the gradient of the layer's result to that of its input, if that is asked for.
    fn run(&mut self, batch: &Batch, read: Option<&[usize]>, dout: Vec<f32>) -> Vec<f32> {
        let (layer, tape, mut dsum) = (self.layer, self.tape, dout);
        let gain = &layer.dense_norm.gain;
        self.norm(&tape.after.wide_sum, gain, self.places.dense_norm, &mut dsum);
        let dwide = self.narrow(&dropped(&dsum, self.scratch.masks[1]));
        self.widen(&dwide, &mut dsum);
        self.scratch.wide = dwide;

        let gain = &layer.attention_norm.gain;
        self.norm(&tape.after.sum, gain, self.places.attention_norm, &mut dsum);
        let dcontext = self.output(&dropped(&dsum, self.scratch.masks[0]));
        let dx = self.attention(batch, read, &dcontext, dsum);
        self.scratch.dcontext = dcontext;
        dx
    }

    /// Through the second dense layer and the activation before it, which is computed again.
    fn narrow(&mut self, dsum: &[f32]) -> Vec<f32> {
        let (hidden, inner) = (self.fused.sizes.hidden, self.fused.sizes.inner);
        let (wide, activation) = (&self.tape.after.wide, self.fused.sizes.activation);
        let (rows, shape) = (wide.len() / inner, [hidden, hidden]);
        let mut dwide = take(&mut self.scratch.wide);
        dwide.resize(wide.len(), 0.0);
        self.through(&self.layer.narrow, dsum, shape, &mut dwide, Write::Over);
        if self.layer.branches[5].is_some() {
            let mut active = vec![0.0; wide.len()];
            activation.forward(wide, &mut active);
            self.beside(5, (dsum, hidden), &active, Some(&mut dwide));
        }
        let mut back = |row: usize, active: &mut [f32]| {
            let (at, count) = (row * inner, active.len());
            activation.backward(&wide[at..][..count], &mut dwide[at..][..count], active);
        };
        if self.learns(self.places.narrow) {
            let panels = &mut self.scratch.panels;
            panels.fill_with(self.fused.precision, [rows, inner], back);
            self.dense(self.places.narrow, dsum, shape);
        } else {
            let mut active = vec![0.0; inner];
            (0..rows).for_each(|row| back(row, &mut active));
        }
        dwide
    }

    /// Through the first dense layer, whose input is computed again; adds the gradient by it to `dy`.
    fn widen(&mut self, dwide: &[f32], dy: &mut [f32]) {
        let (hidden, inner) = (self.fused.sizes.hidden, self.fused.sizes.inner);
        let (sum, norm) = (&self.tape.after.sum, &self.layer.attention_norm);
        let epsilon = self.fused.sizes.epsilon as f32;
        let y_of = |row: usize, y: &mut [f32]| {
            let sum = &sum[row * hidden..][..y.len()];
            kernels::layer_norm(sum, &norm.gain, &norm.bias, epsilon, y);
        };
        if self.learns(self.places.widen) {
            let panels = &mut self.scratch.panels;
            panels.fill_with(self.fused.precision, [sum.len() / hidden, hidden], y_of);
            self.dense(self.places.widen, dwide, [inner, inner]);
        }
        self.through(&self.layer.widen, dwide, [inner, inner], dy, Write::Add);
        if self.layer.branches[4].is_some() {
            let mut y = vec![0.0; sum.len()];
            let rows = y.chunks_exact_mut(hidden).enumerate();
            rows.for_each(|(row, y)| y_of(row, y));
            self.beside(4, (dwide, inner), &y, Some(dy));
        }
    }

    /// Through the layer behind the heads, to the gradient by what they give.
    fn output(&mut self, dsum: &[f32]) -> Vec<f32> {
        let (hidden, context) = (self.fused.sizes.hidden, &self.tape.after.context);
        let (place, shape) = (self.places.attention[3], [hidden, hidden]);
        if self.learns(place) {
            self.panels(context, hidden);
            self.dense(place, dsum, shape);
        }
        let mut dcontext = take(&mut self.scratch.dcontext);
        dcontext.resize(dsum.len(), 0.0);
        self.through(&self.layer.attention[3], dsum, shape, &mut dcontext, Write::Over);
        self.beside(3, (dsum, hidden), context, Some(&mut dcontext));
        dcontext
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
        let moves =
            |part: usize| self.learns(self.places.attention[part]) || self.layer.branches[part].is_some();
        if !self.below && !(0..3).any(moves) {
            return Vec::new();
        }
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
        let dx = self.projections(read, &dqkv, rows, dx);
        self.scratch.dqkv = dqkv;
        dx
    }

    /// Through the layers of queries, of which there are `rows`, keys and values.
    fn projections(
        &mut self,
        read: Option<&[usize]>,
        dqkv: &[f32],
        rows: usize,
        mut dx: Vec<f32>,
    ) -> Vec<f32> {
        let (hidden, x) = (self.fused.sizes.hidden, self.x);
        let ([q, k, v, _], shape) = (self.places.attention, [hidden, 3 * hidden]);
        let dq = &dqkv[..rows * shape[1]];
        if let Some(read) = read {
            let mut queried = take(&mut self.scratch.rows);
            gather(x, read, hidden, &mut queried);
            self.panels(&queried, hidden);
            self.dense(q, dq, shape);
            self.projected(0, dq, &queried, &mut dx);
            self.scratch.rows = queried;
        }
        if [q, k, v].into_iter().any(|place| self.learns(place)) {
            self.panels(x, hidden);
        }
        match read {
            None => {
                self.dense(q, dq, shape);
                self.projected(0, dq, x, &mut dx);
            }
            Some(read) if self.below => {
                let mut all = vec![0.0; x.len()];
                for (&row, from) in read.iter().zip(dx.chunks_exact(hidden)) {
                    kernels::add_scaled(&mut all[row * hidden..][..hidden], from, 1.0);
                }
                dx = all;
            }
            Some(_) => {}
        }
        for (part, place) in [(1, k), (2, v)] {
            let dy = &dqkv[part * hidden..];
            self.dense(place, dy, shape);
            self.projected(part, dy, x, &mut dx);
        }
        dx
    }

    /// Through the layer of queries, keys or values and what stands beside it, into the gradient of its input if that is asked for.
    fn projected(&mut self, part: usize, dy: &[f32], x: &[f32], dx: &mut [f32]) {
        let shape = [self.fused.sizes.hidden, 3 * self.fused.sizes.hidden];
        if !self.below {
            return self.beside(part, (dy, shape[1]), x, None);
        }
        self.through(&self.layer.attention[part], dy, shape, dx, Write::Add);
        self.beside(part, (dy, shape[1]), x, Some(dx));
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

    /// Gradients of a norm's gain and bias, if they learn; that of its result becomes that of its input.
    fn norm(&mut self, x: &[f32], gain: &[f32], [gains, biases]: Both, dy: &mut [f32]) {
        let [dgain, dbias] = kernels::layer_norm_backward(x, gain, self.fused.sizes.epsilon as f32, dy);
        if self.learns([gains, biases]) {
            kernels::add_scaled(&mut self.to.weights[gains], &dgain, 1.0);
            kernels::add_scaled(&mut self.to.weights[biases], &dbias, 1.0);
        }
    }

    /// Takes in what [`LayerBackward::dense`] multiplies with.
    fn panels(&mut self, x: &[f32], inner: usize) {
        let panels = &mut self.scratch.panels;
        panels.fill(self.fused.precision, x, [x.len() / inner, inner], inner);
    }

    /// Gradients of a dense layer's weight, `dyᵀ · x`, and bias, if they learn, where x is in the panels; `dy` has rows of
    /// `outer` that are `stride` apart.
    fn dense(&mut self, [weight, bias]: Both, dy: &[f32], [outer, stride]: [usize; 2]) {
        if !self.learns([weight, bias]) {
            return;
        }
        let rows = dy.len().div_ceil(stride);
        let (transposed, panels) = (&mut self.scratch.transposed, &self.scratch.panels);
        transposed.fill(self.fused.precision, dy, [rows, outer], stride);
        let (inner, to) = (panels.columns(), &mut self.to.weights);
        multiply(&mut to[weight], inner, transposed.left(), panels, Write::Add);
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
