//! Whether the server lives and reaches its database.

use axum::{Router, extract::State, http::StatusCode, routing::get};

use crate::state::AppState;

/// `GET /health`: 204, or 503 if the database does not answer. No permission needed.
pub fn routes() -> Router<AppState> {
    Router::new().route("/health", get(health))
}

async fn health(State(state): State<AppState>) -> StatusCode {
    match state.store().reader().ping().await {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(error) => {
            tracing::error!(%error, "database does not answer");
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}
