//! How good a model is on pairs it was not trained on, against the simplest rival: the longer response wins.

use serde::{Deserialize, Serialize};

use crate::loss::softplus;

/// A share with its 95 % interval by Wilson (1927), "Probable inference, the law of succession, and statistical
/// inference".
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// The share, 0..1.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Share {
    /// `hits` of `of`; a tie may count as half a hit. Of nothing: 0, from 0 to 1.
    pub fn new(hits: f64, of: usize) -> Self {
        if of == 0 {
            return Self {
                value: 0.0,
                low: 0.0,
                high: 1.0,
            };
        }
        const Z: f64 = 1.959_963_984_540_054;
        let (n, p) = (of as f64, hits / of as f64);
        let middle = p + Z * Z / (2.0 * n);
        let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        let whole = 1.0 + Z * Z / n;
        Self {
            value: p,
            low: ((middle - half) / whole).max(0.0),
            high: ((middle + half) / whole).min(1.0),
        }
    }
}

/// A model on held-out pairs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Pairs scored.
    pub pairs: usize,
    /// How often the chosen response has the higher reward; equal rewards count as half.
    pub accuracy: Share,
    /// Mean of −log σ(chosen − rejected), in nats; log 2 = 0.693 for a model that knows nothing.
    pub log_loss: f64,
    /// Mean of chosen − rejected, in units of reward.
    pub mean_margin: f64,
    /// How often the chosen response is the longer one in characters; equal lengths count as half.
    pub longest_wins: Share,
    /// Pearson's correlation of a response's reward with its length in characters.
    pub length_correlation: f64,
    /// Mean reward of all responses.
    pub mean_reward: f64,
}

/// A held-out pair, scored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoredPair {
    /// Rewards of the chosen and the rejected response.
    pub rewards: [f32; 2],
    /// Their lengths in characters.
    pub lengths: [usize; 2],
}

fn hit(difference: f64) -> f64 {
    if difference > 0.0 {
        1.0
    } else if difference == 0.0 {
        0.5
    } else {
        0.0
    }
}

/// Metrics of scored pairs; nothing for none.
pub fn evaluate(pairs: &[ScoredPair]) -> Option<Metrics> {
    if pairs.is_empty() {
        return None;
    }
    let n = pairs.len() as f64;
    let margins = || {
        pairs
            .iter()
            .map(|pair| f64::from(pair.rewards[0]) - f64::from(pair.rewards[1]))
    };
    let lengths = pairs
        .iter()
        .map(|pair| hit(pair.lengths[0] as f64 - pair.lengths[1] as f64));
    let points: Vec<(f64, f64)> = pairs
        .iter()
        .flat_map(|pair| (0..2).map(|side| (f64::from(pair.rewards[side]), pair.lengths[side] as f64)))
        .collect();
    Some(Metrics {
        pairs: pairs.len(),
        accuracy: Share::new(margins().map(hit).sum(), pairs.len()),
        log_loss: margins().map(|margin| softplus(-margin)).sum::<f64>() / n,
        mean_margin: margins().sum::<f64>() / n,
        longest_wins: Share::new(lengths.sum(), pairs.len()),
        length_correlation: correlation(&points),
        mean_reward: points.iter().map(|point| point.0).sum::<f64>() / points.len() as f64,
    })
}

/// Pearson's correlation; 0 where one side does not vary.
fn correlation(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let (mx, my) = (
        points.iter().map(|p| p.0).sum::<f64>() / n,
        points.iter().map(|p| p.1).sum::<f64>() / n,
    );
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in points {
        xy += (x - mx) * (y - my);
        xx += (x - mx) * (x - mx);
        yy += (y - my) * (y - my);
    }
    if xx > 0.0 && yy > 0.0 {
        xy / (xx * yy).sqrt()
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SciPy 1.17.1: `scipy.stats.binomtest(277, 462).proportion_ci(0.95, method="wilson")`.
    #[test]
    fn wilson_equals_scipy() {
        let share = Share::new(277.0, 462);
        assert!(
            (share.low - 0.554_243_304).abs() < 1e-9 && (share.high - 0.643_248_779).abs() < 1e-5,
            "{share:?}"
        );
    }

    #[test]
    fn metrics_of_three_pairs() {
        let pair = |a, b, la, lb| ScoredPair {
            rewards: [a, b],
            lengths: [la, lb],
        };
        let metrics = evaluate(&[pair(1.0, 0.0, 10, 5), pair(0.0, 2.0, 4, 9), pair(1.0, 1.0, 7, 7)]).unwrap();
        assert_eq!(metrics.accuracy.value, 0.5);
        assert_eq!(metrics.longest_wins.value, 0.5);
        assert!((metrics.mean_margin + 1.0 / 3.0).abs() < 1e-12);
        assert!(metrics.length_correlation > 0.5);
        assert!(evaluate(&[]).is_none());
    }
}
