//! Downloads of preferences.

use app::error::AppError;
use axum::{
    Router,
    body::Body,
    extract::{Path, Query, State},
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

use crate::{
    auth::{Viewer, identify::ApiError},
    state::AppState,
};

/// The routes of this file.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/projects/{id}/export.jsonl", get(download))
        .route("/api/v1/projects/{id}/export.jsonl", get(download))
}

/// The form's choice: `judgements=all|people|imported|none`, and `corrections=false` to leave those out.
#[derive(Deserialize)]
struct Choice {
    judgements: Option<String>,
    corrections: Option<bool>,
}

/// `GET /projects/{id}/export.jsonl`, and the same under `/api/v1` with an API token: the project's preferences as
/// TRL lines, streamed. Needs the permission Export.
async fn download(
    State(state): State<AppState>,
    viewer: Viewer,
    Path(id): Path<Uuid>,
    Query(choice): Query<Choice>,
) -> Result<Response, ApiError> {
    let who = viewer.may(Permission::Export)?;
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
