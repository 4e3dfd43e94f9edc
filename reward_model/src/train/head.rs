//! A linear head on pooled embeddings of the frozen base model.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use candle_core::{DType, Device, Tensor};

use super::{Event, Learner, PairLosses, Setting, StepSums};
use crate::backbone::{Family, Floats, ModelConfig, Weights, add_scaled, dot};
use crate::data::Cut;
use crate::embed::{Embedded, Embedder};
use crate::error::{ModelError, TrainError};
use crate::head::Pooling;
use crate::save::{Linear, Parts};

/// The head and the embeddings it learns from.
pub(super) struct Head {
    weights: Weights,
    pooling: Pooling,
    /// Chosen and rejected alternate.
    train: Vec<Embedded>,
    held_out: Vec<Embedded>,
    cut: [Cut; 2],
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
        let boundary = all.len();
        all.extend(setting.encoder.texts(&request.held_out)?);
        let embedded = embedder.embed(&all, stop, &mut |done, total, tokens_per_second| {
            on_event(Event::Embedding {
                done,
                total,
                tokens_per_second,
            });
        })?;
        let Some(mut train) = embedded else {
            return Ok(None);
        };
        let held_out = train.split_off(boundary);
        let cut = [&train, &held_out].map(|texts| {
            let mut cut = Cut::default();
            texts
                .iter()
                .for_each(|text| cut.add(text.tokens as usize, text.cut_tokens as usize));
            cut
        });
        let mut weights = Weights::default();
        // From zero, so that the head's first word is "I do not know"; the loss is convex, any start does.
        weights.register(
            "linear.weight",
            Tensor::zeros((1, pooling.width()), DType::F32, &Device::Cpu)?,
        )?;
        Ok(Some(Self {
            weights,
            pooling,
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
        vec![1; self.train.len() / 2]
    }

    fn gradients(
        &mut self,
        pairs: &[usize],
        losses: &PairLosses,
        gradients: &mut [Vec<f32>],
    ) -> Result<StepSums, TrainError> {
        let weight = Floats::of(self.weight())?;
        let mut sums = StepSums { loss: 0.0, tokens: 0 };
        for &pair in pairs {
            let sides = [&self.train[2 * pair], &self.train[2 * pair + 1]];
            let rewards = sides.map(|side| f64::from(dot(&weight, &side.vector)));
            let (loss, slopes) = losses.of(pair, rewards);
            sums.loss += loss;
            sums.tokens += sides.iter().map(|side| side.tokens as usize).sum::<usize>();
            for (side, slope) in sides.into_iter().zip(slopes) {
                add_scaled(&mut gradients[0], &side.vector, slope as f32);
            }
        }
        Ok(sums)
    }

    fn held_out(&self, _stop: &AtomicBool) -> Result<Option<Vec<[f32; 2]>>, TrainError> {
        let weight = Floats::of(self.weight())?;
        let rewards = |pair: &[Embedded]| [dot(&weight, &pair[0].vector), dot(&weight, &pair[1].vector)];
        Ok(Some(self.held_out.chunks_exact(2).map(rewards).collect()))
    }

    fn save(&self, folder: &Path, parts: &Parts, shift: f64) -> Result<(), ModelError> {
        let output = Linear {
            weight: self.weight().copy()?,
            bias: vec![shift as f32],
        };
        parts.save_head(folder, self.pooling, &[output])
    }
}
