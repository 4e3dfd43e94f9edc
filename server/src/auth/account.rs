//! The forms of a person's own account: name, password, sessions, API tokens.

use app::{error::AppError, flash::Flash};
use axum::{
    Form, Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::post,
};
use domain::{
    Millis,
    permission::{Permission, Scope},
};
use serde::Deserialize;
use store::{
    api_token::{NewToken, TOKEN_DAYS},
    user::Kept,
};
use uuid::Uuid;

use super::{
    Viewer,
    credentials::{Checked, Credentials, check},
    forms::{answer, refuse, signed_out},
    password,
    secret::{TOKEN_PREFIX, hash_secret, new_secret},
    visit::Visit,
};
use crate::{
    security_log::{Event, log, log_about},
    state::AppState,
};

const PAGE: &str = "/account";

/// The routes of this file that give nobody anything. All need a session.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/account/name", post(rename))
        .route("/account/password", post(change_password))
        .route("/account/sessions/end", post(end_all_sessions))
        .route("/account/sessions/{id}/end", post(end_session))
        .route("/account/tokens/{id}/revoke", post(revoke_token))
}

/// The routes of this file that hand out a right.
pub fn routes_of_rank() -> Router<AppState> {
    Router::new().route("/account/tokens", post(make_token))
}

#[derive(Deserialize)]
struct Name {
    name: String,
}

#[derive(Deserialize)]
struct Passwords {
    current: String,
    password: String,
    /// Sent if API tokens are to live on.
    keep_tokens: Option<String>,
}

#[derive(Deserialize)]
struct TokenForm {
    name: String,
    #[serde(default)]
    scope: String,
    /// One of [`TOKEN_DAYS`]; empty for the first of them.
    #[serde(default)]
    days: String,
}

/// `POST /account/name`.
async fn rename(State(state): State<AppState>, Viewer(user): Viewer, Form(form): Form<Name>) -> Response {
    match state.store().rename_user(user.id, &form.name).await {
        Ok(()) => answer(&state, PAGE, Flash::done("Your name is changed.")),
        Err(error) => refuse(&state, PAGE, error),
    }
}

/// `POST /account/password`: needs the old one; ends the person's other sessions, and their tokens unless they are to stay.
async fn change_password(
    State(state): State<AppState>,
    Viewer(user): Viewer,
    visit: Visit,
    Form(form): Form<Passwords>,
) -> Response {
    let email = user.email.clone().unwrap_or_default();
    if !state.throttle.admits(&email, visit.address) {
        log_about(
            Event::SignInSlowed,
            Some(user.id),
            visit.address,
            "changing the password",
        );
        let error = AppError::TooMany("Too many attempts. Please wait a minute.".into());
        return refuse(&state, PAGE, error);
    }
    let given = Credentials {
        email: email.clone(),
        password: form.current,
    };
    match check(state.store(), given).await {
        Ok(Checked::Fits(_)) => {}
        Ok(_) => {
            log(Event::PasswordWrong, Some(user.id), visit.address);
            return answer(&state, PAGE, Flash::failed("The current password is not right."));
        }
        Err(error) => return refuse(&state, PAGE, AppError::internal(error)),
    }
    if let Some(refusal) = password::refuse(&form.password, &[&email, &user.name]) {
        return answer(&state, PAGE, Flash::failed(refusal));
    }
    let hash = match password::hash(form.password).await {
        Ok(hash) => hash,
        Err(error) => return refuse(&state, PAGE, AppError::internal(error)),
    };
    let kept = Kept {
        session: visit.session.as_ref().map(|session| session.id.as_str()),
        tokens: form.keep_tokens.is_some(),
    };
    match state.store().set_password_hash(user.id, &hash, kept).await {
        Ok(()) => {
            log(Event::PasswordChanged, Some(user.id), visit.address);
            state.departures.announce();
            answer(
                &state,
                PAGE,
                Flash::done("Your password is changed. You are signed out everywhere else."),
            )
        }
        Err(error) => refuse(&state, PAGE, error),
    }
}

/// `POST /account/sessions/{id}/end`: one browser is signed out.
async fn end_session(
    State(state): State<AppState>,
    Viewer(user): Viewer,
    visit: Visit,
    Path(id): Path<String>,
) -> Response {
    if let Err(error) = state.store().end_session(user.id, &id).await {
        return refuse(&state, PAGE, error);
    }
    log(Event::SessionEnded, Some(user.id), visit.address);
    state.departures.announce();
    if visit.session.is_some_and(|session| session.id == id) {
        return signed_out(&state, "You are signed out.");
    }
    answer(&state, PAGE, Flash::done("That browser is signed out."))
}

/// `POST /account/sessions/end`: every browser is signed out, this one too.
async fn end_all_sessions(State(state): State<AppState>, Viewer(user): Viewer, visit: Visit) -> Response {
    if let Err(error) = state.store().end_sessions(user.id, None).await {
        return refuse(&state, PAGE, error);
    }
    log(Event::SignedOutEverywhere, Some(user.id), visit.address);
    state.departures.announce();
    signed_out(&state, "You are signed out everywhere.")
}

/// `POST /account/tokens` (permission: UseApi). The token is shown on the next page, this once.
async fn make_token(
    State(state): State<AppState>,
    viewer: Viewer,
    visit: Visit,
    Form(form): Form<TokenForm>,
) -> Response {
    let user = match viewer.may(Permission::UseApi) {
        Ok(user) => user,
        Err(error) => return error.into_response(),
    };
    let new = match form.read(user.id) {
        Ok(new) => new,
        Err(error) => return refuse(&state, PAGE, error),
    };
    let token = format!("{TOKEN_PREFIX}{}", new_secret());
    match state.store().insert_api_token(new, &hash_secret(&token)).await {
        Ok(made) => {
            let about = format!("{} {}", made.id, made.scope.as_str());
            log_about(Event::TokenMade, Some(user.id), visit.address, about);
            let text = "Copy the token now: it is shown only this once.";
            answer(&state, PAGE, Flash::secret(text, token))
        }
        Err(error) => refuse(&state, PAGE, error),
    }
}

/// `POST /account/tokens/{id}/revoke`.
async fn revoke_token(
    State(state): State<AppState>,
    Viewer(user): Viewer,
    visit: Visit,
    Path(id): Path<Uuid>,
) -> Response {
    match state.store().revoke_api_token(Some(user.id), id).await {
        Ok(()) => {
            log_about(Event::TokenRevoked, Some(user.id), visit.address, id);
            state.departures.announce();
            answer(&state, PAGE, Flash::done("The token no longer works."))
        }
        Err(error) => refuse(&state, PAGE, error),
    }
}

impl TokenForm {
    fn read(self, user: Uuid) -> Result<NewToken, AppError> {
        let scope = match self.scope.as_str() {
            "" => Scope::All,
            scope => scope
                .parse()
                .map_err(|unknown: domain::permission::UnknownScope| {
                    AppError::Invalid(format!("{unknown}."))
                })?,
        };
        let days = match self.days.as_str() {
            "" => TOKEN_DAYS[0],
            days => *TOKEN_DAYS
                .iter()
                .find(|allowed| allowed.to_string() == days)
                .ok_or_else(|| AppError::Invalid("Choose how long the token holds.".into()))?,
        };
        Ok(NewToken {
            scope,
            expires_at: Some(store::now() + Millis::from(days) * 24 * 3600 * 1000),
            ..NewToken::of(user, &self.name)
        })
    }
}
