//! The forms of a person's own account: name, password, API tokens.

use app::{error::AppError, flash::Flash};
use axum::{
    Form, Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::post,
};
use domain::permission::Permission;
use serde::Deserialize;
use uuid::Uuid;

use super::{
    Viewer,
    backend::{AuthSession, Credentials},
    forms::{answer, refuse},
    password,
    secret::{TOKEN_PREFIX, hash_secret, new_secret},
};
use crate::state::AppState;

const PAGE: &str = "/account";

/// The routes of this file. All need a session.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/account/name", post(rename))
        .route("/account/password", post(change_password))
        .route("/account/tokens", post(make_token))
        .route("/account/tokens/{id}/revoke", post(revoke_token))
}

#[derive(Deserialize)]
struct Name {
    name: String,
}

#[derive(Deserialize)]
struct Passwords {
    current: String,
    password: String,
}

/// `POST /account/name`.
async fn rename(State(state): State<AppState>, Viewer(user): Viewer, Form(form): Form<Name>) -> Response {
    match state.store().rename_user(user.id, &form.name).await {
        Ok(()) => answer(&state, PAGE, Flash::done("Your name is changed.")),
        Err(error) => refuse(&state, PAGE, error),
    }
}

/// `POST /account/password`: needs the old one; ends the person's other sessions.
async fn change_password(
    State(state): State<AppState>,
    Viewer(user): Viewer,
    mut session: AuthSession,
    Form(form): Form<Passwords>,
) -> Response {
    let email = user.email.clone().unwrap_or_default();
    if !state
        .throttle
        .admits(&email, std::net::Ipv4Addr::UNSPECIFIED.into())
    {
        let error = AppError::TooMany("Too many attempts. Please wait a minute.".into());
        return refuse(&state, PAGE, error);
    }
    let credentials = |password| Credentials {
        email: email.clone(),
        password,
    };
    match session.authenticate(credentials(form.current)).await {
        Ok(Some(_)) => {}
        Ok(None) => return answer(&state, PAGE, Flash::failed("The current password is not right.")),
        Err(error) => return refuse(&state, PAGE, AppError::internal(error)),
    }
    if let Some(refusal) = password::refuse(&form.password) {
        return answer(&state, PAGE, Flash::failed(refusal));
    }
    let hash = match password::hash(form.password.clone()).await {
        Ok(hash) => hash,
        Err(error) => return refuse(&state, PAGE, AppError::internal(error)),
    };
    if let Err(error) = state.store().set_password_hash(user.id, &hash).await {
        return refuse(&state, PAGE, error);
    }
    // This session goes on under the new password.
    let renewed = match session.authenticate(credentials(form.password)).await {
        Ok(Some(account)) => session.login(&account).await,
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    match renewed {
        Ok(()) => answer(&state, PAGE, Flash::done("Your password is changed.")),
        Err(error) => refuse(&state, PAGE, AppError::internal(error)),
    }
}

/// `POST /account/tokens` (permission: UseApi). The token is shown on the next page, this once.
async fn make_token(State(state): State<AppState>, viewer: Viewer, Form(form): Form<Name>) -> Response {
    let user = match viewer.may(Permission::UseApi) {
        Ok(user) => user,
        Err(error) => return error.into_response(),
    };
    let token = format!("{TOKEN_PREFIX}{}", new_secret());
    match state
        .store()
        .insert_api_token(user.id, &form.name, &hash_secret(&token))
        .await
    {
        Ok(made) => {
            tracing::info!(user = %user.id, token = %made.id, "API token made");
            let text = "Copy the token now: it is shown only this once.";
            answer(&state, PAGE, Flash::secret(text, token))
        }
        Err(error) => refuse(&state, PAGE, error),
    }
}

/// `POST /account/tokens/{id}/revoke`.
async fn revoke_token(State(state): State<AppState>, Viewer(user): Viewer, Path(id): Path<Uuid>) -> Response {
    match state.store().revoke_api_token(user.id, id).await {
        Ok(()) => answer(&state, PAGE, Flash::done("The token no longer works.")),
        Err(error) => refuse(&state, PAGE, error),
    }
}
