//! Training: what is asked for, what is learnt (a [`Learner`]'s business), and from where a run starts or goes on.

mod alike;
mod begin;
mod check;
mod engine;
#[cfg(test)]
mod engine_tests;
mod events;
mod fault;
mod full;
mod head;
mod identity;
mod losses;
mod order;
mod pairs;
mod plan;
mod rates;
mod run;
mod speed;
mod sums;
mod token_store;
mod watch;
mod what;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use begin::{Begin, RULES};
pub use check::check_recipe;
pub use events::Event;
use identity::Identity;
pub(crate) use identity::hash_model;
use losses::{PairLosses, Seen};
use pairs::Pairs;
pub use pairs::{PairSource, Take};
pub use watch::Best;
pub(crate) use watch::Watch;

use candle_core::Device;

use crate::backbone::{Family, ModelConfig, Weights};
use crate::base::MeanHead;
use crate::checkpoint::{Checkpoints, State};
use crate::data::{Cut, Encoder, Pair};
use crate::error::{ModelError, TrainError};
use crate::lanes::Lanes;
use crate::padding;
use crate::save::{About, Parts};
use recipe::{Method, Pooling, Recipe};

/// What to train, on what, and where.
#[derive(Debug, Clone)]
pub struct TrainRequest<P = Vec<Pair>> {
    /// The settings.
    pub config: Recipe,
    /// Pairs to learn from: a list, or a source that hands them over one by one, so that memory does not grow with them.
    pub train: P,
    /// Pairs to measure on; may be empty.
    pub held_out: Vec<Pair>,
    /// The run's own folder: `checkpoints/` while it runs, `model/` once it is done.
    pub run_dir: PathBuf,
    /// Folder of cached embeddings, shared by all runs.
    pub cache_dir: PathBuf,
    /// Threads to compute with; all cores if not given. The numbers do not depend on it.
    pub threads: Option<usize>,
}

/// A request as the run sees it.
#[derive(Clone, Copy)]
struct Request<'a> {
    /// As [`begin::Begin`] has it.
    config: &'a Recipe,
    /// The base model's folder as it was named.
    base_model: &'a Path,
    train: &'a dyn PairSource,
    /// Rankings are taken apart: what is measured is which of two is preferred.
    held_out: &'a [Pair],
    run_dir: &'a Path,
    cache_dir: &'a Path,
    threads: Option<usize>,
}

/// The pairs that rankings say.
fn taken_apart(pairs: &[Pair]) -> Cow<'_, [Pair]> {
    if pairs.iter().all(|pair| pair.lower.is_empty()) {
        return Cow::Borrowed(pairs);
    }
    pairs.iter().flat_map(Pair::pairs).collect()
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

/// A model being trained: how it gets gradients and rewards, and how it is saved.
trait Learner {
    /// Those that learn; gradients and checkpoints are of these alone.
    fn weights(&self) -> &Weights;
    /// What the learning rate is multiplied by for each of them.
    fn rates(&self) -> Vec<f64>;
    /// What was cut of the training and held-out texts.
    fn cut(&self) -> [Cut; 2];
    /// Longest text of each training pair, in tokens.
    fn lengths(&self) -> Vec<u32>;
    /// Adds the gradients of the losses of the pairs at these places.
    fn gradients(
        &mut self,
        pairs: &[usize],
        loss: &PairLosses,
        gradients: &mut [Vec<f32>],
    ) -> Result<Seen, TrainError>;
    /// Places of the training and the held-out pairs whose responses are one text to the model.
    fn alike(&self) -> Result<[Vec<usize>; 2], TrainError>;
    /// What the held-out pairs get; nothing when `stop` was raised on the way.
    fn held_out(&mut self, stop: &AtomicBool) -> Result<Option<Vec<Rewarded>>, TrainError>;
    /// Whether the model has a bias that moves all rewards, and whose zero means nothing yet.
    fn can_shift(&self) -> bool;
    /// Moves all rewards by `shift`, if it can, and writes the folder.
    fn save(&self, folder: &Path, parts: &Parts, shift: f64) -> Result<(), ModelError>;
}

/// What a held-out pair's two responses get.
#[derive(Debug, Clone, Copy)]
struct Rewarded {
    rewards: [f32; 2],
    /// By an ensemble.
    spreads: Option<[f32; 2]>,
}

/// Trains a model, or goes on with one: a run folder that holds a checkpoint of the same settings, pairs and base model
/// is continued from there, to the same numbers as if it had never stopped.
///
/// Raising `stop` ends the run after the step at hand, with a checkpoint. Blocks; give it a thread of its own.
///
/// # Errors
/// Settings, files or pairs that cannot be used, and numbers that are no longer finite. The last checkpoint stays.
pub fn train<P: PairSource>(
    request: &TrainRequest<P>,
    on_event: &mut dyn FnMut(Event),
    stop: &AtomicBool,
) -> Result<TrainOutcome, TrainError> {
    let held_out = taken_apart(&request.held_out);
    let request = Request {
        config: &request.config,
        base_model: &request.config.base_model,
        train: &request.train,
        held_out: &held_out,
        run_dir: &request.run_dir,
        cache_dir: &request.cache_dir,
        threads: request.threads,
    };
    train_on(&request, on_event, stop)
}

