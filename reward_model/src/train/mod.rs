//! The training loop: steps, evaluations, checkpoints and the stop flag. What is learnt is a [`Learner`]'s business.

mod events;
mod full;
mod head;
mod order;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use sha2::{Digest, Sha256};

pub use events::Event;

use crate::backbone::{BertConfig, Weights};
use crate::checkpoint::{Checkpoints, State, write_folder};
use crate::config::{ConfigError, Method, TrainConfig};
use crate::data::{Cut, Encoder, Pair};
use crate::embed::hex;
use crate::error::{ModelError, TrainError};
use crate::evaluate::{Metrics, ScoredPair, evaluate};
use crate::lanes::Lanes;
use crate::loss::bradley_terry;
use crate::optimizer::{AdamW, Update, learning_rate, norm};
use crate::save::{About, Parts, check_base_model};

/// What to train, on what, and where.
#[derive(Debug, Clone)]
pub struct TrainRequest {
    /// The settings.
    pub config: TrainConfig,
    /// Pairs to learn from.
    pub train: Vec<Pair>,
    /// Pairs to measure on; may be empty.
    pub held_out: Vec<Pair>,
    /// The run's own folder: `checkpoints/` while it runs, `model/` once it is done.
    pub run_dir: PathBuf,
    /// Folder of cached embeddings, shared by all runs.
    pub cache_dir: PathBuf,
    /// Threads to compute with; all cores if not given. The numbers do not depend on it.
    pub threads: Option<usize>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum TrainOutcome {
    /// The model is saved.
    Finished {
        /// Its folder.
        model_dir: PathBuf,
        /// How it was made, with its metrics; boxed for its size.
        about: Box<About>,
    },
    /// The stop flag was raised; the same request goes on from here.
    Stopped {
        /// Optimizer steps done.
        step: u64,
    },
}

/// What one step saw.
struct StepSums {
    /// Weighted sum of the pairs' losses.
    loss: f64,
    /// Tokens read.
    tokens: usize,
}

/// A model being trained: how it gets gradients and rewards, and how it is saved.
trait Learner {
    fn weights(&self) -> &Weights;
    /// Weights that do not move.
    fn frozen(&self) -> &'static [&'static str];
    /// What was cut of the training and held-out texts.
    fn cut(&self) -> [Cut; 2];
    /// Longer text of each training pair, in tokens.
    fn lengths(&self) -> Vec<usize>;
    /// Adds the gradients of `slope`-weighted rewards of the pairs at these places.
    fn gradients(
        &self,
        pairs: &[usize],
        loss: &PairLosses,
        gradients: &mut [Vec<f32>],
    ) -> Result<StepSums, TrainError>;
    /// Rewards of the held-out pairs; nothing when `stop` was raised on the way.
    fn held_out(&self, stop: &AtomicBool) -> Result<Option<Vec<[f32; 2]>>, TrainError>;
    /// Moves all rewards by `shift` and writes the folder.
    fn save(&self, folder: &Path, parts: &Parts, shift: f64) -> Result<(), ModelError>;
}

/// Margins and weights of the training pairs.
struct PairLosses<'a> {
    pairs: &'a [Pair],
    use_margin: bool,
    /// 1 / the batch's sum of weights.
    scale: f64,
}

impl PairLosses<'_> {
    /// Loss of a pair and its slope, as parts of the batch's weighted mean.
    fn of(&self, pair: usize, rewards: [f64; 2]) -> crate::loss::PairLoss {
        let pair = &self.pairs[pair];
        let margin = if self.use_margin {
            f64::from(pair.margin)
        } else {
            0.0
        };
        bradley_terry(
            rewards[0],
            rewards[1],
            margin,
            f64::from(pair.weight) * self.scale,
        )
    }
}

