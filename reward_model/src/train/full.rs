//! Fine-tuning: the encoder, all of it or parts, its pooler and a classifier.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::{Device, Tensor};

use super::engine::Engine;
use super::pairs::Pairs;
use super::token_store::TokenStore;
use super::what;
use super::{Learner, PairLosses, Rewarded, Seen, Setting, alike};
use crate::backbone::{Batch, Dropout, Family, ModelConfig, Weights, noisy};
use crate::base::MeanHead;
use crate::data::Cut;
use crate::error::{ModelError, TrainError};
use crate::head::PoolingModule;
use crate::jobs::BATCH_TOKENS;
use crate::lanes::{Lanes, groups};
use crate::save::{Linear, Parts};
use recipe::{Pooling, Recipe};

/// Tokens that a GPU computes gradients of at a time; all that a layer makes of them is kept for the way back.
const GPU_TOKENS: usize = 4096;

/// The model and the token ids it learns from.
pub(super) struct Full<'a> {
    engine: Engine,
    pairs: &'a Pairs<'a>,
    held_out_pairs: &'a Pairs<'a>,
    /// Tokens of the training and held-out responses.
    train: TokenStore,
    held_out: TokenStore,
    /// The head is the base model's own, whose zero stays where it is.
    goes_on: bool,
    lanes: &'a Lanes,
    cut: [Cut; 2],
    config: &'a Recipe,
}

impl<'a> Full<'a> {
    pub fn new(setting: &Setting<'a>) -> Result<Self, TrainError> {
        let request = setting.request;
        let base = &request.config.base_model;
        let config = ModelConfig::load(base)?;
        let family = Family::of(&config)?.pooled(request.config.pooling);
        let loaded = what::load(family, &config, request.config)?;
        if let Some(own) = setting.own_head {
            put_head(family, &loaded.0, own)?;
        }
        let on = (request.config.precision, setting.device);
        let engine = Engine::new(family, config, loaded, on)?;
        let tokens = |name: &str, pairs: &Pairs| {
            TokenStore::fill(request.run_dir, name, pairs, setting.encoder, setting.lanes)
        };
        let (train, train_cut) = tokens("train", setting.train)?;
        let (held_out, held_out_cut) = tokens("held-out", setting.held_out)?;
        Ok(Self {
            engine,
            pairs: setting.train,
            train,
            held_out,
            held_out_pairs: setting.held_out,
            goes_on: setting.own_head.is_some(),
            lanes: setting.lanes,
            cut: [train_cut, held_out_cut],
            config: request.config,
        })
    }

    fn batch(&self, texts: &[Vec<u32>]) -> Batch {
        Batch::of(texts.iter().map(Vec::as_slice), self.engine.family.is_decoder())
    }

    /// The pairs whose gradients are computed together: on the CPU each alone.
    fn together(&self, pairs: &[usize]) -> Vec<Vec<usize>> {
        let budget = if self.engine.likes_large_batches() {
            GPU_TOKENS
        } else {
            0
        };
        let size = |&pair: &usize| (pair, self.train.tokens(self.pairs.texts_of(pair)));
        groups(pairs.iter().map(size), budget)
    }

    /// Adds the gradients of a slot's pairs, some at a time.
    fn add(&self, slot: usize, pairs: &[usize], losses: &PairLosses) -> Result<Seen, ModelError> {
        let (mut seen, config) = (Seen::default(), self.config);
        for pairs in self.together(pairs) {
            // What pairs lose together is drawn for the first of them.
            let dropout = |share| Dropout::new(share, config.seed, losses.step, pairs[0]);
            let texts = pairs
                .iter()
                .map(|&pair| self.train.read(self.pairs.texts_of(pair)));
            let texts = texts.collect::<Result<Vec<_>, _>>()?.concat();
            let batch = self.batch(&texts).dropping(dropout(config.dropout));
            let slopes = |rewards: &[f32]| {
                let mut rewards = rewards.iter().copied().map(f64::from);
                let mut of = |&pair: &usize| {
                    let own: Vec<f64> = rewards.by_ref().take(self.pairs.texts_of(pair).len()).collect();
                    losses.slopes(pair, &own, &mut seen)
                };
                let slopes = pairs.iter().flat_map(&mut of);
                slopes.map(|slope| slope as f32).collect()
            };
            noisy(dropout(config.lora.dropout), || {
                self.engine.add(slot, &batch, slopes)
            })?;
        }
        Ok(seen)
    }

    /// The pairs of each slot: the longest first, each to the slot that has the fewest tokens yet.
    fn deal(&self, pairs: &[usize], size: impl Fn(usize) -> usize) -> Vec<Vec<usize>> {
        let mut order = pairs.to_vec();
        order.sort_by_key(|&pair| (std::cmp::Reverse(size(pair)), pair));
        let mut slots = vec![(0, Vec::new()); self.engine.sums.count()];
        for pair in order {
            if let Some((tokens, slot)) = slots.iter_mut().min_by_key(|(tokens, _)| *tokens) {
                *tokens += size(pair);
                slot.push(pair);
            }
        }
        slots.into_iter().map(|(_, pairs)| pairs).collect()
    }
}

