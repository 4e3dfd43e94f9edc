//! The learning rate's course over a run.

use serde::{Deserialize, Serialize};

/// What the learning rate does after its warm-up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// It stays.
    Constant,
    /// It falls in a straight line to 0.
    #[default]
    Linear,
    /// It falls along half a cosine to 0 (Loshchilov and Hutter 2016, without restarts).
    Cosine,
}

impl Schedule {
    /// The learning rate of a step: up in a straight line over the first `warmup_share` of `steps`, then as the schedule
    /// says. `step` counts from 0.
    pub fn learning_rate(self, peak: f64, warmup_share: f64, step: u64, steps: u64) -> f64 {
        let warmup = (warmup_share * steps as f64).ceil();
        let (step, steps) = (step as f64, steps as f64);
        if step < warmup {
            return peak * (step + 1.0) / (warmup + 1.0);
        }
        let left = (steps - step) / (steps - warmup);
        match self {
            Self::Constant => peak,
            Self::Linear => peak * left,
            Self::Cosine => peak * 0.5 * (1.0 - (std::f64::consts::PI * left).cos()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_and_falls() {
        let rates = |schedule: Schedule| -> Vec<f64> {
            (0..10)
                .map(|step| schedule.learning_rate(1.0, 0.2, step, 10))
                .collect()
        };
        let linear = rates(Schedule::Linear);
        assert!((linear[0] - 1.0 / 3.0).abs() < 1e-12 && (linear[2] - 1.0).abs() < 1e-12);
        assert!((linear[9] - 0.125).abs() < 1e-12);
        let cosine = rates(Schedule::Cosine);
        assert!((cosine[2] - 1.0).abs() < 1e-12 && (cosine[6] - 0.5).abs() < 1e-12 && cosine[9] < 0.04);
        assert_eq!(rates(Schedule::Constant)[2..], [1.0; 8]);
    }
}
