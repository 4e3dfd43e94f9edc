//! AdamW (Loshchilov and Hutter 2019, "Decoupled weight decay regularization"), as `torch.optim.AdamW` computes it, with
//! state that can be saved, and the learning rate's course.

use std::path::Path;
use std::sync::Mutex;

use candle_core::{CpuStorage, InplaceOp1, Layout, bail};
use rayon::prelude::*;

use crate::backbone::{Source, Weights, save_slices, squares};
use crate::error::ModelError;

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const EPSILON: f32 = 1e-8;
/// Elements that one thread updates at a time; also the unit of sums, so that these have one order on every machine.
const CHUNK: usize = 1 << 16;

/// The learning rate of a step: up in a straight line over the first `warmup_share` of `steps`, then down to 0.
/// `step` counts from 0.
pub fn learning_rate(peak: f64, warmup_share: f64, step: u64, steps: u64) -> f64 {
    let warmup = (warmup_share * steps as f64).ceil();
    let (step, steps) = (step as f64, steps as f64);
    if step < warmup {
        peak * (step + 1.0) / (warmup + 1.0)
    } else {
        peak * (steps - step) / (steps - warmup)
    }
}

/// Euclidean length of all gradients together.
pub(crate) fn norm(gradients: &[Vec<f32>]) -> f64 {
    gradients
        .iter()
        .map(|g| {
            g.par_chunks(CHUNK)
                .map(squares)
                .collect::<Vec<_>>()
                .iter()
                .sum::<f64>()
        })
        .sum::<f64>()
        .sqrt()
}

/// The optimizer's state: two moments for every element.
pub(crate) struct AdamW {
    first: Vec<Vec<f32>>,
    second: Vec<Vec<f32>>,
    decays: Vec<bool>,
    frozen: Vec<bool>,
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

impl AdamW {
    /// State for `weights`. Biases and layer norms do not decay; those named in `frozen` stay as they are.
    pub fn new(weights: &Weights, frozen: &[&str]) -> Self {
        let zeros = || {
            weights
                .sizes()
                .into_iter()
                .map(|n| vec![0.0; n])
                .collect::<Vec<_>>()
        };
        let decays = |name: &String| !name.ends_with("bias") && !name.contains("LayerNorm");
        Self {
            first: zeros(),
            second: zeros(),
            decays: weights.names.iter().map(decays).collect(),
            frozen: weights
                .names
                .iter()
                .map(|name| frozen.contains(&name.as_str()))
                .collect(),
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
            if self.frozen[i] {
                continue;
            }
            let decay = if self.decays[i] { update.weight_decay } else { 0.0 };
            let moments = Mutex::new((first.as_mut_slice(), second.as_mut_slice()));
            var.as_tensor().inplace_op1(&Step {
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

    /// Puts back what [`AdamW::save`] wrote.
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
        let t = self.update.step as f64 + 1.0;
        let rate = (self.update.learning_rate / (1.0 - f64::from(BETA1).powf(t))) as f32;
        let correction = (1.0 / (1.0 - f64::from(BETA2).powf(t)).sqrt()) as f32;
        let keep = (1.0 - self.update.learning_rate * self.decay) as f32;
        let scale = self.update.scale as f32;
        let chunks = data[from..to]
            .par_chunks_mut(CHUNK)
            .zip(self.gradient.par_chunks(CHUNK));
        let moments = first.par_chunks_mut(CHUNK).zip(second.par_chunks_mut(CHUNK));
        chunks.zip(moments).for_each(|((p, g), (m, v))| {
            pulp::Arch::new().dispatch(
                #[inline(always)]
                || {
                    for (((p, &g), m), v) in p.iter_mut().zip(g).zip(m.iter_mut()).zip(v.iter_mut()) {
                        let g = g * scale;
                        *m = BETA1 * *m + (1.0 - BETA1) * g;
                        *v = BETA2 * *v + (1.0 - BETA2) * g * g;
                        *p = *p * keep - rate * *m / (v.sqrt() * correction + EPSILON);
                    }
                },
            );
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Tensor};

    #[test]
    fn the_rate_rises_and_falls() {
        let rates: Vec<f64> = (0..10).map(|step| learning_rate(1.0, 0.2, step, 10)).collect();
        assert!((rates[0] - 1.0 / 3.0).abs() < 1e-12 && (rates[2] - 1.0).abs() < 1e-12);
        assert!((rates[9] - 0.125).abs() < 1e-12);
    }

    /// PyTorch 2.15: three steps of `torch.optim.AdamW([p], lr=0.1, weight_decay=0.1)` with these gradients.
    #[test]
    fn equals_torch() {
        let mut weights = Weights::default();
        weights
            .register("w", Tensor::new(&[1.0f32, -2.0], &Device::Cpu).unwrap())
            .unwrap();
        let mut optimizer = AdamW::new(&weights, &[]);
        let reference = [
            ([0.5f32, -1.0], [0.890_000_05, -1.88]),
            ([0.25, 3.0], [0.787_882_1, -1.910_618_9]),
            ([-1.0, 0.0], [0.800_639, -1.929_713_7]),
        ];
        for (step, (gradient, want)) in reference.into_iter().enumerate() {
            let update = Update {
                step: step as u64,
                learning_rate: 0.1,
                weight_decay: 0.1,
                scale: 1.0,
            };
            optimizer.step(&weights, &[gradient.to_vec()], update).unwrap();
            let got: Vec<f32> = weights.vars[0].to_vec1().unwrap();
            assert!(
                (0..2).all(|i| (got[i] - want[i]).abs() < 1e-6),
                "{got:?} {want:?}"
            );
        }
    }
}
