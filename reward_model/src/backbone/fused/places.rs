//! Where an encoder's weights are among a model's.

use super::super::post_norm::Names;
use super::super::weights::Weights;

/// Places of a weight and its bias, or of a norm's gain and bias.
pub(super) type Both = [usize; 2];

pub(super) struct LayerPlaces {
    /// Query, key, value, output.
    pub attention: [Both; 4],
    pub attention_norm: Both,
    pub widen: Both,
    pub narrow: Both,
    pub dense_norm: Both,
}

pub(super) struct Places {
    pub words: usize,
    pub positions: usize,
    /// Token types, of which only the first is used.
    pub kinds: Option<usize>,
    pub norm: Both,
    /// Positions that are left out at the beginning.
    pub skipped: usize,
    pub layers: Vec<LayerPlaces>,
}

impl Places {
    /// By transformers' names; nothing when one is missing.
    pub fn find(
        names: &Names,
        prefix: &str,
        layers: usize,
        skipped: usize,
        weights: &Weights,
    ) -> Option<Self> {
        let place = |name: &str| {
            weights
                .names
                .iter()
                .position(|own| *own == format!("{prefix}{name}"))
        };
        let both = |name: &str| Some([place(&format!("{name}.weight"))?, place(&format!("{name}.bias"))?]);
        let layer = |i: usize| {
            let part = |part: &str| both(&format!("{}.{i}.{part}", names.layers));
            let [q, k, v, o] = names.attention.map(part);
            Some(LayerPlaces {
                attention: [q?, k?, v?, o?],
                attention_norm: part(names.attention_norm)?,
                widen: part(names.dense[0])?,
                narrow: part(names.dense[1])?,
                dense_norm: part(names.dense_norm)?,
            })
        };
        Some(Self {
            words: place("embeddings.word_embeddings.weight")?,
            positions: place("embeddings.position_embeddings.weight")?,
            kinds: place("embeddings.token_type_embeddings.weight"),
            norm: both("embeddings.LayerNorm")?,
            skipped,
            layers: (0..layers).map(layer).collect::<Option<_>>()?,
        })
    }
}
