//! Between the nouns of `domain` and those of `reward_model`, which know nothing of each other.

mod settings;

use domain::{prompt, run, score, stats::Proportion};
use reward_model::{Cut, Message, Metrics, Scored};

pub use settings::{default_config, default_settings, engine_device, engine_precision, train_config};

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

/// Rewards of the held-out responses.
pub fn rewards(metrics: &Metrics) -> run::event::Rewards {
    let [lowest, highest] = metrics.reward_range;
    run::event::Rewards {
        mean: metrics.mean_reward,
        lowest,
        highest,
        margin: metrics.mean_margin,
    }
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
        spread: scored.spread.map(f64::from),
        tokens: scored.tokens as u64,
        cut_tokens: scored.cut_tokens as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_become_counts_again() {
        assert_eq!(
            proportion(277.5 / 462.0, 462),
            Proportion { hits: 277.5, of: 462 }
        );
    }
}
