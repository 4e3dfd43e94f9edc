//! The modules that every family is made of, and how they take their tensors.

use candle_core::Tensor;

use super::lora::{Branch, Module};
use super::ops;
use super::weights::{Learning, Source, Weights};
use crate::error::ModelError;
use recipe::Precision;

/// `x · wᵀ`, plus a bias where there is one.
pub(crate) struct Dense {
    weight: Tensor,
    bias: Option<Tensor>,
    branch: Option<Branch>,
    precision: Precision,
}

impl Dense {
    /// What it computes its product in.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// [n, in] → [n, out].
    pub fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let y = match &self.bias {
            Some(bias) => ops::linear(self.precision, x, &self.weight, bias),
            None => ops::project(self.precision, x, &self.weight),
        }?;
        match &self.branch {
            Some(branch) => y + branch.forward(self.precision, x)?,
            None => Ok(y),
        }
    }
}

/// Layer norm, with or without a bias.
pub(crate) struct LayerNorm {
    gain: Tensor,
    bias: Tensor,
    epsilon: f32,
}

impl LayerNorm {
    /// [n, h] → [n, h].
    pub fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        ops::layer_norm(x, &self.gain, &self.bias, self.epsilon)
    }
}

/// Root-mean-square norm.
pub(crate) struct RmsNorm {
    gain: Tensor,
    epsilon: f32,
    offset: f32,
}

impl RmsNorm {
    /// Rows as long as the gain: [n, k · h] → [n, k · h].
    pub fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let rows = x.reshape(((), self.gain.dim(0)?))?;
        ops::rms_norm(&rows, &self.gain, self.epsilon, self.offset)?.reshape(x.shape())
    }
}

/// Where tensors come from.
enum Origin<'a> {
    /// A file; what is taken is registered as a variable.
    File {
        source: &'a mut Source,
        weights: &'a mut Weights,
    },
    /// Variables that are there already, to compute with them without a graph.
    Frozen(&'a Weights),
    /// The same, of which some learn: the graph leads to these alone.
    Partly(&'a Weights, &'a Learning),
    /// None: only the names of the backbone's dense layers are asked for.
    Listed(&'a mut Vec<Module>),
}

/// Hands out tensors by transformers' names.
pub(crate) struct Builder<'a> {
    origin: Origin<'a>,
    /// What stands before a backbone's names in a classifier's file.
    prefix: &'static str,
    /// The file is a bare backbone's and its names lack the prefix.
    bare: bool,
    /// What the backbone's dense layers compute in.
    precision: Precision,
}

impl<'a> Builder<'a> {
    /// From a file; `probe` is a name that every backbone of the family has.
    pub fn new(source: &'a mut Source, weights: &'a mut Weights, prefix: &'static str, probe: &str) -> Self {
        let bare = source.has(probe);
        Self {
            origin: Origin::File { source, weights },
            prefix,
            bare,
            precision: Precision::F32,
        }
    }

    /// The same variables again, sharing their memory.
    pub fn frozen(weights: &'a Weights, prefix: &'static str) -> Self {
        Self {
            origin: Origin::Frozen(weights),
            prefix,
            bare: false,
            precision: Precision::F32,
        }
    }

    /// Variables that are there already, those that learn as such.
    pub fn partly(weights: &'a Weights, learning: &'a Learning, prefix: &'static str) -> Self {
        Self {
            origin: Origin::Partly(weights, learning),
            prefix,
            bare: false,
            precision: Precision::F32,
        }
    }

    /// Lists dense layers while a backbone of shapes without content is made.
    pub fn listing(modules: &'a mut Vec<Module>, prefix: &'static str) -> Self {
        Self {
            origin: Origin::Listed(modules),
            prefix,
            bare: false,
            precision: Precision::F32,
        }
    }

