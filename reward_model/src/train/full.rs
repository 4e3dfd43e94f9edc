//! Full fine-tuning: every weight of the encoder, its pooler and a classifier.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::{Device, Tensor};

use super::{Learner, PairLosses, Setting, StepSums};
use crate::backbone::{Batch, Family, Floats, ModelConfig, Source, WORDS, Weights, add_scaled, trainable};
use crate::classifier::Classifier;
use crate::data::{Cut, Encoded, Pair};
use crate::embed::BATCH_TOKENS;
use crate::error::{ModelError, TrainError};
use crate::lanes::{Lanes, groups};
use crate::save::Parts;

/// Tokens whose graph is kept at a time by each lane (a pair above it stands alone): some 200 kB a token.
const MICRO_TOKENS: usize = 768;

/// The model and the token ids it learns from.
pub(super) struct Full<'a> {
    family: Family,
    config: ModelConfig,
    weights: Weights,
    classifier: Classifier,
    train: Vec<[Encoded; 2]>,
    held_out: Vec<[Encoded; 2]>,
    lanes: &'a Lanes,
    cut: [Cut; 2],
}

/// What a lane hands over: gradients in the order of the weights, the words' by token.
struct Micro {
    loss: f64,
    batch: Batch,
    words: Tensor,
    gradients: Vec<Option<Tensor>>,
}

impl<'a> Full<'a> {
    pub fn new(setting: &Setting<'a>) -> Result<Self, TrainError> {
        let request = setting.request;
        let base = &request.config.base_model;
        let config = ModelConfig::load(base)?;
        let family = Family::of(&config)?;
        let mut source = Source::of_model(base, request.config.seed)?;
        let mut weights = Weights::default();
        let classifier = Classifier::load(family, &config, &mut source, &mut weights)?;
        let mut cut = [Cut::default(); 2];
        let encode = |pairs: &[Pair], cut: &mut Cut| -> Result<Vec<[Encoded; 2]>, TrainError> {
            let texts = setting.encoder.texts(pairs)?;
            let encoded = setting.lanes.install(|| setting.encoder.encode_all(&texts))?;
            encoded
                .iter()
                .for_each(|text| cut.add(text.ids.len(), text.cut_tokens));
            let mut encoded = encoded.into_iter();
            Ok(std::iter::from_fn(|| Some([encoded.next()?, encoded.next()?])).collect())
        };
        let train = encode(&request.train, &mut cut[0])?;
        let held_out = encode(&request.held_out, &mut cut[1])?;
        Ok(Self {
            family,
            config,
            weights,
            classifier,
            train,
            held_out,
            lanes: setting.lanes,
            cut,
        })
    }

    /// Forward and backward over a few pairs, alone on its lane.
    fn micro(&self, pairs: &[usize], losses: &PairLosses) -> Result<Micro, ModelError> {
        let texts = pairs
            .iter()
            .flat_map(|&pair| self.train[pair].iter().map(|text| text.ids.as_slice()));
        let batch = Batch::new(texts);
        let words = trainable(self.classifier.backbone.as_ref(), &batch)?;
        let rewards = self.classifier.forward(&batch, words.as_tensor())?;
        let values: Vec<f32> = rewards.to_vec1()?;
        let (mut loss, mut slopes) = (0.0, Vec::with_capacity(values.len()));
        for (&pair, rewards) in pairs.iter().zip(values.chunks_exact(2)) {
            let (own, by_reward) = losses.of(pair, [f64::from(rewards[0]), f64::from(rewards[1])]);
            loss += own;
            slopes.extend(by_reward.map(|slope| slope as f32));
        }
        // The loss's slope by each reward is known in closed form; a weighted sum of rewards has the same gradient.
        let slopes = Tensor::from_vec(slopes, values.len(), &Device::Cpu)?;
        let mut store = (rewards * slopes)?.sum_all()?.backward()?;
        let no_gradient = || candle_core::Error::Msg("the words got no gradient".to_owned());
        let words = store.remove(words.as_tensor()).ok_or_else(no_gradient)?;
        let gradients = self
            .weights
            .vars
            .iter()
            .map(|var| store.remove(var.as_tensor()))
            .collect();
        Ok(Micro {
            loss,
            batch,
            words,
            gradients,
        })
    }
}

impl Learner for Full<'_> {
    fn weights(&self) -> &Weights {
        &self.weights
    }

    fn frozen(&self) -> Option<String> {
        self.family.output_bias()
    }

    fn cut(&self) -> [Cut; 2] {
        self.cut
    }

    fn lengths(&self) -> Vec<usize> {
        self.train
            .iter()
            .map(|[a, b]| a.ids.len().max(b.ids.len()))
            .collect()
    }

    fn gradients(
        &self,
        pairs: &[usize],
        losses: &PairLosses,
        gradients: &mut [Vec<f32>],
    ) -> Result<StepSums, TrainError> {
        let size = |pair: usize| self.train[pair].iter().map(|text| text.ids.len()).sum::<usize>();
        let mut order = pairs.to_vec();
        order.sort_by_key(|&pair| (std::cmp::Reverse(size(pair)), pair));
        let jobs = groups(order.into_iter().map(|pair| (pair, size(pair))), MICRO_TOKENS);
        let mut sums = StepSums {
            loss: 0.0,
            tokens: pairs.iter().map(|&pair| size(pair)).sum(),
        };
        let work = |job: usize| self.micro(&jobs[job], losses);
        self.lanes.run(jobs.len(), work, |_, micro| {
            sums.loss += micro.loss;
            for (to, from) in gradients.iter_mut().zip(&micro.gradients) {
                if let Some(from) = from {
                    add_scaled(to, &Floats::of(from)?, 1.0);
                }
            }
            let width = micro.words.dim(1)?;
            let rows = Floats::of(&micro.words)?;
            for (row, &id) in rows.chunks_exact(width).zip(micro.batch.ids()) {
                let at = id as usize * width;
                add_scaled(&mut gradients[WORDS][at..at + width], row, 1.0);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(sums)
    }

    fn held_out(&self, stop: &AtomicBool) -> Result<Option<Vec<[f32; 2]>>, TrainError> {
        let model = Classifier::frozen(self.family, &self.config, &self.weights)?;
        let ids = |text: usize| self.held_out[text / 2][text % 2].ids.as_slice();
        let mut order: Vec<usize> = (0..2 * self.held_out.len()).collect();
        order.sort_by_key(|&text| std::cmp::Reverse(ids(text).len()));
        let jobs = groups(
            order.into_iter().map(|text| (text, ids(text).len())),
            BATCH_TOKENS,
        );
        let mut rewards: HashMap<usize, f32> = HashMap::new();
        let work = |job: usize| model.rewards(&Batch::new(jobs[job].iter().map(|&text| ids(text))));
        self.lanes.run(jobs.len(), work, |job, values| {
            rewards.extend(jobs[job].iter().copied().zip(values));
            Ok(if stop.load(Ordering::Relaxed) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })?;
        let pair = |i: usize| Some([*rewards.get(&(2 * i))?, *rewards.get(&(2 * i + 1))?]);
        Ok((0..self.held_out.len()).map(pair).collect())
    }

    fn save(&self, folder: &Path, parts: &Parts, shift: f64) -> Result<(), ModelError> {
        for (name, var) in self.weights.names.iter().zip(&self.weights.vars) {
            if Some(name) == self.family.output_bias().as_ref() {
                var.set(&(var.as_tensor() + shift)?.detach())?;
            }
        }
        parts.save_classifier(folder, &self.weights)
    }
}
