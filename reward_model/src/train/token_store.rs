//! Token ids of many texts on disk, read by place: memory holds where each text begins.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::ops::{ControlFlow, Range};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::pairs::Pairs;
use crate::data::{Cut, Encoder};
use crate::error::{ModelError, TrainError};
use crate::lanes::Lanes;

/// Bytes of a token id.
const ID: usize = 4;

/// A file of token ids, one text after the other. It has no name any more: it is gone with the process, however that ends.
pub(super) struct TokenStore {
    file: File,
    /// Where it was made, for messages.
    path: PathBuf,
    /// Text i has tokens `starts[i]..starts[i + 1]`.
    starts: Vec<u64>,
}

impl TokenStore {
    /// An empty one, on the disk of the run's folder.
    fn create(run_dir: &Path, name: &str) -> Result<Self, ModelError> {
        let path = run_dir.join(format!(".{name}-{}.tokens", std::process::id()));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        let file = options.open(&path).map_err(ModelError::file(&path))?;
        std::fs::remove_file(&path).map_err(ModelError::file(&path))?;
        let starts = vec![0];
        Ok(Self { file, path, starts })
    }

    /// The tokens of all responses of `pairs`, and what was cut of them.
    pub fn fill(
        run_dir: &Path,
        name: &str,
        pairs: &Pairs,
        encoder: &Encoder,
        lanes: &Lanes,
    ) -> Result<(Self, Cut), TrainError> {
        let (mut store, mut cut) = (Self::create(run_dir, name)?, Cut::default());
        store.starts.reserve_exact(pairs.texts());
        pairs.each_text(encoder, &mut |texts| {
            let encoded = lanes.install(|| encoder.encode_all(texts))?;
            encoded
                .iter()
                .for_each(|text| cut.add(text.ids.len(), text.cut_tokens));
            store.append(encoded.iter().map(|text| text.ids.as_slice()))?;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok((store, cut))
    }

    fn append<'a>(&mut self, texts: impl Iterator<Item = &'a [u32]>) -> Result<(), ModelError> {
        let mut end = self.starts.last().copied().unwrap_or(0);
        let mut file = BufWriter::with_capacity(1 << 16, &self.file);
        for ids in texts {
            end += ids.len() as u64;
            self.starts.push(end);
            for id in ids {
                let written = file.write_all(&id.to_le_bytes());
                written.map_err(ModelError::file(&self.path))?;
            }
        }
        file.flush().map_err(ModelError::file(&self.path))
    }

    /// Tokens of a text.
    pub fn len(&self, text: usize) -> usize {
        self.tokens(text..text + 1)
    }

    /// Tokens of neighbouring texts together.
    pub fn tokens(&self, texts: Range<usize>) -> usize {
        (self.starts[texts.end] - self.starts[texts.start]) as usize
    }

    /// The token ids of neighbouring texts.
    ///
    /// # Errors
    /// When the file cannot be read, or has lost what was written to it; with its path.
    pub fn read(&self, texts: Range<usize>) -> Result<Vec<Vec<u32>>, ModelError> {
        let mut bytes = vec![0; ID * self.tokens(texts.clone())];
        let start = self.starts[texts.start] * ID as u64;
        self.file
            .read_exact_at(&mut bytes, start)
            .map_err(ModelError::file(&self.path))?;
        let mut rest = bytes.as_slice();
        let mut next = |text: usize| {
            let (own, behind) = rest.split_at(ID * self.len(text));
            rest = behind;
            let ids = own.chunks_exact(ID);
            ids.map(|id| u32::from_le_bytes([id[0], id[1], id[2], id[3]]))
                .collect()
        };
        Ok(texts.map(&mut next).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_by_place_and_a_lost_file_is_named() {
        let folder = std::env::temp_dir();
        let mut store = TokenStore::create(&folder, "token-store-test").unwrap();
        let texts: Vec<Vec<u32>> = (0..50u32)
            .map(|i| (0..i % 7).map(|j| i << 20 | j).collect())
            .collect();
        for some in texts.chunks(20) {
            store.append(some.iter().map(Vec::as_slice)).unwrap();
        }
        assert_eq!(store.read(0..50).unwrap(), texts);
        assert_eq!(store.read(31..34).unwrap(), texts[31..34]);
        assert_eq!((store.len(13), store.tokens(12..15)), (6, 11));
        assert!(!store.path.exists(), "a crash would leave it behind");
        store.file.set_len(100).unwrap();
        let error = store.read(48..50).unwrap_err().to_string();
        assert!(error.contains("token-store-test"), "{error}");
    }
}
