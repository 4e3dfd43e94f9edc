//! DeBERTa-v2 and v3 (He et al. 2020, 2021): attention by content and by distance, with distances in buckets.

use candle_core::Tensor;

use super::Backbone;
use super::batch::{Batch, Reads, rows};
use super::config::ModelConfig;
use super::dropout::Site;
use super::layers::{Builder, Dense, LayerNorm};
use super::ops::{Activation, softmax};
use crate::error::ModelError;

struct Layer {
    /// Query, key, value and output.
    attention: [Dense; 4],
    attention_norm: LayerNorm,
    widen: Dense,
    narrow: Dense,
    dense_norm: LayerNorm,
}

/// How far apart two tokens stand, as an index into the embeddings of distances.
#[derive(Clone, Copy)]
struct Distances {
    /// 0: every distance for itself.
    buckets: i64,
    farthest: i64,
}

impl Distances {
    /// Half the number of embeddings.
    fn span(self) -> i64 {
        if self.buckets > 0 {
            self.buckets
        } else {
            self.farthest
        }
    }

    /// Distances near 0 stand for themselves, those farther off share buckets that grow by a constant factor.
    fn bucket(self, distance: i64) -> i64 {
        let middle = self.buckets / 2;
        if self.buckets <= 0 || distance.abs() <= middle {
            return distance;
        }
        // In single precision, as in transformers: a bucket's edge falls where its rounding puts it.
        let far = (distance.abs() as f32 / middle as f32).ln();
        let farthest = ((self.farthest - 1) as f32 / middle as f32).ln();
        let steps = (far / farthest * (middle - 1) as f32).ceil() as i64 + middle;
        steps * distance.signum()
    }

    /// The embedding of the distance from a query to a key.
    fn index(self, distance: i64) -> u32 {
        (self.bucket(distance) + self.span()).clamp(0, 2 * self.span() - 1) as u32
    }
}

/// Embeddings, layers, and embeddings of distances.
pub(super) struct Deberta {
    words: Tensor,
    positions: Option<Tensor>,
    kinds: Option<Tensor>,
    norm: LayerNorm,
    layers: Vec<Layer>,
    distance_words: Tensor,
    distance_norm: Option<LayerNorm>,
    distances: Distances,
    /// Scores by content and distance; by distance and content.
    kinds_of_score: [bool; 2],
    heads: usize,
    activation: Activation,
}

impl Deberta {
    pub fn load(config: &ModelConfig, b: &mut Builder) -> Result<Self, ModelError> {
        let hidden = config.count("hidden_size")?;
        config.head_size("hidden_size", "num_attention_heads")?;
        check(config, hidden)?;
        let (inner, epsilon) = (
            config.count("intermediate_size")?,
            config.number_or("layer_norm_eps", 1e-7)?,
        );
        let farthest = match config.number_or("max_relative_positions", -1.0)? as i64 {
            farthest if farthest > 0 => farthest,
            _ => config.count("max_position_embeddings")? as i64,
        };
        let distances = Distances {
            buckets: config.number_or("position_buckets", -1.0)? as i64,
            farthest,
        };
        let words = b.tensor(
            "embeddings.word_embeddings.weight",
            &[config.count("vocab_size")?, hidden],
        )?;
        let positions = match config.flag_or("position_biased_input", true)? {
            true => {
                let count = config.count("max_position_embeddings")?;
                Some(b.tensor("embeddings.position_embeddings.weight", &[count, hidden])?)
            }
            false => None,
        };
        let kinds = match config.count_or("type_vocab_size", 0)? {
            0 => None,
            count => Some(b.tensor("embeddings.token_type_embeddings.weight", &[count, hidden])?),
        };
        let norm = b.layer_norm("embeddings.LayerNorm", hidden, epsilon)?;
        let layer = |i: usize| {
            let name = |part: &str| format!("encoder.layer.{i}.{part}");
            let parts = [
                "self.query_proj",
                "self.key_proj",
                "self.value_proj",
                "output.dense",
            ];
            let [q, k, v, o] = parts.map(|part| b.dense(&name(&format!("attention.{part}")), hidden, hidden));
            let attention = [q?, k?, v?, o?];
            Ok(Layer {
                attention,
                attention_norm: b.layer_norm(&name("attention.output.LayerNorm"), hidden, epsilon)?,
                widen: b.dense(&name("intermediate.dense"), hidden, inner)?,
                narrow: b.dense(&name("output.dense"), inner, hidden)?,
                dense_norm: b.layer_norm(&name("output.LayerNorm"), hidden, epsilon)?,
            })
        };
        let layers = (0..config.layers("num_hidden_layers")?)
            .map(layer)
            .collect::<Result<_, ModelError>>()?;
        let count = 2 * distances.span() as usize;
        let has = |kind: &str| config.words("pos_att_type", '|').iter().any(|word| word == kind);
        Ok(Self {
            words,
            positions,
            kinds,
            norm,
            layers,
            distance_words: b.tensor("encoder.rel_embeddings.weight", &[count, hidden])?,
            distance_norm: match config
                .words("norm_rel_ebd", '|')
                .iter()
                .any(|word| word == "layer_norm")
            {
                true => Some(b.layer_norm("encoder.LayerNorm", hidden, epsilon)?),
                false => None,
            },
            distances,
            kinds_of_score: [has("c2p"), has("p2c")],
            heads: config.count("num_attention_heads")?,
            activation: config.activation("hidden_act", "gelu")?,
        })
    }
}

