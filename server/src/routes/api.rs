//! The HTTP API: scores from trained models, and its own description.

use app::{error::AppError, scoring::ItemScores};
use axum::{
    Json, Router,
    extract::{State, rejection::JsonRejection},
    routing::{get, post},
};
use domain::{
    permission::Permission,
    run::State as RunState,
    score::{ScoreItem, check_items},
};
use serde::{Deserialize, Serialize};
use utoipa::{
    Modify, OpenApi, ToSchema,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};
use uuid::Uuid;

use crate::{
    auth::identify::{ApiError, Viewer},
    state::AppState,
};

/// The routes of this file.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/api/v1/score", post(score))
        .route("/api/v1/openapi.json", get(openapi))
}

/// Which model, and what to score. Give `run` or `project`.
#[derive(Debug, Deserialize, ToSchema)]
struct ScoreRequest {
    /// The run whose model scores.
    #[schema(value_type = Option<String>, format = Uuid)]
    run: Option<Uuid>,
    /// The name or identifier of a project: its newest finished run scores.
    project: Option<String>,
    /// At most 64 items with 256 responses and 2,000,000 characters in all.
    #[schema(value_type = Vec<Item>)]
    items: Vec<ScoreItem>,
}

/// A prompt with responses.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "describes `domain::score::ScoreItem`, which knows nothing of OpenAPI"
)]
struct Item {
    /// A text, or a conversation as a list of messages.
    #[schema(value_type = Object, example = json!([{"role": "user", "content": "Why is the sky blue?"}]))]
    prompt: serde_json::Value,
    responses: Vec<String>,
}

/// The rewards, item by item.
#[derive(Debug, Serialize, ToSchema)]
struct ScoreAnswer {
    #[schema(value_type = String, format = Uuid)]
    run: Uuid,
    #[schema(value_type = Vec<Vec<Reward>>)]
    scores: ItemScores,
}

/// What the model makes of one response.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "describes `domain::score::Scored`, which knows nothing of OpenAPI"
)]
struct Reward {
    /// Unbounded; only differences between responses to one prompt mean something.
    reward: f64,
    /// Tokens read.
    tokens: u64,
    /// Tokens left out at the beginning because the text was too long.
    cut_tokens: u64,
}

/// Why there is no answer.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes `ApiError`")]
struct Failure {
    /// `signed_out`, `forbidden`, `not_found`, `invalid`, `too_many`, `unavailable` or `internal`.
    kind: String,
    /// A sentence for people.
    message: String,
}

/// Scores responses with a trained model: the same numbers as on the page. Needs an API token, or a session with
/// `Review`.
#[utoipa::path(
    post,
    path = "/api/v1/score",
    request_body = ScoreRequest,
    responses(
        (status = 200, description = "The rewards", body = ScoreAnswer),
        (status = 401, description = "No token, or one that is not in force", body = Failure),
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
    request: Result<Json<ScoreRequest>, JsonRejection>,
) -> Result<Json<ScoreAnswer>, ApiError> {
    viewer.may(Permission::Review)?;
    let Json(request) = request.map_err(|error| ApiError(AppError::Invalid(error.body_text())))?;
    check_items(&request.items).map_err(|error| ApiError(AppError::Invalid(error.to_string())))?;
    let run = find_model(&state, &request).await?;
    let scores = state.services.scoring.score(run, request.items).await?;
    Ok(Json(ScoreAnswer { run, scores }))
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

/// The description of this API. No permission needed: it holds nothing of this installation.
async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(Api::openapi())
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Touchstone", description = "Rewards from models trained on people's preferences."),
    paths(score),
    components(schemas(ScoreRequest, ScoreAnswer, Item, Reward, Failure)),
    modifiers(&Token)
)]
struct Api;

struct Token;

impl Modify for Token {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        api.components
            .get_or_insert_default()
            .add_security_scheme("token", scheme);
    }
}
