//! Whether a run is still worth its time: a loss that runs away, and evaluations that get no better.

use serde::{Deserialize, Serialize};

use crate::evaluate::Metrics;

/// Steps whose mean loss a run is measured by, and of which the recent loss is the moving mean.
const STEPS: u64 = 20;
/// A run has diverged when its recent loss is this many times the first one, and a nat on top for losses that begin near zero.
const TIMES: f64 = 3.0;
const NATS: f64 = 1.0;

/// What a checkpoint keeps of both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Watch {
    losses: u64,
    first: f64,
    recent: f64,
    /// The evaluation with the lowest log loss.
    pub best: Option<Best>,
    /// Evaluations since then.
    pub stale: u32,
}

/// An evaluation and its step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Optimizer steps done.
    pub step: u64,
    /// What was found.
    pub metrics: Metrics,
}

impl Watch {
    /// Takes a step's loss; true when the run has diverged.
    pub fn has_diverged(&mut self, loss: f64) -> bool {
        self.losses += 1;
        if self.losses <= STEPS {
            self.first += (loss - self.first) / self.losses as f64;
            self.recent = self.first;
            return false;
        }
        self.recent += (loss - self.recent) / STEPS as f64;
        self.recent > TIMES * self.first + NATS
    }

    /// Takes an evaluation; true when it is the best so far.
    pub fn is_best(&mut self, step: u64, metrics: Metrics) -> bool {
        let better = self
            .best
            .is_none_or(|best| metrics.log_loss < best.metrics.log_loss);
        if better {
            self.best = Some(Best { step, metrics });
            self.stale = 0;
        } else {
            self.stale += 1;
        }
        better
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::{ScoredPair, evaluate};

    #[test]
    fn a_loss_that_runs_away_is_seen_and_a_hard_batch_is_not() {
        let mut watch = Watch::default();
        assert!((0..100).all(|_| !watch.has_diverged(0.69)));
        assert!(!watch.has_diverged(8.0));
        assert!((0..20).all(|_| !watch.has_diverged(0.69)));
        let steps = (0..100).take_while(|_| !watch.has_diverged(9.0)).count();
        assert!(steps < 10, "{steps}");
    }

    #[test]
    fn the_best_is_the_lowest_log_loss() {
        let with = |reward: f32| {
            let pair = ScoredPair {
                rewards: [reward, 0.0],
                spreads: None,
                lengths: [1, 1],
            };
            evaluate(&[pair]).unwrap()
        };
        let mut watch = Watch::default();
        let told = [0.5, 0.2, 0.9, 0.9].map(|reward| watch.is_best(1, with(reward)));
        assert_eq!(told, [true, false, true, false]);
        assert_eq!(watch.stale, 1);
    }
}
