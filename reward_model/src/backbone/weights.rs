//! Named tensors: read from a model folder, held as trainable variables, written back.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use candle_core::{Device, Tensor, Var};
use safetensors::{Dtype, View};

use super::Floats;
use super::config::ModelConfig;
use super::fresh::Fresh;
use super::tensor_file::TensorFile;
use crate::error::ModelError;
use crate::random::Random;
use recipe::Lora;

/// The tensors of a model folder or of one `.safetensors` file, handed out by name.
pub(crate) struct Source {
    /// The file that each name is in.
    tensors: HashMap<String, Arc<TensorFile>>,
    path: std::path::PathBuf,
    random: Random,
    /// Makes all that is taken, where nothing is read.
    fresh: Option<Fresh>,
}

impl Source {
    /// Reads a model folder's weights: `model.safetensors`, or the shards that `model.safetensors.index.json` lists.
    /// `seed` decides what [`Source::or_random`] makes.
    pub fn of_model(folder: &Path, seed: u64) -> Result<Self, ModelError> {
        let mut all: Option<Self> = None;
        for file in weight_files(folder)? {
            let part = Self::open(&file, seed)?;
            match &mut all {
                Some(all) => {
                    all.tensors.extend(part.tensors);
                    // What is then missing is missing from all of them.
                    all.path = folder.join(INDEX);
                }
                None => all = Some(part),
            }
        }
        all.ok_or_else(|| no_weights(&folder.join(INDEX)))
    }

    /// Reads what the file lists; tensors are read when they are taken. `seed` decides what [`Source::or_random`] makes.
    pub fn open(path: &Path, seed: u64) -> Result<Self, ModelError> {
        let file = Arc::new(TensorFile::open(path)?);
        Ok(Self {
            tensors: file.names().map(|name| (name.clone(), file.clone())).collect(),
            path: path.to_owned(),
            random: Random::new(seed, 1),
            fresh: None,
        })
    }

    /// Hands out weights that start at random, as transformers makes those of such a model.
    pub fn from_scratch(config: &ModelConfig, seed: u64) -> Result<Self, ModelError> {
        Ok(Self {
            tensors: HashMap::new(),
            path: std::path::PathBuf::new(),
            random: Random::new(seed, 1),
            fresh: Some(Fresh::new(config, seed)?),
        })
    }

    /// Whether there is a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// The shape of a tensor, if there is such a one.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name)?.shape(name)
    }

    /// The first tensor, by name, that holds a number that is not finite.
    pub fn not_finite(&self) -> Option<String> {
        let mut names: Vec<&String> = self.tensors.keys().collect();
        names.sort();
        let is_broken = |name: &&String| {
            let read = |shape: &[usize]| self.tensors[*name].read(name, shape).ok()?.flatten_all().ok();
            let values = self
                .shape(name)
                .and_then(read)
                .and_then(|tensor| tensor.to_vec1::<f32>().ok());
            values.is_some_and(|values| values.iter().any(|value| !value.is_finite()))
        };
        names.into_iter().find(is_broken).cloned()
    }

    /// Takes a tensor out, as contiguous f32 of the shape that is expected.
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Result<Tensor, ModelError> {
        if let Some(fresh) = &mut self.fresh {
            return Ok(Tensor::from_vec(fresh.make(name, shape), shape, &Device::Cpu)?);
        }
        let missing = || ModelError::content(&self.path, format!("no tensor {name}"));
        self.tensors.remove(name).ok_or_else(missing)?.read(name, shape)
    }

    /// Takes a tensor out, or makes one from N(0, 0.02²), as transformers initialises BERT.
    pub fn or_random(&mut self, name: &str, shape: &[usize]) -> Result<Tensor, ModelError> {
        if self.fresh.is_some() || self.has(name) {
            return self.take(name, shape);
        }
        let data: Vec<f32> = (0..shape.iter().product())
            .map(|_| self.random.normal(0.02) as f32)
            .collect();
        Ok(Tensor::from_vec(data, shape, &Device::Cpu)?)
    }

    /// Takes a tensor out, or makes one of ones.
    pub fn or_ones(&mut self, name: &str, shape: &[usize]) -> Result<Tensor, ModelError> {
        if self.fresh.is_some() || self.has(name) {
            return self.take(name, shape);
        }
        Ok(Tensor::ones(shape, candle_core::DType::F32, &Device::Cpu)?)
    }

    /// Takes a tensor out, or makes one of zeros.
    pub fn or_zeros(&mut self, name: &str, shape: &[usize]) -> Result<Tensor, ModelError> {
        if self.fresh.is_some() || self.has(name) {
            return self.take(name, shape);
        }
        Ok(Tensor::zeros(shape, candle_core::DType::F32, &Device::Cpu)?)
    }
}

