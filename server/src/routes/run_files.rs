//! What a run leaves, as files: its log, and the rewards of its held-out pairs.

use std::io::ErrorKind;

use app::{error::AppError, run_log::lines};
use axum::{
    Router,
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use domain::permission::Permission;
use reward_model::PREDICTIONS;
use uuid::Uuid;

use crate::{
    auth::identify::{ApiError, Viewer},
    data_folder,
    state::AppState,
};

/// Events that one log holds at most; a run tells far fewer.
const EVENTS: u64 = 1_000_000;

/// The routes of this file.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/runs/{id}/log.txt", get(run_log))
        .route("/runs/{id}/predictions.jsonl", get(predictions))
}

/// `GET /runs/{id}/log.txt`: what the run told, a line for each event with its time. Needs `Review`.
async fn run_log(
    viewer: Viewer,
    State(state): State<AppState>,
    Path(id): Path<Uuid>,
) -> Result<Response, ApiError> {
    viewer.may(Permission::Review)?;
    let run = state.store().find_run(id).await?;
    let mut text = lines(&state.store().list_run_log(run.id, EVENTS).await?).join("\n");
    text.push('\n');
    Ok(file("text/plain; charset=utf-8", &format!("run-{id}.txt"), text))
}

/// `GET /runs/{id}/predictions.jsonl`: each held-out pair with the rewards of its two responses. Needs `Review`.
async fn predictions(
    viewer: Viewer,
    State(state): State<AppState>,
    Path(id): Path<Uuid>,
) -> Result<Response, ApiError> {
    viewer.may(Permission::Review)?;
    let run = state.store().find_run(id).await?;
    let path = data_folder::run(&state.services.data_dir, run.id).join(PREDICTIONS);
    match tokio::fs::read(&path).await {
        Ok(lines) => Ok(file("application/x-ndjson", &format!("run-{id}-{PREDICTIONS}"), lines)),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(AppError::NotFound(
            "This run has no predictions: it has not come to its end, holds nothing out, was made by an earlier version, or its folder is on another machine."
                .into(),
        )
        .into()),
        Err(error) => Err(AppError::internal(error).into()),
    }
}

fn file(content_type: &str, name: &str, content: impl IntoResponse) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type.to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    (headers, content).into_response()
}
