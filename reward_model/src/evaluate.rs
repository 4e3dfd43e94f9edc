//! How good a model is on pairs it was not trained on, against the simplest rival: the longer response wins.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::loss::{sigmoid, softplus};

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
    /// Hits, of which a tie is half a one; none in files of version 0.1.0, which kept the share alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hits: Option<f64>,
}

impl Share {
    /// `hits` of `of`; a tie may count as half a hit. Of nothing: 0, from 0 to 1.
    pub fn new(hits: f64, of: usize) -> Self {
        if of == 0 {
            return Self {
                value: 0.0,
                low: 0.0,
                high: 1.0,
                hits: Some(0.0),
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
            hits: Some(hits),
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
    /// Area under the receiver operating characteristic of the reward as a sign of the chosen responses among all of them:
    /// how often a chosen one has a higher reward than a rejected one of any pair.
    #[serde(default)]
    pub auc: f64,
    /// Expected calibration error (Naeini, Cooper and Hauskrecht 2015): how far the shares of right answers lie from
    /// σ(|chosen − rejected|), over ten bins of equal width between 0.5 and 1.
    #[serde(default)]
    pub ece: f64,
    /// These bins, the least confident first; empty ones in files of version 0.1.0.
    #[serde(default)]
    pub reliability: [Bin; BINS],
    /// Mean over the responses of an ensemble's spread; for other models nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<f64>,
    /// Lowest and highest reward of all responses.
    #[serde(default)]
    pub reward_range: [f64; 2],
    /// Accuracy where the chosen response is the shorter one, as long, and the longer one; with the numbers of pairs.
    #[serde(default)]
    pub by_length: [LengthShare; 3],
}

/// Pairs of which a model is about as sure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// How many they are.
    pub pairs: usize,
    /// Mean of σ(|chosen − rejected|), 0.5..1; 0 for no pairs.
    pub confidence: f64,
    /// How often the chosen response has the higher reward, 0..1; 0 for no pairs.
    pub accuracy: f64,
}

/// Accuracy among pairs of one kind of length.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct LengthShare {
    /// How many they are.
    pub pairs: usize,
    /// How often the chosen response has the higher reward, 0..1; 0 for no pairs.
    pub accuracy: f64,
}

/// A held-out pair, scored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoredPair {
    /// Rewards of the chosen and the rejected response.
    pub rewards: [f32; 2],
    /// Their spreads, by an ensemble.
    pub spreads: Option<[f32; 2]>,
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
    let reliability = reliability(margins());
    Some(Metrics {
        pairs: pairs.len(),
        accuracy: Share::new(margins().map(hit).sum(), pairs.len()),
        log_loss: margins().map(|margin| softplus(-margin)).sum::<f64>() / n,
        mean_margin: margins().sum::<f64>() / n,
        longest_wins: Share::new(lengths.sum(), pairs.len()),
        length_correlation: correlation(&points),
        mean_reward: points.iter().map(|point| point.0).sum::<f64>() / points.len() as f64,
        auc: auc(pairs),
        ece: calibration_error(&reliability),
        reliability,
        spread: spread(pairs),
        reward_range: points
            .iter()
            .fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], point| {
                [low.min(point.0), high.max(point.0)]
            }),
        by_length: [Ordering::Less, Ordering::Equal, Ordering::Greater].map(|order| by_length(pairs, order)),
    })
}

/// By the rank sum of Mann and Whitney; equal rewards share a rank.
fn auc(pairs: &[ScoredPair]) -> f64 {
    let mut all: Vec<(f32, bool)> = pairs
        .iter()
        .flat_map(|pair| [(pair.rewards[0], true), (pair.rewards[1], false)])
        .collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut wins) = (0.0, 0.0);
    for level in all.chunk_by(|a, b| a.0 == b.0) {
        let chosen = level.iter().filter(|one| one.1).count() as f64;
        let rejected = level.len() as f64 - chosen;
        wins += chosen * (below + rejected / 2.0);
        below += rejected;
    }
    wins / (pairs.len() as f64).powi(2)
}

/// Bins of the calibration error.
const BINS: usize = 10;

fn reliability(margins: impl Iterator<Item = f64>) -> [Bin; BINS] {
    let mut bins = [Bin::default(); BINS];
    for margin in margins {
        let confidence = sigmoid(margin.abs());
        let bin = ((confidence - 0.5) * 2.0 * BINS as f64) as usize;
        let bin = &mut bins[bin.min(BINS - 1)];
        bin.pairs += 1;
        bin.confidence += confidence;
        bin.accuracy += hit(margin);
    }
    for bin in bins.iter_mut().filter(|bin| bin.pairs > 0) {
        bin.confidence /= bin.pairs as f64;
        bin.accuracy /= bin.pairs as f64;
    }
    bins
}

