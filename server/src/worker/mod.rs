//! Jobs from the queue: claimed by lease, kept alive by heartbeat, ended or handed back.
//!
//! Each kind of job has a loop of its own, so that an import does not wait for a training. A handler gets a
//! [`JobContext`] and a flag to look at; why the flag went up is the worker's business, and so is what happens to the
//! job then.

pub mod jobs;
pub mod live;
mod stop;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use domain::job::{Job, JobKind};
use store::{
    Store, StoreError,
    job::{Abandoned, Heartbeat, LEASE, Lease, Outcome},
    run::RunEnd,
};
use tokio::sync::watch;
use uuid::Uuid;

pub use stop::{Stop, StopReason};

/// How long an idle worker waits before it looks again.
const IDLE: Duration = Duration::from_millis(500);

/// How often a running job is asked about: whether it is to be cancelled, and every so often whether the lease holds.
const WATCH: Duration = Duration::from_millis(500);

/// What people read of a failure that is none of theirs.
const INTERNAL: &str = "Something went wrong on the server; it has been logged.";

/// What a worker works with. Clones share everything.
#[derive(Debug, Clone)]
pub struct WorkerContext {
    pub store: Store,
    /// Folder of models and uploads.
    pub data_dir: Arc<Path>,
    /// The folder of the base model that the configuration names, if it does.
    pub base_model: Option<PathBuf>,
    /// The name that leases are held by: host, process, and something that no other worker has.
    pub name: Arc<str>,
}

/// What the handler of one job works with.
#[derive(Debug, Clone)]
pub struct JobContext {
    pub worker: WorkerContext,
    pub job: Job,
    pub lease: Lease,
    /// Up when the handler is to return as soon as it can, whatever the reason.
    pub stop: Stop,
}

/// How a handler ended.
#[derive(Debug)]
pub enum Ending {
    /// The job is over; the worker writes this.
    Finished(Outcome),
    /// The handler has already written the outcome itself, in a transaction with its subject.
    Recorded,
    /// The stop flag was up: cancelled, or to be gone on with by another worker.
    Stopped,
}

impl JobContext {
    /// Ends a job that is its own subject.
    pub async fn finish(&self, outcome: Outcome) -> Result<Ending, StoreError> {
        let state = outcome.state();
        self.worker.store.finish_job(&self.lease, outcome).await?;
        tracing::info!(job = %self.job.id, outcome = state.as_str(), "job ends");
        Ok(Ending::Recorded)
    }
}

/// Whether what failed is that another worker has the job.
pub fn is_lease_lost(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(StoreError::LeaseLost))
}

impl WorkerContext {
    /// A worker of this process.
    pub fn new(store: Store, data_dir: &Path, base_model: Option<PathBuf>) -> WorkerContext {
        let name = format!("{}:{}", own_process(), Uuid::new_v4().simple());
        WorkerContext {
            store,
            data_dir: data_dir.into(),
            base_model,
            name: name.into(),
        }
    }

    /// Works on jobs until `shutdown` becomes true; what is running then is handed back.
    pub async fn work(self, shutdown: watch::Receiver<bool>) {
        if let Err(error) = self.free_dead_leases().await {
            tracing::error!(%error, "cannot look for jobs of dead workers");
        }
        let loops = JobKind::ALL.map(|kind| self.clone().work_on(kind, shutdown.clone()));
        futures::future::join_all(loops).await;
    }

    async fn work_on(self, kind: JobKind, mut shutdown: watch::Receiver<bool>) {
        while !*shutdown.borrow() {
            match self.next_job(kind).await {
                Ok(Some((job, lease))) => {
                    let stop = Stop::default();
                    let running = self.run_job(job, lease, stop.clone());
                    let asked = told(&mut shutdown);
                    tokio::pin!(running);
                    tokio::select! {
                        () = &mut running => {}
                        () = asked => {
                            stop.raise(StopReason::Shutdown);
                            running.await;
                        }
                    }
                    continue;
                }
                Ok(None) => {}
                Err(error) => tracing::error!(%error, kind = kind.as_str(), "cannot claim a job"),
            }
            drop(tokio::time::timeout(IDLE, told(&mut shutdown)).await);
        }
    }

    async fn next_job(&self, kind: JobKind) -> Result<Option<(Job, Lease)>, StoreError> {
        for Abandoned { job, told } in self.store.fail_abandoned_jobs(&[kind]).await? {
            tracing::error!(job = %job.id, kind = kind.as_str(), "job given up");
            if let Some((run, told)) = job.run_id.zip(told) {
                live::publish(run, &[told]);
            }
        }
        self.store.claim_job(&self.name, &[kind]).await
    }

