//! Training: the run's pairs, the engine on a thread of its own, then scores for every response of the project.
//!
//! Killed at any time, the job goes on where it was: the pairs are frozen in the run's folder, the engine resumes
//! from its checkpoint, and responses that have a score are passed over.

mod pairs;
mod recorder;
mod scores;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use domain::run::{Metrics, Run, State, event::RunEvent, progress::Progress};
use recipe::Recipe;
use reward_model::{TrainError, TrainOutcome, TrainRequest};
use serde_json::json;
use store::{StoreError, job::Outcome, run::RunEnd};
use tokio::sync::{mpsc, oneshot};

use self::recorder::Recorder;
use crate::{
    base_model::BaseModel,
    chosen_base, data_folder,
    folder_lock::FolderLock,
    worker::{Ending, INTERNAL, JobContext, StopReason, is_lease_lost, live::Here},
};

/// How often what happened is written down.
const RECORD: Duration = Duration::from_millis(250);

/// Why a run ended without a model.
enum Failure {
    /// As the person who started it may read it.
    Sentence(String),
    Internal(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::Internal(error.into())
    }
}

/// Trains the run that the job names.
pub async fn run(context: &JobContext) -> anyhow::Result<Ending> {
    let store = &context.worker.store;
    let id = context
        .job
        .run_id
        .ok_or_else(|| anyhow::anyhow!("a training job without a run"))?;
    let run = store.find_run(id).await?;
    if run.state.is_final() {
        // A worker of an earlier version died between the run's end and the job's.
        return Ok(Ending::Finished(match run.state {
            State::Failed => Outcome::Failed(run.error.unwrap_or_default(), None),
            State::Cancelled => Outcome::Cancelled(None),
            _ => Outcome::Done(json!({})),
        }));
    }
    let training = Training {
        context,
        here: Here::begin(id),
        run: &run,
    };
    let begun = store.begin_run(id, &context.lease).await?;
    training.here.publish(&[begun]);
    let end = match training.work().await {
        Ok(Some(metrics)) => RunEnd::Done(Box::new(metrics)),
        Ok(None) => match context.stop.reason() {
            Some(StopReason::Cancelled) => RunEnd::Cancelled,
            Some(StopReason::Shutdown) => {
                let waits = store.release_run(id, &context.lease).await?;
                training.here.publish(&[waits]);
                tracing::info!(job = %context.job.id, "job handed back");
                return Ok(Ending::Recorded);
            }
            Some(StopReason::LeaseLost) | None => return Ok(Ending::Stopped),
        },
        Err(Failure::Sentence(sentence)) => RunEnd::Failed(sentence),
        Err(Failure::Internal(error)) if is_lease_lost(&error) => return Err(error),
        Err(Failure::Internal(error)) => {
            tracing::error!(job = %context.job.id, error = format!("{error:#}"), "job failed");
            RunEnd::Failed(INTERNAL.into())
        }
    };
    let ended = store.finish_run(id, &context.lease, end).await?;
    training.here.publish(&[ended]);
    tracing::info!(job = %context.job.id, run = %id, "run ends");
    Ok(Ending::Recorded)
}

/// A run at work.
struct Training<'a> {
    context: &'a JobContext,
    run: &'a Run,
    here: Here,
}

