//! A linear head on pooled embeddings of the frozen base model.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use candle_core::{DType, Device, Tensor};

use super::{Event, Learner, PairLosses, Seen, Setting};
use crate::backbone::{Family, Floats, ModelConfig, Weights, add_scaled, dot};
use crate::data::{Cut, Pair};
use crate::embed::{Embedded, Embedder};
use crate::error::{ModelError, TrainError};
use crate::head::Pooling;
use crate::random::Random;
use crate::save::{Linear, Parts};

/// The heads and the embeddings they learn from.
pub(super) struct Head {
    /// One row for each member of the ensemble.
    weights: Weights,
    pooling: Pooling,
    /// Those of the responses of each pair.
    train: Vec<Vec<Embedded>>,
    held_out: Vec<Vec<Embedded>>,
    cut: [Cut; 2],
    /// How often each pair counts for each member.
    counts: Vec<Vec<f64>>,
}

impl Head {
    /// Embeds all texts, or takes them from the cache; nothing when `stop` was raised on the way.
    pub fn new(
        setting: &Setting,
        stop: &AtomicBool,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Option<Self>, TrainError> {
        let request = setting.request;
        let base = &request.config.base_model;
        let config = ModelConfig::load(base)?;
        let family = Family::of(&config)?;
        let backbone = family.backbone_of(&config, base, request.config.precision)?;
        let pooling = Pooling::mean(family.hidden(&config)?);
        let embedder = Embedder {
            backbone: backbone.as_ref(),
            precision: request.config.precision,
            encoder: setting.encoder,
            pooling,
            lanes: setting.lanes,
            cache_dir: &request.cache_dir,
            model_hash: setting.base_hash,
        };
        let mut all = setting.encoder.texts(&request.train)?;
        all.extend(setting.encoder.texts(&request.held_out)?);
        let embedded = embedder.embed(&all, stop, &mut |done, total, tokens_per_second| {
            on_event(Event::Embedding {
                done,
                total,
                tokens_per_second,
            });
        })?;
        let Some(embedded) = embedded else {
            return Ok(None);
        };
        let mut embedded = embedded.into_iter();
        let mut of = |pairs: &[Pair]| -> Vec<Vec<Embedded>> {
            let responses = |pair: &Pair| embedded.by_ref().take(2 + pair.lower.len()).collect();
            pairs.iter().map(responses).collect()
        };
        let (train, held_out) = (of(&request.train), of(&request.held_out));
        let cut = [&train, &held_out].map(|pairs| {
            let mut cut = Cut::default();
            let texts = pairs.iter().flatten();
            texts.for_each(|text| cut.add(text.tokens as usize, text.cut_tokens as usize));
            cut
        });
        let members = request.config.ensemble;
        let mut weights = Weights::default();
        // From zero, so that the head's first word is "I do not know"; the loss is convex, any start does.
        weights.register(
            "linear.weight",
            Tensor::zeros((members, pooling.width()), DType::F32, &Device::Cpu)?,
        )?;
        Ok(Some(Self {
            weights,
            pooling,
            counts: counts(members, train.len(), request.config.seed),
            train,
            held_out,
            cut,
        }))
    }

    fn weight(&self) -> &Tensor {
        self.weights.vars[0].as_tensor()
    }
}

impl Learner for Head {
    fn weights(&self) -> &Weights {
        &self.weights
    }

    fn rates(&self) -> Vec<f64> {
        vec![1.0]
    }

    fn cut(&self) -> [Cut; 2] {
        self.cut
    }

    fn lengths(&self) -> Vec<usize> {
        // One length for all: there is no padding or lane to be fair to, so batches are drawn at random.
        vec![1; self.train.len()]
    }

    fn gradients(
        &mut self,
        pairs: &[usize],
        losses: &PairLosses,
        gradients: &mut [Vec<f32>],
    ) -> Result<Seen, TrainError> {
        let (weight, width) = (Floats::of(self.weight())?, self.pooling.width());
        let members = self.counts.len();
        let mut seen = Seen::default();
        for &pair in pairs {
            let texts = &self.train[pair];
            for (member, weight) in weight.chunks_exact(width).enumerate() {
                let rewards: Vec<f64> = texts
                    .iter()
                    .map(|text| f64::from(dot(weight, &text.vector)))
                    .collect();
                let mut own = Seen::default();
                let slopes = losses.slopes(pair, &rewards, &mut own);
                // The members' mean loss is told; each learns from its own.
                own.loss /= members as f64;
                seen.add(own);
                let to = &mut gradients[0][member * width..][..width];
                for (text, slope) in texts.iter().zip(slopes) {
                    add_scaled(to, &text.vector, (slope * self.counts[member][pair]) as f32);
                }
            }
            seen.tokens += texts.iter().map(|text| text.tokens as usize).sum::<usize>();
        }
        Ok(seen)
    }

    fn held_out(&self, _stop: &AtomicBool) -> Result<Option<Vec<[f32; 2]>>, TrainError> {
        let (weight, width) = (Floats::of(self.weight())?, self.pooling.width());
        let reward = |text: &Embedded| {
            let members = weight.chunks_exact(width);
            members.map(|weight| dot(weight, &text.vector)).sum::<f32>() / self.counts.len() as f32
        };
        let rewards = |pair: &Vec<Embedded>| [reward(&pair[0]), reward(&pair[1])];
        Ok(Some(self.held_out.iter().map(rewards).collect()))
    }

    fn save(&self, folder: &Path, parts: &Parts, shift: f64) -> Result<(), ModelError> {
        let members = self.counts.len();
        let heads = Linear {
            weight: self.weight().copy()?,
            bias: vec![shift as f32; members],
        };
        if members == 1 {
            return parts.save_head(folder, self.pooling, &[heads]);
        }
        let mean = Linear {
            weight: Tensor::full(1.0 / members as f32, (1, members), &Device::Cpu)?,
            bias: vec![0.0],
        };
        parts.save_head(folder, self.pooling, &[heads, mean])
    }
}

/// How often each of `pairs` is drawn for each member of an ensemble: once for a single one, else as often as a Poisson variable
/// of mean 1 says, as in a bootstrap sample of many (Oza and Russell 2001).
fn counts(members: usize, pairs: usize, seed: u64) -> Vec<Vec<f64>> {
    if members == 1 {
        return vec![vec![1.0; pairs]];
    }
    let of = |member: usize| {
        let mut random = Random::new(seed, 2000 + member as u64);
        (0..pairs).map(|_| poisson(&mut random)).collect()
    };
    (0..members).map(of).collect()
}

/// A Poisson variable of mean 1: how many uniform draws have a product of at least 1/e (Knuth).
fn poisson(random: &mut Random) -> f64 {
    let (mut count, mut product) = (0.0, random.unit());
    while product > std::f64::consts::E.recip() {
        count += 1.0;
        product *= random.unit();
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resampling_has_mean_and_variance_of_one() {
        let all = counts(3, 20_000, 5);
        for counts in &all {
            let mean = counts.iter().sum::<f64>() / 20_000.0;
            let variance = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / 20_000.0;
            assert!(
                (mean - 1.0).abs() < 0.03 && (variance - 1.0).abs() < 0.05,
                "{mean} {variance}"
            );
        }
        assert_ne!(all[0], all[1]);
        assert_eq!(counts(1, 2, 5), [[1.0, 1.0]]);
    }
}
