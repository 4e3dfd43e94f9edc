//! A run's settings on the command line.

use serde::Serialize;

/// Settings as flags, by the engine's names for them.
#[derive(Debug, clap::Args, Serialize)]
pub struct SettingFlags {
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u32>,
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_pairs: Option<usize>,
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmup_share: Option<f64>,
    /// Longest text in tokens; the end is kept.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<usize>,
    /// Epochs between evaluations, such as 0.25.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluate_every: Option<f64>,
    /// Steps between checkpoints, beside those by time.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_every_steps: Option<u64>,
}
