//! A run's log as a text file.

use app::run_log::lines;
use axum::{
    Router,
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use domain::permission::Permission;
use uuid::Uuid;

use crate::{
    auth::identify::{ApiError, Viewer},
    state::AppState,
};

/// Events that one log holds at most; a run tells far fewer.
const EVENTS: u64 = 1_000_000;

/// The routes of this file.
pub fn routes() -> Router<AppState> {
    Router::new().route("/runs/{id}/log.txt", get(run_log))
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
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"run-{id}.txt\""),
        ),
    ];
    Ok((headers, text).into_response())
}
