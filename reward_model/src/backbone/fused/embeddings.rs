//! From token ids to the first layer's input, and back.

use super::super::Floats;
use super::super::batch::Batch;
use super::super::dropout::Site;
use super::super::kernels;
use super::super::weights::Weights;
use super::{Fused, Gradients, Scratch};

impl Fused {
    /// The first layer's input, \[tokens, hidden\]: the norm of the sum of words, positions and the first token type.
    pub(super) fn embed(
        &self,
        weights: &Weights,
        batch: &Batch,
        scratch: &mut Scratch,
        x: &mut Vec<f32>,
    ) -> candle_core::Result<()> {
        let hidden = self.sizes.hidden;
        let of = |place: usize| Floats::of(weights.vars[place].as_tensor());
        let (words, positions) = (of(self.places.words)?, of(self.places.positions)?);
        let kinds = self.places.kinds.map(of).transpose()?;
        let zeros = vec![0.0; hidden];
        let kind = kinds.as_ref().map_or(zeros.as_slice(), |kinds| &kinds[..hidden]);
        scratch.embedded.resize(batch.ids().len() * hidden, 0.0);
        let rows = scratch.embedded.chunks_exact_mut(hidden);
        for ((to, &id), position) in rows.zip(batch.ids()).zip(batch.positions()) {
            let word = &words[id as usize * hidden..][..hidden];
            let position = &positions[(position + self.places.skipped) * hidden..][..hidden];
            for (((to, word), position), kind) in to.iter_mut().zip(word).zip(position).zip(kind) {
                *to = word + position + kind;
            }
        }
        let [gain, bias] = self.places.norm;
        let epsilon = self.sizes.epsilon as f32;
        kernels::layer_norm(&scratch.embedded, &of(gain)?, &of(bias)?, epsilon, x);
        if let Some(dropout) = batch.dropout() {
            dropout.at(Site::Embeddings).apply(x);
        }
        Ok(())
    }

    /// From the gradient by that input to those of the embeddings.
    pub(super) fn embed_backward(
        &self,
        weights: &Weights,
        batch: &Batch,
        scratch: &Scratch,
        mut dx: Vec<f32>,
        to: &mut Gradients,
    ) -> candle_core::Result<()> {
        if let Some(dropout) = batch.dropout() {
            dropout.at(Site::Embeddings).apply(&mut dx);
        }
        let hidden = self.sizes.hidden;
        let [gain, bias] = self.places.norm;
        let gains = Floats::of(weights.vars[gain].as_tensor())?;
        let [de, dgain, dbias] =
            kernels::layer_norm_backward(&scratch.embedded, &gains, self.sizes.epsilon as f32, &dx);
        kernels::add_scaled(&mut to.weights[gain], &dgain, 1.0);
        kernels::add_scaled(&mut to.weights[bias], &dbias, 1.0);
        for ((row, &id), position) in de.chunks_exact(hidden).zip(batch.ids()).zip(batch.positions()) {
            let at = (position + self.places.skipped) * hidden;
            kernels::add_scaled(&mut to.weights[self.places.positions][at..at + hidden], row, 1.0);
            if let Some(kinds) = self.places.kinds {
                kernels::add_scaled(&mut to.weights[kinds][..hidden], row, 1.0);
            }
            to.words.push((id, row.to_vec()));
        }
        Ok(())
    }
}