    /// The same tensors for dense layers that compute in another precision; those of the head stay in single precision.
    pub fn computing_in(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    fn take(
        &mut self,
        name: &str,
        full: &str,
        shape: &[usize],
        read: impl FnOnce(&mut Source, &str) -> Result<Tensor, ModelError>,
    ) -> Result<Tensor, ModelError> {
        match &mut self.origin {
            Origin::Frozen(weights) => weights.frozen(full),
            Origin::Partly(weights, learning) => match learning.learns(weights.place(full)?) {
                true => Ok(weights.var(full)?.as_tensor().clone()),
                false => weights.frozen(full),
            },
            // One number seen as many: a shape takes no memory.
            Origin::Listed(_) => Ok(zeros(1)?.broadcast_as(shape)?),
            Origin::File { source, weights } => {
                let tensor = read(source, if self.bare { name } else { full })?;
                weights.register(full, tensor)
            }
        }
    }

    /// A backbone's tensor.
    pub fn tensor(&mut self, name: &str, shape: &[usize]) -> Result<Tensor, ModelError> {
        let full = format!("{}{name}", self.prefix);
        self.take(name, &full, shape, |source, name| source.take(name, shape))
    }

    /// A layer of the backbone, with its bias.
    pub fn dense(&mut self, name: &str, inner: usize, outer: usize) -> Result<Dense, ModelError> {
        self.dense_with(name, inner, outer, true)
    }

    /// A layer of the backbone, with a bias or without.
    pub fn dense_with(
        &mut self,
        name: &str,
        inner: usize,
        outer: usize,
        biased: bool,
    ) -> Result<Dense, ModelError> {
        let weight = self.tensor(&format!("{name}.weight"), &[outer, inner])?;
        let bias = if biased {
            Some(self.tensor(&format!("{name}.bias"), &[outer])?)
        } else {
            None
        };
        let branch = self.branch(name, [inner, outer])?;
        Ok(Dense {
            weight,
            bias,
            branch,
            precision: self.precision,
        })
    }

    /// What learns beside a layer of the backbone.
    fn branch(&mut self, name: &str, [inner, outer]: [usize; 2]) -> Result<Option<Branch>, ModelError> {
        let name = format!("{}{name}", self.prefix);
        match &mut self.origin {
            Origin::Partly(weights, Learning { lora: Some(lora), .. }) => Branch::find(weights, lora, &name),
            Origin::Listed(modules) => {
                modules.push(Module { name, inner, outer });
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// A norm of the backbone, with its bias.
    pub fn layer_norm(&mut self, name: &str, size: usize, epsilon: f64) -> Result<LayerNorm, ModelError> {
        self.layer_norm_with(name, size, epsilon, true)
    }

    /// A norm of the backbone, with a bias or without.
    pub fn layer_norm_with(
        &mut self,
        name: &str,
        size: usize,
        epsilon: f64,
        biased: bool,
    ) -> Result<LayerNorm, ModelError> {
        let gain = self.tensor(&format!("{name}.weight"), &[size])?;
        let bias = if biased {
            self.tensor(&format!("{name}.bias"), &[size])?
        } else {
            gain.zeros_like()?
        };
        Ok(LayerNorm {
            gain,
            bias,
            epsilon: epsilon as f32,
        })
    }

    /// A root-mean-square norm of the backbone; `offset` is added to its gains.
    pub fn rms_norm(
        &mut self,
        name: &str,
        size: usize,
        epsilon: f64,
        offset: f32,
    ) -> Result<RmsNorm, ModelError> {
        Ok(RmsNorm {
            gain: self.tensor(&format!("{name}.weight"), &[size])?,
            epsilon: epsilon as f32,
            offset,
        })
    }

    /// A layer of the head on top, which starts at random (its bias at zero) where the file lacks it. `alias` is another
    /// name under which a bare backbone's file may have it.
    pub fn head_dense(
        &mut self,
        name: &str,
        alias: Option<&str>,
        [inner, outer]: [usize; 2],
        biased: bool,
    ) -> Result<Dense, ModelError> {
        let alias = alias.unwrap_or(name);
        let mut part = |end: &str, shape: &[usize], read: fn(&mut Source, &str, &[usize]) -> _| {
            let (name, alias) = (format!("{name}.{end}"), format!("{alias}.{end}"));
            self.take(&name, &name, shape, |source, _| {
                read(source, if source.has(&alias) { &alias } else { &name }, shape)
            })
        };
        Ok(Dense {
            weight: part("weight", &[outer, inner], Source::or_random)?,
            bias: if biased {
                Some(part("bias", &[outer], Source::or_zeros)?)
            } else {
                None
            },
            branch: None,
            precision: Precision::F32,
        })
    }

    /// A norm of the head on top, which starts as none where the file lacks it.
    pub fn head_norm(
        &mut self,
        name: &str,
        size: usize,
        epsilon: f64,
        biased: bool,
    ) -> Result<LayerNorm, ModelError> {
        let gain = format!("{name}.weight");
        let gain = self.take(&gain, &gain, &[size], |source, name| {
            source.or_ones(name, &[size])
        })?;
        let bias = if biased {
            let bias = format!("{name}.bias");
            self.take(&bias, &bias, &[size], |source, name| {
                source.or_zeros(name, &[size])
            })?
        } else {
            gain.zeros_like()?
        };
        Ok(LayerNorm {
            gain,
            bias,
            epsilon: epsilon as f32,
        })
    }
}

fn zeros(size: usize) -> candle_core::Result<Tensor> {
    Tensor::zeros(size, candle_core::DType::F32, &candle_core::Device::Cpu)
}
