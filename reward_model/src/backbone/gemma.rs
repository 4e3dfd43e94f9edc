//! Gemma 2 and 3 (Gemma Team 2024, 2025), their text models.

use super::config::ModelConfig;
use super::decoder::{Options, head_size};
use super::ops::Span;
use crate::error::ModelError;

fn gemma(config: &ModelConfig, window: usize, local_theta: f64, theta: f64) -> Result<Options, ModelError> {
    if config.flag_or("use_bidirectional_attention", false)? {
        return Err(config.error("use_bidirectional_attention is not supported"));
    }
    let (size, biased) = (head_size(config)?, config.flag_or("attention_bias", false)?);
    let pattern = config.count_or("sliding_window_pattern", if local_theta == theta { 2 } else { 6 })?;
    let window = config.count_or("sliding_window", window)?;
    let reach = |layer: usize| {
        let whole = match config.layer_type(layer) {
            Some(kind) => kind == "full_attention",
            None => (layer + 1).is_multiple_of(pattern.max(1)),
        };
        let rotation = if whole {
            config.rotation("full_attention", theta, size)?
        } else {
            config.rotation("sliding_attention", local_theta, size)?
        };
        Ok((
            if whole {
                Span::Past
            } else {
                Span::RecentPast(window)
            },
            rotation,
        ))
    };
    let per_score = config.number_or("query_pre_attn_scalar", 256.0)?;
    Ok(Options {
        biases: [biased, biased, false],
        head_norms: false,
        norms_behind: true,
        gain_offset: 1.0,
        embedding_scale: Some((config.count("hidden_size")? as f64).sqrt()),
        scale: per_score.powf(-0.5) as f32,
        cap: config.number("attn_logit_softcapping")?.map(|cap| cap as f32),
        activation: config.activation("hidden_activation", "gelu_pytorch_tanh")?,
        reach: (0..config.layers("num_hidden_layers")?)
            .map(reach)
            .collect::<Result<_, ModelError>>()?,
    })
}

/// Every second layer sees the last 4,096 tokens only; scores are capped.
pub(super) fn gemma2(config: &ModelConfig) -> Result<Options, ModelError> {
    gemma(config, 4096, 10_000.0, 10_000.0)
}

/// Five layers of six see the last tokens only and turn faster; queries and keys are normed.
pub(super) fn gemma3(config: &ModelConfig) -> Result<Options, ModelError> {
    let local = config.number_or("rope_local_base_freq", 10_000.0)?;
    Ok(Options {
        head_norms: true,
        ..gemma(config, 4096, local, 1_000_000.0)?
    })
}
