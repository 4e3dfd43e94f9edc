//! The learning rate's course over a run.

use std::f64::consts::PI;

use recipe::{Recipe, Schedule};

/// The learning rate of a step: up in a straight line over the first `warmup_share` of `steps`, then as the schedule says, down to
/// `floor_share` of the peak. `step` counts from 0.
pub(crate) fn learning_rate(recipe: &Recipe, step: u64, steps: u64) -> f64 {
    let (peak, floor) = (recipe.learning_rate, recipe.floor_share);
    let warmup = (recipe.warmup_share * steps as f64).ceil();
    let (step, steps) = (step as f64, steps as f64);
    if step < warmup {
        return peak * (step + 1.0) / (warmup + 1.0);
    }
    let left = (steps - step) / (steps - warmup);
    let share = match recipe.schedule {
        Schedule::Constant => return peak,
        Schedule::Linear => left,
        Schedule::Cosine => 0.5 * (1.0 - (PI * left).cos()),
    };
    // In this order, so that without a floor nothing is rounded otherwise than before there was one.
    match floor {
        0.0 => peak * share,
        floor => peak * (floor + (1.0 - floor) * share),
    }
}

#[cfg(test)]
mod tests {
    use recipe::Method;

    use super::*;

    fn rates(schedule: Schedule, floor_share: f64) -> Vec<f64> {
        let recipe = Recipe {
            schedule,
            floor_share,
            learning_rate: 1.0,
            warmup_share: 0.2,
            ..Recipe::of(Method::Full)
        };
        (0..10).map(|step| learning_rate(&recipe, step, 10)).collect()
    }

    #[test]
    fn the_rate_rises_and_falls() {
        let linear = rates(Schedule::Linear, 0.0);
        assert!((linear[0] - 1.0 / 3.0).abs() < 1e-12 && (linear[2] - 1.0).abs() < 1e-12);
        assert!((linear[9] - 0.125).abs() < 1e-12);
        let cosine = rates(Schedule::Cosine, 0.0);
        assert!((cosine[2] - 1.0).abs() < 1e-12 && (cosine[6] - 0.5).abs() < 1e-12 && cosine[9] < 0.04);
        assert_eq!(rates(Schedule::Constant, 0.1)[2..], [1.0; 8]);
    }

    /// transformers 5.23: `get_cosine_with_min_lr_schedule_with_warmup(optimizer, 2, 10, min_lr_rate=0.1)`, after the warm-up.
    #[test]
    fn it_falls_to_its_floor() {
        let theirs = [
            1.0,
            0.9657457896300791,
            0.8681980515339464,
            0.7222075445642904,
            0.55,
            0.3777924554357096,
            0.23180194846605365,
            0.13425421036992097,
        ];
        for (ours, theirs) in rates(Schedule::Cosine, 0.1)[2..].iter().zip(theirs) {
            assert!((ours - theirs).abs() < 1e-12, "{ours} {theirs}");
        }
        assert!((rates(Schedule::Linear, 0.2)[9] - 0.3).abs() < 1e-12);
    }
}
