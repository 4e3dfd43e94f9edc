//! Downloads of preferences.

use app::error::AppError;
use axum::{
    Router,
    body::Body,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use domain::{
    export::{ExportChoice, JudgementSource},
    permission::Permission,
};
use futures::TryStreamExt;
use serde::Deserialize;
use uuid::Uuid;

use super::api::{Failure, only_get};
use crate::{
    auth::{Viewer, identify::ApiError},
    state::AppState,
};

/// The routes of this file.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/projects/{id}/export.jsonl", get(download))
        .route(
            "/api/v1/projects/{id}/export.jsonl",
            get(download).fallback(only_get),
        )
}

/// The form's choice.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// `all`, `people`, `imported` or `none`; all if it is not given.
    judgements: Option<String>,
    /// `false` leaves corrections out.
    corrections: Option<bool>,
}

/// The project's preferences as lines of JSON in TRL's form, streamed: `prompt`, `chosen` and `rejected` as lists of
/// messages, and where each comes from. Needs an API token of a lead or an owner, or their session; for a session it is at
/// `/projects/{id}/export.jsonl` too.
#[utoipa::path(
    get,
    path = "/api/v1/projects/{id}/export.jsonl",
    operation_id = "export",
    tag = "projects",
    params(
        ("id" = Uuid, Path, description = "The project"),
        ("judgements" = Option<String>, Query, description = "`all`, `people`, `imported` or `none`; all if it is not given"),
        ("corrections" = Option<bool>, Query, description = "`false` leaves corrections out"),
    ),
    responses(
        (status = 200, description = "One preference a line", content_type = "application/x-ndjson", body = String),
        (status = 401, description = "No token, or one that is not in force", body = Failure),
        (status = 403, description = "The role of the token's owner does not allow this", body = Failure),
        (status = 404, description = "No such project", body = Failure),
        (status = 422, description = "The choice cannot be read", body = Failure),
    ),
    security(("token" = []))
)]
pub async fn download(
    State(state): State<AppState>,
    viewer: Viewer,
    id: Result<Path<Uuid>, PathRejection>,
    choice: Result<Query<Choice>, QueryRejection>,
) -> Result<Response, ApiError> {
    let who = viewer.may(Permission::Export)?;
    let Path(id) = id.map_err(|_| AppError::NotFound("The project was not found.".into()))?;
    let Query(choice) = choice.map_err(|_| {
        AppError::Invalid(
            "The choice is “judgements” (all, people, imported or none) and “corrections” (true or false), nothing else."
                .into(),
        )
    })?;
    let project = state.store().find_project(id).await?;
    let judgements = match choice.judgements.as_deref() {
        None | Some("") => JudgementSource::default(),
        Some(text) => text
            .parse()
            .map_err(|unknown: domain::export::UnknownSource| AppError::Invalid(format!("{unknown}.")))?,
    };
    let choice = ExportChoice {
        judgements,
        corrections: choice.corrections.unwrap_or(true),
    };
    tracing::info!(by = %who.id, project = %id, ?choice, "export");
    let lines = state
        .store()
        .export_preferences(id, choice)
        .inspect_err(move |error| {
            tracing::error!(project = %id, %error, "an export broke off");
        });
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{}.jsonl\"", file_name(&project.name)),
        ),
    ];
    Ok((headers, Body::from_stream(lines)).into_response())
}

/// A project's name as a file name that needs no quoting anywhere.
fn file_name(project: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let name: String = project.chars().map(plain).take(60).collect();
    match name.trim_matches('-') {
        "" => "preferences".to_owned(),
        name => format!("{name}-preferences"),
    }
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn file_names_are_plain() {
        assert_eq!(file_name("Demo \"2\"\r\n"), "demo--2-preferences");
        assert_eq!(file_name("日本"), "preferences");
    }
}
