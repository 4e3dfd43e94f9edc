//! Forward and backward over a few texts at a time, side by side on the lanes.
//!
//! On a GPU there is one slot, and copies of the weights: those in main memory are what the optimizer moves and what is saved, and
//! those that learn are copied again for each step. Gradients come back to main memory batch by batch.

use std::sync::{Mutex, MutexGuard, PoisonError};

use candle_core::{Device, Tensor, Var};

use super::sums::Sums;
use super::what::whole;
use crate::backbone::{
    Batch, Family, Floats, Fused, Gradients, Learning, ModelConfig, Packed, Scratch, WORDS, Weights,
    add_scaled, computes_plainly, look_up, on_host, trainable,
};
use crate::classifier::Classifier;
use crate::error::ModelError;
use recipe::Precision;

/// How many sums a step is dealt into on the CPU.
const SLOTS: usize = 4;

/// Rewards of a batch's texts.
pub(super) type Rewards<'a> = dyn Fn(&Batch) -> Result<Vec<f32>, ModelError> + Sync + 'a;

/// A model with what it computes gradients with.
pub(super) struct Engine {
    pub family: Family,
    pub config: ModelConfig,
    pub weights: Weights,
    pub learning: Learning,
    /// Those of the weights that learn, and their places.
    pub learnt: Weights,
    places: Vec<usize>,
    pub precision: Precision,
    /// On a GPU all of the weights; what is computed there leads to these.
    copies: Option<Weights>,
    classifier: Classifier,
    /// For families that have one, on the CPU: the encoder written by hand. Others go through candle's graph.
    fused: Option<Fused>,
    packed: Packed,
    pub sums: Sums,
    /// For as many threads as have computed at once.
    scratch: Mutex<Vec<Scratch>>,
}

impl Engine {
    /// Computes gradients of those of the weights that learn, and of no others, on a device.
    pub fn new(
        family: Family,
        config: ModelConfig,
        (weights, learning): (Weights, Learning),
        (precision, device): (Precision, &Device),
    ) -> Result<Self, ModelError> {
        let copies = computes_plainly(device)
            .then(|| weights.copied_to(device))
            .transpose()?;
        let computed = copies.as_ref().unwrap_or(&weights);
        let classifier = Classifier::partly(family, &config, computed, &learning, precision)?;
        let fused = family.fused(&config, computed, precision)?;
        let fused = fused.map(|fused| fused.learning(&weights, &learning));
        let places = learning.places();
        let sums = Sums::new(if copies.is_some() { 1 } else { SLOTS }, &weights, &learning);
        Ok(Self {
            family,
            config,
            learnt: weights.at(&places),
            weights,
            learning,
            places,
            precision,
            copies,
            classifier,
            fused,
            packed: Packed::default(),
            sums,
            scratch: Mutex::default(),
        })
    }

    /// Whether a batch is better large: what it costs to start an operation does not grow with it.
    pub fn likes_large_batches(&self) -> bool {
        self.copies.is_some()
    }

    /// The weights as they are now, or on a GPU as [`Engine::refresh`] found them, to compute with without a graph.
    pub fn frozen(&self) -> Result<Classifier, ModelError> {
        let Some(copies) = &self.copies else {
            return Classifier::frozen(self.family, &self.config, &self.whole()?, self.precision);
        };
        // Matrices beside layers stay beside them: a model with them added in would be another copy of it all.
        let learning = Learning {
            rates: vec![0.0; copies.vars.len()],
            lora: self.learning.lora.clone(),
        };
        Classifier::partly(self.family, &self.config, copies, &learning, self.precision)
    }

