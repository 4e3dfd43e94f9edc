//! What of a configuration is refused before any work.

use super::{Keep, Method, TrainConfig};
use crate::device::NOT_BUILT_IN;

/// A field of a [`TrainConfig`] that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct ConfigError {
    /// Name of the field, as in the struct.
    pub field: &'static str,
    /// What is expected of it.
    pub message: String,
}

/// A field, whether it can be used, and what is expected of it.
type Check = (&'static str, bool, &'static str);

impl TrainConfig {
    /// Checks every field on its own and with the others; the base model is looked at when training starts.
    ///
    /// # Errors
    /// The first field that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut checks = self.amounts().into_iter();
        let mut more = self.rates().into_iter().chain(self.loss()).chain(self.method());
        match checks
            .find(|check| !check.1)
            .or_else(|| more.find(|check| !check.1))
        {
            Some((field, _, message)) => Err(ConfigError {
                field,
                message: message.to_owned(),
            }),
            None => Ok(()),
        }
    }

    fn amounts(&self) -> [Check; 8] {
        let named = !self.base_model.as_os_str().is_empty();
        [
            ("base_model", named, "name the folder of a base model"),
            ("device", self.device.is_built_in(), NOT_BUILT_IN),
            ("epochs", (1..=1000).contains(&self.epochs), "must be 1 to 1,000"),
            (
                "batch_pairs",
                (1..=4096).contains(&self.batch_pairs),
                "must be 1 to 4,096",
            ),
            (
                "accumulate",
                (1..=4096).contains(&self.accumulate),
                "must be 1 to 4,096",
            ),
            (
                "max_tokens",
                (8..=8192).contains(&self.max_tokens),
                "must be 8 to 8,192",
            ),
            (
                "evaluate_every",
                self.evaluate_every >= 0.01 && self.evaluate_every <= 1000.0,
                "must be 0.01 to 1,000 epochs",
            ),
            (
                "patience",
                self.patience <= 1000,
                "must be 0 (never stop early) to 1,000 evaluations",
            ),
        ]
    }

    fn rates(&self) -> [Check; 7] {
        let rate = |rate: f64| rate > 0.0 && rate <= 1.0;
        let share = |share: f64| (0.0..1.0).contains(&share);
        [
            (
                "learning_rate",
                rate(self.learning_rate),
                "must be above 0 and at most 1",
            ),
            (
                "head_learning_rate",
                self.head_learning_rate.is_none_or(rate),
                "must be above 0 and at most 1",
            ),
            (
                "layer_decay",
                rate(self.layer_decay),
                "must be above 0 and at most 1",
            ),
            (
                "weight_decay",
                (0.0..=10.0).contains(&self.weight_decay),
                "must be 0 to 10",
            ),
            (
                "warmup_share",
                share(self.warmup_share),
                "must be at least 0 and below 1",
            ),
            ("dropout", share(self.dropout), "must be at least 0 and below 1"),
            (
                "max_grad_norm",
                self.max_grad_norm >= 0.0 && self.max_grad_norm.is_finite(),
                "must be 0 (no limit) or more",
            ),
        ]
    }

    fn loss(&self) -> [Check; 4] {
        let smoothed = self.label_smoothing;
        [
            (
                "margin_scale",
                (0.0..=1000.0).contains(&self.margin_scale),
                "must be 0 to 1,000",
            ),
            (
                "label_smoothing",
                (0.0..0.5).contains(&smoothed) && (smoothed == 0.0 || self.ties.is_none()),
                "must be at least 0 and below 0.5, and 0 where ties are learnt",
            ),
            (
                "ties",
                self.ties.is_none_or(|ties| ties.is_sound()),
                "the threshold or weight must be above 0 and finite",
            ),
            (
                "centring",
                self.centring >= 0.0 && self.centring.is_finite(),
                "must be 0 or more",
            ),
        ]
    }

    /// Settings that only some methods have.
    fn method(&self) -> [Check; 8] {
        let (is_head, lora) = (self.method == Method::Head, &self.lora);
        [
            (
                "last_layers",
                self.method != Method::Layers || self.last_layers > 0,
                "must be at least 1",
            ),
            (
                "lora",
                (1..=256).contains(&lora.rank)
                    && lora.alpha > 0.0
                    && lora.alpha.is_finite()
                    && (0.0..1.0).contains(&lora.dropout)
                    && lora.target_modules.iter().all(|name| !name.trim().is_empty()),
                "rank must be 1 to 256, alpha above 0, dropout at least 0 and below 1, and no name empty",
            ),
            (
                "from_scratch",
                !self.from_scratch || self.method == Method::Full,
                "only the method full starts every weight at random",
            ),
            (
                "ensemble",
                (1..=64).contains(&self.ensemble) && (self.ensemble == 1 || is_head),
                "must be 1 to 64, and 1 for all methods but head",
            ),
            (
                "head_learning_rate",
                self.head_learning_rate.is_none() || !is_head,
                "the method head has one learning rate",
            ),
            (
                "layer_decay",
                self.layer_decay == 1.0 || !is_head,
                "the method head trains no layers",
            ),
            (
                "dropout",
                self.dropout == 0.0 || !is_head,
                "the method head drops nothing: its embeddings are cached",
            ),
            (
                "keep",
                self.keep == Keep::Last || self.ensemble == 1,
                "an ensemble keeps its last weights",
            ),
        ]
    }
}
