//! Optimizers as `torch.optim` computes them, with state that can be saved.

mod rules;
mod schedule;

use std::path::Path;
use std::sync::Mutex;

use candle_core::{CpuStorage, InplaceOp1, Layout, bail};
use rayon::prelude::*;

use crate::backbone::{Source, Weights, save_slices, squares};
use crate::error::ModelError;
use crate::lanes::FEW;

pub(crate) use schedule::learning_rate;

use recipe::Optimizer;
use rules::Rule;

/// Elements that one thread updates at a time; also the unit of sums, so that these have one order on every machine.
const CHUNK: usize = FEW;

/// Makes all gradients zero.
pub(crate) fn empty(gradients: &mut [Vec<f32>]) {
    let pieces = gradients.iter_mut().flat_map(|g| g.chunks_mut(CHUNK));
    pieces.par_bridge().for_each(|piece| piece.fill(0.0));
}

/// Euclidean length of all gradients together.
pub(crate) fn norm(gradients: &[Vec<f32>]) -> f64 {
    gradients
        .iter()
        .map(|g| {
            if g.len() <= CHUNK {
                return squares(g);
            }
            g.par_chunks(CHUNK)
                .map(squares)
                .collect::<Vec<_>>()
                .iter()
                .sum::<f64>()
        })
        .sum::<f64>()
        .sqrt()
}

/// A rule and its state: two moments for every element, of which a rule may use one.
pub(crate) struct OptimizerState {
    rule: Optimizer,
    first: Vec<Vec<f32>>,
    second: Vec<Vec<f32>>,
    decays: Vec<bool>,
    /// What the learning rate is multiplied by for each weight; 0 for those that stay.
    rates: Vec<f64>,
}

/// What changes from step to step.
#[derive(Clone, Copy)]
pub(crate) struct Update {
    /// Steps done before this one.
    pub step: u64,
    pub learning_rate: f64,
    pub weight_decay: f64,
    /// What gradients are multiplied by: below 1 where they were too long.
    pub scale: f64,
}

impl OptimizerState {
    /// State for `weights`, each of which learns at `rates` times the learning rate; those at 0 stay as they are and take no
    /// memory. Biases and the gains of norms, which have one dimension, do not decay.
    pub fn new(rule: Optimizer, weights: &Weights, rates: Vec<f64>) -> Self {
        let zeros = || -> Vec<Vec<f32>> {
            let sizes = weights.sizes().into_iter().zip(&rates);
            sizes
                .map(|(n, &rate)| vec![0.0; if rate > 0.0 { n } else { 0 }])
                .collect()
        };
        Self {
            rule,
            first: zeros(),
            second: zeros(),
            decays: weights.vars.iter().map(|var| var.dims().len() > 1).collect(),
            rates,
        }
    }

    /// Moves the weights by one step, in place.
    pub fn step(
        &mut self,
        weights: &Weights,
        gradients: &[Vec<f32>],
        update: Update,
    ) -> candle_core::Result<()> {
        let moments = self.first.iter_mut().zip(&mut self.second);
        for (i, ((var, gradient), (first, second))) in
            weights.vars.iter().zip(gradients).zip(moments).enumerate()
        {
            if self.rates[i] == 0.0 {
                continue;
            }
            let update = Update {
                learning_rate: update.learning_rate * self.rates[i],
                ..update
            };
            let decay = if self.decays[i] { update.weight_decay } else { 0.0 };
            let moments = Mutex::new((first.as_mut_slice(), second.as_mut_slice()));
            var.as_tensor().inplace_op1(&Step {
                rule: self.rule,
                gradient,
                moments,
                decay,
                update,
            })?;
        }
        Ok(())
    }

    /// Writes both moments into `folder`.
    pub fn save(&self, names: &[String], folder: &Path) -> Result<(), ModelError> {
        save_slices(names, &self.first, &folder.join("first_moments.safetensors"))?;
        save_slices(names, &self.second, &folder.join("second_moments.safetensors"))
    }

