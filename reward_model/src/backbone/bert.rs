//! BERT (Devlin et al. 2018) as transformers' `BertModel` computes it in evaluation mode: absolute positions, exact GELU,
//! layer norm after each residual, no dropout. Tensor names are transformers' own.

use std::path::Path;
use std::sync::Arc;

use candle_core::{Device, Tensor, Var};
use serde::Deserialize;

use super::ops::{self, Offsets};
use super::weights::{Source, Weights};
use crate::error::ModelError;

/// What `config.json` says of the encoder, and the file's whole content for writing it back.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct BertConfig {
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub intermediate_size: usize,
    pub max_position_embeddings: usize,
    pub type_vocab_size: usize,
    #[serde(default = "default_epsilon")]
    pub layer_norm_eps: f64,
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

fn default_epsilon() -> f64 {
    1e-12
}

impl BertConfig {
    /// Reads `config.json` in `folder`.
    ///
    /// # Errors
    /// When it is missing, or describes something other than a BERT that this module computes exactly.
    pub fn load(folder: &Path) -> Result<Self, ModelError> {
        let path = folder.join("config.json");
        let text = std::fs::read_to_string(&path).map_err(ModelError::file(&path))?;
        let config: Self = serde_json::from_str(&text).map_err(|error| ModelError::content(&path, error))?;
        let expect = |field: &str, value: &str| match config.other.get(field).and_then(|v| v.as_str()) {
            Some(other) if other != value => Err(ModelError::content(
                &path,
                format!("{field} is {other:?}; only {value:?} is supported"),
            )),
            _ => Ok(()),
        };
        expect("model_type", "bert")?;
        expect("hidden_act", "gelu")?;
        expect("position_embedding_type", "absolute")?;
        let sound = config.num_attention_heads > 0
            && config.hidden_size > 0
            && config.hidden_size.is_multiple_of(config.num_attention_heads)
            && config.type_vocab_size > 0;
        if !sound {
            return Err(ModelError::content(
                &path,
                "hidden_size must be a multiple of num_attention_heads",
            ));
        }
        Ok(config)
    }
}

/// Token ids of several texts, one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    ids: Vec<u32>,
    offsets: Offsets,
}

impl Batch {
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a [u32]>) -> Self {
        let (mut ids, mut offsets) = (Vec::new(), vec![0]);
        for text in texts {
            ids.extend_from_slice(text);
            offsets.push(ids.len());
        }
        Self {
            ids,
            offsets: Arc::new(offsets),
        }
    }

    /// Token ids, all texts.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Text i has tokens `offsets[i]..offsets[i + 1]`.
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }
}

/// Which of the last layer's rows are needed; leaving the others out saves most of that layer's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Every token's.
    All,
    /// Each text's first.
    First,
}

#[derive(Clone)]
struct Dense {
    weight: Tensor,
    bias: Tensor,
}

impl Dense {
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        ops::linear(x, &self.weight, &self.bias)
    }
}

#[derive(Clone)]
struct Norm {
    gain: Tensor,
    bias: Tensor,
    epsilon: f32,
}

impl Norm {
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        ops::layer_norm(x, &self.gain, &self.bias, self.epsilon)
    }
}

#[derive(Clone)]
struct Layer {
    query: Dense,
    key: Dense,
    value: Dense,
    attended: Dense,
    attended_norm: Norm,
    inner: Dense,
    outer: Dense,
    outer_norm: Norm,
}

/// The encoder: embeddings and layers.
#[derive(Clone)]
pub(crate) struct Bert {
    words: Tensor,
    positions: Tensor,
    kinds: Tensor,
    norm: Norm,
    layers: Vec<Layer>,
    heads: usize,
    pub hidden: usize,
}

/// Takes tensors from a file and registers them, under transformers' names.
struct Builder<'a> {
    source: &'a mut Source,
    weights: &'a mut Weights,
    bare: bool,
    epsilon: f32,
}

impl Builder<'_> {
    fn tensor(&mut self, name: &str, shape: &[usize]) -> Result<Tensor, ModelError> {
        let prefixed = format!("bert.{name}");
        let tensor = self
            .source
            .take(if self.bare { name } else { &prefixed }, shape)?;
        self.weights.register(&prefixed, tensor)
    }

    fn dense(&mut self, name: &str, inner: usize, outer: usize) -> Result<Dense, ModelError> {
        let weight = self.tensor(&format!("{name}.weight"), &[outer, inner])?;
        Ok(Dense {
            weight,
            bias: self.tensor(&format!("{name}.bias"), &[outer])?,
        })
    }

    fn norm(&mut self, name: &str, size: usize) -> Result<Norm, ModelError> {
        let gain = self.tensor(&format!("{name}.weight"), &[size])?;
        Ok(Norm {
            gain,
            bias: self.tensor(&format!("{name}.bias"), &[size])?,
            epsilon: self.epsilon,
        })
    }
}

impl Bert {
    /// The name of the word embeddings among the weights; they are the first registered.
    pub const WORDS: usize = 0;