/// The file that lists shards.
const INDEX: &str = "model.safetensors.index.json";

/// What else a folder holds instead of the weights that are read.
fn unread_weights(folder: &Path, single: &Path) -> ModelError {
    let others = [
        ("pytorch_model.bin", "PyTorch's older form"),
        ("pytorch_model.bin.index.json", "PyTorch's older form"),
        ("tf_model.h5", "TensorFlow's form"),
        ("flax_model.msgpack", "Flax's form"),
    ];
    let found = others.iter().find(|(name, _)| folder.join(name).exists());
    match found {
        Some((name, form)) => {
            let message = format!(
                "its weights are in {name}, {form}, which is not read: save the model once more in Python with \
                 `AutoModel.from_pretrained(…).save_pretrained(…)`, which writes model.safetensors"
            );
            ModelError::content(folder, message)
        }
        None => ModelError::file(single)(std::io::ErrorKind::NotFound.into()),
    }
}

fn no_weights(index: &Path) -> ModelError {
    ModelError::content(index, "weight_map names no file of weights")
}

/// The files of a model folder's weights, in the order of their names.
///
/// # Errors
/// When there is neither one file nor a readable index of shards.
pub(crate) fn weight_files(folder: &Path) -> Result<Vec<std::path::PathBuf>, ModelError> {
    let index = folder.join(INDEX);
    if !index.exists() {
        let single = folder.join("model.safetensors");
        return match single.exists() {
            true => Ok(vec![single]),
            false => Err(unread_weights(folder, &single)),
        };
    }
    let text = std::fs::read_to_string(&index).map_err(ModelError::file(&index))?;
    let json: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| ModelError::json(&index, &error))?;
    let map = json["weight_map"].as_object().into_iter().flatten();
    let names: std::collections::BTreeSet<&str> = map.filter_map(|(_, file)| file.as_str()).collect();
    if names.is_empty() {
        return Err(no_weights(&index));
    }
    // A name with folders in it could lead out of the model's.
    match names
        .iter()
        .find(|name| Path::new(name).file_name() != Some(name.as_ref()))
    {
        Some(name) => Err(ModelError::content(
            &index,
            format!("{name} is not a file of this folder"),
        )),
        None => Ok(names.into_iter().map(|name| folder.join(name)).collect()),
    }
}

/// Trainable variables in a fixed order, named as in the model's file.
#[derive(Default, Clone)]
pub(crate) struct Weights {
    pub names: Vec<String>,
    pub vars: Vec<Var>,
}

impl Weights {
    /// Makes a variable of `tensor` and hands back the tensor that a module computes with.
    pub fn register(&mut self, name: &str, tensor: Tensor) -> Result<Tensor, ModelError> {
        let var = Var::from_tensor(&tensor)?;
        let tensor = var.as_tensor().clone();
        self.names.push(name.to_owned());
        self.vars.push(var);
        Ok(tensor)
    }

    /// Where a variable is among them.
    pub fn place(&self, name: &str) -> Result<usize, ModelError> {
        let place = self.names.iter().position(|own| own == name);
        let missing = || candle_core::Error::Msg(format!("no variable {name}"));
        Ok(place.ok_or_else(missing)?)
    }

    /// A variable by its name.
    pub fn var(&self, name: &str) -> Result<&Var, ModelError> {
        Ok(&self.vars[self.place(name)?])
    }

