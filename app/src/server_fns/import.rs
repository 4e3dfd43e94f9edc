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

/// Imports a file that was read: `make` says what is made of responses that nobody has judged (`ranking`, `all-pairs` or
/// `random-pairs`, of which so many of each prompt). Needs `ManageProjects`.
#[server(prefix = "/fn", endpoint = "import/answer")]
pub async fn answer_import(
    job: Uuid,
    make: String,
    pairs_per_prompt: u32,
    seed: u64,
) -> Result<(), AppError> {
    use domain::{formats::Making, job::JobKind, permission::Permission};
    use store::job::NewJob;

    use crate::{context, viewer};
    let user = viewer::require(Permission::ManageProjects)?;
    let making = Making::named(&make, pairs_per_prompt, seed)
        .map_err(|unknown| AppError::Invalid(format!("{unknown}.")))?;
    if making.count(2) == 0 {
        return Err(AppError::Invalid("Draw at least one pair of each prompt.".into()));
    }
    let (project, mut request) = asked(job).await?;
    request.making = Some(making);
    request.checked = true;
    let new = NewJob {
        kind: JobKind::Import,
        project_id: Some(project),
        run_id: None,
        payload: serde_json::json!(request),
        created_by: Some(user.id),
    };
    // The second click of a double one finds what the first has queued.
    let id = context::store().enqueue_answer(job, new).await?;
    tracing::info!(by = %user.id, %project, job = %id, ?making, "import queued");
    context::redirect(&format!("/projects/{project}/import"));
    Ok(())
}

/// Removes a file that was read and is not to be imported. Needs `ManageProjects`.
#[server(prefix = "/fn", endpoint = "import/discard")]
pub async fn discard_import(job: Uuid) -> Result<(), AppError> {
    use domain::permission::Permission;

    use crate::{context, viewer};
    let user = viewer::require(Permission::ManageProjects)?;
    let (project, request) = asked(job).await?;
    tokio::fs::remove_file(&request.path)
        .await
        .map_err(AppError::internal)?;
    tracing::info!(by = %user.id, %project, %job, "upload discarded");
    context::redirect(&format!("/projects/{project}/import"));
    Ok(())
}

/// The import that asked what is made of its responses, with its project: one whose file is there and that no other has taken.
#[cfg(feature = "ssr")]
async fn asked(job: Uuid) -> Result<(Uuid, domain::import::ImportRequest), AppError> {
    use domain::{
        import::{ImportReport, ImportRequest},
        job::JobKind,
    };

    use crate::context;
    let store = context::store();
    let found = store.find_job(job).await?;
    let missing = || AppError::NotFound("The import was not found.".into());
    let (JobKind::Import, Some(project)) = (found.kind, found.project_id) else {
        return Err(missing());
    };
    let request: ImportRequest = found.payload().map_err(|_| missing())?;
    if !found.result::<ImportReport>().is_some_and(|report| report.asks) {
        return Err(missing());
    }
    let jobs = store.list_jobs(project, JobKind::Import, 1000).await?;
    let is_other = |other: &domain::job::Job| {
        other.id != job
            && other
                .payload::<ImportRequest>()
                .is_ok_and(|other| other.path == request.path)
    };
    if jobs.iter().any(is_other) || !context::file_exists(&request.path).await {
        return Err(AppError::Conflict(
            "This file was imported or removed already: upload it again if you need it.".into(),
        ));
    }
    Ok((project, request))
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