/// Refuses what no published v3 model has.
fn check(config: &ModelConfig, hidden: usize) -> Result<(), ModelError> {
    let plain = config.flag_or("relative_attention", false)?
        && config.flag_or("share_att_key", false)?
        && config.count_or("conv_kernel_size", 0)? == 0
        && config.count_or("embedding_size", hidden)? == hidden;
    if plain {
        Ok(())
    } else {
        Err(config.error(
            "of DeBERTa only what v3 has is supported: relative_attention and share_att_key, no convolution, embeddings as wide as the model",
        ))
    }
}

impl Deberta {
    /// [n, heads · size] → [heads, n, size].
    fn split(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let (n, width) = x.dims2()?;
        x.reshape((n, self.heads, width / self.heads))?
            .transpose(0, 1)?
            .contiguous()
    }

    /// Attention within one text: q, k and v [n, hidden] → [n, hidden].
    fn attend(&self, [q, k, v]: [&Tensor; 3], by_distance: [&Tensor; 2]) -> candle_core::Result<Tensor> {
        let (n, hidden) = q.dims2()?;
        let [q, k, v] = [self.split(q)?, self.split(k)?, self.split(v)?];
        let parts = 1 + self.kinds_of_score.iter().filter(|is| **is).count();
        let scale = 1.0 / ((hidden / self.heads * parts) as f64).sqrt();
        let mut scores = q.matmul(&k.t()?)?;
        let [distance_queries, distance_keys] = by_distance;
        if self.kinds_of_score[0] {
            let index = self.indices(n, |query, key| query - key)?;
            scores = (scores + q.matmul(&distance_keys.t()?)?.gather(&index, 2)?)?;
        }
        if self.kinds_of_score[1] {
            let index = self.indices(n, |key, query| query - key)?;
            let turned = k.matmul(&distance_queries.t()?)?.gather(&index, 2)?;
            scores = (scores + turned.t()?)?;
        }
        let p = softmax(&(scores * scale)?.contiguous()?)?;
        p.matmul(&v)?.transpose(0, 1)?.contiguous()?.reshape((n, hidden))
    }

    /// Embeddings of the distances between all rows and columns, for every head: [heads, n, n].
    fn indices(&self, n: usize, distance: impl Fn(i64, i64) -> i64) -> candle_core::Result<Tensor> {
        let each = (0..n as i64).flat_map(|row| (0..n as i64).map(move |column| (row, column)));
        let each: Vec<u32> = each
            .map(|(row, column)| self.distances.index(distance(row, column)))
            .collect();
        Tensor::from_vec(each, (1, n, n), self.words.device())?
            .broadcast_as((self.heads, n, n))?
            .contiguous()
    }

    fn attend_all(
        &self,
        layer: &Layer,
        x: &Tensor,
        distances: &Tensor,
        batch: &Batch,
    ) -> candle_core::Result<Tensor> {
        let [q, k, v, o] = &layer.attention;
        let by_distance = [
            self.split(&q.forward(distances)?)?,
            self.split(&k.forward(distances)?)?,
        ];
        let (q, k, v) = (q.forward(x)?, k.forward(x)?, v.forward(x)?);
        let text = |w: &[usize]| {
            let part = |x: &Tensor| x.narrow(0, w[0], w[1] - w[0])?.contiguous();
            self.attend(
                [&part(&q)?, &part(&k)?, &part(&v)?],
                [&by_distance[0], &by_distance[1]],
            )
        };
        let texts = batch
            .offsets()
            .windows(2)
            .map(text)
            .collect::<candle_core::Result<Vec<_>>>()?;
        o.forward(&Tensor::cat(&texts, 0)?)
    }
}

impl Backbone for Deberta {
    fn words(&self) -> &Tensor {
        &self.words
    }

    fn forward(&self, batch: &Batch, words: &Tensor, reads: Reads) -> candle_core::Result<Tensor> {
        let mut x = words.clone();
        if let Some(positions) = &self.positions {
            x = (x + rows(positions, &batch.positions())?)?;
        }
        if let Some(kinds) = &self.kinds {
            x = x.broadcast_add(&kinds.narrow(0, 0, 1)?)?;
        }
        x = batch.drop(Site::Embeddings, self.norm.forward(&x)?)?;
        let distances = match &self.distance_norm {
            Some(norm) => norm.forward(&self.distance_words)?,
            None => self.distance_words.clone(),
        };
        for (i, layer) in self.layers.iter().enumerate() {
            let attended = self.attend_all(layer, &x, &distances, batch)?;
            let attended = batch.drop(Site::Attention(i), attended)?;
            let y = layer.attention_norm.forward(&(attended + x)?)?;
            let wide = self.activation.apply(&layer.widen.forward(&y)?)?;
            x = layer
                .dense_norm
                .forward(&(batch.drop(Site::Dense(i), layer.narrow.forward(&wide)?)? + y)?)?;
        }
        match batch.read(reads) {
            Some(read) => rows(&x, &read),
            None => Ok(x),
        }
    }
}
