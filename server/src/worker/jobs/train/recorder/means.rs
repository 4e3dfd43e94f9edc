//! Means of what steps tell, each over the steps that told it.

use domain::run::event::StepPoint;

/// What was told so far.
#[derive(Debug, Default)]
pub struct Means {
    step: u64,
    loss: Mean,
    grad_norm: Mean,
    accuracy: Mean,
    margin: Mean,
    reward_mean: Mean,
    reward_spread: Mean,
    /// The newest: it is known, not measured.
    learning_rate: Option<f64>,
}

#[derive(Debug, Default)]
struct Mean {
    sum: f64,
    count: u32,
}

impl Means {
    /// Takes in one step.
    pub fn add(&mut self, told: &StepPoint) {
        self.step = told.step;
        self.learning_rate = told.learning_rate;
        self.loss.add(Some(told.loss));
        self.grad_norm.add(told.grad_norm);
        self.accuracy.add(told.accuracy);
        self.margin.add(told.margin);
        self.reward_mean.add(told.reward_mean);
        self.reward_spread.add(told.reward_spread);
    }

    /// The point that they make; the next one begins anew.
    pub fn take(&mut self) -> StepPoint {
        let means = std::mem::take(self);
        StepPoint {
            step: means.step,
            loss: means.loss.value().unwrap_or(f64::NAN),
            learning_rate: means.learning_rate,
            grad_norm: means.grad_norm.value(),
            accuracy: means.accuracy.value(),
            margin: means.margin.value(),
            reward_mean: means.reward_mean.value(),
            reward_spread: means.reward_spread.value(),
        }
    }
}

impl Mean {
    fn add(&mut self, value: Option<f64>) {
        if let Some(value) = value {
            self.sum += value;
            self.count += 1;
        }
    }

    fn value(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / f64::from(self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_some_steps_tell_is_averaged_over_those() {
        let mut means = Means::default();
        let told = |step, accuracy| StepPoint {
            step,
            loss: 1.0,
            accuracy,
            ..StepPoint::default()
        };
        for (step, accuracy) in [(1, Some(0.5)), (2, None), (3, Some(1.0))] {
            means.add(&told(step, accuracy));
        }
        assert_eq!(means.take(), told(3, Some(0.75)));
        means.add(&told(4, None));
        assert_eq!(means.take(), told(4, None));
    }
}