    /// Those at some places, sharing their memory.
    pub fn at(&self, places: &[usize]) -> Self {
        Self {
            names: places.iter().map(|&place| self.names[place].clone()).collect(),
            vars: places.iter().map(|&place| self.vars[place].clone()).collect(),
        }
    }

    /// Copies of them on a device.
    pub fn copied_to(&self, device: &Device) -> candle_core::Result<Self> {
        let copy = |var: &Var| Var::from_tensor(&var.as_tensor().detach().to_device(device)?);
        Ok(Self {
            names: self.names.clone(),
            vars: self.vars.iter().map(copy).collect::<candle_core::Result<_>>()?,
        })
    }

    /// The same on a device; what is there already is shared.
    pub fn on(self, device: &Device) -> candle_core::Result<Self> {
        if device.is_cpu() {
            Ok(self)
        } else {
            self.copied_to(device)
        }
    }

    /// The tensor of a variable, outside the graph.
    pub fn frozen(&self, name: &str) -> Result<Tensor, ModelError> {
        Ok(self.var(name)?.as_tensor().detach())
    }

    /// Number of elements of each variable.
    pub fn sizes(&self) -> Vec<usize> {
        self.vars.iter().map(|var| var.elem_count()).collect()
    }

    /// Writes the variables as one `.safetensors` file.
    pub fn save(&self, path: &Path) -> Result<(), ModelError> {
        let views = (self.names.iter().zip(&self.vars))
            .map(|(name, var)| {
                Ok((
                    name.as_str(),
                    FloatView {
                        shape: var.dims().to_vec(),
                        data: Floats::of(var.as_tensor())?,
                    },
                ))
            })
            .collect::<Result<Vec<_>, ModelError>>()?;
        save_views(views, path)
    }

    /// Puts back what [`Weights::save`] wrote.
    pub fn restore(&self, path: &Path) -> Result<(), ModelError> {
        let mut source = Source::open(path, 0)?;
        for (name, var) in self.names.iter().zip(&self.vars) {
            var.set(&source.take(name, var.dims())?)?;
        }
        Ok(())
    }
}

/// Which variables learn, and how fast.
#[derive(Clone)]
pub(crate) struct Learning {
    /// What the learning rate is multiplied by for each; 0 for those that stay as they are.
    pub rates: Vec<f64>,
    /// How the matrices beside some layers enter, where there are any.
    pub lora: Option<Lora>,
}

impl Learning {
    /// Whether the variable at a place learns.
    pub fn learns(&self, place: usize) -> bool {
        self.rates[place] > 0.0
    }

    /// Places of those that learn.
    pub fn places(&self) -> Vec<usize> {
        (0..self.rates.len())
            .filter(|&place| self.learns(place))
            .collect()
    }
}

/// Writes slices under names, as flat tensors.
pub(crate) fn save_slices(names: &[String], slices: &[Vec<f32>], path: &Path) -> Result<(), ModelError> {
    let views = names.iter().zip(slices).map(|(name, data)| {
        (
            name.as_str(),
            FloatView {
                shape: vec![data.len()],
                data: data.as_slice(),
            },
        )
    });
    save_views(views.collect(), path)
}

fn save_views<D: std::ops::Deref<Target = [f32]>>(
    views: Vec<(&str, FloatView<D>)>,
    path: &Path,
) -> Result<(), ModelError> {
    let about = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize_to_file(views, Some(about), path).map_err(|error| ModelError::content(path, error))
}

/// Shows a tensor as bytes, so that saving needs no second copy of it: one of the word embeddings' size would be the highest
/// that a training run's memory gets.
struct FloatView<D> {
    shape: Vec<usize>,
    data: D,
}

impl<D: std::ops::Deref<Target = [f32]>> View for FloatView<D> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        if cfg!(target_endian = "little") {
            let (start, count) = (self.data.as_ptr().cast(), size_of_val(&*self.data));
            // SAFETY: the bytes of the elements, borrowed as long as they are.
            return Cow::Borrowed(unsafe { std::slice::from_raw_parts(start, count) });
        }
        Cow::Owned(self.data.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    fn data_len(&self) -> usize {
        self.data.len() * 4
    }
}