fn calibration_error(bins: &[Bin]) -> f64 {
    let pairs: usize = bins.iter().map(|bin| bin.pairs).sum();
    let apart = |bin: &Bin| bin.pairs as f64 * (bin.accuracy - bin.confidence).abs();
    bins.iter().map(apart).sum::<f64>() / pairs as f64
}

/// Nothing unless each response has one.
fn spread(pairs: &[ScoredPair]) -> Option<f64> {
    let sum = |pair: &ScoredPair| Some(pair.spreads?.map(f64::from).iter().sum::<f64>());
    let sums: Option<Vec<f64>> = pairs.iter().map(sum).collect();
    Some(sums?.iter().sum::<f64>() / (2 * pairs.len()) as f64)
}

fn by_length(pairs: &[ScoredPair], order: Ordering) -> LengthShare {
    let some = pairs
        .iter()
        .filter(|pair| pair.lengths[0].cmp(&pair.lengths[1]) == order);
    let hits = some.map(|pair| hit(f64::from(pair.rewards[0]) - f64::from(pair.rewards[1])));
    let (count, right) = hits.fold((0, 0.0), |(count, right), hit| (count + 1, right + hit));
    LengthShare {
        pairs: count,
        accuracy: if count > 0 { right / count as f64 } else { 0.0 },
    }
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

    /// scikit-learn 1.9.1: `roc_auc_score([1] * 12 + [0] * 12, chosen + rejected)`; NumPy for the calibration error.
    #[test]
    fn auc_and_calibration_equal_python() {
        let chosen = [2.4, -2.2, 0.8, -0.2, -0.1, 0.2, -1.6, 0.2, -0.5, 3.7, 0.6, 0.0];
        let rejected = [-0.3, -0.7, -1.1, -0.4, 0.5, -0.2, 1.0, -0.2, 0.0, 1.5, 0.5, -0.5];
        let pair = |(a, b): (f32, f32)| ScoredPair {
            rewards: [a, b],
            spreads: None,
            lengths: [1, 2],
        };
        let pairs: Vec<ScoredPair> = chosen.into_iter().zip(rejected).map(pair).collect();
        let metrics = evaluate(&pairs).unwrap();
        assert!(
            (metrics.auc - 0.576_388_888_888_889).abs() < 1e-12,
            "{}",
            metrics.auc
        );
        assert!(
            (metrics.ece - 0.361_183_929_054_149_64).abs() < 1e-6,
            "{}",
            metrics.ece
        );
        assert_eq!(metrics.by_length.map(|part| part.pairs), [12, 0, 0]);
        assert_eq!(metrics.by_length[0].accuracy, metrics.accuracy.value);
        let of_bins: f64 = metrics
            .reliability
            .iter()
            .map(|bin| bin.pairs as f64 * bin.accuracy)
            .sum();
        assert!((of_bins - metrics.accuracy.hits.unwrap()).abs() < 1e-9);
        assert!(metrics.reliability.iter().zip(0..).all(|(bin, n)| {
            let low = 0.5 + 0.05 * f64::from(n);
            bin.pairs == 0 || (low..=low + 0.05).contains(&bin.confidence)
        }));
        assert_eq!(metrics.spread, None);
    }

    #[test]
    fn metrics_of_three_pairs() {
        let pair = |a, b, la, lb| ScoredPair {
            rewards: [a, b],
            spreads: Some([a.abs(), 1.0]),
            lengths: [la, lb],
        };
        let metrics = evaluate(&[pair(1.0, 0.0, 10, 5), pair(0.0, 2.0, 4, 9), pair(1.0, 1.0, 7, 7)]).unwrap();
        assert_eq!(metrics.accuracy.value, 0.5);
        assert_eq!(metrics.longest_wins.value, 0.5);
        assert!((metrics.mean_margin + 1.0 / 3.0).abs() < 1e-12);
        assert!(metrics.length_correlation > 0.5);
        assert_eq!(metrics.accuracy.hits, Some(1.5));
        assert!((metrics.spread.unwrap() - 5.0 / 6.0).abs() < 1e-12);
        assert!(evaluate(&[]).is_none());
    }
}