    /// Runs a claimed job to its end and writes the outcome.
    pub async fn run_job(&self, job: Job, lease: Lease, stop: Stop) {
        let (id, kind, run) = (job.id, job.kind.as_str(), job.run_id);
        tracing::info!(job = %id, kind, attempt = job.attempts, "job begins");
        if job.cancel_requested {
            stop.raise(StopReason::Cancelled);
        }
        let context = JobContext {
            worker: self.clone(),
            job,
            lease: lease.clone(),
            stop: stop.clone(),
        };
        let mut handler = tokio::spawn(async move { jobs::run(&context).await });
        let mut beat = tokio::time::interval(WATCH);
        let mut beats = 0_u32;
        let ended = loop {
            tokio::select! {
                ended = &mut handler => break ended,
                _ = beat.tick() => {
                    beats = beats.wrapping_add(1);
                    self.watch(&lease, beats, &stop).await;
                }
            }
        };
        let ending = ended.unwrap_or_else(|panic| Err(anyhow::anyhow!("the job panicked: {panic}")));
        if let Err(error) = self.record((&lease, run), ending, &stop).await {
            tracing::error!(job = %id, kind, %error, "the job's outcome cannot be written");
        }
    }

    /// Renews the lease a few times in its length, and looks more often whether the job is to be cancelled.
    async fn watch(&self, lease: &Lease, beats: u32, stop: &Stop) {
        let per_renewal = (LEASE.as_millis() / WATCH.as_millis() / 4) as u32;
        let told = match beats % per_renewal {
            0 => self.store.heartbeat_job(lease).await,
            _ => self
                .store
                .find_job(lease.job)
                .await
                .map(|job| match job.cancel_requested {
                    true => Heartbeat::CancelRequested,
                    false => Heartbeat::Held,
                }),
        };
        match told {
            Ok(Heartbeat::Held) => {}
            Ok(Heartbeat::CancelRequested) => stop.raise(StopReason::Cancelled),
            Ok(Heartbeat::Lost) => stop.raise(StopReason::LeaseLost),
            // The lease outlasts a few missed beats; if it does not, the next one tells.
            Err(error) => tracing::warn!(job = %lease.job, %error, "heartbeat"),
        }
    }

    async fn record(
        &self,
        (lease, run): (&Lease, Option<Uuid>),
        ending: anyhow::Result<Ending>,
        stop: &Stop,
    ) -> Result<(), StoreError> {
        let job = lease.job;
        let outcome = match (ending, stop.reason()) {
            (Ok(Ending::Recorded), _) => return Ok(()),
            (_, Some(StopReason::LeaseLost)) => {
                tracing::warn!(%job, "lease lost: left to the worker that has the job now");
                return Ok(());
            }
            (Err(error), _) if is_lease_lost(&error) => {
                tracing::warn!(%job, "lease lost: left to the worker that has the job now");
                return Ok(());
            }
            (Ok(Ending::Finished(outcome)), _) => outcome,
            (Ok(Ending::Stopped), Some(StopReason::Shutdown)) => {
                tracing::info!(%job, "job handed back");
                return self.store.release_job(lease).await;
            }
            (Ok(Ending::Stopped), _) => Outcome::Cancelled(None),
            (Err(error), _) => {
                tracing::error!(%job, error = format!("{error:#}"), "job failed");
                Outcome::Failed(INTERNAL.into(), None)
            }
        };
        tracing::info!(%job, outcome = outcome.state().as_str(), "job ends");
        self.finish((lease, run), outcome).await
    }

    /// Ends a job, and its run with it if that has not ended.
    async fn finish(&self, (lease, run): (&Lease, Option<Uuid>), outcome: Outcome) -> Result<(), StoreError> {
        let end = match &outcome {
            Outcome::Done(_) => None,
            Outcome::Failed(why, _) => Some(RunEnd::Failed(why.clone())),
            Outcome::Cancelled(_) => Some(RunEnd::Cancelled),
        };
        if let Some((run, end)) = run.zip(end) {
            match self.store.finish_run(run, lease, end).await {
                Err(StoreError::Conflict(_)) => {}
                ended => return ended.map(|told| live::publish(run, &[told])),
            }
        }
        self.store.finish_job(lease, outcome).await
    }

    /// Workers of this machine whose process is gone will not come back for their jobs: go on with those at once
    /// instead of waiting for their leases to run out.
    pub async fn free_dead_leases(&self) -> Result<(), StoreError> {
        let host = format!("{}:", host_name());
        for (job, worker) in self.store.list_leases().await? {
            let process = worker.strip_prefix(&host).and_then(|rest| rest.split(':').next());
            let Some(process) = process else { continue };
            let own = process == std::process::id().to_string() && worker != *self.name;
            if own || !Path::new("/proc").join(process).exists() && Path::new("/proc/self").exists() {
                self.store.expire_lease(&Lease { job, worker }).await?;
            }
        }
        Ok(())
    }
}

/// Waits until the worker is told to stop, or nobody is left to tell it.
async fn told(shutdown: &mut watch::Receiver<bool>) {
    drop(shutdown.wait_for(|down| *down).await);
}

fn own_process() -> String {
    format!("{}:{}", host_name(), std::process::id())
}

fn host_name() -> String {
    hostname::get().map_or_else(|_| "localhost".into(), |name| name.to_string_lossy().into_owned())
}
