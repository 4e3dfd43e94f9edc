//! The loop: a step, now and then an evaluation and a checkpoint, and the end.

mod finish;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::fault::{Fault, broken};
use super::losses::{PairLosses, Seen};
use super::order::Batches;
use super::plan::Plan;
use super::speed::Speed;
use super::{Event, Learner, Rewarded, Setting, TrainOutcome};
use crate::checkpoint::{Checkpoints, State};
use crate::data::Pair;
use crate::error::TrainError;
use crate::evaluate::{Metrics, ScoredPair, evaluate};
use crate::optimizer::learning_rate;
use crate::optimizer::{OptimizerState, Update, empty, norm};
use crate::predictions::Prediction;
use recipe::Keep;

/// What a run starts from.
pub(super) struct Start<'a> {
    pub setting: Setting<'a>,
    pub learner: &'a mut dyn Learner,
    /// Places of the training and the held-out pairs that are left out: to the model their responses are one text.
    pub alike: [Vec<usize>; 2],
    pub checkpoints: Checkpoints,
    /// Of the last checkpoint, or a new one.
    pub state: State,
    pub started: Instant,
}

pub(super) struct Run<'a> {
    setting: Setting<'a>,
    learner: &'a mut dyn Learner,
    alike: [Vec<usize>; 2],
    checkpoints: Checkpoints,
    state: State,
    /// What the last evaluation of this start made of each pair, and its step.
    predictions: Option<(u64, Vec<Prediction>)>,
    plan: Plan,
    batches: Batches,
    optimizer: OptimizerState,
    gradients: Vec<Vec<f32>>,
    clock: Clock,
}

/// When this start began, what earlier ones took, and when the last checkpoint was written.
struct Clock {
    started: Instant,
    seconds_before: f64,
    first_step: u64,
    /// When its first step began: texts are read and embedded before.
    stepping: Instant,
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
            alike,
            checkpoints,
            state,
            started,
        } = start;
        let config = &setting.request.config;
        let weights = learner.weights();
        let mut optimizer = OptimizerState::new(config.optimizer, weights, learner.rates());
        if state.step > 0 {
            checkpoints.restore(&state, weights, &mut optimizer)?;
        }
        let lengths = learner.lengths();
        Ok(Self {
            plan: Plan::new(config, lengths.len() - alike[0].len()),
            batches: Batches::new(lengths, &alike[0], config),
            alike,
            predictions: None,
            optimizer,
            gradients: weights.sizes().into_iter().map(|n| vec![0.0; n]).collect(),
            clock: Clock {
                started,
                seconds_before: state.seconds,
                first_step: state.step,
                stepping: Instant::now(),
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
        let [train_pairs, held_out_pairs] = self.counts();
        self.clock.stepping = Instant::now();
        on_event(Event::Started {
            train_pairs,
            held_out_pairs,
            steps: self.plan.steps,
            first_step: self.state.step,
            train_cut,
            held_out_cut,
            alike: [self.alike[0].len(), self.alike[1].len()],
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

    /// Pairs that are learnt from, and pairs held out.
    fn counts(&self) -> [usize; 2] {
        let all = [self.setting.train.len(), self.setting.held_out.len()];
        [all[0] - self.alike[0].len(), all[1] - self.alike[1].len()]
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
            learning_rate: learning_rate(config, step, self.plan.steps),
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
        let seconds_a_step = self.clock.stepping.elapsed().as_secs_f64() / here;
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
        if let Some(rewarded) = self.learner.held_out(stop)? {
            let metrics = self.measure(&rewarded)?;
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

    /// Nothing without held-out pairs that prefer something.
    fn measure(&mut self, rewarded: &[Rewarded]) -> Result<Option<Metrics>, TrainError> {
        let (request, step) = (self.setting.request, self.state.step);
        if rewarded
            .iter()
            .flat_map(|one| one.rewards)
            .any(|reward| !reward.is_finite())
        {
            return Err(broken(Fault::NotFinite, (step, Vec::new()), request.config));
        }
        let says_something = |(place, (_, pair)): &(usize, (&Rewarded, &Pair))| {
            !pair.tied && self.alike[1].binary_search(place).is_err()
        };
        let measured = rewarded.iter().zip(request.held_out).enumerate();
        let (mut scored, mut predictions) = (Vec::new(), Vec::new());
        for (_, (&Rewarded { rewards, spreads }, pair)) in measured.filter(says_something) {
            scored.push(ScoredPair {
                rewards,
                spreads,
                lengths: [pair.chosen.chars().count(), pair.rejected.chars().count()],
            });
            predictions.push(Prediction::new(&pair.id, rewards, spreads));
        }
        self.predictions = Some((step, predictions));
        Ok(evaluate(&scored))
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
}