fn train_on(
    request: &Request,
    on_event: &mut dyn FnMut(Event),
    stop: &AtomicBool,
) -> Result<TrainOutcome, TrainError> {
    let started = Instant::now();
    let asked = request.config;
    check::check(asked)?;
    let device = check::open_device(asked)?;
    // Both read much and wait for nothing else.
    let (train, base_hash) = std::thread::scope(|scope| {
        let base_hash = scope.spawn(|| hash_model(&asked.base_model));
        let train = Pairs::survey(request.train, asked);
        (train, base_hash.join())
    });
    let train = train?;
    if train.len() == 0 {
        return Err(TrainError::NoPairs);
    }
    let base_hash = base_hash.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    let held_out = Pairs::survey(&request.held_out, asked)?;
    check::needs_held_out(asked, held_out.len())?;
    let checkpoints = Checkpoints::new(request.run_dir);
    let state = checkpoints.last()?;
    let rules = state.as_ref().map_or(RULES, |state| state.rules);
    let begin = Begin::new(asked, rules)?;
    let identity = Identity {
        config: asked,
        base: &base_hash,
        head: begin.head.as_ref().map(identity::hash_head),
        pairs: [&train.hash, &held_out.hash],
    };
    if let Some(about) = About::load(&request.run_dir.join("model"))? {
        return finished_before(request, about, &identity, on_event);
    }
    if state
        .as_ref()
        .is_some_and(|state| !identity.is(&state.fingerprint))
    {
        return Err(changed(request));
    }
    std::fs::create_dir_all(request.run_dir).map_err(ModelError::file(request.run_dir))?;
    let state = State {
        fingerprint: identity.fingerprint(),
        rules,
        ..state.unwrap_or_default()
    };
    if let (Some(note), 0) = (begin.note, state.step) {
        on_event(Event::Note {
            text: note.to_owned(),
        });
    }
    let lanes = Lanes::new(request.threads)?;
    let encoder = encoder(&begin.config)?;
    let request = Request {
        config: &begin.config,
        ..*request
    };
    let setting = Setting {
        request: &request,
        train: &train,
        held_out: &held_out,
        encoder: &encoder,
        lanes: &lanes,
        base_hash: &base_hash,
        own_head: begin.head.as_ref(),
        device: &device,
    };
    let mut learner: Box<dyn Learner> = match asked.method {
        Method::Head => match head::Head::new(&setting, stop, on_event)? {
            Some(head) => Box::new(head),
            None => return Ok(TrainOutcome::Stopped { step: state.step }),
        },
        Method::Lora | Method::Layers | Method::Full => Box::new(full::Full::new(&setting)?),
    };
    let alike = match rules {
        0 => Default::default(),
        _ => learner.alike()?,
    };
    check::tell_something(&request, &train, &alike)?;
    let start = run::Start {
        setting,
        learner: learner.as_mut(),
        alike,
        checkpoints,
        state,
        started,
    };
    run::Run::new(start)?.go(on_event, stop)
}

fn changed(request: &Request) -> TrainError {
    TrainError::Changed {
        run_dir: request.run_dir.to_owned(),
    }
}

/// The run's folder holds its model already.
fn finished_before(
    request: &Request,
    about: About,
    identity: &Identity,
    on_event: &mut dyn FnMut(Event),
) -> Result<TrainOutcome, TrainError> {
    if !identity.is(&about.fingerprint) {
        return Err(changed(request));
    }
    on_event(Event::Finished {
        metrics: about.metrics,
        seconds: about.seconds,
    });
    Ok(TrainOutcome::Finished {
        model_dir: request.run_dir.join("model"),
        about: Box::new(about),
    })
}

fn encoder(config: &Recipe) -> Result<Encoder, ModelError> {
    let base = &config.base_model;
    let encoder = Encoder::load(base, config.max_tokens)?;
    let family = Family::of(&ModelConfig::load(base)?)?.pooled(config.pooling);
    let reads_last =
        family.is_decoder() && config.method != Method::Head && family.pooling() == Pooling::Family;
    let padding = reads_last
        .then(|| padding::of_trained(base, &encoder))
        .transpose()?;
    Ok(encoder.without_padding(padding).truncating(config.truncation))
}

/// What a learner is made from.
struct Setting<'a> {
    request: &'a Request<'a>,
    train: &'a Pairs<'a>,
    held_out: &'a Pairs<'a>,
    encoder: &'a Encoder,
    lanes: &'a Lanes,
    base_hash: &'a str,
    /// The base model's own head, if the run goes on from it.
    own_head: Option<&'a MeanHead>,
    device: &'a Device,
}
