//! (empty so far)

use axum::Router;

use crate::state::AppState;

/// The routes of this file.
pub fn routes() -> Router<AppState> {
    Router::new()
}
