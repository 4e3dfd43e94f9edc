//! A linear head on pooled embeddings of the frozen base model.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use candle_core::{DType, Device, Tensor};

use super::pairs::Pairs;
use super::{Event, Learner, PairLosses, Rewarded, Seen, Setting, alike};
use crate::backbone::{Family, Floats, ModelConfig, Weights, add_scaled, dot};
use crate::data::{Cut, Encoder};
use crate::embed::{Embedder, Embeddings, Frozen, Progress};
use crate::error::{ModelError, TrainError};
use crate::head::{PoolingModule, spread_of};
use crate::random::Random;
use crate::save::{Linear, Parts};

/// The heads and the embeddings they learn from.
pub(super) struct Head<'a> {
    /// One row for each member of the ensemble.
    weights: Weights,
    /// One for each member: the base model's own head's, else 0. They stay: the loss does not see them.
    bias: Vec<f32>,
    /// The heads are the base model's own, whose zero stays where it is.
    goes_on: bool,
    pooling: PoolingModule,
    pairs: &'a Pairs<'a>,
    held_out_pairs: &'a Pairs<'a>,
    encoder: &'a Encoder,
    /// Those of the training and held-out responses.
    train: Embeddings,
    held_out: Embeddings,
    /// How often each pair counts for each member.
    counts: Vec<Vec<u8>>,
}

impl<'a> Head<'a> {
    /// Embeds all texts, or takes them from the cache; nothing when `stop` was raised on the way.
    pub fn new(
        setting: &Setting<'a>,
        stop: &AtomicBool,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Option<Self>, TrainError> {
        let request = setting.request;
        let base = &request.config.base_model;
        let config = ModelConfig::load(base)?;
        let family = Family::of(&config)?;
        let pooling = PoolingModule::mean(family.hidden(&config)?);
        let load = || family.backbone_of(&config, base, (request.config.precision, setting.device));
        let mut embedder = Embedder {
            backbone: Frozen::Loads(Box::new(load)),
            precision: request.config.precision,
            device: request.config.device,
            encoder: setting.encoder,
            pooling,
            lanes: setting.lanes,
            cache_dir: request.cache_dir,
            model_hash: setting.base_hash,
        };
        let Some([train, held_out]) = embed(setting, &mut embedder, stop, on_event)? else {
            return Ok(None);
        };
        let members = request.config.ensemble;
        let shape = (members, pooling.width());
        let (start, bias) = match setting.own_head.map(|own| own.members(members)) {
            Some(own) => (
                Tensor::from_vec(own.rows.concat(), shape, &Device::Cpu)?,
                own.bias,
            ),
            // From zero, so that the head's first word is "I do not know"; the loss is convex, any start does.
            None => (
                Tensor::zeros(shape, DType::F32, &Device::Cpu)?,
                vec![0.0; members],
            ),
        };
        let mut weights = Weights::default();
        weights.register("linear.weight", start)?;
        Ok(Some(Self {
            weights,
            bias,
            goes_on: setting.own_head.is_some(),
            pooling,
            held_out_pairs: setting.held_out,
            encoder: setting.encoder,
            counts: counts(members, setting.train.len(), request.config.seed),
            pairs: setting.train,
            train,
            held_out,
        }))
    }

    fn weight(&self) -> &Tensor {
        self.weights.vars[0].as_tensor()
    }
}

impl Learner for Head<'_> {
    fn weights(&self) -> &Weights {
        &self.weights
    }

    fn rates(&self) -> Vec<f64> {
        vec![1.0]
    }

    fn cut(&self) -> [Cut; 2] {
        [&self.train, &self.held_out].map(Embeddings::cut)
    }

    fn lengths(&self) -> Vec<u32> {
        // One length for all: there is no padding or lane to be fair to, so batches are drawn at random.
        vec![1; self.pairs.len()]
    }

    fn gradients(
        &mut self,
        pairs: &[usize],
        losses: &PairLosses,
        gradients: &mut [Vec<f32>],
    ) -> Result<Seen, TrainError> {
        let (weight, width) = (Floats::of(self.weight())?, self.pooling.width());
        let members = self.counts.len();
        let (mut seen, mut buffer) = (Seen::default(), Vec::new());
        for &pair in pairs {
            let texts = self.pairs.texts_of(pair);
            let vectors = self.train.vectors(texts.clone(), &mut buffer)?;
            for (member, weight) in weight.chunks_exact(width).enumerate() {
                let bias = self.bias[member];
                let rewards: Vec<f64> = vectors
                    .chunks_exact(width)
                    .map(|vector| f64::from(dot(weight, vector) + bias))
                    .collect();
                let mut own = Seen::default();
                let slopes = losses.slopes(pair, &rewards, &mut own);
                // The members' mean loss is told; each learns from its own.
                own.loss /= members as f64;
                seen.add(own);
                let to = &mut gradients[0][member * width..][..width];
                let count = f64::from(self.counts[member][pair]);
                for (vector, slope) in vectors.chunks_exact(width).zip(slopes) {
                    add_scaled(to, vector, (slope * count) as f32);
                }
            }
            seen.tokens += self.train.tokens(texts);
        }
        Ok(seen)
    }

