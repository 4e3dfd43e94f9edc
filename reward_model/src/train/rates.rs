//! How fast each weight learns, as a multiple of the learning rate.

use crate::backbone::{Family, Weights, is_of_branch};
use recipe::{Method, Recipe};

/// For each weight in turn: the head's own rate on top, and below it less for each layer further down; 0 for those that the
/// method leaves as they are, and for the last bias: the loss is blind to it, because every reward moves alike.
pub(super) fn of(weights: &Weights, family: Family, config: &Recipe) -> Vec<f64> {
    let head = config
        .head_learning_rate
        .map_or(1.0, |rate| rate / config.learning_rate);
    let still = family.output_bias();
    let layers = weights.names.iter().filter_map(|name| layer(name)).max();
    let first = (layers.unwrap_or(0) + 1).saturating_sub(config.last_layers);
    let learns = |name: &str| match config.method {
        Method::Lora => is_of_branch(name),
        // The norm behind the last layer goes with it.
        Method::Layers => layer(name).is_some_and(|layer| layer >= first) || family.is_of_last_norm(name),
        Method::Head | Method::Full => true,
    };
    let rate = |name: &String| {
        if Some(name) == still.as_ref() {
            return 0.0;
        }
        let depth = match (layer(name), layers) {
            _ if family.is_of_head(name) => return head,
            _ if !learns(name) => return 0.0,
            (Some(layer), Some(last)) => last - layer + 1,
            (None, last) if name.contains("embed") => last.map_or(1, |last| last + 2),
            // What stands between the last layer and the head, as a decoder's last norm.
            (None, _) | (Some(_), None) => 1,
        };
        config.layer_decay.powi(depth as i32)
    };
    weights.names.iter().map(rate).collect()
}

/// The layer that a weight belongs to, by the number behind `layer.` or `layers.` in its name.
pub(super) fn layer(name: &str) -> Option<usize> {
    let mut parts = name.split('.');
    parts.find(|part| *part == "layer" || *part == "layers")?;
    parts.next()?.parse().ok()
}
