//! Pooled embeddings of many texts, kept on disk by content so that a second fit takes a second.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use sha2::{Digest, Sha256};

use crate::backbone::{Backbone, Batch, Precision};
use crate::data::Encoder;
use crate::error::ModelError;
use crate::head::Pooling;
use crate::lanes::{Lanes, groups};

/// Tokens that one lane embeds or scores at a time.
pub(crate) const BATCH_TOKENS: usize = 1024;
const KEY: usize = 32;
const CHECK: usize = 8;

/// One text's embedding and what its encoding cost.
#[derive(Debug, Clone)]
pub(crate) struct Embedded {
    pub vector: Vec<f32>,
    pub tokens: u32,
    pub cut_tokens: u32,
}

/// A file of records of one size: key (SHA-256 of the text), tokens, cut tokens, vector, checksum. Records are only
/// ever appended; one that a crash left torn fails its checksum and is computed again.
struct Cache {
    path: PathBuf,
    width: usize,
    records: HashMap<[u8; KEY], Embedded>,
}

impl Cache {
    fn open(folder: &Path, about: &str, width: usize) -> Result<Self, ModelError> {
        std::fs::create_dir_all(folder).map_err(ModelError::file(folder))?;
        let name = hex(&Sha256::digest(about.as_bytes())[..12]);
        let path = folder.join(format!("embeddings-{name}.bin"));
        let mut records = HashMap::new();
        let size = KEY + 8 + 4 * width + CHECK;
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(ModelError::file(&path)(error)),
        };
        let mut at = 0;
        while let Some(record) = bytes.get(at..at + size) {
            let (body, check) = record.split_at(size - CHECK);
            if Sha256::digest(body)[..CHECK] == *check {
                let word = |i: usize| [body[i], body[i + 1], body[i + 2], body[i + 3]];
                let mut key = [0; KEY];
                key.copy_from_slice(&body[..KEY]);
                let vector = (KEY + 8..body.len())
                    .step_by(4)
                    .map(|i| f32::from_le_bytes(word(i)))
                    .collect();
                let (tokens, cut_tokens) = (u32::from_le_bytes(word(KEY)), u32::from_le_bytes(word(KEY + 4)));
                records.insert(
                    key,
                    Embedded {
                        vector,
                        tokens,
                        cut_tokens,
                    },
                );
            }
            at += size;
        }
        if at != bytes.len() {
            // A torn end would put every later record out of step.
            let file = OpenOptions::new()
                .write(true)
                .open(&path)
                .map_err(ModelError::file(&path))?;
            file.set_len(at as u64).map_err(ModelError::file(&path))?;
        }
        Ok(Self { path, width, records })
    }

    fn add(&mut self, new: Vec<([u8; KEY], Embedded)>) -> Result<(), ModelError> {
        let mut bytes = Vec::with_capacity(new.len() * (KEY + 8 + 4 * self.width + CHECK));
        for (key, embedded) in &new {
            let start = bytes.len();
            bytes.extend_from_slice(key);
            bytes.extend_from_slice(&embedded.tokens.to_le_bytes());
            bytes.extend_from_slice(&embedded.cut_tokens.to_le_bytes());
            embedded
                .vector
                .iter()
                .for_each(|x| bytes.extend_from_slice(&x.to_le_bytes()));
            let check = Sha256::digest(&bytes[start..]);
            bytes.extend_from_slice(&check[..CHECK]);
        }
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.path)
            .map_err(ModelError::file(&self.path))?;
        file.write_all(&bytes).map_err(ModelError::file(&self.path))?;
        self.records.extend(new);
        Ok(())
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is needed to embed texts.
pub(crate) struct Embedder<'a> {
    pub backbone: &'a dyn Backbone,
    /// What the backbone computes in: other precision, other embeddings.
    pub precision: Precision,
    pub encoder: &'a Encoder,
    pub pooling: Pooling,
    pub lanes: &'a Lanes,
    pub cache_dir: &'a Path,
    /// SHA-256 of the base model's weights and tokenizer.
    pub model_hash: &'a str,
}

impl Embedder<'_> {
    /// Embeddings of `texts`, in their order; nothing when `stop` was raised on the way (what was done by then is in the
    /// cache). `on_progress` gets texts done, texts in all, and tokens per second.
    pub fn embed(
        &self,
        texts: &[String],
        stop: &AtomicBool,
        on_progress: &mut dyn FnMut(usize, usize, f64),
    ) -> Result<Option<Vec<Embedded>>, ModelError> {
        let about = format!(
            "{} {} {:?} {:?} {:?}",
            self.model_hash,
            self.encoder.max_tokens(),
            self.pooling,
            self.precision,
            self.encoder.truncation()
        );
        let mut cache = Cache::open(self.cache_dir, &about, self.pooling.width())?;
        let keys: Vec<[u8; KEY]> = texts
            .iter()
            .map(|text| Sha256::digest(text.as_bytes()).into())
            .collect();
        let mut missing: HashMap<[u8; KEY], usize> = HashMap::new();
        for (i, key) in keys.iter().enumerate() {
            if !cache.records.contains_key(key) {
                missing.entry(*key).or_insert(i);
            }
        }
        let mut missing: Vec<usize> = missing.into_values().collect();
        missing.sort_unstable();
        let wanted: Vec<&str> = missing.iter().map(|&i| texts[i].as_str()).collect();
        let encoded = self.lanes.install(|| self.encoder.encode_all(&wanted))?;
        // Longest first, so that no lane is left with a long batch at the end.
        let mut order: Vec<usize> = (0..encoded.len()).collect();
        order.sort_by_key(|&i| std::cmp::Reverse(encoded[i].ids.len()));
        let jobs = groups(order.into_iter().map(|i| (i, encoded[i].ids.len())), BATCH_TOKENS);
        let mut done = texts.len() - missing.len();
        on_progress(done, texts.len(), 0.0);
        let (start, mut tokens, mut told) = (Instant::now(), 0, Instant::now());
        let work = |job: usize| {
            let batch = Batch::new(jobs[job].iter().map(|&i| encoded[i].ids.as_slice()));
            self.pooling.embed(self.backbone, &batch)
        };
        self.lanes.run(jobs.len(), work, |job, vectors| {
            let records = jobs[job].iter().zip(vectors).map(|(&i, vector)| {
                let text = &encoded[i];
                let (n, cut) = (text.ids.len() as u32, text.cut_tokens as u32);
                tokens += text.ids.len();
                (
                    keys[missing[i]],
                    Embedded {
                        vector,
                        tokens: n,
                        cut_tokens: cut,
                    },
                )
            });
            cache.add(records.collect())?;
            done += jobs[job].len();
            if told.elapsed().as_millis() >= 250 || job + 1 == jobs.len() {
                told = Instant::now();
                on_progress(done, texts.len(), tokens as f64 / start.elapsed().as_secs_f64());
            }
            Ok(if stop.load(Ordering::Relaxed) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })?;
        Ok(keys.iter().map(|key| cache.records.get(key).cloned()).collect())
    }
}