    fn alike(&self) -> Result<[Vec<usize>; 2], TrainError> {
        Ok([
            alike::by_embeddings(self.pairs, &self.train, self.encoder)?,
            alike::by_embeddings(self.held_out_pairs, &self.held_out, self.encoder)?,
        ])
    }

    fn held_out(&mut self, _stop: &AtomicBool) -> Result<Option<Vec<Rewarded>>, TrainError> {
        let (weight, width) = (Floats::of(self.weight())?, self.pooling.width());
        let members = self.counts.len();
        let mut own = vec![0.0; members];
        let mut reward = |vector: &[f32]| {
            for ((to, weight), bias) in own.iter_mut().zip(weight.chunks_exact(width)).zip(&self.bias) {
                *to = dot(weight, vector) + bias;
            }
            let mean = own.iter().sum::<f32>() / members as f32;
            (mean, spread_of(&own, mean))
        };
        let mut buffer = Vec::new();
        let mut rewarded = Vec::with_capacity(self.held_out.len() / 2);
        for pair in 0..self.held_out.len() / 2 {
            let vectors = self.held_out.vectors(2 * pair..2 * pair + 2, &mut buffer)?;
            let [chosen, rejected] = [reward(&vectors[..width]), reward(&vectors[width..])];
            rewarded.push(Rewarded {
                rewards: [chosen.0, rejected.0],
                spreads: (members > 1).then_some([chosen.1, rejected.1]),
            });
        }
        Ok(Some(rewarded))
    }

    fn can_shift(&self) -> bool {
        !self.goes_on
    }

    fn save(&self, folder: &Path, parts: &Parts, shift: f64) -> Result<(), ModelError> {
        let members = self.counts.len();
        let heads = Linear {
            weight: self.weight().copy()?,
            bias: self.bias.iter().map(|bias| bias + shift as f32).collect(),
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

/// The embeddings of the training and held-out responses; nothing when `stop` was raised on the way.
fn embed(
    setting: &Setting,
    embedder: &mut Embedder,
    stop: &AtomicBool,
    on_event: &mut dyn FnMut(Event),
) -> Result<Option<[Embeddings; 2]>, TrainError> {
    let mut tell = |done, total, tokens_per_second| {
        on_event(Event::Embedding {
            done,
            total,
            tokens_per_second,
        });
    };
    let total = setting.train.texts() + setting.held_out.texts();
    let (mut cache, mut progress) = (embedder.cache()?, Progress::new(total, &mut tell));
    let mut side = |pairs: &Pairs| -> Result<Option<Embeddings>, TrainError> {
        let mut places = Vec::with_capacity(pairs.texts());
        pairs.each_text(setting.encoder, &mut |texts| {
            let Some(found) = embedder.embed(&mut cache, texts, stop, &mut progress)? else {
                return Ok(ControlFlow::Break(()));
            };
            places.extend(found);
            Ok(ControlFlow::Continue(()))
        })?;
        if places.len() < pairs.texts() {
            return Ok(None);
        }
        Ok(Some(Embeddings::gather(&cache, places, setting.lanes)?))
    };
    let Some(train) = side(setting.train)? else {
        return Ok(None);
    };
    let held_out = side(setting.held_out)?;
    Ok(held_out.map(|held_out| [train, held_out]))
}

/// How often each of `pairs` is drawn for each member of an ensemble: once for a single one, else as often as a Poisson variable
/// of mean 1 says, as in a bootstrap sample of many (Oza and Russell 2001).
fn counts(members: usize, pairs: usize, seed: u64) -> Vec<Vec<u8>> {
    if members == 1 {
        return vec![vec![1; pairs]];
    }
    let of = |member: usize| {
        let mut random = Random::new(seed, 2000 + member as u64);
        (0..pairs).map(|_| poisson(&mut random)).collect()
    };
    (0..members).map(of).collect()
}

/// A Poisson variable of mean 1: how many uniform draws have a product of at least 1/e (Knuth).
fn poisson(random: &mut Random) -> u8 {
    let (mut count, mut product) = (0, random.unit());
    while product > std::f64::consts::E.recip() {
        count += 1;
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
            let counts: Vec<f64> = counts.iter().copied().map(f64::from).collect();
            let mean = counts.iter().sum::<f64>() / 20_000.0;
            let variance = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / 20_000.0;
            assert!(
                (mean - 1.0).abs() < 0.03 && (variance - 1.0).abs() < 0.05,
                "{mean} {variance}"
            );
        }
        assert_ne!(all[0], all[1]);
        assert_eq!(counts(1, 2, 5), [[1, 1]]);
    }
}
