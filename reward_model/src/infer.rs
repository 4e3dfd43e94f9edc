//! Rewards from a model folder.

mod cached;
mod folder;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::backbone::{Backbone, Batch, Family, ModelConfig};
use crate::base::backbone_folder;
use crate::classifier::Classifier;
use crate::data::{Encoder, Example, Pair};
use crate::embed::{Embedder, Frozen};
use crate::error::ModelError;
use crate::head::{DenseLayer, PoolingModule, spread_of};
use crate::jobs::jobs;
use crate::lanes::Lanes;
use crate::padding;
use crate::save::{About, Kind, check_tokenizer, kind};
use crate::train::hash_model;
use cached::EmbeddingCache;
pub(crate) use folder::modules;
use folder::{cause_of_no_number, classifier, read_json};
use recipe::Device;
use recipe::Method;
use recipe::Precision;

/// A response's reward.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// The raw reward, unbounded; only differences mean something.
    pub reward: f32,
    /// Standard deviation of the rewards of an ensemble's members, which says how unsure it is; for other models nothing.
    #[serde(default)]
    pub spread: Option<f32>,
    /// Tokens read, the two special ones included.
    pub tokens: usize,
    /// Tokens left out at the beginning because the text was too long.
    pub cut_tokens: usize,
}

enum Model {
    Classifier(Classifier),
    Head {
        backbone: Box<dyn Backbone>,
        pooling: PoolingModule,
        layers: Vec<DenseLayer>,
    },
}

/// A loaded model. It can be owned by a thread or shared between threads.
pub struct Scorer {
    model: Model,
    precision: Precision,
    device: Device,
    encoder: Encoder,
    lanes: Lanes,
    about: Option<About>,
    /// Its own and its backbone's.
    folders: [PathBuf; 2],
    cache: Option<EmbeddingCache>,
}

impl std::fmt::Debug for Scorer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scorer")
            .field("about", &self.about)
            .finish_non_exhaustive()
    }
}

impl Scorer {
    /// Loads a folder that [`crate::train`] saved, a transformers folder of a classifier with one label, or a
    /// sentence-transformers folder that ends in a Dense module with one output.
    ///
    /// # Errors
    /// What is missing, broken or unsupported in it.
    pub fn load(folder: &Path) -> Result<Self, ModelError> {
        Self::load_with(folder, Precision::F32)
    }

    /// [`Scorer::load`] with products in another precision.
    ///
    /// # Errors
    /// As [`Scorer::load`].
    pub fn load_with(folder: &Path, precision: Precision) -> Result<Self, ModelError> {
        Self::load_on(folder, precision, Device::Cpu)
    }

    /// [`Scorer::load_with`] on a device.
    ///
    /// # Errors
    /// As [`Scorer::load`], and when the build or the machine lacks the device.
    pub fn load_on(folder: &Path, precision: Precision, device: Device) -> Result<Self, ModelError> {
        let opened = crate::device::open(device).map_err(ModelError::Device)?;
        let on = (precision, &opened);
        let backbone_folder = backbone_folder(folder)?;
        let config = ModelConfig::load(&backbone_folder)?;
        let family = Family::of(&config)?;
        let (model, limit) = match kind(folder) {
            Kind::Classifier => {
                let settings = read_json(&folder.join("tokenizer_config.json")).unwrap_or_default();
                (
                    Model::Classifier(classifier(folder, family, &config, on)?),
                    settings["model_max_length"].as_f64(),
                )
            }
            Kind::Modules => {
                let (pooling, layers) = modules(folder, family.hidden(&config)?)?;
                let settings = read_json(&backbone_folder.join("sentence_bert_config.json"));
                let settings = settings.unwrap_or_default();
                let model = Model::Head {
                    backbone: family.backbone_of(&config, &backbone_folder, on)?,
                    pooling,
                    layers,
                };
                (model, settings["max_seq_length"].as_f64())
            }
        };
        // Some tokenizers say 1e30 where they mean no limit.
        let limit = limit
            .map_or(usize::MAX, |limit| limit as usize)
            .min(family.max_tokens(&config)?);
        let padding = match &model {
            Model::Classifier(_) if family.is_decoder() => padding::of_classifier(folder)?,
            _ => None,
        };
        let about = About::load(folder)?;
        let truncation = about.as_ref().map(|about| about.config.truncation);
        let encoder = Encoder::load(folder, limit)?
            .without_padding(padding)
            .truncating(truncation.unwrap_or_default());
        check_tokenizer(&backbone_folder, &config, &encoder, family.max_tokens(&config)?)?;
        Ok(Self {
            model,
            precision,
            device,
            encoder,
            lanes: Lanes::new(None)?,
            about,
            folders: [folder.to_owned(), backbone_folder],
            cache: None,
        })
    }

    /// A head takes embeddings from the cache that training filled, and adds to it; another model stays as it is.
    /// `base_model` must be the folder that the head was trained on.
    ///
    /// # Errors
    /// When the base model cannot be read.
    pub fn with_cache(mut self, cache_dir: &Path, base_model: &Path) -> Result<Self, ModelError> {
        let is_of_base = self
            .about
            .as_ref()
            .is_none_or(|about| about.config.method == Method::Head);
        if is_of_base && matches!(self.model, Model::Head { .. }) {
            self.cache = Some(EmbeddingCache::new(cache_dir, hash_model(base_model)?));
        }
        Ok(self)
    }

    /// How the model was made, if Touchstone made it.
    pub fn about(&self) -> Option<&About> {
        self.about.as_ref()
    }