/// Trains a model, or goes on with one: a run folder that holds a checkpoint of the same settings, pairs and base model
/// is continued from there, to the same numbers as if it had never stopped.
///
/// Raising `stop` ends the run after the step at hand, with a checkpoint. Blocks; give it a thread of its own.
///
/// # Errors
/// Settings, files or pairs that cannot be used, and numbers that are no longer finite. The last checkpoint stays.
pub fn train(
    request: &TrainRequest,
    on_event: &mut dyn FnMut(Event),
    stop: &AtomicBool,
) -> Result<TrainOutcome, TrainError> {
    let started = Instant::now();
    let config = &request.config;
    check(request)?;
    let base_hash = hash_model(&config.base_model)?;
    let data_hash = hash_pairs(&request.train);
    let fingerprint = fingerprint(request, &base_hash, &data_hash);
    let changed = || TrainError::Changed {
        run_dir: request.run_dir.clone(),
    };
    let model_dir = request.run_dir.join("model");
    if let Some(about) = About::load(&model_dir)? {
        if about.fingerprint != fingerprint {
            return Err(changed());
        }
        on_event(Event::Finished {
            metrics: about.metrics,
            seconds: about.seconds,
        });
        return Ok(TrainOutcome::Finished {
            model_dir,
            about: Box::new(about),
        });
    }
    let checkpoints = Checkpoints::new(&request.run_dir);
    let state = checkpoints.last()?;
    if state
        .as_ref()
        .is_some_and(|state| state.fingerprint != fingerprint)
    {
        return Err(changed());
    }
    std::fs::create_dir_all(&request.run_dir).map_err(ModelError::file(&request.run_dir))?;
    let lanes = Lanes::new(request.threads)?;
    let encoder = Encoder::load(&config.base_model, config.max_tokens)?;
    let setting = Setting {
        request,
        encoder: &encoder,
        lanes: &lanes,
        base_hash: &base_hash,
    };
    let resumed = state.is_some();
    let state = state.unwrap_or_else(|| State {
        fingerprint,
        ..State::default()
    });
    let learner: Box<dyn Learner> = match config.method {
        Method::Head => match head::Head::new(&setting, stop, on_event)? {
            Some(head) => Box::new(head),
            None => return Ok(TrainOutcome::Stopped { step: state.step }),
        },
        Method::Full => Box::new(full::Full::new(&setting)?),
    };
    let mut run = Run {
        setting,
        learner: learner.as_ref(),
        checkpoints,
        state,
        started,
        data_hash,
    };
    run.go(resumed, on_event, stop)
}

/// What a learner is made from.
struct Setting<'a> {
    request: &'a TrainRequest,
    encoder: &'a Encoder,
    lanes: &'a Lanes,
    base_hash: &'a str,
}

struct Run<'a> {
    setting: Setting<'a>,
    learner: &'a dyn Learner,
    checkpoints: Checkpoints,
    state: State,
    started: Instant,
    data_hash: String,
}