impl Training<'_> {
    /// The whole way; nothing if it was stopped.
    async fn work(&self) -> Result<Option<Metrics>, Failure> {
        let base = self.base_model().await?;
        let Some((model_dir, mut metrics)) = self.train(&base).await? else {
            return Ok(None);
        };
        let Some(scored) = scores::score_responses(self, &base, &model_dir).await? else {
            return Ok(None);
        };
        metrics.scored = scored;
        Ok(Some(metrics))
    }

    /// What was asked, with what the choice of data and the machine decide.
    fn recipe(&self, base: &Path) -> Recipe {
        let asked = &self.run.settings;
        Recipe {
            base_model: base.to_owned(),
            use_margin: self.run.data.choice.margins,
            checkpoint_every_seconds: Recipe::of(asked.method).checkpoint_every_seconds,
            ..asked.clone()
        }
    }

    /// Trains, or goes on with it, and gives the model's folder.
    async fn train(&self, base: &Path) -> Result<Option<(PathBuf, Metrics)>, Failure> {
        let worker = &self.context.worker;
        let run_dir = data_folder::run(&worker.data_dir, self.run.id);
        let Some(lock) = self.lock(&run_dir).await? else {
            return Ok(None);
        };
        let frozen = pairs::freeze(&worker.store, self.run, &run_dir).await?;
        worker
            .store
            .set_run_counts(self.run, &self.context.lease, frozen.counts)
            .await?;
        let request = TrainRequest {
            config: self.recipe(base),
            train: frozen.train,
            held_out: frozen.held_out,
            run_dir,
            cache_dir: data_folder::embeddings(&worker.data_dir),
            threads: None,
        };
        let (events, mut told) = mpsc::unbounded_channel();
        let (ended, end) = oneshot::channel();
        let stop = self.context.stop.flag();
        std::thread::Builder::new().name("train".into()).spawn(move || {
            // Sending fails only when the job's task is gone, and then the stop flag does not matter either.
            let mut on_event = |event| drop(events.send(event));
            // Let go of by the thread, not by who waits for it: until it ends, it writes there.
            let _lock = lock;
            drop(ended.send(reward_model::train(&request, &mut on_event, &stop)));
        })?;
        let mut recorder = Recorder::default();
        let mut tick = tokio::time::interval(RECORD);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = told.recv() => match event {
                    Some(event) => recorder.take(event),
                    None => break,
                },
                _ = tick.tick() => self.tell(recorder.drain()).await,
            }
        }
        self.tell(recorder.drain()).await;
        let outcome = end
            .await
            .map_err(|_| anyhow::anyhow!("the training thread panicked"))?;
        match outcome {
            Ok(TrainOutcome::Finished { model_dir, about }) => {
                let events = worker
                    .store
                    .list_run_events(self.run.id, 0, u64::from(u32::MAX))
                    .await?;
                Ok(Some((
                    model_dir,
                    recorder::metrics(&about, &Progress::from_events(&events)),
                )))
            }
            Ok(TrainOutcome::Stopped { .. }) => Ok(None),
            Err(TrainError::NoPairs) => Err(Failure::Sentence(
                "There is no pair to learn from: judge some comparisons first, or choose other data.".into(),
            )),
            Err(error) => Err(Failure::Sentence(format!("Training failed: {error}."))),
        }
    }

    /// Waits for the run's folder: a worker that has lost the run may still be at its last step in there. Nothing if
    /// the job is stopped meanwhile.
    async fn lock(&self, folder: &Path) -> Result<Option<FolderLock>, Failure> {
        let mut told = false;
        while !self.context.stop.is_raised() {
            if let Some(lock) = FolderLock::try_take(folder)? {
                return Ok(Some(lock));
            }
            if !told {
                let text = "Waits for another process to let go of the run's folder.".into();
                self.tell(vec![RunEvent::Note { text }]).await;
                told = true;
            }
            tokio::time::sleep(RECORD).await;
        }
        Ok(None)
    }

    async fn base_model(&self) -> Result<PathBuf, Failure> {
        let worker = &self.context.worker;
        let (data_dir, own) = (
            worker.data_dir.clone(),
            BaseModel::new(&worker.data_dir, worker.base_model.clone()),
        );
        let name = self.run.settings.base_model.to_string_lossy().into_owned();
        if chosen_base::longest(&name, &data_dir, &own).is_none() {
            let text = "Fetches the base model; this happens once.".into();
            self.tell(vec![RunEvent::Note { text }]).await;
        }
        let found =
            tokio::task::spawn_blocking(move || chosen_base::find_or_fetch(&name, &data_dir, &own)).await?;
        found.map_err(Failure::Sentence)
    }

    /// Writes events down and hands them on. What cannot be written is not worth a training; a lost lease is.
    async fn tell(&self, events: Vec<RunEvent>) {
        if events.is_empty() {
            return;
        }
        let store = &self.context.worker.store;
        match store
            .append_run_events(self.run.id, &self.context.lease, &events)
            .await
        {
            Ok(told) => self.here.publish(&told),
            Err(StoreError::LeaseLost) => self.context.stop.raise(StopReason::LeaseLost),
            Err(error) => tracing::warn!(run = %self.run.id, %error, "cannot keep what the run tells"),
        }
    }
}
