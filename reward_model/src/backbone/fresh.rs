//! Weights that start at random, as `_init_weights` of transformers 5.23 makes them: matrices and embeddings from
//! N(0, initializer_range²) with the padding's row zero, biases 0, gains of norms what leaves a vector as it is.

use super::config::ModelConfig;
use crate::error::ModelError;
use crate::random::Random;

/// How a model's weights are drawn.
pub(super) struct Fresh {
    random: Random,
    deviation: f64,
    /// Of norms: Gemma's add 1 to theirs.
    gain: f32,
    /// Row of the words that pads, and whether the position of that number is zero as well.
    padding: Option<usize>,
    pads_positions: bool,
    modern: Option<Modern>,
}

/// ModernBERT draws again what lies beyond some deviations, and makes layers that end in a sum smaller.
struct Modern {
    cutoff: f64,
    narrowing: f64,
    last: f64,
}

impl Fresh {
    /// # Errors
    /// When a number in the configuration is none.
    pub fn new(config: &ModelConfig, seed: u64) -> Result<Self, ModelError> {
        let kind = config.word_or("model_type", "");
        let deviation = config.number_or("initializer_range", 0.02)?;
        let is_roberta = matches!(kind, "roberta" | "xlm-roberta");
        // What transformers' classes take where the file says nothing.
        let padding = match kind {
            "bert" | "distilbert" | "deberta-v2" | "gemma2" | "gemma3_text" => Some(0.0),
            "modernbert" => Some(50_283.0),
            _ if is_roberta => Some(1.0),
            _ => None,
        };
        let padding = config.number("pad_token_id")?.or(padding);
        let modern = match kind {
            "modernbert" => Some(Modern {
                cutoff: config.number_or("initializer_cutoff_factor", 2.0)?,
                narrowing: deviation / (2.0 * config.count("num_hidden_layers")? as f64).sqrt(),
                last: (config.count("hidden_size")? as f64).powf(-0.5),
            }),
            _ => None,
        };
        Ok(Self {
            random: Random::new(seed, 1),
            deviation,
            gain: if kind.starts_with("gemma") { 0.0 } else { 1.0 },
            padding: padding.filter(|id| *id >= 0.0).map(|id| id as usize),
            pads_positions: is_roberta,
            modern,
        })
    }

    /// The elements of the weight of this name and shape.
    pub fn make(&mut self, name: &str, shape: &[usize]) -> Vec<f32> {
        let count = shape.iter().product();
        let &[rows, width] = shape else {
            let value = if name.ends_with(".bias") { 0.0 } else { self.gain };
            return vec![value; count];
        };
        let (deviation, cutoff) = self.spread(name);
        let mut values: Vec<f32> = (0..count).map(|_| self.draw(deviation, cutoff)).collect();
        let of_words = [
            "word_embeddings.weight",
            "tok_embeddings.weight",
            "embed_tokens.weight",
        ];
        let is_padded = of_words.iter().any(|end| name.ends_with(end))
            || self.pads_positions && name.ends_with("position_embeddings.weight");
        if let Some(row) = self.padding.filter(|&row| is_padded && row < rows) {
            values[row * width..][..width].fill(0.0);
        }
        values
    }

    /// Standard deviation of a matrix, and beyond how many of them nothing lies.
    fn spread(&self, name: &str) -> (f64, f64) {
        let Some(modern) = &self.modern else {
            return (self.deviation, f64::INFINITY);
        };
        let deviation = if name.ends_with("Wo.weight") || name == "head.dense.weight" {
            modern.narrowing
        } else if name == "classifier.weight" {
            modern.last
        } else {
            self.deviation
        };
        (deviation, modern.cutoff)
    }

    fn draw(&mut self, deviation: f64, cutoff: f64) -> f32 {
        loop {
            let value = self.random.normal(1.0);
            if value.abs() <= cutoff {
                return (deviation * value) as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn fresh(name: &str) -> Fresh {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures")
            .join(name);
        Fresh::new(&ModelConfig::load(&folder).unwrap(), 3).unwrap()
    }

    fn deviation(values: &[f32]) -> f64 {
        (values.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
    }

    #[test]
    fn weights_are_drawn_as_transformers_draws_them() {
        let mut bert = fresh("tiny");
        let words = bert.make("bert.embeddings.word_embeddings.weight", &[100, 32]);
        assert_eq!(words[..32], [0.0; 32], "the padding's row");
        assert!((deviation(&words[32..]) - 0.2).abs() < 0.01);
        let positions = bert.make("bert.embeddings.position_embeddings.weight", &[96, 32]);
        assert!(positions[..32].iter().all(|x| *x != 0.0));
        assert_eq!(bert.make("bert.embeddings.LayerNorm.weight", &[3]), [1.0; 3]);
        assert_eq!(bert.make("bert.pooler.dense.bias", &[3]), [0.0; 3]);
        assert_eq!(fresh("gemma2").make("model.norm.weight", &[3]), [0.0; 3]);
        let positions = fresh("roberta").make("roberta.embeddings.position_embeddings.weight", &[9, 4]);
        assert_eq!(positions[..4], [0.0; 4], "the fixture's padding is 0");
    }

    #[test]
    fn modernbert_cuts_and_narrows() {
        let mut fresh = fresh("modernbert");
        let wide = fresh.make("model.layers.0.mlp.Wi.weight", &[128, 32]);
        assert!(wide.iter().all(|x| x.abs() <= 2.0 * 0.2), "two deviations");
        // A normal distribution cut at two deviations has 0.88 of one.
        assert!((deviation(&wide) - 0.2 * 0.88).abs() < 0.01);
        let narrow = fresh.make("model.layers.0.mlp.Wo.weight", &[32, 64]);
        assert!((deviation(&narrow) - 0.2 * 0.88 / 6f64.sqrt()).abs() < 0.01);
    }
}
