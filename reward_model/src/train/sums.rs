//! The sums of a step's gradients. Its pairs are dealt into a fixed number of slots, each of which adds up its gradients one pair
//! after the other; the slots are then summed in their order. So the numbers do not depend on the number of threads.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;

use crate::backbone::{Gradients, Learning, WORDS, Weights, WordGradients, add_scaled};

/// Elements that are summed at a time.
const CHUNK: usize = 1 << 14;

/// By slot; each takes as much memory as the weights that learn, without the word embeddings.
pub(super) struct Sums {
    slots: Vec<Mutex<Gradients>>,
    /// Of the weights that learn.
    places: Vec<usize>,
}

impl Sums {
    /// Empty ones, in so many slots.
    pub fn new(count: usize, weights: &Weights, learning: &Learning) -> Self {
        let size = |(place, size)| match place {
            WORDS => Vec::new(),
            _ => vec![0.0; if learning.learns(place) { size } else { 0 }],
        };
        let zeros = || weights.sizes().into_iter().enumerate().map(size).collect();
        let empty = || vec![Vec::new(); weights.names.len()];
        // The first slot adds up in the step's own gradients.
        let slots = (0..count).map(|slot| if slot == 0 { empty() } else { zeros() });
        let slot = |weights| {
            Mutex::new(Gradients {
                weights,
                words: WordGradients::default(),
            })
        };
        Self {
            slots: slots.map(slot).collect(),
            places: learning.places(),
        }
    }

    /// How many slots there are.
    pub fn count(&self) -> usize {
        self.slots.len()
    }

    pub fn slot(&self, slot: usize) -> MutexGuard<'_, Gradients> {
        self.slots[slot].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a step whose gradients, of the weights that learn, go into `gradients`, which are zero.
    pub fn begin(&self, gradients: &mut [Vec<f32>]) {
        self.lend(gradients);
    }

    /// Gives the first slot the memory of a step's gradients to add up in, or takes it back.
    fn lend(&self, gradients: &mut [Vec<f32>]) {
        let slot = &mut *self.slot(0);
        for (&place, all) in self.places.iter().zip(gradients) {
            if place != WORDS {
                std::mem::swap(&mut slot.weights[place], all);
            }
        }
    }

    /// Ends a step: `gradients` become the slots' sums, added in their order, and the slots are empty again.
    pub fn collect(&self, gradients: &mut [Vec<f32>]) {
        self.lend(gradients);
        let mut slots: Vec<_> = (1..self.count()).map(|slot| self.slot(slot)).collect();
        for (&place, to) in self.places.iter().zip(gradients.iter_mut()) {
            if place != WORDS {
                let from = slots.iter_mut().map(|slot| slot.weights[place].as_mut_slice());
                add_up(to, from.collect());
            }
        }
        drop(slots);
        for slot in 0..self.count() {
            self.slot(slot).words.add_to(&mut gradients[WORDS]);
        }
    }
}

/// Adds slices to one, in their order, and empties them; a piece of each at a time, which stays in the cache.
fn add_up(to: &mut [f32], mut from: Vec<&mut [f32]>) {
    let mut pieces: Vec<Vec<&mut [f32]>> = to.chunks_mut(CHUNK).map(|piece| vec![piece]).collect();
    for from in &mut from {
        let more = from.chunks_mut(CHUNK);
        pieces
            .iter_mut()
            .zip(more)
            .for_each(|(pieces, more)| pieces.push(more));
    }
    pieces.into_par_iter().for_each(|mut pieces| {
        let Some((to, from)) = pieces.split_first_mut() else {
            return;
        };
        for from in from {
            add_scaled(to, from, 1.0);
            from.fill(0.0);
        }
    });
}
