//! Embeddings on disk by content, so that no text is embedded twice. Memory holds where each one lies.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::hex;
use crate::error::ModelError;
use crate::lanes::Lanes;

/// SHA-256 of a text.
pub(super) type Key = [u8; 32];
/// The first half of a key, which no two texts of a cache share either: at 2^40 of them that would be a chance of 2^-49.
type Short = [u8; 16];
const KEY: usize = size_of::<Key>();
/// Key, tokens, cut tokens.
const HEAD: usize = KEY + 8;
const CHECK: usize = 8;
/// Bytes that are read at a time to find out what is there.
const BLOCK: usize = 8 << 20;

/// One text's embedding and what its encoding cost.
#[derive(Debug, Clone)]
pub(crate) struct Embedded {
    pub vector: Vec<f32>,
    pub tokens: u32,
    pub cut_tokens: u32,
}

/// A file of records of one size: key, tokens, cut tokens, vector, checksum. Records are only ever appended; one that a
/// crash left torn, or that has changed since, fails its checksum and is computed again.
pub(super) struct Records {
    path: PathBuf,
    file: File,
    width: usize,
}

/// The records of a file, and where each text's is.
pub(crate) struct Cache {
    records: Arc<Records>,
    places: HashMap<Short, u32>,
    /// Records looked at.
    known: u64,
}

impl Records {
    fn size(&self) -> usize {
        HEAD + 4 * self.width + CHECK
    }

    fn at(&self, place: u32) -> u64 {
        u64::from(place) * self.size() as u64
    }

    fn read(&self, bytes: &mut [u8], place: u32) -> Result<(), ModelError> {
        let read = self.file.read_exact_at(bytes, self.at(place));
        read.map_err(ModelError::file(&self.path))
    }

    /// Length of a vector.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Tokens and cut tokens of a record.
    pub fn tokens(&self, place: u32) -> Result<[u32; 2], ModelError> {
        let mut head = [0; HEAD];
        self.read(&mut head, place)?;
        Ok([word(&head, KEY), word(&head, KEY + 4)])
    }