    /// Takes the encoder's tensors out of `source`, with or without the prefix `bert.`, and registers them as
    /// variables under the names with it.
    pub fn load(config: &BertConfig, source: &mut Source, weights: &mut Weights) -> Result<Self, ModelError> {
        let (h, inner) = (config.hidden_size, config.intermediate_size);
        let bare = source.has("embeddings.word_embeddings.weight");
        let mut b = Builder {
            source,
            weights,
            bare,
            epsilon: config.layer_norm_eps as f32,
        };
        let words = b.tensor("embeddings.word_embeddings.weight", &[config.vocab_size, h])?;
        let positions = b.tensor(
            "embeddings.position_embeddings.weight",
            &[config.max_position_embeddings, h],
        )?;
        let kinds = b.tensor(
            "embeddings.token_type_embeddings.weight",
            &[config.type_vocab_size, h],
        )?;
        let norm = b.norm("embeddings.LayerNorm", h)?;
        let layers = (0..config.num_hidden_layers)
            .map(|i| {
                let name = |part: &str| format!("encoder.layer.{i}.{part}");
                Ok(Layer {
                    query: b.dense(&name("attention.self.query"), h, h)?,
                    key: b.dense(&name("attention.self.key"), h, h)?,
                    value: b.dense(&name("attention.self.value"), h, h)?,
                    attended: b.dense(&name("attention.output.dense"), h, h)?,
                    attended_norm: b.norm(&name("attention.output.LayerNorm"), h)?,
                    inner: b.dense(&name("intermediate.dense"), h, inner)?,
                    outer: b.dense(&name("output.dense"), inner, h)?,
                    outer_norm: b.norm(&name("output.LayerNorm"), h)?,
                })
            })
            .collect::<Result<_, ModelError>>()?;
        Ok(Self {
            words,
            positions,
            kinds,
            norm,
            layers,
            heads: config.num_attention_heads,
            hidden: h,
        })
    }

    /// The same weights, sharing their memory, for computing without a graph.
    pub fn frozen(&self) -> Self {
        let mut copy = self.clone();
        let dense = |d: &mut Dense| {
            d.weight = d.weight.detach();
            d.bias = d.bias.detach();
        };
        let norm = |n: &mut Norm| {
            n.gain = n.gain.detach();
            n.bias = n.bias.detach();
        };
        for tensor in [&mut copy.words, &mut copy.positions, &mut copy.kinds] {
            *tensor = tensor.detach();
        }
        norm(&mut copy.norm);
        for layer in &mut copy.layers {
            for d in [
                &mut layer.query,
                &mut layer.key,
                &mut layer.value,
                &mut layer.attended,
            ] {
                dense(d);
            }
            dense(&mut layer.inner);
            dense(&mut layer.outer);
            norm(&mut layer.attended_norm);
            norm(&mut layer.outer_norm);
        }
        copy
    }

    /// The word embeddings of a batch's tokens, \[tokens, hidden\], outside the graph: see [`Bert::trainable`].
    pub fn look_up(&self, batch: &Batch) -> Result<Tensor, ModelError> {
        let ids = Tensor::new(batch.ids(), &Device::Cpu)?;
        Ok(self.words.detach().index_select(&ids, 0)?)
    }

    /// The looked-up rows as a variable of their own. Its gradient is added to the used rows of the word embeddings,
    /// where going through them would make a dense gradient of the whole vocabulary for every few texts.
    pub fn trainable(&self, batch: &Batch) -> Result<Var, ModelError> {
        Ok(Var::from_tensor(&self.look_up(batch)?)?)
    }

    /// The last hidden states: \[tokens, hidden\], or \[texts, hidden\] when only first tokens are read.
    pub fn forward(&self, batch: &Batch, words: &Tensor, reads: Reads) -> Result<Tensor, ModelError> {
        let offsets = &batch.offsets;
        let texts = offsets.len() - 1;
        let positions: Vec<u32> = offsets.windows(2).flat_map(|w| 0..(w[1] - w[0]) as u32).collect();
        let positions = self
            .positions
            .index_select(&Tensor::new(positions, &Device::Cpu)?, 0)?;
        let x = (words + positions)?.broadcast_add(&self.kinds.narrow(0, 0, 1)?)?;
        let mut x = self.norm.forward(&x)?;
        for (i, layer) in self.layers.iter().enumerate() {
            let narrow = reads == Reads::First && i + 1 == self.layers.len();
            let (rows, queries) = if narrow {
                let first: Vec<u32> = offsets[..texts].iter().map(|&o| o as u32).collect();
                let rows = x.index_select(&Tensor::new(first, &Device::Cpu)?, 0)?;
                (rows, Arc::new((0..=texts).collect()))
            } else {
                (x.clone(), offsets.clone())
            };
            let (q, k, v) = (
                layer.query.forward(&rows)?,
                layer.key.forward(&x)?,
                layer.value.forward(&x)?,
            );
            let context = ops::attention([&q, &k, &v], self.heads, &queries, offsets)?;
            let y = layer
                .attended_norm
                .forward(&(layer.attended.forward(&context)? + rows)?)?;
            let inner = ops::gelu(&layer.inner.forward(&y)?)?;
            x = layer.outer_norm.forward(&(layer.outer.forward(&inner)? + y)?)?;
        }
        Ok(x)
    }
}
