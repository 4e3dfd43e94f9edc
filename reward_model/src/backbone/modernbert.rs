//! ModernBERT (Warner et al. 2024): norms before each part, rotary positions, a gated layer, and attention that sees the
//! neighbourhood only in two layers of three.

use candle_core::Tensor;

use super::Backbone;
use super::batch::{Batch, Reads, queries, rows};
use super::config::ModelConfig;
use super::dropout::Site;
use super::layers::{Builder, Dense, LayerNorm};
use super::ops::{Activation, Attention, Rope, Rotation, Span};
use crate::error::ModelError;

struct Layer {
    /// The first layer has none: the embeddings are normed already.
    attention_norm: Option<LayerNorm>,
    /// Query, key and value in one.
    qkv: Dense,
    output: Dense,
    dense_norm: LayerNorm,
    /// Input and gate in one.
    widen: Dense,
    narrow: Dense,
    span: Span,
    rotation: Rotation,
}

/// Embeddings, layers and the last norm.
pub(super) struct ModernBert {
    words: Tensor,
    norm: LayerNorm,
    layers: Vec<Layer>,
    last_norm: LayerNorm,
    heads: usize,
    head_size: usize,
    activation: Activation,
}

impl ModernBert {
    pub fn load(config: &ModelConfig, b: &mut Builder) -> Result<Self, ModelError> {
        let (hidden, inner) = (config.count("hidden_size")?, config.count("intermediate_size")?);
        let head_size = config.head_size("hidden_size", "num_attention_heads")?;
        let epsilon = config.number_or("norm_eps", 1e-5)?;
        let norm_bias = config.flag_or("norm_bias", false)?;
        let (attention_bias, dense_bias) = (
            config.flag_or("attention_bias", false)?,
            config.flag_or("mlp_bias", false)?,
        );
        let words = b.tensor(
            "embeddings.tok_embeddings.weight",
            &[config.count("vocab_size")?, hidden],
        )?;
        let norm = b.layer_norm_with("embeddings.norm", hidden, epsilon, norm_bias)?;
        let layer = |i: usize| {
            let name = |part: &str| format!("layers.{i}.{part}");
            let (span, rotation) = reach(config, i, head_size)?;
            Ok(Layer {
                attention_norm: match i {
                    0 => None,
                    _ => Some(b.layer_norm_with(&name("attn_norm"), hidden, epsilon, norm_bias)?),
                },
                qkv: b.dense_with(&name("attn.Wqkv"), hidden, 3 * hidden, attention_bias)?,
                output: b.dense_with(&name("attn.Wo"), hidden, hidden, attention_bias)?,
                dense_norm: b.layer_norm_with(&name("mlp_norm"), hidden, epsilon, norm_bias)?,
                widen: b.dense_with(&name("mlp.Wi"), hidden, 2 * inner, dense_bias)?,
                narrow: b.dense_with(&name("mlp.Wo"), inner, hidden, dense_bias)?,
                span,
                rotation,
            })
        };
        let layers = (0..config.layers("num_hidden_layers")?)
            .map(layer)
            .collect::<Result<_, ModelError>>()?;
        Ok(Self {
            words,
            norm,
            layers,
            last_norm: b.layer_norm_with("final_norm", hidden, epsilon, norm_bias)?,
            heads: config.count("num_attention_heads")?,
            head_size,
            activation: config.activation("hidden_activation", "gelu")?,
        })
    }
}

/// What a layer sees and how its heads turn: every so many layers see the whole text.
fn reach(config: &ModelConfig, layer: usize, head_size: usize) -> Result<(Span, Rotation), ModelError> {
    let every = config.count_or("global_attn_every_n_layers", 3)?.max(1);
    let whole = match config.layer_type(layer) {
        Some(kind) => kind == "full_attention",
        None => layer.is_multiple_of(every),
    };
    let (kind, field, theta) = if whole {
        ("full_attention", "global_rope_theta", 160_000.0)
    } else {
        ("sliding_attention", "local_rope_theta", 10_000.0)
    };
    let theta = config.number_or(field, theta)?;
    let span = if whole {
        Span::Text
    } else {
        Span::Near(config.count_or("local_attention", 128)? / 2)
    };
    Ok((span, config.rotation(kind, theta, head_size)?))
}

impl Backbone for ModernBert {
    fn words(&self) -> &Tensor {
        &self.words
    }

    fn forward(&self, batch: &Batch, words: &Tensor, reads: Reads) -> candle_core::Result<Tensor> {
        let hidden = self.heads * self.head_size;
        let (positions, longest) = (batch.positions(), batch.longest());
        let mut x = batch.drop(Site::Embeddings, self.norm.forward(words)?)?;
        for (i, layer) in self.layers.iter().enumerate() {
            let reads = if i + 1 == self.layers.len() {
                reads
            } else {
                Reads::All
            };
            let normed = match &layer.attention_norm {
                Some(norm) => norm.forward(&x)?,
                None => x.clone(),
            };
            let qkv = layer.qkv.forward(&normed)?;
            let part = |i: usize| qkv.narrow(1, i * hidden, hidden)?.contiguous();
            let rope = Rope {
                table: layer.rotation.table(longest),
                positions: positions.clone().into(),
                size: self.head_size,
            };
            let (q, k) = (rope.apply(&part(0)?)?, rope.apply(&part(1)?)?);
            let (q, segments) = queries(&q, batch, reads)?;
            let attention = Attention {
                heads: self.heads,
                key_heads: self.heads,
                scale: 1.0 / (self.head_size as f32).sqrt(),
                cap: None,
                span: layer.span,
                precision: layer.output.precision(),
                segments,
            };
            let context = attention.apply(&q, &k, &part(2)?)?;
            let residual = match batch.read(reads) {
                Some(read) => rows(&x, &read)?,
                None => x,
            };
            let y = (residual + batch.drop(Site::Attention(i), layer.output.forward(&context)?)?)?;
            let wide = layer.widen.forward(&layer.dense_norm.forward(&y)?)?;
            let inner = wide.dim(1)? / 2;
            let half = |from: usize| wide.narrow(1, from, inner)?.contiguous();
            let gated = self.activation.gate(&half(0)?, &half(inner)?)?;
            x = (y + batch.drop(Site::Dense(i), layer.narrow.forward(&gated)?)?)?;
        }
        self.last_norm.forward(&x)
    }
}
