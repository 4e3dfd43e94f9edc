//! Who asks: accounts and passwords, sessions of browsers, keys of the API.

pub mod account;
pub mod backend;
pub mod forms;
pub mod identify;
pub mod password;
pub mod secret;
pub mod sessions;
pub mod team;
pub mod throttle;

pub use identify::Viewer;

use axum::Router;

use crate::state::AppState;

/// All routes that forms of accounts post to.
pub fn routes() -> Router<AppState> {
    Router::new()
        .merge(forms::routes())
        .merge(account::routes())
        .merge(team::routes())
}