    /// Puts back what [`OptimizerState::save`] wrote.
    pub fn restore(&mut self, names: &[String], folder: &Path) -> Result<(), ModelError> {
        for (moments, file) in [
            (&mut self.first, "first_moments.safetensors"),
            (&mut self.second, "second_moments.safetensors"),
        ] {
            let mut source = Source::open(&folder.join(file), 0)?;
            for (name, moment) in names.iter().zip(moments) {
                *moment = source.take(name, &[moment.len()])?.to_vec1()?;
            }
        }
        Ok(())
    }
}

struct Step<'a> {
    rule: Optimizer,
    gradient: &'a [f32],
    moments: Mutex<(&'a mut [f32], &'a mut [f32])>,
    decay: f64,
    update: Update,
}

impl InplaceOp1 for Step<'_> {
    fn name(&self) -> &'static str {
        "adamw"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        let (CpuStorage::F32(data), Some((from, to))) = (storage, layout.contiguous_offsets()) else {
            bail!("a contiguous f32 variable is needed")
        };
        let Ok(mut moments) = self.moments.lock() else {
            bail!("the optimizer's state is lost")
        };
        let (first, second) = &mut *moments;
        let numbers = self.rule.numbers(self.update, self.decay);
        let data = &mut data[from..to];
        if data.len() <= CHUNK {
            self.rule.apply(&numbers, data, self.gradient, first, second);
            return Ok(());
        }
        let chunks = data.par_chunks_mut(CHUNK).zip(self.gradient.par_chunks(CHUNK));
        let moments = first.par_chunks_mut(CHUNK).zip(second.par_chunks_mut(CHUNK));
        chunks
            .zip(moments)
            .for_each(|((p, g), (m, v))| self.rule.apply(&numbers, p, g, m, v));
        Ok(())
    }
}
#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Tensor};

    /// PyTorch 2.15: three steps of each class of `torch.optim` with lr=0.1, weight_decay=0.1, SGD with momentum=0.9.
    #[test]
    fn rules_equal_torch() {
        let gradients = [[0.5f32, -1.0], [0.25, 3.0], [-1.0, 0.0]];
        let reference = [
            (
                Optimizer::Adamw,
                [
                    [0.89, -1.88],
                    [0.787_882_1, -1.910_618_9],
                    [0.800_639, -1.929_713_7],
                ],
            ),
            (
                Optimizer::Adam,
                [
                    [0.9, -1.9],
                    [0.805_009_8, -1.942_135_6],
                    [0.812_098_3, -1.970_586_3],
                ],
            ),
            (
                Optimizer::Sgd,
                [[0.94, -1.88], [0.851_6, -2.053_2], [0.863_524, -2.188_548]],
            ),
            (
                Optimizer::Rmsprop,
                [
                    [2e-7, -1.0],
                    [-0.386_264_3, -1.924_693_1],
                    [0.463_626_5, -1.863_130_2],
                ],
            ),
        ];
        for (rule, steps) in reference {
            let mut weights = Weights::default();
            weights
                .register("w", Tensor::new(&[[1.0f32, -2.0]], &Device::Cpu).unwrap())
                .unwrap();
            let mut optimizer = OptimizerState::new(rule, &weights, vec![1.0]);
            for (step, (gradient, want)) in gradients.into_iter().zip(steps).enumerate() {
                let update = Update {
                    step: step as u64,
                    learning_rate: 0.1,
                    weight_decay: 0.1,
                    scale: 1.0,
                };
                optimizer.step(&weights, &[gradient.to_vec()], update).unwrap();
                let got: Vec<f32> = weights.vars[0].flatten_all().unwrap().to_vec1().unwrap();
                assert!(
                    (0..2).all(|i| (got[i] - want[i]).abs() < 1e-6),
                    "{rule:?} {got:?} {want:?}"
                );
            }
        }
    }
}
