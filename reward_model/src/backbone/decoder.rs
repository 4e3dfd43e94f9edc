//! The stack of Llama and those after it: root-mean-square norms before each part, rotary positions, grouped heads, a gated
//! layer, and attention that looks back only. What differs between the families is in [`Options`].

use candle_core::Tensor;

use super::Backbone;
use super::batch::{Batch, Reads, queries, rows};
use super::config::ModelConfig;
use super::dropout::Site;
use super::layers::{Builder, Dense, RmsNorm};
use super::ops::{Activation, Attention, Rope, Rotation, Span};
use crate::error::ModelError;

/// What a family does in its own way.
pub(super) struct Options {
    /// Biases of query, key and value; of attention's output; of the gated layer.
    pub biases: [bool; 3],
    /// Queries and keys are normed head by head.
    pub head_norms: bool,
    /// A norm behind each part as well, and "pre_feedforward_layernorm" before the second.
    pub norms_behind: bool,
    /// What norms add to their gains.
    pub gain_offset: f32,
    /// What word embeddings are multiplied by.
    pub embedding_scale: Option<f64>,
    /// What scores are multiplied by.
    pub scale: f32,
    /// Where scores are capped.
    pub cap: Option<f32>,
    pub activation: Activation,
    /// For each layer what it sees and how its heads turn.
    pub reach: Vec<(Span, Rotation)>,
}

struct Layer {
    attention_norm: RmsNorm,
    /// Query, key, value and output.
    attention: [Dense; 4],
    head_norms: Option<[RmsNorm; 2]>,
    attention_norm_behind: Option<RmsNorm>,
    dense_norm: RmsNorm,
    /// Gate, input and output.
    dense: [Dense; 3],
    dense_norm_behind: Option<RmsNorm>,
    span: Span,
    rotation: Rotation,
}

/// Embeddings, layers and the last norm.
pub(super) struct Decoder {
    words: Tensor,
    layers: Vec<Layer>,
    last_norm: RmsNorm,
    heads: [usize; 2],
    head_size: usize,
    embedding_scale: Option<f64>,
    scale: f32,
    cap: Option<f32>,
    activation: Activation,
}

/// Length of a head.
pub(super) fn head_size(config: &ModelConfig) -> Result<usize, ModelError> {
    match config.count_or("head_dim", 0)? {
        0 => config.head_size("hidden_size", "num_attention_heads"),
        size => config.head_of(size),
    }
}

impl Decoder {
    pub fn load(config: &ModelConfig, b: &mut Builder, options: Options) -> Result<Self, ModelError> {
        let hidden = config.count("hidden_size")?;
        let heads = config.count("num_attention_heads")?;
        let key_heads = config.count_or("num_key_value_heads", heads)?.max(1);
        if !heads.is_multiple_of(key_heads) {
            return Err(config.error("num_attention_heads must be a multiple of num_key_value_heads"));
        }
        let (epsilon, head_size) = (config.number_or("rms_norm_eps", 1e-6)?, head_size(config)?);
        let words = b.tensor("embed_tokens.weight", &[config.count("vocab_size")?, hidden])?;
        let mut loader = Loader {
            hidden,
            inner: config.count("intermediate_size")?,
            widths: [heads * head_size, key_heads * head_size],
            head_size,
            epsilon,
            options: &options,
            builder: b,
        };
        let layers = (0..config.layers("num_hidden_layers")?)
            .map(|i| loader.layer(i))
            .collect::<Result<_, ModelError>>()?;
        let last_norm = b.rms_norm("norm", hidden, epsilon, options.gain_offset)?;
        Ok(Self {
            words,
            layers,
            last_norm,
            heads: [heads, key_heads],
            head_size,
            embedding_scale: options.embedding_scale,
            scale: options.scale,
            cap: options.cap,
            activation: options.activation,
        })
    }
}

struct Loader<'a, 'b> {
    hidden: usize,
    inner: usize,
    /// Of queries; of keys and values.
    widths: [usize; 2],
    head_size: usize,
    epsilon: f64,
    options: &'a Options,
    builder: &'a mut Builder<'b>,
}

impl Loader<'_, '_> {
    fn norm(&mut self, name: &str, size: usize) -> Result<RmsNorm, ModelError> {
        self.builder
            .rms_norm(name, size, self.epsilon, self.options.gain_offset)
    }

    fn norm_if(&mut self, is: bool, name: &str) -> Result<Option<RmsNorm>, ModelError> {
        let size = self.hidden;
        is.then(|| self.norm(name, size)).transpose()
    }

