//! How many steps a run has, and what happens when.

use recipe::{Method, Recipe};

pub(super) struct Plan {
    pub per_epoch: u64,
    pub steps: u64,
    evaluate_every: u64,
    tell_every: u64,
}

impl Plan {
    pub fn new(config: &Recipe, pairs: usize) -> Self {
        let batches = pairs.div_ceil(config.batch_pairs);
        let per_epoch = batches.div_ceil(config.accumulate) as u64;
        let steps = per_epoch * u64::from(config.epochs);
        let by_epoch = (config.evaluate_every * per_epoch as f64).round() as u64;
        Self {
            per_epoch,
            steps,
            evaluate_every: match config.evaluate_every_steps {
                0 => by_epoch.max(1),
                every => every,
            },
            // A head takes thousands of steps a second: some two hundred points make its curve.
            tell_every: match config.method {
                Method::Head => (steps / 200).max(1),
                _ => 1,
            },
        }
    }

    pub fn evaluates(&self, step: u64) -> bool {
        step > 0 && (step.is_multiple_of(self.evaluate_every) || step == self.steps)
    }

    pub fn tells(&self, step: u64) -> bool {
        step.is_multiple_of(self.tell_every) || step == self.steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_take_batches_together_and_are_evaluated_as_asked() {
        let config = Recipe {
            batch_pairs: 8,
            accumulate: 3,
            epochs: 2,
            evaluate_every: 0.5,
            ..Recipe::of(Method::Full)
        };
        let plan = Plan::new(&config, 100);
        assert_eq!((plan.per_epoch, plan.steps), (5, 10));
        let at = |plan: Plan| (0..=10).filter(|step| plan.evaluates(*step)).collect::<Vec<_>>();
        assert_eq!(at(plan), [3, 6, 9, 10]);
        let config = Recipe {
            evaluate_every_steps: 4,
            ..config
        };
        assert_eq!(at(Plan::new(&config, 100)), [4, 8, 10]);
    }
}
