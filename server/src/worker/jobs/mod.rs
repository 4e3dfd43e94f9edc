//! What jobs do, one file per kind.

pub mod import;
pub mod train;

use domain::job::JobKind;

use super::{Ending, JobContext};

/// Does what the job's kind says.
pub async fn run(context: &JobContext) -> anyhow::Result<Ending> {
    match context.job.kind {
        JobKind::Import => import::run(context).await,
        JobKind::Train => train::run(context).await,
    }
}
