//! The HTTP API: scores from trained models, and its own description.

mod description;
mod request;

use app::error::AppError;
use axum::{
    Json, Router,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use domain::{permission::Permission, run::State as RunState, score::check_items};
use utoipa::OpenApi;
use uuid::Uuid;

pub use self::description::Failure;
use self::{
    description::{Api, ScoreAnswer},
    request::ScoreRequest,
};
use crate::{
    auth::identify::{ApiError, Viewer},
    state::AppState,
};

/// The routes of this file.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/api/v1/score", post(score).fallback(only_post))
        .route("/api/v1/openapi.json", get(openapi).fallback(only_get))
}

/// The answer to a method that an address does not take.
pub async fn only_get() -> Response {
    wrong_method("GET")
}

async fn only_post() -> Response {
    wrong_method("POST")
}

fn wrong_method(allowed: &'static str) -> Response {
    let error = ApiError(AppError::Invalid(format!("This address takes {allowed} alone.")));
    let mut answer = error.into_response();
    *answer.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    let allow = HeaderValue::from_static(allowed);
    answer.headers_mut().insert(header::ALLOW, allow);
    answer
}

/// Scores responses with a trained model: the same numbers as on the page. Needs an API token of a
/// reviewer, a lead or an owner, or their session.
#[utoipa::path(
    post,
    path = "/api/v1/score",
    request_body = ScoreRequest,
    operation_id = "score",
    tag = "scores",
    responses(
        (status = 200, description = "The rewards", body = ScoreAnswer),
        (status = 401, description = "No token, or one that is not in force", body = Failure),
        (status = 403, description = "The role of the token's owner does not allow this", body = Failure),
        (status = 404, description = "No such run or project", body = Failure),
        (status = 422, description = "The request cannot be used", body = Failure),
        (status = 429, description = "The model is busy: try again later", body = Failure),
        (status = 503, description = "No model has been trained yet", body = Failure),
    ),
    security(("token" = []))
)]
async fn score(
    viewer: Viewer,
    State(state): State<AppState>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<ScoreAnswer>, ApiError> {
    viewer.may(Permission::Review)?;
    let request = read(&headers, body).map_err(AppError::Invalid)?;
    check_items(&request.items).map_err(|error| ApiError(AppError::Invalid(error.to_string())))?;
    let run = find_model(&state, &request).await?;
    let scores = state.services.scoring.score(run, request.items).await?;
    Ok(Json(ScoreAnswer { run, scores }))
}

/// Reads the request, or says in a sentence why not: the JSON parser's words are for programmers.
fn read(headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<ScoreRequest, String> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    if !kind.is_some_and(|kind| kind.starts_with("application/json")) {
        return Err("The body must be JSON, with the header “Content-Type: application/json”.".into());
    }
    let body = body.map_err(|error| format!("{}.", error.body_text().trim_end_matches('.')))?;
    let body = serde_json::from_slice(&body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("The body is not valid JSON: it breaks at line {line}, column {column}.")
    })?;
    ScoreRequest::read(body)
}

/// The run that is meant, if it has a model.
async fn find_model(state: &AppState, request: &ScoreRequest) -> Result<Uuid, AppError> {
    let store = state.store();
    match (request.run, &request.project) {
        (Some(run), None) => {
            let run = store.find_run(run).await?;
            match run.state {
                RunState::Done => Ok(run.id),
                _ => Err(AppError::Unavailable(
                    "This run has no model: it is not done.".into(),
                )),
            }
        }
        (None, Some(project)) => {
            let id = match project.parse() {
                Ok(id) => store.find_project(id).await?.id,
                Err(_) => {
                    let found = store.find_project_by_name(project).await?;
                    found
                        .ok_or_else(|| AppError::NotFound("The project was not found.".into()))?
                        .id
                }
            };
            let run = store.find_latest_done_run(id).await?;
            let none = || AppError::Unavailable("No model has been trained in this project yet.".into());
            Ok(run.ok_or_else(none)?.id)
        }
        _ => Err(AppError::Invalid("Give either a run or a project.".into())),
    }
}

/// This description. No permission needed: it holds nothing of this installation.
#[utoipa::path(
    get,
    path = "/api/v1/openapi.json",
    tag = "description",
    responses((status = 200, description = "OpenAPI", body = Object))
)]
async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(Api::openapi())
}
