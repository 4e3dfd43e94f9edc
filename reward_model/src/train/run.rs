//! The loop: a step, now and then an evaluation and a checkpoint, and the end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::fault::{Fault, broken};
use super::losses::{PairLosses, Seen};
use super::order::Batches;
use super::plan::Plan;
use super::speed::Speed;
use super::{Event, Learner, Setting, TrainOutcome};
use crate::checkpoint::{Checkpoints, State, write_folder};
use crate::config::Keep;
use crate::error::TrainError;
use crate::evaluate::{Metrics, ScoredPair, evaluate};
use crate::optimizer::{Optimizer, Update, empty, norm};
use crate::save::{About, Parts};

/// What a run starts from.
pub(super) struct Start<'a> {
    pub setting: Setting<'a>,
    pub learner: &'a mut dyn Learner,
    pub checkpoints: Checkpoints,
    /// Of the last checkpoint, or a new one.
    pub state: State,
    pub started: Instant,
}

pub(super) struct Run<'a> {
    setting: Setting<'a>,
    learner: &'a mut dyn Learner,
    checkpoints: Checkpoints,
    state: State,
    plan: Plan,
    batches: Batches,
    optimizer: Optimizer,
    gradients: Vec<Vec<f32>>,
    clock: Clock,
}

/// When this start began, what earlier ones took, and when the last checkpoint was written.
struct Clock {
    started: Instant,
    seconds_before: f64,
    first_step: u64,
    written: Instant,
    speed: Speed,
}

impl Clock {
    fn seconds(&self) -> f64 {
        self.seconds_before + self.started.elapsed().as_secs_f64()
    }
}

/// What a step saw and did.
struct Done {
    seen: Seen,
    learning_rate: f64,
    grad_norm: f64,
}

impl<'a> Run<'a> {
    /// A new run, or the checkpoint's, restored.
    pub fn new(start: Start<'a>) -> Result<Self, TrainError> {
        let Start {
            setting,
            learner,
            checkpoints,
            state,
            started,
        } = start;
        let config = &setting.request.config;
        let weights = learner.weights();
        let mut optimizer = Optimizer::new(config.optimizer, weights, learner.rates());
        if state.step > 0 {
            checkpoints.restore(&state, weights, &mut optimizer)?;
        }
        let lengths = learner.lengths();
        Ok(Self {
            plan: Plan::new(config, lengths.len()),
            batches: Batches::new(lengths, config),
            optimizer,
            gradients: weights.sizes().into_iter().map(|n| vec![0.0; n]).collect(),
            clock: Clock {
                started,
                seconds_before: state.seconds,
                first_step: state.step,
                written: Instant::now(),
                speed: Speed::new(),
            },
            setting,
            learner,
            checkpoints,
            state,
        })
    }

    /// Goes on to the last step, or to the one at which `stop` was raised.
    pub fn go(
        mut self,
        on_event: &mut dyn FnMut(Event),
        stop: &AtomicBool,
    ) -> Result<TrainOutcome, TrainError> {
        let [train_cut, held_out_cut] = self.learner.cut();
        on_event(Event::Started {
            train_pairs: self.setting.train.len(),
            held_out_pairs: self.setting.request.held_out.len(),
            steps: self.plan.steps,
            first_step: self.state.step,
            train_cut,
            held_out_cut,
        });
        loop {
            self.evaluate_if_due(on_event, stop)?;
            if stop.load(Ordering::Relaxed) {
                self.write_checkpoint(on_event)?;
                return Ok(TrainOutcome::Stopped {
                    step: self.state.step,
                });
            }
            let patience = self.setting.request.config.patience;
            let is_stale = patience > 0 && self.state.watch.stale >= patience;
            if self.state.step == self.plan.steps || is_stale {
                return self.finish(on_event);
            }
            let done = self.step()?;
            if self.plan.tells(self.state.step) {
                on_event(self.told(&done));
            }
            if self.is_checkpoint_due() {
                self.write_checkpoint(on_event)?;
            }
        }
    }

    /// One batch: gradients, their norm limited, an update.
    fn step(&mut self) -> Result<Done, TrainError> {
        let (config, step) = (self.setting.request.config, self.state.step);
        let (pairs, lanes) = (self.setting.train, self.setting.lanes);
        let elements = self.gradients.iter().map(Vec::len).sum();
        let batch = self
            .batches
            .of(step / self.plan.per_epoch, step % self.plan.per_epoch);
        let total: f64 = batch.iter().map(|&i| f64::from(pairs.numbers[i].weight)).sum();
        let losses = PairLosses {
            pairs: &pairs.numbers,
            config,
            step,
            scale: if total > 0.0 { 1.0 / total } else { 0.0 },
        };
        let gradients = &mut self.gradients;
        self.setting.lanes.install(|| empty(gradients));
        let seen = self.learner.gradients(batch, &losses, &mut self.gradients)?;
        let grad_norm = lanes.install_for(elements, || norm(&self.gradients));
        let told = || (step + 1, pairs.ids(batch));
        if !seen.loss.is_finite() || !grad_norm.is_finite() {
            return Err(broken(Fault::NotFinite, told(), config));
        }
        if self.state.watch.has_diverged(seen.loss) {
            return Err(broken(Fault::Diverged, told(), config));
        }
        let limit = config.max_grad_norm;
        let update = Update {
            step,
            learning_rate: config.schedule.learning_rate(
                config.learning_rate,
                config.warmup_share,
                step,
                self.plan.steps,
            ),
            weight_decay: config.weight_decay,
            scale: if limit > 0.0 && grad_norm > limit {
                limit / grad_norm
            } else {
                1.0
            },
        };
        let (optimizer, gradients, weights) = (&mut self.optimizer, &self.gradients, self.learner.weights());
        lanes.install_for(elements, || optimizer.step(weights, gradients, update))?;
        self.state.step += 1;
        self.clock.speed.add(batch.len(), seen.tokens);
        Ok(Done {
            seen,
            learning_rate: update.learning_rate,
            grad_norm,
        })
    }

