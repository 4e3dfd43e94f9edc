//! A head's rewards by embeddings that are kept.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

use super::{Scored, head_reward};
use crate::embed::{Cache, Embedder, Embeddings, Progress};
use crate::error::ModelError;
use crate::head::DenseLayer;

/// Where embeddings of the base model are kept.
pub(super) struct EmbeddingCache {
    pub folder: PathBuf,
    pub base_hash: String,
    /// Opened for the first texts.
    opened: Mutex<Option<Cache>>,
}

impl EmbeddingCache {
    pub fn new(folder: &Path, base_hash: String) -> Self {
        Self {
            folder: folder.to_owned(),
            base_hash,
            opened: Mutex::new(None),
        }
    }

    /// Rewards of texts by their embeddings, which are computed where the cache has them not.
    pub fn score(
        &self,
        embedder: &mut Embedder,
        layers: &[DenseLayer],
        texts: &[String],
        on_progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<Scored>, ModelError> {
        // A panic elsewhere leaves whole records behind, and the index knows no others.
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let mut cache = match opened.take() {
            Some(mut cache) => {
                // Runs add to it meanwhile.
                cache.refresh(embedder.lanes)?;
                cache
            }
            None => embedder.cache()?,
        };
        let mut told = |done: usize, of: usize, _: f64| on_progress(done, of);
        let mut progress = Progress::new(texts.len(), &mut told);
        let mut scored = Vec::with_capacity(texts.len());
        for texts in texts.chunks(TEXTS_AT_A_TIME) {
            let never = AtomicBool::new(false);
            let places = embedder.embed(&mut cache, texts, &never, &mut progress)?;
            let embeddings = Embeddings::gather(&cache, places.unwrap_or_default(), embedder.lanes)?;
            for text in 0..embeddings.len() {
                let vector = embeddings.vectors(text..text + 1, &mut Vec::new())?.to_vec();
                let (reward, spread) = head_reward(layers, vector);
                let [tokens, cut_tokens] = embeddings.counts(text);
                scored.push(Scored {
                    reward,
                    spread,
                    tokens,
                    cut_tokens,
                });
            }
        }
        *opened = Some(cache);
        Ok(scored)
    }
}

/// Texts whose embeddings are in memory together.
const TEXTS_AT_A_TIME: usize = 1 << 14;
