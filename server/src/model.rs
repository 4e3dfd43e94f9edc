//! Between the nouns of `domain` and those of `reward_model`, which know nothing of each other.

use domain::{
    prompt,
    run::{self, Settings},
    score,
    stats::Proportion,
};
use reward_model::{Cut, Message, Method, Metrics, Scored, TrainConfig};

/// The settings that a method starts from.
pub fn default_settings(method: run::Method) -> Settings {
    let config = default_config(method);
    Settings {
        method,
        seed: config.seed,
        epochs: config.epochs,
        batch_pairs: config.batch_pairs,
        learning_rate: config.learning_rate,
        weight_decay: config.weight_decay,
        warmup_share: config.warmup_share,
        max_tokens: config.max_tokens,
        evaluate_every: config.evaluate_every,
        checkpoint_every_steps: config.checkpoint_every_steps,
    }
}

/// The engine's configuration for these settings.
pub fn train_config(settings: &Settings, base_model: &std::path::Path, use_margin: bool) -> TrainConfig {
    TrainConfig {
        base_model: base_model.to_owned(),
        seed: settings.seed,
        epochs: settings.epochs,
        batch_pairs: settings.batch_pairs,
        learning_rate: settings.learning_rate,
        weight_decay: settings.weight_decay,
        warmup_share: settings.warmup_share,
        max_tokens: settings.max_tokens,
        evaluate_every: settings.evaluate_every,
        checkpoint_every_steps: settings.checkpoint_every_steps,
        use_margin,
        ..default_config(settings.method)
    }
}

/// The engine's own defaults for a method.
pub fn default_config(method: run::Method) -> TrainConfig {
    let config = match method {
        run::Method::Head => TrainConfig::head(),
        run::Method::Full => TrainConfig::full(),
    };
    debug_assert_eq!(config.method == Method::Head, method == run::Method::Head);
    config
}

/// A conversation as the model reads it.
pub fn messages(messages: &[prompt::Message]) -> Vec<Message> {
    messages
        .iter()
        .map(|message| Message {
            role: message.role.as_str().to_owned(),
            content: message.content.clone(),
        })
        .collect()
}

/// What was cut, of training and held-out texts together.
pub fn cut(parts: &[Cut]) -> run::Cut {
    parts.iter().fold(run::Cut::default(), |sum, part| run::Cut {
        texts: sum.texts + part.texts as u64,
        cut_texts: sum.cut_texts + part.cut_texts as u64,
        tokens: sum.tokens + part.tokens as u64,
        cut_tokens: sum.cut_tokens + part.cut_tokens as u64,
    })
}

/// Held-out pairs that the model orders as people do.
pub fn correct(metrics: &Metrics) -> Proportion {
    proportion(metrics.accuracy.value, metrics.pairs)
}

/// Held-out pairs of which people prefer the longer response.
pub fn longest(metrics: &Metrics) -> Proportion {
    proportion(metrics.longest_wins.value, metrics.pairs)
}

/// Shares are of whole and half hits.
fn proportion(share: f64, of: usize) -> Proportion {
    Proportion {
        hits: (2.0 * share * of as f64).round() / 2.0,
        of: of as u64,
    }
}

/// A reward as it is kept and sent.
pub fn scored(scored: &Scored) -> score::Scored {
    score::Scored {
        reward: f64::from(scored.reward),
        tokens: scored.tokens as u64,
        cut_tokens: scored.cut_tokens as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_reach_the_engine_unchanged() {
        for method in run::Method::ALL {
            let settings = default_settings(method);
            let config = train_config(&settings, "base".as_ref(), false);
            let untouched = TrainConfig {
                base_model: "base".into(),
                use_margin: false,
                ..default_config(method)
            };
            assert_eq!(config, untouched);
        }
    }

    #[test]
    fn shares_become_counts_again() {
        assert_eq!(
            proportion(277.5 / 462.0, 462),
            Proportion { hits: 277.5, of: 462 }
        );
    }
}