    /// Rewards by the weights as [`Engine::refresh`] found them: by hand from what is packed already.
    pub fn scorer(&self) -> Result<Box<Rewards<'_>>, ModelError> {
        let Some(fused) = &self.fused else {
            let frozen = self.frozen()?;
            return Ok(Box::new(move |batch| frozen.rewards(batch)));
        };
        Ok(Box::new(move |batch| {
            let mut scratch = self.take_scratch();
            let states = self.states(fused, batch, false, &mut scratch)?;
            self.give_scratch(scratch);
            Ok(self.classifier.head.forward(&states, batch)?.to_vec1()?)
        }))
    }

    /// The weights as a model folder has them.
    pub fn whole(&self) -> Result<Weights, ModelError> {
        whole(&self.weights, &self.learning)
    }

    /// Takes note that the weights have moved.
    pub fn refresh(&mut self) -> Result<(), ModelError> {
        if let Some(fused) = &self.fused {
            fused.pack(&self.weights, true, &mut self.packed)?;
        }
        if let Some(copies) = &self.copies {
            for &place in &self.places {
                let (copy, from) = (&copies.vars[place], self.weights.vars[place].as_tensor());
                copy.set(&from.detach().to_device(copy.device())?)?;
            }
        }
        Ok(())
    }

    #[cfg(test)]
    pub fn is_by_hand(&self) -> bool {
        self.fused.is_some()
    }

    #[cfg(test)]
    pub fn by_graph_alone(self) -> Self {
        Self { fused: None, ..self }
    }

    /// Adds a batch's gradients to a slot's sum. `slopes` turns rewards into the loss's slopes by them.
    pub fn add(
        &self,
        slot: usize,
        batch: &Batch,
        slopes: impl FnOnce(&[f32]) -> Vec<f32>,
    ) -> Result<(), ModelError> {
        let slot = &mut *self.sums.slot(slot);
        match &self.fused {
            Some(fused) => self.by_hand(fused, slot, batch, slopes),
            None => self.by_graph(slot, batch, slopes),
        }
    }

    fn by_hand(
        &self,
        fused: &Fused,
        slot: &mut Gradients,
        batch: &Batch,
        slopes: impl FnOnce(&[f32]) -> Vec<f32>,
    ) -> Result<(), ModelError> {
        let (head, mut scratch) = (&self.classifier.head, self.take_scratch());
        let states = Var::from_tensor(&self.states(fused, batch, true, &mut scratch)?)?;
        let rewards = head.forward(states.as_tensor(), batch)?;
        let mut store = self.back(&rewards, slopes, slot)?;
        let dstates = store
            .remove(states.as_tensor())
            .ok_or_else(|| no_gradient("the states"))?;
        let dstates = Floats::of(&dstates.contiguous()?)?.to_vec();
        let given = (batch, head.pooling.reads());
        fused.backward(&self.weights, &self.packed, given, dstates, &mut scratch, slot)?;
        self.give_scratch(scratch);
        Ok(())
    }

    /// The hidden states that the head reads; with `keep`, what the backward pass needs stays in the scratch.
    fn states(
        &self,
        fused: &Fused,
        batch: &Batch,
        keep: bool,
        scratch: &mut Scratch,
    ) -> Result<Tensor, ModelError> {
        let given = (batch, self.classifier.head.pooling.reads());
        let states = fused.forward(&self.weights, &self.packed, given, keep, scratch)?;
        let hidden = self.family.hidden(&self.config)?;
        let shape = (states.len() / hidden, hidden);
        Ok(Tensor::from_vec(states, shape, &Device::Cpu)?)
    }

    fn take_scratch(&self) -> Scratch {
        self.scratches().pop().unwrap_or_default()
    }

    fn give_scratch(&self, scratch: Scratch) {
        self.scratches().push(scratch);
    }

    fn scratches(&self) -> MutexGuard<'_, Vec<Scratch>> {
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn by_graph(
        &self,
        slot: &mut Gradients,
        batch: &Batch,
        slopes: impl FnOnce(&[f32]) -> Vec<f32>,
    ) -> Result<(), ModelError> {
        let backbone = self.classifier.backbone.as_ref();
        if !self.learning.learns(WORDS) {
            let rewards = self.classifier.forward(batch, &look_up(backbone, batch)?)?;
            return self.back(&rewards, slopes, slot).map(drop);
        }
        let words = trainable(backbone, batch)?;
        let rewards = self.classifier.forward(batch, words.as_tensor())?;
        let mut store = self.back(&rewards, slopes, slot)?;
        let words = store
            .remove(words.as_tensor())
            .ok_or_else(|| no_gradient("the words"))?;
        slot.words.ids.extend_from_slice(batch.ids());
        slot.words.rows.extend_from_slice(&Floats::of(&on_host(&words)?)?);
        Ok(())
    }

    /// Backward from rewards through what candle computed; the weights' gradients are added to the slot's.
    fn back(
        &self,
        rewards: &Tensor,
        slopes: impl FnOnce(&[f32]) -> Vec<f32>,
        slot: &mut Gradients,
    ) -> Result<candle_core::backprop::GradStore, ModelError> {
        // The loss's slope by each reward is known in closed form; a weighted sum of rewards has the same gradient.
        let slopes = slopes(&rewards.to_vec1::<f32>()?);
        let slopes = Tensor::from_vec(slopes, rewards.dims1()?, rewards.device())?;
        let mut store = (rewards * slopes)?.sum_all()?.backward()?;
        let computed = self.copies.as_ref().unwrap_or(&self.weights);
        for (var, to) in computed.vars.iter().zip(&mut slot.weights) {
            if let Some(from) = store.remove(var.as_tensor()).filter(|_| !to.is_empty()) {
                add_scaled(to, &Floats::of(&on_host(&from)?)?, 1.0);
            }
        }
        Ok(store)
    }
}

fn no_gradient(what: &str) -> candle_core::Error {
    candle_core::Error::Msg(format!("{what} got no gradient"))
}
