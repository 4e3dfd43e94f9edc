//! What jobs do, one file per kind.

pub mod import;
pub mod train;

use domain::job::{Job, JobKind};

use super::{Ending, JobContext, WorkerContext};

/// Does what the job's kind says.
pub async fn run(context: &JobContext) -> anyhow::Result<Ending> {
    match context.job.kind {
        JobKind::Import => import::run(context).await,
        JobKind::Train => train::run(context).await,
    }
}

/// Tells what a job belonged to that it was given up.
pub async fn abandoned(worker: &WorkerContext, job: &Job) {
    match job.kind {
        JobKind::Import => {}
        JobKind::Train => train::abandoned(worker, job).await,
    }
}