impl Learner for Full<'_> {
    fn weights(&self) -> &Weights {
        let engine = &self.engine;
        &engine.learnt
    }

    fn rates(&self) -> Vec<f64> {
        let rates = self.engine.learning.rates.iter().copied();
        rates.filter(|&rate| rate > 0.0).collect()
    }

    fn cut(&self) -> [Cut; 2] {
        self.cut
    }

    fn lengths(&self) -> Vec<u32> {
        let longest = |pair| self.pairs.texts_of(pair).map(|text| self.train.len(text)).max();
        (0..self.pairs.len())
            .map(|pair| longest(pair).unwrap_or(0) as u32)
            .collect()
    }

    fn gradients(
        &mut self,
        pairs: &[usize],
        losses: &PairLosses,
        gradients: &mut [Vec<f32>],
    ) -> Result<Seen, TrainError> {
        let size = |pair: usize| self.train.tokens(self.pairs.texts_of(pair));
        self.lanes.install(|| self.engine.refresh())?;
        self.engine.sums.begin(gradients);
        let slots = self.deal(pairs, size);
        let mut seen = Seen::default();
        seen.tokens = pairs.iter().map(|&pair| size(pair)).sum();
        let work = |slot: usize| self.add(slot, &slots[slot], losses);
        self.lanes.run(slots.len(), work, |_, part| {
            seen.add(part);
            Ok(ControlFlow::Continue(()))
        })?;
        self.lanes.install(|| self.engine.sums.collect(gradients));
        Ok(seen)
    }

    fn alike(&self) -> Result<[Vec<usize>; 2], TrainError> {
        Ok([
            alike::by_tokens(self.pairs, &self.train)?,
            alike::by_tokens(self.held_out_pairs, &self.held_out)?,
        ])
    }

    fn held_out(&mut self, stop: &AtomicBool) -> Result<Option<Vec<Rewarded>>, TrainError> {
        self.lanes.install(|| self.engine.refresh())?;
        let rewards_of = self.engine.scorer()?;
        // A pair's two texts stay together: they may share their prompt.
        let tokens = |pair: usize| self.held_out.tokens(2 * pair..2 * pair + 2);
        let mut order: Vec<usize> = (0..self.held_out_pairs.len()).collect();
        order.sort_by_key(|&pair| std::cmp::Reverse(tokens(pair)));
        let jobs = groups(order.into_iter().map(|pair| (pair, tokens(pair))), BATCH_TOKENS);
        let mut found: HashMap<usize, Rewarded> = HashMap::new();
        let work = |job: usize| {
            let texts = jobs[job]
                .iter()
                .map(|&pair| self.held_out.read(2 * pair..2 * pair + 2));
            let texts = texts.collect::<Result<Vec<_>, _>>()?.concat();
            rewards_of(&self.batch(&texts))
        };
        self.lanes.run(jobs.len(), work, |job, values| {
            let (values, _) = values.as_chunks::<2>();
            let values = values.iter().map(|&rewards| Rewarded {
                rewards,
                spreads: None,
            });
            found.extend(jobs[job].iter().copied().zip(values));
            Ok(if stop.load(Ordering::Relaxed) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })?;
        Ok((0..self.held_out_pairs.len())
            .map(|pair| found.get(&pair).copied())
            .collect())
    }

    fn can_shift(&self) -> bool {
        !self.goes_on && self.engine.family.output_bias().is_some()
    }

    fn save(&self, folder: &Path, parts: &Parts, shift: f64) -> Result<(), ModelError> {
        let (weights, family) = (&self.engine.whole()?, self.engine.family);
        let of = |end: &str| weights.var(&format!("{}.{end}", family.output_name()));
        if let Ok(bias) = of("bias") {
            bias.set(&(bias.as_tensor() + shift)?.detach())?;
        }
        if let Some(lora) = &self.engine.learning.lora {
            let targets = what::target_names(family, lora);
            parts.save_adapter(
                &folder.join("adapter"),
                family,
                &self.engine.weights,
                lora,
                &targets,
            )?;
        }
        if family.pooling() == Pooling::Family {
            return parts.save_classifier(folder, weights);
        }
        let output = Linear {
            weight: of("weight")?.as_tensor().detach(),
            bias: of("bias")?.to_vec1()?,
        };
        let pooling = PoolingModule::mean(family.hidden(&self.engine.config)?);
        parts.save_pooled(folder, weights, pooling, &[output])
    }
}

/// Puts the base model's own head where a new one was made.
fn put_head(family: Family, weights: &Weights, own: &MeanHead) -> Result<(), ModelError> {
    let (weight, bias) = own.single();
    for (end, values) in [("weight", weight), ("bias", vec![bias])] {
        let var = weights.var(&format!("{}.{end}", family.output_name()))?;
        let shape = var.dims().to_vec();
        var.set(&Tensor::from_vec(values, shape, &Device::Cpu)?)?;
    }
    Ok(())
}
