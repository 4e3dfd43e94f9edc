//! What the training pairs' rewards cost, and what a step saw of them.

use super::pairs::Numbers;
use crate::loss::{bradley_terry, centring, plackett_luce, tie_aware};
use recipe::Recipe;

/// The losses of a step's pairs.
pub(super) struct PairLosses<'a> {
    pub pairs: &'a [Numbers],
    pub config: &'a Recipe,
    /// Optimizer steps done before this one.
    pub step: u64,
    /// 1 / the batch's sum of weights.
    pub scale: f64,
}

/// What some pairs of a step came to, before the step.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Seen {
    /// Weighted sum of the losses.
    pub loss: f64,
    /// Tokens read.
    pub tokens: usize,
    /// Pairs that are no ties, and of those the ones whose chosen reward is higher; half of one for equal rewards.
    pairs: f64,
    hits: f64,
    /// Sum of chosen less rejected rewards.
    margin: f64,
    /// Number, sum and sum of squares of the rewards.
    rewards: [f64; 3],
}

impl Seen {
    fn take(&mut self, pair: &Numbers, rewards: &[f64]) {
        if !pair.tied {
            let lead = rewards[0] - rewards[1];
            self.pairs += 1.0;
            self.hits += match lead.partial_cmp(&0.0) {
                Some(std::cmp::Ordering::Greater) => 1.0,
                Some(std::cmp::Ordering::Equal) => 0.5,
                _ => 0.0,
            };
            self.margin += lead;
        }
        for reward in rewards {
            for (to, value) in self.rewards.iter_mut().zip([1.0, *reward, reward * reward]) {
                *to += value;
            }
        }
    }

    /// Takes in what others came to.
    pub fn add(&mut self, other: Self) {
        self.loss += other.loss;
        self.tokens += other.tokens;
        self.pairs += other.pairs;
        self.hits += other.hits;
        self.margin += other.margin;
        for (to, from) in self.rewards.iter_mut().zip(other.rewards) {
            *to += from;
        }
    }

    /// Share of the pairs whose chosen reward is higher; one half where all are ties.
    pub fn accuracy(&self) -> f64 {
        if self.pairs > 0.0 {
            self.hits / self.pairs
        } else {
            0.5
        }
    }

    /// Mean of chosen less rejected rewards.
    pub fn mean_margin(&self) -> f64 {
        self.margin / self.pairs.max(1.0)
    }

    /// Mean and standard deviation of the rewards.
    pub fn rewards(&self) -> [f64; 2] {
        let [count, sum, squares] = self.rewards;
        let mean = sum / count.max(1.0);
        [mean, (squares / count.max(1.0) - mean * mean).max(0.0).sqrt()]
    }
}

impl PairLosses<'_> {
    /// The slopes of the loss by the rewards of a pair's responses (chosen, rejected, then what is ranked below them), as parts of
    /// the batch's weighted mean; `seen` takes in the pair.
    pub fn slopes(&self, pair: usize, rewards: &[f64], seen: &mut Seen) -> Vec<f64> {
        let (pair, config) = (&self.pairs[pair], self.config);
        let weight = f64::from(pair.weight) * self.scale;
        let (centre, pull) = centring(rewards, config.centring);
        let mut slopes = vec![weight * pull; rewards.len()];
        let loss = match rewards {
            [chosen, rejected] => {
                let of = match config.ties {
                    Some(ties) => tie_aware(ties, *chosen, *rejected, pair.tied),
                    None => bradley_terry(*chosen, *rejected, self.margin(pair), self.belief(pair)),
                };
                slopes[0] += weight * of.slope;
                slopes[1] -= weight * of.slope;
                weight * of.loss
            }
            _ => {
                let groups: Vec<Vec<usize>> = (0..rewards.len()).map(|i| vec![i]).collect();
                plackett_luce(rewards, &groups, weight, &mut slopes)
            }
        };
        seen.loss += loss + weight * centre;
        seen.take(pair, rewards);
        slopes
    }

    fn margin(&self, pair: &Numbers) -> f64 {
        let scale = if self.config.use_margin {
            self.config.margin_scale
        } else {
            0.0
        };
        scale * f64::from(pair.margin)
    }

    /// Probability that the chosen response is the better one, with labels smoothed.
    fn belief(&self, pair: &Numbers) -> f64 {
        let (belief, smoothed) = (f64::from(pair.belief), self.config.label_smoothing);
        belief * (1.0 - smoothed) + (1.0 - belief) * smoothed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Pair;
    use recipe::Method;

    fn pair() -> Pair {
        Pair {
            margin: 0.5,
            weight: 2.0,
            belief: 0.75,
            ..Pair::new("a", Vec::new(), "yes", "no")
        }
    }

    #[test]
    fn settings_and_the_pairs_own_numbers_enter_the_loss() {
        let config = Recipe {
            margin_scale: 2.0,
            label_smoothing: 0.1,
            centring: 0.01,
            ..Recipe::of(Method::Head)
        };
        let pairs = [Numbers::of(&pair())];
        let losses = PairLosses {
            pairs: &pairs,
            config: &config,
            step: 0,
            scale: 0.25,
        };
        let mut seen = Seen::default();
        let slopes = losses.slopes(0, &[1.5, 0.5], &mut seen);
        let of = bradley_terry(1.5, 0.5, 1.0, 0.75 * 0.9 + 0.25 * 0.1);
        let want = [0.5 * (of.slope + 0.04), 0.5 * (0.04 - of.slope)];
        assert!(slopes.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-12));
        assert!((seen.loss - 0.5 * (of.loss + 0.04)).abs() < 1e-12);
        assert_eq!([seen.accuracy(), seen.mean_margin()], [1.0, 1.0]);
        assert_eq!(seen.rewards(), [1.0, 0.5]);
    }

    #[test]
    fn more_than_two_responses_are_a_ranking() {
        let config = Recipe::of(Method::Head);
        let pairs = [Numbers::of(&Pair {
            lower: vec!["worse".into()],
            weight: 1.0,
            ..pair()
        })];
        let losses = PairLosses {
            pairs: &pairs,
            config: &config,
            step: 0,
            scale: 1.0,
        };
        let rewards = [0.2, 0.7, -0.1];
        let mut seen = Seen::default();
        let slopes = losses.slopes(0, &rewards, &mut seen);
        let mut want = [0.0; 3];
        let loss = plackett_luce(&rewards, &[vec![0], vec![1], vec![2]], 1.0, &mut want);
        assert_eq!((slopes.as_slice(), seen.loss), (want.as_slice(), loss));
        assert_eq!(seen.accuracy(), 0.0);
    }
}