    fn told(&self, done: &Done) -> Event {
        let (step, steps) = (self.state.step, self.plan.steps);
        let here = (step - self.clock.first_step) as f64;
        let seconds_a_step = self.clock.started.elapsed().as_secs_f64() / here;
        let [reward_mean, reward_spread] = done.seen.rewards();
        Event::Step {
            step,
            steps,
            epoch: step as f64 / self.plan.per_epoch as f64,
            loss: done.seen.loss,
            learning_rate: done.learning_rate,
            grad_norm: done.grad_norm,
            accuracy: done.seen.accuracy(),
            margin: done.seen.mean_margin(),
            reward_mean,
            reward_spread,
            pairs_per_second: self.clock.speed.pairs(),
            tokens_per_second: self.clock.speed.tokens(),
            seconds_left: (steps - step) as f64 * seconds_a_step,
        }
    }

    /// Measures the held-out pairs, once a step; a run that is stopped on the way measures them when it goes on.
    fn evaluate_if_due(
        &mut self,
        on_event: &mut dyn FnMut(Event),
        stop: &AtomicBool,
    ) -> Result<(), TrainError> {
        let (step, steps) = (self.state.step, self.plan.steps);
        let is_done = self.state.evaluated.as_ref().is_some_and(|(at, _)| *at == step);
        if is_done || !self.plan.evaluates(step) {
            return Ok(());
        }
        if let Some(rewards) = self.learner.held_out(stop)? {
            let metrics = self.measure(rewards)?;
            self.state.evaluated = Some((step, metrics));
            if let Some(metrics) = metrics {
                on_event(Event::Evaluated { step, steps, metrics });
                let is_best = self.state.watch.is_best(step, metrics);
                if is_best && self.setting.request.config.keep == Keep::Best {
                    self.checkpoints.write_best(step, self.learner.weights())?;
                }
            }
        }
        self.clock.speed.pause();
        Ok(())
    }

    /// Nothing without held-out pairs.
    fn measure(&self, rewards: Vec<[f32; 2]>) -> Result<Option<Metrics>, TrainError> {
        let request = self.setting.request;
        if rewards.iter().flatten().any(|reward| !reward.is_finite()) {
            let step = (self.state.step, Vec::new());
            return Err(broken(Fault::NotFinite, step, request.config));
        }
        let preferred = rewards
            .into_iter()
            .zip(request.held_out.iter())
            .filter(|(_, pair)| !pair.tied);
        let scored = preferred.map(|(rewards, pair)| {
            let lengths = [pair.chosen.chars().count(), pair.rejected.chars().count()];
            ScoredPair { rewards, lengths }
        });
        Ok(evaluate(&scored.collect::<Vec<_>>()))
    }

    fn is_checkpoint_due(&self) -> bool {
        let config = &self.setting.request.config;
        let (steps, seconds) = (config.checkpoint_every_steps, config.checkpoint_every_seconds);
        (steps > 0 && self.state.step.is_multiple_of(steps))
            || (seconds > 0 && self.clock.written.elapsed().as_secs() >= seconds)
    }

    fn write_checkpoint(&mut self, on_event: &mut dyn FnMut(Event)) -> Result<(), TrainError> {
        self.state.seconds = self.clock.seconds();
        self.checkpoints
            .write(&self.state, self.learner.weights(), &self.optimizer)?;
        on_event(Event::Checkpointed {
            step: self.state.step,
        });
        self.clock.written = Instant::now();
        self.clock.speed.pause();
        Ok(())
    }

    /// Saves the model and lets go of the checkpoints.
    fn finish(self, on_event: &mut dyn FnMut(Event)) -> Result<TrainOutcome, TrainError> {
        let request = self.setting.request;
        let (mut step, mut metrics) = match self.state.evaluated {
            Some((step, metrics)) => (step, metrics),
            None => (self.state.step, None),
        };
        let kept = self
            .state
            .watch
            .best
            .filter(|_| request.config.keep == Keep::Best);
        if let Some(best) = kept.filter(|best| best.step != self.state.step) {
            self.checkpoints.restore_best(best.step, self.learner.weights())?;
            (step, metrics) = (best.step, Some(best.metrics));
        }
        // The loss leaves the rewards' zero open; the held-out responses' mean is put there, where the model has a bias for it.
        let mean = metrics.as_ref().map_or(0.0, |metrics| metrics.mean_reward);
        let shift = if self.learner.can_shift() { -mean } else { 0.0 };
        if let Some(metrics) = &mut metrics {
            metrics.mean_reward += shift;
            metrics.reward_range = metrics.reward_range.map(|reward| reward + shift);
        }
        let about = About {
            config: request.config.clone(),
            code_version: env!("CARGO_PKG_VERSION").to_owned(),
            fingerprint: self.state.fingerprint.clone(),
            data_hash: self.setting.train.hash.clone(),
            train_pairs: self.setting.train.len(),
            train_cut: self.learner.cut()[0],
            step,
            metrics,
            seconds: self.clock.seconds(),
        };
        let model_dir = request.run_dir.join("model");
        let parts = Parts {
            base_model: &request.config.base_model,
            encoder: self.setting.encoder,
            about: &about,
        };
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
}
