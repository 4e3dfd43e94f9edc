//! One `.safetensors` file, of which one tensor at a time is in memory.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use crate::error::{ModelError, json_words};

/// Bytes that say how long the header is.
const LENGTH: u64 = 8;
/// The longest header, in bytes, as the safetensors crate has it.
const LONGEST_HEADER: u64 = 100_000_000;

/// An open file and what its header lists.
pub(super) struct TensorFile {
    path: PathBuf,
    /// Where the first tensor begins, in bytes.
    start: u64,
    tensors: HashMap<String, TensorInfo>,
}

impl TensorFile {
    /// Reads the header.
    ///
    /// # Errors
    /// When the file is missing, is no safetensors file, or is shorter or longer than its header says.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let broken = |what: String| ModelError::content(path, what);
        let mut file = File::open(path).map_err(ModelError::file(path))?;
        let size = file.metadata().map_err(ModelError::file(path))?.len();
        let mut length = [0; LENGTH as usize];
        if size < LENGTH {
            return Err(broken("no safetensors file: it has no header".to_owned()));
        }
        file.read_exact(&mut length).map_err(ModelError::file(path))?;
        let length = u64::from_le_bytes(length);
        if length > LONGEST_HEADER.min(size - LENGTH) {
            return Err(broken(
                "no safetensors file, or one that was cut short: its header is longer than it".to_owned(),
            ));
        }
        let mut header = vec![0; length as usize];
        file.read_exact(&mut header).map_err(ModelError::file(path))?;
        let metadata: Metadata = serde_json::from_slice(&header)
            .map_err(|error| broken(format!("its header cannot be read: {}", json_words(&error))))?;
        let start = LENGTH + length;
        let tensors: HashMap<String, TensorInfo> = metadata
            .tensors()
            .into_iter()
            .map(|(name, info)| (name, info.clone()))
            .collect();
        let end = tensors
            .values()
            .map(|info| info.data_offsets.1 as u64)
            .max()
            .unwrap_or(0);
        if start.checked_add(end) != Some(size) {
            let message = format!(
                "it has {size} bytes, its header speaks of {}: it was cut short or added to",
                start.saturating_add(end)
            );
            return Err(broken(message));
        }
        Ok(Self {
            path: path.to_owned(),
            start,
            tensors,
        })
    }

    /// Names of its tensors.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.tensors.keys()
    }

    /// The shape of a tensor, if there is such a one.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|info| info.shape.as_slice())
    }

    /// One tensor as f32, of the shape that is expected.
    ///
    /// # Errors
    /// When it is missing, of another shape or of numbers that are not f32, f16 or bf16.
    pub fn read(&self, name: &str, shape: &[usize]) -> Result<Tensor, ModelError> {
        let broken = |what: String| ModelError::content(&self.path, what);
        let info = self
            .tensors
            .get(name)
            .ok_or_else(|| broken(format!("no tensor {name}")))?;
        if info.shape != shape {
            return Err(broken(format!(
                "{name} has shape {:?}, {shape:?} was expected",
                info.shape
            )));
        }
        let width = match info.dtype {
            Dtype::F32 => 4,
            Dtype::F16 | Dtype::BF16 => 2,
            other => {
                return Err(broken(format!(
                    "{name} holds {other:?}; F32, F16 and BF16 are supported"
                )));
            }
        };
        let (from, to) = info.data_offsets;
        let count = shape
            .iter()
            .try_fold(width, |count: usize, &n| count.checked_mul(n));
        if count.is_none() || to.checked_sub(from) != count {
            return Err(broken(format!(
                "{name} does not have as many bytes as its shape needs"
            )));
        }
        let mut bytes = vec![0; to - from];
        let mut file = File::open(&self.path).map_err(ModelError::file(&self.path))?;
        file.seek(SeekFrom::Start(self.start + from as u64))
            .map_err(ModelError::file(&self.path))?;
        file.read_exact(&mut bytes)
            .map_err(ModelError::file(&self.path))?;
        let pairs = || bytes.chunks_exact(2).map(|two| [two[0], two[1]]);
        let data: Vec<f32> = match info.dtype {
            Dtype::F32 => bytes
                .chunks_exact(4)
                .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
                .collect(),
            Dtype::F16 => pairs()
                .map(|two| half::f16::from_le_bytes(two).to_f32())
                .collect(),
            _ => pairs()
                .map(|two| half::bf16::from_le_bytes(two).to_f32())
                .collect(),
        };
        Ok(Tensor::from_vec(data, shape, &Device::Cpu)?)
    }
}
