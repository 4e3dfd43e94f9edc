//! Pooled embeddings of many texts, kept on disk by content so that a second fit takes a second.

mod cache;
mod embeddings;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::backbone::{Backbone, Batch};
use crate::data::{Encoded, Encoder};
use crate::error::ModelError;
use crate::head::PoolingModule;
use crate::jobs::jobs;
use crate::lanes::Lanes;
pub(crate) use cache::Cache;
use cache::{Embedded, Key};
pub(crate) use embeddings::Embeddings;
use recipe::Device;
use recipe::Precision;

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The model that embeds: there, or loaded for the first text that is not in the cache.
pub(crate) enum Frozen<'a> {
    Ready(&'a dyn Backbone),
    Loads(Box<dyn Fn() -> Result<Box<dyn Backbone>, ModelError> + Sync + 'a>),
    Loaded(Box<dyn Backbone>),
}

impl Frozen<'_> {
    fn load(&mut self) -> Result<(), ModelError> {
        if let Self::Loads(load) = self {
            *self = Self::Loaded(load()?);
        }
        Ok(())
    }

    fn get(&self) -> Option<&dyn Backbone> {
        match self {
            Self::Ready(backbone) => Some(*backbone),
            Self::Loaded(backbone) => Some(backbone.as_ref()),
            Self::Loads(_) => None,
        }
    }
}

/// What is needed to embed texts.
pub(crate) struct Embedder<'a> {
    pub backbone: Frozen<'a>,
    /// What the backbone computes in: other precision, other embeddings.
    pub precision: Precision,
    /// What it computes on: sums have another order there, and embeddings other last digits.
    pub device: Device,
    pub encoder: &'a Encoder,
    pub pooling: PoolingModule,
    pub lanes: &'a Lanes,
    pub cache_dir: &'a Path,
    /// SHA-256 of the base model's weights and tokenizer.
    pub model_hash: &'a str,
}

/// How far the embedding of some texts has come, and whom to tell.
pub(crate) struct Progress<'a> {
    /// Texts in all.
    total: usize,
    done: usize,
    /// Tokens of those that were not in the cache, and when their embedding began.
    tokens: usize,
    started: Instant,
    told: Option<Instant>,
    /// Gets texts done, texts in all, and tokens per second.
    tell: &'a mut dyn FnMut(usize, usize, f64),
}

impl<'a> Progress<'a> {
    pub fn new(total: usize, tell: &'a mut dyn FnMut(usize, usize, f64)) -> Self {
        Self {
            total,
            done: 0,
            tokens: 0,
            started: Instant::now(),
            told: None,
            tell,
        }
    }

    fn add(&mut self, texts: usize, tokens: usize) {
        if self.tokens == 0 {
            self.started = Instant::now();
        }
        (self.done, self.tokens) = (self.done + texts, self.tokens + tokens);
        let is_due = self.told.is_none_or(|told| told.elapsed().as_millis() >= 250);
        if is_due || self.done == self.total {
            self.told = Some(Instant::now());
            let speed = match self.tokens {
                0 => 0.0,
                tokens => tokens as f64 / self.started.elapsed().as_secs_f64(),
            };
            (self.tell)(self.done, self.total, speed);
        }
    }
}

impl Embedder<'_> {
    /// What was embedded before, by this model and in this way.
    pub fn cache(&self) -> Result<Cache, ModelError> {
        let mut about = format!(
            "{} {} {:?} {:?} {:?}",
            self.model_hash,
            self.encoder.max_tokens(),
            self.pooling,
            self.precision,
            self.encoder.truncation()
        );
        if self.device != Device::Cpu {
            about.push_str(" cuda");
        }
        Cache::open(self.cache_dir, &about, self.pooling.width(), self.lanes)
    }

    /// Embeds those of `texts` that the cache has not yet, and gives the places of all; nothing when `stop` was raised on
    /// the way (what was done by then is in the cache).
    pub fn embed(
        &mut self,
        cache: &mut Cache,
        texts: &[String],
        stop: &AtomicBool,
        progress: &mut Progress,
    ) -> Result<Option<Vec<u32>>, ModelError> {
        let digest = |text: &String| -> Key { Sha256::digest(text.as_bytes()).into() };
        let keys: Vec<Key> = self.lanes.install(|| texts.par_iter().map(digest).collect());
        let mut missing: HashMap<Key, usize> = HashMap::new();
        for (i, key) in keys.iter().enumerate() {
            if cache.place(key).is_none() {
                missing.entry(*key).or_insert(i);
            }
        }
        let mut missing: Vec<usize> = missing.into_values().collect();
        missing.sort_unstable();
        progress.add(texts.len() - missing.len(), 0);
        if !missing.is_empty() {
            let wanted: Vec<&str> = missing.iter().map(|&i| texts[i].as_str()).collect();
            let encoded = self.lanes.install(|| self.encoder.encode_all(&wanted))?;
            let keys: Vec<Key> = missing.iter().map(|&i| keys[i]).collect();
            self.backbone.load()?;
            self.compute(cache, &keys, &encoded, stop, progress)?;
        }
        Ok(keys.iter().map(|key| cache.place(key)).collect())
    }

    /// Embeds texts and puts them into the cache, until `stop` is raised.
    fn compute(
        &self,
        cache: &mut Cache,
        keys: &[Key],
        encoded: &[Encoded],
        stop: &AtomicBool,
        progress: &mut Progress,
    ) -> Result<(), ModelError> {
        let Some(backbone) = self.backbone.get() else {
            return Ok(());
        };
        let texts: Vec<&[u32]> = encoded.iter().map(|text| text.ids.as_slice()).collect();
        let forwards = backbone.reads_forwards();
        let jobs = jobs(&texts, forwards, self.lanes.threads());
        let work = |job: usize| {
            let batch = Batch::of(jobs[job].iter().map(|&i| texts[i]), forwards);
            self.pooling.embed(backbone, &batch)
        };
        self.lanes.run(jobs.len(), work, |job, vectors| {
            let record = |(&i, vector): (&usize, Vec<f32>)| {
                let embedded = Embedded {
                    vector,
                    tokens: encoded[i].ids.len() as u32,
                    cut_tokens: encoded[i].cut_tokens as u32,
                };
                (keys[i], embedded)
            };
            let records: Vec<_> = jobs[job].iter().zip(vectors).map(record).collect();
            cache.add(&records)?;
            let tokens = records.iter().map(|(_, embedded)| embedded.tokens as usize);
            progress.add(records.len(), tokens.sum());
            Ok(if stop.load(Ordering::Relaxed) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })
    }
}
