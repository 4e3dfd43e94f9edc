//! The embeddings of a list of texts: in memory while they are few, else read from the cache's file by place.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::cache::{Cache, Records};
use crate::data::Cut;
use crate::error::ModelError;
use crate::lanes::Lanes;

/// Bytes of vectors that are kept in memory.
const IN_MEMORY: usize = 256 << 20;

/// Embeddings of texts, by their place in the list.
pub(crate) struct Embeddings {
    records: Arc<Records>,
    /// Tokens and cut tokens of each text.
    counts: Vec<[u32; 2]>,
    held: Held,
}

enum Held {
    Vectors(Vec<f32>),
    /// Where each text's record is.
    Places(Vec<u32>),
}

impl Embeddings {
    /// Those of texts whose records are at `places`.
    pub fn gather(cache: &Cache, places: Vec<u32>, lanes: &Lanes) -> Result<Self, ModelError> {
        Self::within(IN_MEMORY, cache, places, lanes)
    }

    fn within(bytes: usize, cache: &Cache, places: Vec<u32>, lanes: &Lanes) -> Result<Self, ModelError> {
        let records = Arc::clone(cache.records());
        let width = records.width();
        let (counts, held): (Result<_, _>, _) = if places.len() * width * size_of::<f32>() <= bytes {
            let mut vectors = vec![0.0; places.len() * width];
            let each = vectors.par_chunks_mut(width).zip(&places);
            let read = each.map(|(to, &place)| records.vector(place, to));
            (lanes.install(|| read.collect()), Held::Vectors(vectors))
        } else {
            let read = places.par_iter().map(|&place| records.tokens(place));
            (lanes.install(|| read.collect()), Held::Places(places))
        };
        Ok(Self {
            records,
            counts: counts?,
            held,
        })
    }

    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// What was cut of the texts.
    pub fn cut(&self) -> Cut {
        let mut cut = Cut::default();
        for [tokens, cut_tokens] in (0..self.len()).map(|text| self.counts(text)) {
            cut.add(tokens, cut_tokens);
        }
        cut
    }

    /// Tokens and cut tokens of a text.
    pub fn counts(&self, text: usize) -> [usize; 2] {
        self.counts[text].map(|count| count as usize)
    }

    /// Tokens of neighbouring texts together.
    pub fn tokens(&self, texts: Range<usize>) -> usize {
        texts.map(|text| self.counts(text)[0]).sum()
    }

    /// The vectors of neighbouring texts, one behind the other; `buffer` holds what had to be read.
    ///
    /// # Errors
    /// When the cache's file cannot be read, or no longer holds what was written.
    pub fn vectors<'a>(
        &'a self,
        texts: Range<usize>,
        buffer: &'a mut Vec<f32>,
    ) -> Result<&'a [f32], ModelError> {
        let width = self.records.width();
        match &self.held {
            Held::Vectors(vectors) => Ok(&vectors[texts.start * width..texts.end * width]),
            Held::Places(places) => {
                buffer.resize(texts.len() * width, 0.0);
                for (&place, to) in places[texts].iter().zip(buffer.chunks_exact_mut(width)) {
                    self.records.vector(place, to)?;
                }
                Ok(buffer)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::cache::Embedded;

    #[test]
    fn memory_and_disk_give_the_same() {
        let folder = std::env::temp_dir().join(format!("touchstone-embeddings-{}", std::process::id()));
        let lanes = Lanes::new(Some(2)).unwrap();
        let mut cache = Cache::open(&folder, "a model", 3, &lanes).unwrap();
        let records = (0..9u8).map(|i| {
            let embedded = Embedded {
                vector: [1.0, 2.0, 3.0].map(|x| x * f32::from(i)).to_vec(),
                tokens: u32::from(i),
                cut_tokens: u32::from(i / 8),
            };
            ([i; 32], embedded)
        });
        cache.add(&records.collect::<Vec<_>>()).unwrap();
        let places = vec![8, 0, 3, 3, 5];
        let [memory, disk] =
            [1000, 10].map(|bytes| Embeddings::within(bytes, &cache, places.clone(), &lanes).unwrap());
        assert!(matches!(
            (&memory.held, &disk.held),
            (Held::Vectors(_), Held::Places(_))
        ));
        for texts in [0..2, 1..5, 4..5] {
            let (mut a, mut b) = (Vec::new(), Vec::new());
            let read = disk.vectors(texts.clone(), &mut b).unwrap();
            assert_eq!(memory.vectors(texts.clone(), &mut a).unwrap(), read);
            assert_eq!(read.len(), 3 * texts.len());
        }
        assert_eq!(
            (memory.tokens(0..3), disk.len(), disk.cut().cut_texts),
            (11, 5, 1)
        );
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