impl Run<'_> {
    fn go(
        &mut self,
        resumed: bool,
        on_event: &mut dyn FnMut(Event),
        stop: &AtomicBool,
    ) -> Result<TrainOutcome, TrainError> {
        let (request, learner) = (self.setting.request, self.learner);
        let (config, weights) = (&request.config, learner.weights());
        let mut optimizer = AdamW::new(weights, learner.frozen());
        if resumed {
            self.checkpoints.restore(&self.state, weights, &mut optimizer)?;
        }
        let lengths = learner.lengths();
        let per_epoch = (lengths.len().div_ceil(config.batch_pairs)) as u64;
        let steps = per_epoch * u64::from(config.epochs);
        let evaluate_every = ((config.evaluate_every * per_epoch as f64).round() as u64).max(1);
        // A head takes thousands of steps a second: some two hundred points make its curve.
        let tell_every = if config.method == Method::Head {
            (steps / 200).max(1)
        } else {
            1
        };
        let [train_cut, held_out_cut] = learner.cut();
        on_event(Event::Started {
            train_pairs: request.train.len(),
            held_out_pairs: request.held_out.len(),
            steps,
            first_step: self.state.step,
            train_cut,
            held_out_cut,
        });
        let before = self.state.seconds;
        let mut gradients: Vec<Vec<f32>> = weights.sizes().into_iter().map(|n| vec![0.0; n]).collect();
        let mut order = None;
        let (mut written, first_step) = (Instant::now(), self.state.step);
        let mut speed = Speed::new();
        loop {
            let step = self.state.step;
            self.state.seconds = before + self.started.elapsed().as_secs_f64();
            let due = step > 0 && (step.is_multiple_of(evaluate_every) || step == steps);
            if due && self.state.evaluated.as_ref().is_none_or(|(at, _)| *at != step) {
                if let Some(metrics) = self.evaluate(stop)? {
                    self.state.evaluated = Some((step, metrics));
                    if let Some(metrics) = metrics {
                        on_event(Event::Evaluated { step, steps, metrics });
                    }
                }
                speed.pause();
            }
            if stop.load(Ordering::Relaxed) {
                self.checkpoints.write(&self.state, weights, &optimizer)?;
                on_event(Event::Checkpointed { step });
                return Ok(TrainOutcome::Stopped { step });
            }
            if step == steps {
                break;
            }
            let epoch = step / per_epoch;
            if order.as_ref().is_none_or(|(of, _)| *of != epoch) {
                order = Some((
                    epoch,
                    order::batches(&lengths, config.batch_pairs, config.seed, epoch),
                ));
            }
            let Some((_, batches)) = &order else { continue };
            let batch = &batches[(step % per_epoch) as usize];
            gradients.iter_mut().for_each(|gradient| gradient.fill(0.0));
            let total: f64 = batch.iter().map(|&i| f64::from(request.train[i].weight)).sum();
            let scale = if total > 0.0 { 1.0 / total } else { 0.0 };
            let losses = PairLosses {
                pairs: &request.train,
                use_margin: config.use_margin,
                scale,
            };
            let sums = learner.gradients(batch, &losses, &mut gradients)?;
            let length = self.setting.lanes.install(|| norm(&gradients));
            if !sums.loss.is_finite() || !length.is_finite() {
                return Err(not_finite(step + 1, config));
            }
            let rate = learning_rate(config.learning_rate, config.warmup_share, step, steps);
            let limit = config.max_grad_norm;
            let scale = if limit > 0.0 && length > limit {
                limit / length
            } else {
                1.0
            };
            let update = Update {
                step,
                learning_rate: rate,
                weight_decay: config.weight_decay,
                scale,
            };
            self.setting
                .lanes
                .install(|| optimizer.step(weights, &gradients, update))?;
            self.state.step += 1;
            let step = self.state.step;
            speed.add(batch.len(), sums.tokens);
            if step.is_multiple_of(tell_every) || step == steps {
                let passed = self.started.elapsed().as_secs_f64() / (step - first_step) as f64;
                on_event(Event::Step {
                    step,
                    steps,
                    epoch: step as f64 / per_epoch as f64,
                    loss: sums.loss,
                    learning_rate: rate,
                    grad_norm: length,
                    pairs_per_second: speed.pairs(),
                    tokens_per_second: speed.tokens(),
                    seconds_left: (steps - step) as f64 * passed,
                });
            }
            let by_steps =
                config.checkpoint_every_steps > 0 && step.is_multiple_of(config.checkpoint_every_steps);
            let by_time = config.checkpoint_every_seconds > 0
                && written.elapsed().as_secs() >= config.checkpoint_every_seconds;
            if by_steps || by_time {
                self.state.seconds = before + self.started.elapsed().as_secs_f64();
                self.checkpoints.write(&self.state, weights, &optimizer)?;
                on_event(Event::Checkpointed { step });
                written = Instant::now();
                speed.pause();
            }
        }
        drop((optimizer, gradients));
        self.finish(before, on_event)
    }

    /// Metrics of the held-out pairs, if there are any; nothing at all when stopped on the way.
    fn evaluate(&self, stop: &AtomicBool) -> Result<Option<Option<Metrics>>, TrainError> {
        let held_out = &self.setting.request.held_out;
        let Some(rewards) = self.learner.held_out(stop)? else {
            return Ok(None);
        };
        if rewards.iter().flatten().any(|reward| !reward.is_finite()) {
            return Err(not_finite(self.state.step, &self.setting.request.config));
        }
        let scored = rewards.into_iter().zip(held_out).map(|(rewards, pair)| {
            let lengths = [pair.chosen.chars().count(), pair.rejected.chars().count()];
            ScoredPair { rewards, lengths }
        });
        Ok(Some(evaluate(&scored.collect::<Vec<_>>())))
    }

    fn finish(&mut self, before: f64, on_event: &mut dyn FnMut(Event)) -> Result<TrainOutcome, TrainError> {
        let request = self.setting.request;
        let mut metrics = self.state.evaluated.as_ref().and_then(|(_, metrics)| *metrics);
        // The loss leaves the rewards' zero open; the held-out responses' mean is put there.
        let shift = -metrics.as_ref().map_or(0.0, |metrics| metrics.mean_reward);
        if let Some(metrics) = &mut metrics {
            metrics.mean_reward = 0.0;
        }
        let about = About {
            config: request.config.clone(),
            code_version: env!("CARGO_PKG_VERSION").to_owned(),
            fingerprint: self.state.fingerprint.clone(),
            data_hash: self.data_hash.clone(),
            train_pairs: request.train.len(),
            train_cut: self.learner.cut()[0],
            metrics,
            seconds: before + self.started.elapsed().as_secs_f64(),
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

/// Pairs and tokens per second of training alone, over the last steps.
struct Speed {
    since: Instant,
    recent: Vec<(f64, usize, usize)>,
}

impl Speed {
    fn new() -> Self {
        Self {
            since: Instant::now(),
            recent: Vec::new(),
        }
    }

    fn pause(&mut self) {
        self.since = Instant::now();
    }

    fn add(&mut self, pairs: usize, tokens: usize) {
        if self.recent.len() == 20 {
            self.recent.remove(0);
        }
        self.recent
            .push((self.since.elapsed().as_secs_f64(), pairs, tokens));
        self.since = Instant::now();
    }

    fn per_second(&self, what: impl Fn(&(f64, usize, usize)) -> usize) -> f64 {
        let seconds: f64 = self.recent.iter().map(|step| step.0).sum();
        self.recent.iter().map(what).sum::<usize>() as f64 / seconds.max(1e-9)
    }

    fn pairs(&self) -> f64 {
        self.per_second(|step| step.1)
    }

    fn tokens(&self) -> f64 {
        self.per_second(|step| step.2)
    }
}

fn not_finite(step: u64, config: &TrainConfig) -> TrainError {
    let suggestion = format!(
        "try a lower learning rate (it was {:e}), for example {:e}, or a longer warm-up",
        config.learning_rate,
        config.learning_rate / 5.0
    );
    TrainError::NotFinite { step, suggestion }
}

fn check(request: &TrainRequest) -> Result<(), TrainError> {
    let config = &request.config;
    config.validate()?;
    if request.train.is_empty() {
        return Err(TrainError::NoPairs);
    }
    for pair in request.train.iter().chain(&request.held_out) {
        let problem = if !pair.margin.is_finite() {
            "its margin is not a finite number"
        } else if !(pair.weight.is_finite() && pair.weight >= 0.0) {
            "its weight is not a finite number of 0 or more"
        } else {
            continue;
        };
        return Err(TrainError::Pair {
            id: pair.id.clone(),
            message: problem.to_owned(),
        });
    }
    check_base_model(&config.base_model)?;
    let positions = BertConfig::load(&config.base_model)?.max_position_embeddings;
    if config.max_tokens > positions {
        let message = format!("the base model takes at most {positions}");
        return Err(ConfigError {
            field: "max_tokens",
            message,
        }
        .into());
    }
    Ok(())
}

/// Hash of the files that decide what the base model computes.
pub(crate) fn hash_model(folder: &Path) -> Result<String, ModelError> {
    let mut hash = Sha256::new();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        let path = folder.join(name);
        let mut file = std::fs::File::open(&path).map_err(ModelError::file(&path))?;
        std::io::copy(&mut file, &mut hash).map_err(ModelError::file(&path))?;
    }
    Ok(hex(&hash.finalize()))
}

fn hash_pairs(pairs: &[Pair]) -> String {
    let mut hash = Sha256::new();
    for pair in pairs {
        let [chosen, rejected] = pair.texts();
        for text in [&pair.id, &chosen, &rejected] {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        hash.update(pair.margin.to_le_bytes());
        hash.update(pair.weight.to_le_bytes());
    }
    hex(&hash.finalize())
}

/// Hash of all that decides the numbers; how often checkpoints are written and where the base model lies do not.
fn fingerprint(request: &TrainRequest, base_hash: &str, data_hash: &str) -> String {
    let config = TrainConfig {
        base_model: PathBuf::new(),
        checkpoint_every_steps: 0,
        checkpoint_every_seconds: 0,
        ..request.config.clone()
    };
    let text = format!(
        "{config:?} {base_hash} {data_hash} {}",
        hash_pairs(&request.held_out)
    );
    hex(&Sha256::digest(text.as_bytes()))
}
