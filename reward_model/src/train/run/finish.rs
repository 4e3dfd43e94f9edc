//! The end of a run: which weights are kept, where their rewards' zero is put, and what is written.

use std::sync::atomic::AtomicBool;

use super::Run;
use crate::checkpoint::write_folder;
use crate::error::TrainError;
use crate::evaluate::Metrics;
use crate::predictions::{PREDICTIONS, Prediction, write_predictions};
use crate::save::{About, Parts};
use crate::train::{Best, Event, TrainOutcome};
use recipe::{Keep, Recipe};

impl Run<'_> {
    /// Saves the model and lets go of the checkpoints.
    pub(super) fn finish(mut self, on_event: &mut dyn FnMut(Event)) -> Result<TrainOutcome, TrainError> {
        let request = self.setting.request;
        let (mut step, mut metrics) = match self.state.evaluated {
            Some((step, metrics)) => (step, metrics),
            None => (self.state.step, None),
        };
        let best = self.state.watch.best.filter(|best| best.step != self.state.step);
        let mut better = None;
        match (best, request.config.keep) {
            (Some(best), Keep::Best) => {
                self.checkpoints.restore_best(best.step, self.learner.weights())?;
                (step, metrics) = (best.step, Some(best.metrics));
            }
            (best, _) => better = best.filter(|best| is_better(best, metrics.as_ref())),
        }
        let mut predictions = match metrics {
            Some(_) => self.predictions_at(step)?,
            None => Vec::new(),
        };
        // The loss leaves the rewards' zero open; the held-out responses' mean is put there, where the model has a bias for it.
        let mean = metrics.as_ref().map_or(0.0, |metrics| metrics.mean_reward);
        let shift = if self.learner.can_shift() { -mean } else { 0.0 };
        if let Some(metrics) = &mut metrics {
            metrics.mean_reward += shift;
            metrics.reward_range = metrics.reward_range.map(|reward| reward + shift);
        }
        for prediction in &mut predictions {
            prediction.chosen += shift as f32;
            prediction.rejected += shift as f32;
        }
        let about = About {
            config: Recipe {
                base_model: request.base_model.to_owned(),
                ..request.config.clone()
            },
            code_version: env!("CARGO_PKG_VERSION").to_owned(),
            fingerprint: self.state.fingerprint.clone(),
            data_hash: self.setting.train.hash.clone(),
            train_pairs: self.counts()[0],
            held_out_pairs: self.counts()[1],
            alike: [self.alike[0].len(), self.alike[1].len()],
            train_cut: self.learner.cut()[0],
            step,
            metrics,
            better,
            seconds: self.clock.seconds(),
        };
        let model_dir = request.run_dir.join("model");
        let parts = Parts {
            base_model: &request.config.base_model,
            encoder: self.setting.encoder,
            about: &about,
        };
        write_predictions(&request.run_dir.join(PREDICTIONS), &predictions)?;
        write_folder(&model_dir, |folder| self.learner.save(folder, &parts, shift))?;
        self.checkpoints.clear()?;
        on_event(Event::Finished {
            metrics: about.metrics,
            seconds: about.seconds,
        });
        Ok(TrainOutcome::Finished {
            model_dir,
            about: Box::new(about),
        })
    }

    /// What the weights of `step`, which are the present ones, make of the held-out pairs.
    fn predictions_at(&mut self, step: u64) -> Result<Vec<Prediction>, TrainError> {
        match self.predictions.take() {
            Some((of, predictions)) if of == step => return Ok(predictions),
            // Measured by an earlier start, or before the best weights were put back.
            _ => {}
        }
        if let Some(rewarded) = self.learner.held_out(&AtomicBool::new(false))? {
            self.measure(&rewarded)?;
        }
        Ok(self
            .predictions
            .take()
            .map(|(_, predictions)| predictions)
            .unwrap_or_default())
    }
}

fn is_better(best: &Best, kept: Option<&Metrics>) -> bool {
    kept.is_some_and(|kept| best.metrics.log_loss < kept.log_loss)
}
