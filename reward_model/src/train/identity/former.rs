//! The fingerprint that version 0.1.0 stored, so that its runs go on: a hash of how Rust's `Debug` wrote the configuration. Its fields
//! are listed here as they were then; a setting that is added does not belong among them.

use std::fmt;

use sha2::{Digest, Sha256};

use super::{Identity, decisive};
use crate::embed::hex;
use recipe::Recipe;

/// What that version would have stored of this run.
pub(super) fn fingerprint(of: &Identity) -> String {
    let (config, [train, held_out]) = (decisive(of.config), of.pairs);
    let text = format!("{:?} {} {train} {held_out}", Former(&config), of.base);
    hex(&Sha256::digest(text.as_bytes()))
}

struct Former<'a>(&'a Recipe);

impl fmt::Debug for Former<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let config = self.0;
        f.debug_struct("TrainConfig")
            .field("method", &config.method)
            .field("base_model", &config.base_model)
            .field("pooling", &config.pooling)
            .field("last_layers", &config.last_layers)
            .field("lora", &config.lora)
            .field("from_scratch", &config.from_scratch)
            .field("ensemble", &config.ensemble)
            .field("seed", &config.seed)
            .field("epochs", &config.epochs)
            .field("precision", &config.precision)
            .field("device", &config.device)
            .field("batch_pairs", &config.batch_pairs)
            .field("accumulate", &config.accumulate)
            .field("shuffle", &config.shuffle)
            .field("optimizer", &config.optimizer)
            .field("schedule", &config.schedule)
            .field("learning_rate", &config.learning_rate)
            .field("head_learning_rate", &config.head_learning_rate)
            .field("layer_decay", &config.layer_decay)
            .field("dropout", &config.dropout)
            .field("weight_decay", &config.weight_decay)
            .field("warmup_share", &config.warmup_share)
            .field("max_tokens", &config.max_tokens)
            .field("truncation", &config.truncation)
            .field("use_margin", &config.use_margin)
            .field("margin_scale", &config.margin_scale)
            .field("label_smoothing", &config.label_smoothing)
            .field("ties", &config.ties)
            .field("centring", &config.centring)
            .field("max_grad_norm", &config.max_grad_norm)
            .field("evaluate_every", &config.evaluate_every)
            .field("evaluate_every_steps", &config.evaluate_every_steps)
            .field("patience", &config.patience)
            .field("keep", &config.keep)
            .field("checkpoint_every_steps", &config.checkpoint_every_steps)
            .field("checkpoint_every_seconds", &config.checkpoint_every_seconds)
            .finish()
    }
}