    /// Longest text in tokens, the two special ones included.
    pub fn max_tokens(&self) -> usize {
        self.encoder.max_tokens()
    }

    /// Rewards of responses, in their order. `on_progress` gets how many are done, and of how many.
    ///
    /// # Errors
    /// When the model's chat template refuses a conversation, or the tokenizer or a tensor operation fails.
    pub fn score(
        &self,
        examples: &[Example],
        on_progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<Scored>, ModelError> {
        let texts: Result<Vec<String>, ModelError> = examples
            .iter()
            .map(|e| self.encoder.text(&e.prompt, &e.response))
            .collect();
        self.score_texts(&texts?, on_progress)
    }

    /// Whether the model can read a conversation with this response.
    ///
    /// # Errors
    /// When its chat template refuses it.
    pub fn check(&self, example: &Example) -> Result<(), ModelError> {
        self.encoder.text(&example.prompt, &example.response).map(drop)
    }

    /// For each pair whether the model can tell its two responses apart: not where they are cut to equality, or equal once they are
    /// tokens.
    ///
    /// # Errors
    /// As [`Scorer::score`].
    pub fn tells_apart(&self, pairs: &[Pair]) -> Result<Vec<bool>, ModelError> {
        let tokens = |pair: &Pair, response: &str| {
            let text = self.encoder.text(&pair.prompt, response)?;
            Ok::<_, ModelError>(self.encoder.encode(&text)?.ids)
        };
        let differ = |pair: &Pair| Ok(tokens(pair, &pair.chosen)? != tokens(pair, &pair.rejected)?);
        self.lanes.install(|| pairs.par_iter().map(differ).collect())
    }

    /// Rewards of texts that are already written as the model reads them: see [`Encoder::text`].
    ///
    /// # Errors
    /// When the tokenizer or a tensor operation fails, and when a reward is no finite number.
    pub fn score_texts(
        &self,
        texts: &[String],
        on_progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<Scored>, ModelError> {
        let scored = self.score_all(texts, on_progress)?;
        let is_broken =
            |one: &Scored| !one.reward.is_finite() || one.spread.is_some_and(|spread| !spread.is_finite());
        match scored.iter().position(is_broken) {
            Some(place) => Err(ModelError::NotFinite {
                place,
                cause: cause_of_no_number(&self.folders[0], &self.folders[1]),
            }),
            None => Ok(scored),
        }
    }

    fn score_all(
        &self,
        texts: &[String],
        on_progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<Scored>, ModelError> {
        if let (
            Model::Head {
                backbone,
                pooling,
                layers,
            },
            Some(cache),
        ) = (&self.model, &self.cache)
        {
            let mut embedder = Embedder {
                backbone: Frozen::Ready(backbone.as_ref()),
                precision: self.precision,
                device: self.device,
                encoder: &self.encoder,
                pooling: *pooling,
                lanes: &self.lanes,
                cache_dir: &cache.folder,
                model_hash: &cache.base_hash,
            };
            return cache.score(&mut embedder, layers, texts, on_progress);
        }
        let encoded = self.lanes.install(|| self.encoder.encode_all(texts))?;
        let ids: Vec<&[u32]> = encoded.iter().map(|text| text.ids.as_slice()).collect();
        let forwards = self.backbone().reads_forwards();
        let jobs = jobs(&ids, forwards, self.lanes.threads());
        let mut scored: Vec<Scored> = encoded
            .iter()
            .map(|text| Scored {
                reward: 0.0,
                spread: None,
                tokens: text.ids.len(),
                cut_tokens: text.cut_tokens,
            })
            .collect();
        let mut done = 0;
        let work = |job: usize| self.rewards(&Batch::of(jobs[job].iter().map(|&i| ids[i]), forwards));
        self.lanes.run(jobs.len(), work, |job, rewards| {
            jobs[job]
                .iter()
                .zip(rewards)
                .for_each(|(&i, reward)| (scored[i].reward, scored[i].spread) = reward);
            done += jobs[job].len();
            on_progress(done, texts.len());
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(scored)
    }

    fn backbone(&self) -> &dyn Backbone {
        match &self.model {
            Model::Classifier(classifier) => classifier.backbone.as_ref(),
            Model::Head { backbone, .. } => backbone.as_ref(),
        }
    }

    /// Rewards and their spreads.
    fn rewards(&self, batch: &Batch) -> Result<Vec<(f32, Option<f32>)>, ModelError> {
        match &self.model {
            Model::Classifier(classifier) => {
                let rewards = classifier.rewards(batch)?;
                Ok(rewards.into_iter().map(|reward| (reward, None)).collect())
            }
            Model::Head {
                backbone,
                pooling,
                layers,
            } => {
                let vectors = pooling.embed(backbone.as_ref(), batch)?;
                Ok(vectors
                    .into_iter()
                    .map(|vector| head_reward(layers, vector))
                    .collect())
            }
        }
    }
}

/// The reward of a pooled vector, and where the last layer is the mean of some heads, these heads' standard deviation.
fn head_reward(layers: &[DenseLayer], vector: Vec<f32>) -> (f32, Option<f32>) {
    let (last, before) = match layers {
        [before @ .., last] => (last, before),
        [] => return (0.0, None),
    };
    let outputs = before.iter().fold(vector, |x, layer| layer.forward(&x));
    let reward = last.forward(&outputs)[0];
    let is_mean = !before.is_empty() && last.is_mean();
    (reward, is_mean.then(|| spread_of(&outputs, reward)))
}
