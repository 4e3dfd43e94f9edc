//! Who asks: accounts and passwords, sessions of browsers, keys of the API.

pub mod account;
pub mod confirm;
pub mod credentials;
pub mod departures;
pub mod forms;
pub mod identify;
pub mod password;
pub mod paths;
pub mod secret;
pub mod sessions;
pub mod setup_code;
pub mod team;
pub mod throttle;
pub mod visit;

pub use identify::Viewer;

use axum::{Router, middleware::from_fn_with_state};

use crate::state::AppState;

/// All routes that forms of accounts post to; changes of rank ask for the password again.
pub fn routes(state: &AppState) -> Router<AppState> {
    let of_rank = Router::new()
        .merge(account::routes_of_rank())
        .merge(team::routes_of_rank())
        .route_layer(from_fn_with_state(state.clone(), confirm::ask_password));
    Router::new()
        .merge(forms::routes())
        .merge(account::routes())
        .merge(team::routes())
        .merge(of_rank)
}