    /// A record's vector, put into `to`; gives tokens and cut tokens.
    ///
    /// # Errors
    /// When the file cannot be read, or no longer holds what was written.
    pub fn vector(&self, place: u32, to: &mut [f32]) -> Result<[u32; 2], ModelError> {
        let mut record = vec![0; self.size()];
        self.read(&mut record, place)?;
        if !is_whole(&record) {
            let message =
                format!("record {place} has changed under the run; it is computed again at the next start");
            return Err(ModelError::content(&self.path, message));
        }
        for (x, bytes) in to.iter_mut().zip(record[HEAD..].chunks_exact(4)) {
            *x = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        Ok([word(&record, KEY), word(&record, KEY + 4)])
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn is_whole(record: &[u8]) -> bool {
    let (body, check) = record.split_at(record.len() - CHECK);
    Sha256::digest(body)[..CHECK] == *check
}

fn short(key: &[u8]) -> Short {
    let mut short = Short::default();
    short.copy_from_slice(&key[..size_of::<Short>()]);
    short
}

impl Cache {
    /// The file of `folder` for embeddings that `about` describes: other models, other files.
    pub fn open(folder: &Path, about: &str, width: usize, lanes: &Lanes) -> Result<Self, ModelError> {
        std::fs::create_dir_all(folder).map_err(ModelError::file(folder))?;
        let name = hex(&Sha256::digest(about.as_bytes())[..12]);
        let path = folder.join(format!("embeddings-{name}.bin"));
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        let file = options.open(&path).map_err(ModelError::file(&path))?;
        let mut cache = Self {
            records: Arc::new(Records { path, file, width }),
            places: HashMap::new(),
            known: 0,
        };
        if cache.refresh(lanes)? > 0 {
            // A torn end would put every later record out of step.
            let Records { file, path, .. } = &*cache.records;
            let end = cache.known * cache.records.size() as u64;
            file.set_len(end).map_err(ModelError::file(path))?;
        }
        Ok(cache)
    }

    /// Finds the records that were appended since, and gives the bytes behind the last whole one.
    pub fn refresh(&mut self, lanes: &Lanes) -> Result<u64, ModelError> {
        let records = Arc::clone(&self.records);
        let size = records.size();
        let mut file = &records.file;
        let length = file.metadata().map_err(ModelError::file(&records.path))?.len();
        let start = self.known * size as u64;
        file.seek(std::io::SeekFrom::Start(start))
            .map_err(ModelError::file(&records.path))?;
        let all = (length / size as u64).saturating_sub(self.known) as usize;
        let at_a_time = (BLOCK / size).max(1);
        let mut block = vec![0; size * all.min(at_a_time)];
        let mut left = all;
        while left > 0 {
            let block = &mut block[..size * left.min(at_a_time)];
            file.read_exact(block).map_err(ModelError::file(&records.path))?;
            let whole: Vec<bool> = lanes.install(|| block.par_chunks(size).map(is_whole).collect());
            for (record, whole) in block.chunks_exact(size).zip(whole) {
                if whole {
                    self.places.insert(short(record), self.known as u32);
                }
                self.known += 1;
            }
            left -= block.len() / size;
        }
        Ok(length - length.min(self.known * size as u64))
    }

    /// Where a text's record is, if there is one.
    pub fn place(&self, key: &Key) -> Option<u32> {
        self.places.get(&short(key)).copied()
    }

    /// What the places are places of.
    pub(super) fn records(&self) -> &Arc<Records> {
        &self.records
    }

    /// Appends records.
    pub fn add(&mut self, new: &[(Key, Embedded)]) -> Result<(), ModelError> {
        let size = self.records.size();
        let mut bytes = Vec::with_capacity(new.len() * size);
        for (key, embedded) in new {
            let start = bytes.len();
            bytes.extend_from_slice(key);
            bytes.extend_from_slice(&embedded.tokens.to_le_bytes());
            bytes.extend_from_slice(&embedded.cut_tokens.to_le_bytes());
            let vector = &embedded.vector;
            vector
                .iter()
                .for_each(|x| bytes.extend_from_slice(&x.to_le_bytes()));
            let check = Sha256::digest(&bytes[start..]);
            bytes.extend_from_slice(&check[..CHECK]);
        }
        let Records { path, file, .. } = &*self.records;
        let mut file = file;
        // Other runs append too: only the position behind the writing says where it went.
        let written = file.write_all(&bytes).and_then(|()| file.stream_position());
        let end = written.map_err(ModelError::file(path))?;
        let start = end - bytes.len() as u64;
        if !start.is_multiple_of(size as u64) {
            let message = "it holds half a record of a process that was stopped: start again";
            return Err(ModelError::content(path, message));
        }
        for (i, (key, _)) in new.iter().enumerate() {
            let place = (start / size as u64) as u32 + i as u32;
            self.places.insert(short(key), place);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn embedded(i: u8) -> (Key, Embedded) {
        let embedded = Embedded {
            vector: vec![f32::from(i), 0.5],
            tokens: u32::from(i),
            cut_tokens: 1,
        };
        ([i; KEY], embedded)
    }

    #[test]
    fn records_come_back_and_broken_ones_do_not() {
        let folder = std::env::temp_dir().join(format!("touchstone-cache-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let lanes = Lanes::new(Some(2)).unwrap();
        let open = || Cache::open(&folder, "a model", 2, &lanes).unwrap();
        let (mut one, mut other) = (open(), open());
        one.add(&[embedded(1), embedded(2)]).unwrap();
        other.add(&[embedded(3)]).unwrap();
        one.add(&[embedded(4)]).unwrap();
        let vector = |cache: &Cache, i: u8| {
            let mut to = [0.0; 2];
            let place = cache.place(&[i; KEY])?;
            cache.records().vector(place, &mut to).unwrap();
            assert_eq!(cache.records().tokens(place).unwrap(), [u32::from(i), 1]);
            Some(to)
        };
        assert_eq!(
            (vector(&one, 4), vector(&other, 3)),
            (Some([4.0, 0.5]), Some([3.0, 0.5]))
        );
        assert_eq!(vector(&one, 3), None);
        one.refresh(&lanes).unwrap();
        assert_eq!(vector(&one, 3), Some([3.0, 0.5]));

        // The second record changes on disk, and a crash leaves half of a fifth.
        let path = one.records().path.clone();
        let mut bytes = std::fs::read(&path).unwrap();
        let size = bytes.len() / 4;
        bytes[size + HEAD] ^= 1;
        bytes.extend_from_within(..size / 2);
        std::fs::write(&path, &bytes).unwrap();
        let error = one.records().vector(1, &mut [0.0; 2]).unwrap_err().to_string();
        assert!(
            error.contains("embeddings-") && error.contains("record 1"),
            "{error}"
        );
        let mut again = open();
        assert_eq!((vector(&again, 1), vector(&again, 2)), (Some([1.0, 0.5]), None));
        again.add(&[embedded(2)]).unwrap();
        assert_eq!(vector(&open(), 2), Some([2.0, 0.5]));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
