//! Between the nouns of `domain` and those of `reward_model`, which know nothing of each other.

use domain::{prompt, run, score, stats::Proportion};
use reward_model::{Best, Cut, Message, Metrics, Scored, Share};

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
    hits(&metrics.accuracy, metrics.pairs)
}

/// Held-out pairs of which people prefer the longer response.
pub fn longest(metrics: &Metrics) -> Proportion {
    hits(&metrics.longest_wins, metrics.pairs)
}

/// What else is measured on the held-out pairs.
pub fn measures(metrics: &Metrics) -> run::Measures {
    let correct = |accuracy: f64, pairs: usize| Proportion {
        hits: halves(accuracy * pairs as f64),
        of: pairs as u64,
    };
    let bins = metrics.reliability.iter().map(|bin| run::Bin {
        correct: correct(bin.accuracy, bin.pairs),
        confidence: bin.confidence,
    });
    run::Measures {
        auc: metrics.auc,
        ece: metrics.ece,
        reliability: bins.collect(),
        by_length: metrics.by_length.map(|part| correct(part.accuracy, part.pairs)),
        rewards: rewards(metrics),
        length_correlation: metrics.length_correlation,
        spread: metrics.spread,
    }
}

/// An evaluation that was better than that of the weights that were kept.
pub fn better(best: &Best) -> run::Better {
    run::Better {
        step: best.step,
        loss: best.metrics.log_loss,
        correct: correct(&best.metrics),
    }
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

/// The hits that were counted. Version 0.1.0 kept the share alone, in checkpoints and models that are still there.
fn hits(share: &Share, of: usize) -> Proportion {
    Proportion {
        hits: share.hits.unwrap_or_else(|| halves(share.value * of as f64)),
        of: of as u64,
    }
}

/// Hits are whole and half ones.
fn halves(hits: f64) -> f64 {
    (2.0 * hits).round() / 2.0
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
    fn hits_are_those_that_were_counted_and_of_the_version_before_made_from_the_share() {
        let counted = Share::new(277.5, 462);
        let stored = Proportion { hits: 277.5, of: 462 };
        assert_eq!(hits(&counted, 462), stored);
        let of_before = Share {
            hits: None,
            ..counted
        };
        assert_eq!(hits(&of_before, 462), stored);
    }
}
