//! Watch an import, or stop it. Uploads are a route of their own: `POST /projects/{id}/import/upload`.

use domain::{import::ImportPhase, run::State};
use leptos::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::AppError;

/// Where an import stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportStatus {
    pub state: State,
    pub phase: ImportPhase,
    /// The last line that was dealt with.
    pub line: u64,
    /// Of the file, in this phase.
    pub percent: u64,
    /// Rows that are new so far.
    pub imported: u64,
    pub cancelling: bool,
}

/// Where an import stands. Needs `ManageProjects`.
#[server(prefix = "/fn", endpoint = "import/watch")]
pub async fn watch_import(job: Uuid) -> Result<ImportStatus, AppError> {
    use domain::permission::Permission;

    use crate::{context, viewer};
    viewer::require(Permission::ManageProjects)?;
    let job = context::store().find_job(job).await?;
    Ok(ImportStatus::of(&job))
}

/// Stops an import; what it has brought in stays. Needs `ManageProjects`.
#[server(prefix = "/fn", endpoint = "import/cancel")]
pub async fn cancel_import(job: Uuid) -> Result<(), AppError> {
    use domain::{import::ImportRequest, job::JobKind, permission::Permission};

    use crate::{context, viewer};
    let user = viewer::require(Permission::ManageProjects)?;
    let store = context::store();
    let found = store.find_job(job).await?;
    let (JobKind::Import, Some(project)) = (found.kind, found.project_id) else {
        return Err(AppError::NotFound("The import was not found.".into()));
    };
    let state = store.cancel_job(job).await?;
    tracing::info!(by = %user.id, %job, state = state.as_str(), "import cancelled");
    // No worker will look at a job that was cancelled while it waited, nor at its file.
    if let (State::Queued, State::Cancelled, Ok(request)) =
        (found.state, state, found.payload::<ImportRequest>())
        && request.remove_file
    {
        drop(tokio::fs::remove_file(request.path).await);
    }
    context::redirect(&format!("/projects/{project}/import"));
    Ok(())
}

#[cfg(feature = "ssr")]
impl ImportStatus {
    /// Of a job of the kind import.
    pub fn of(job: &domain::job::Job) -> ImportStatus {
        let progress: domain::import::ImportProgress = job.progress().unwrap_or_default();
        ImportStatus {
            state: job.state,
            phase: progress.phase,
            line: progress.line,
            percent: progress.percent(),
            imported: progress.report.imported,
            cancelling: job.cancel_requested,
        }
    }
}