    fn layer(&mut self, i: usize) -> Result<Layer, ModelError> {
        let name = |part: &str| format!("layers.{i}.{part}");
        let (hidden, inner, [width, key_width]) = (self.hidden, self.inner, self.widths);
        let (behind, [qkv, output, dense]) = (self.options.norms_behind, self.options.biases);
        let (span, rotation) = self.options.reach[i].clone();
        let attention_norm = self.norm(&name("input_layernorm"), hidden)?;
        let mut attention = |part: &str, from: usize, to: usize, biased: bool| {
            self.builder
                .dense_with(&name(&format!("self_attn.{part}_proj")), from, to, biased)
        };
        let attention = [
            attention("q", hidden, width, qkv)?,
            attention("k", hidden, key_width, qkv)?,
            attention("v", hidden, key_width, qkv)?,
            attention("o", width, hidden, output)?,
        ];
        let head_norms = match self.options.head_norms {
            true => Some([
                self.norm(&name("self_attn.q_norm"), self.head_size)?,
                self.norm(&name("self_attn.k_norm"), self.head_size)?,
            ]),
            false => None,
        };
        let attention_norm_behind = self.norm_if(behind, &name("post_attention_layernorm"))?;
        let before = if behind {
            "pre_feedforward_layernorm"
        } else {
            "post_attention_layernorm"
        };
        let dense_norm = self.norm(&name(before), hidden)?;
        let mut part = |part: &str, from: usize, to: usize| {
            self.builder
                .dense_with(&name(&format!("mlp.{part}_proj")), from, to, dense)
        };
        let dense = [
            part("gate", hidden, inner)?,
            part("up", hidden, inner)?,
            part("down", inner, hidden)?,
        ];
        Ok(Layer {
            attention_norm,
            attention,
            head_norms,
            attention_norm_behind,
            dense_norm,
            dense,
            dense_norm_behind: self.norm_if(behind, &name("post_feedforward_layernorm"))?,
            span,
            rotation,
        })
    }
}

fn norm_if(norm: &Option<RmsNorm>, x: Tensor) -> candle_core::Result<Tensor> {
    match norm {
        Some(norm) => norm.forward(&x),
        None => Ok(x),
    }
}

impl Decoder {
    /// Attention of a layer over normed states; only the rows that are read come out.
    fn attend(&self, layer: &Layer, x: &Tensor, batch: &Batch, reads: Reads) -> candle_core::Result<Tensor> {
        let [q, k, v, o] = &layer.attention;
        let (read, segments) = queries(x, batch, reads)?;
        let (mut q, mut k) = (q.forward(&read)?, k.forward(x)?);
        if let Some([q_norm, k_norm]) = &layer.head_norms {
            (q, k) = (q_norm.forward(&q)?, k_norm.forward(&k)?);
        }
        let positions = batch.positions();
        let query_positions = match batch.read(reads) {
            Some(read) => read.iter().map(|&row| positions[row]).collect(),
            None => positions.clone(),
        };
        let table = layer.rotation.table(batch.longest());
        let rope = |positions: Vec<usize>| Rope {
            table: table.clone(),
            positions: positions.into(),
            size: self.head_size,
        };
        let (q, k) = (rope(query_positions).apply(&q)?, rope(positions).apply(&k)?);
        let attention = Attention {
            heads: self.heads[0],
            key_heads: self.heads[1],
            scale: self.scale,
            cap: self.cap,
            span: layer.span,
            precision: o.precision(),
            segments,
        };
        o.forward(&attention.apply(&q, &k, &v.forward(x)?)?)
    }
}

impl Backbone for Decoder {
    fn words(&self) -> &Tensor {
        &self.words
    }

    fn reads_forwards(&self) -> bool {
        true
    }

    fn forward(&self, batch: &Batch, words: &Tensor, reads: Reads) -> candle_core::Result<Tensor> {
        let mut x = match self.embedding_scale {
            Some(scale) => (words * scale)?,
            None => words.clone(),
        };
        x = batch.drop(Site::Embeddings, x)?;
        for (i, layer) in self.layers.iter().enumerate() {
            let reads = if i + 1 == self.layers.len() {
                reads
            } else {
                Reads::All
            };
            let attended = self.attend(layer, &layer.attention_norm.forward(&x)?, batch, reads)?;
            let residual = match batch.read(reads) {
                Some(read) => rows(&x, &read)?,
                None => x,
            };
            let y = (residual
                + batch.drop(
                    Site::Attention(i),
                    norm_if(&layer.attention_norm_behind, attended)?,
                )?)?;
            let normed = layer.dense_norm.forward(&y)?;
            let [gate, up, down] = &layer.dense;
            let gated = self
                .activation
                .gate(&gate.forward(&normed)?, &up.forward(&normed)?)?;
            x = (y + batch.drop(
                Site::Dense(i),
                norm_if(&layer.dense_norm_behind, down.forward(&gated)?)?,
            )?)?;
        }
        self.last_norm.forward(&x)
    }
}
