//! Llama (Touvron et al. 2023) and Qwen 2 and 3 (Yang et al. 2024, 2025).

use super::config::ModelConfig;
use super::decoder::{Options, head_size};
use super::ops::Span;
use crate::error::ModelError;

/// As Llama does it.
pub(super) fn llama(config: &ModelConfig) -> Result<Options, ModelError> {
    let (size, biased) = (head_size(config)?, config.flag_or("attention_bias", false)?);
    let rotation = config.rotation("full_attention", 10_000.0, size)?;
    let window = config.count_or("sliding_window", 0)?;
    let sliding = config.flag_or("use_sliding_window", false)? && window > 0;
    let first = config.count_or("max_window_layers", 0)?;
    let span = |layer: usize| {
        let slides = config
            .layer_type(layer)
            .map_or(layer >= first, |kind| kind == "sliding_attention");
        if sliding && slides {
            Span::RecentPast(window)
        } else {
            Span::Past
        }
    };
    Ok(Options {
        biases: [biased, biased, config.flag_or("mlp_bias", false)?],
        head_norms: false,
        norms_behind: false,
        gain_offset: 0.0,
        embedding_scale: None,
        scale: 1.0 / (size as f32).sqrt(),
        cap: None,
        activation: config.activation("hidden_act", "silu")?,
        reach: (0..config.layers("num_hidden_layers")?)
            .map(|layer| (span(layer), rotation.clone()))
            .collect(),
    })
}

/// As Llama, with biases of query, key and value.
pub(super) fn qwen2(config: &ModelConfig) -> Result<Options, ModelError> {
    Ok(Options {
        biases: [true, false, false],
        ..llama(config)?
    })
}

/// As Llama, with queries and keys normed.
pub(super) fn qwen3(config: &ModelConfig) -> Result<Options, ModelError> {
    Ok(Options {
        head_norms: true,
        ..llama(config)?
    })
}
