//! The forms of those who come and go: set-up, sign-in, sign-out, an invitation; and the theme.

use app::{error::AppError, flash::Flash, typed::Typed};
use axum::{
    Form, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{AppendHeaders, IntoResponse, Redirect, Response},
    routing::post,
};
use domain::{permission::Role, user::User};
use serde::Deserialize;
use store::user::NewUser;

use super::{
    credentials::{Checked, Credentials, check},
    password,
    paths::{encode, local_path, path_of},
    secret::hash_secret,
    sessions,
    visit::Visit,
};
use crate::{
    security_log::{Event, log, log_about},
    state::AppState,
};

/// The routes of this file. None needs a permission: they are how people come to have one.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/setup", post(set_up))
        .route("/sign-in", post(sign_in))
        .route("/sign-out", post(sign_out))
        .route("/join/{token}", post(join))
        .route("/theme", post(change_theme))
}

/// The answer to a form: to the next page, with a sentence.
pub(crate) fn answer(state: &AppState, to: &str, flash: Flash) -> Response {
    let cookie = flash.to_cookie(state.settings.secure_cookies);
    (AppendHeaders([(header::SET_COOKIE, cookie)]), Redirect::to(to)).into_response()
}

/// The answer to a form that could not be done: back to `to`, with the reason.
pub(crate) fn refuse(state: &AppState, to: &str, error: impl Into<AppError>) -> Response {
    answer(state, to, Flash::failed(error.into()))
}

#[derive(Deserialize)]
struct NewAccount {
    name: String,
    email: String,
    password: String,
    /// What the terminal shows; for the set-up alone.
    #[serde(default)]
    code: String,
}

#[derive(Deserialize)]
struct SignIn {
    #[serde(flatten)]
    credentials: Credentials,
    #[serde(default)]
    next: String,
}

/// `POST /setup`: makes the owner's account, while there is none, for whoever has the terminal's code.
async fn set_up(State(state): State<AppState>, visit: Visit, Form(form): Form<NewAccount>) -> Response {
    if !matches!(state.store().is_fresh().await, Ok(true)) {
        return answer(
            &state,
            "/sign-in",
            Flash::failed("The owner's account already exists."),
        );
    }
    let back = "/setup";
    if !state.throttle.admits_address(visit.address) {
        log_about(Event::SignInSlowed, None, visit.address, "setting up");
        return again(&state, back, form.typed(), too_many());
    }
    if !state.setup_code.fits(&form.code) {
        log(Event::SetupCodeWrong, None, visit.address);
        let error = AppError::Invalid(
            "The set-up code is not right: it stands in the terminal in which Touchstone was started.".into(),
        );
        return again(&state, back, form.typed(), error);
    }
    // From here on the link of the terminal stays in the address, so that the code need not be typed again.
    let back = format!("/setup?code={}", encode(&form.code));
    let typed = form.typed();
    let new = match form.checked().await {
        Ok(new) => new,
        Err(error) => return again(&state, &back, typed, error),
    };
    match state.store().insert_first_owner(new).await {
        Ok(owner) => {
            log(Event::OwnerMade, Some(owner.id), visit.address);
            enter(&state, &owner, &visit, "/").await
        }
        Err(error) => again(&state, &back, typed, error),
    }
}

/// `POST /sign-in`. The answer to a wrong password is that to an unknown address.
async fn sign_in(State(state): State<AppState>, visit: Visit, Form(form): Form<SignIn>) -> Response {
    let next = local_path(&form.next);
    let back = match next {
        "/" => "/sign-in".to_owned(),
        next => format!("/sign-in?next={}", encode(next)),
    };
    let typed = Typed {
        name: String::new(),
        email: form.credentials.email.clone(),
    };
    if !state.throttle.admits(&form.credentials.email, visit.address) {
        log(Event::SignInSlowed, None, visit.address);
        let mut response = again(&state, &back, typed, too_many());
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, header::HeaderValue::from_static("60"));
        return response;
    }
    match check(state.store(), form.credentials).await {
        Ok(Checked::Fits(user)) => enter(&state, &user, &visit, next).await,
        Ok(wrong) => {
            let who = match wrong {
                Checked::Wrong(user) => Some(user.id),
                _ => None,
            };
            log(Event::SignInFailed, who, visit.address);
            let error = AppError::Invalid("Wrong email or password.".into());
            again(&state, &back, typed, error)
        }
        Err(error) => failed(&error),
    }
}

/// `POST /sign-out`.
async fn sign_out(State(state): State<AppState>, visit: Visit) -> Response {
    if let Some(session) = &visit.session {
        if let Err(error) = state.store().end_session(session.user_id, &session.id).await {
            return failed(&error);
        }
        log(Event::SignedOut, Some(session.user_id), visit.address);
        state.departures.announce();
    }
    signed_out(&state, "You are signed out.")
}

/// To the sign-in, without the session's cookie and without what the browser has kept of our pages.
pub(crate) fn signed_out(state: &AppState, text: &str) -> Response {
    let mut response = answer(state, "/sign-in", Flash::done(text));
    let headers = response.headers_mut();
    if let Ok(cookie) = header::HeaderValue::from_str(&sessions::closed(state)) {
        headers.append(header::SET_COOKIE, cookie);
    }
    if state.settings.secure_cookies {
        // Not "storage": judgements that wait for the network are there.
        let pages = header::HeaderValue::from_static("\"cache\"");
        headers.insert("clear-site-data", pages);
    }
    response
}

/// `POST /join/{token}`: makes the account that an invitation allows.
async fn join(
    State(state): State<AppState>,
    visit: Visit,
    Path(token): Path<String>,
    Form(form): Form<NewAccount>,
) -> Response {
    let back = format!(
        "/join/{}",
        token.replace(|c: char| !c.is_ascii_alphanumeric(), "")
    );
    if !state.throttle.admits_address(visit.address) {
        log_about(Event::SignInSlowed, None, visit.address, "joining");
        return again(&state, &back, form.typed(), too_many());
    }
    let hash = hash_secret(&token);
    match state.store().find_open_invite(&hash).await {
        Ok(Some(_)) => {}
        Ok(None) => {
            log(Event::InvitationRefused, None, visit.address);
            return refuse(&state, &back, gone());
        }
        Err(error) => return refuse(&state, &back, error),
    }
    let typed = form.typed();
    let new = match form.checked().await {
        Ok(new) => new,
        Err(error) => return again(&state, &back, typed, error),
    };
    match state.store().accept_invite(&hash, new).await {
        Ok(user) => {
            log_about(Event::Joined, Some(user.id), visit.address, user.role.as_str());
            enter(&state, &user, &visit, "/").await
        }
        Err(store::StoreError::NotFound(_)) => refuse(&state, &back, gone()),
        Err(error) => again(&state, &back, typed, error),
    }
}

/// `POST /theme`: the other theme, for browsers without scripts.
async fn change_theme(headers: HeaderMap) -> Response {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let next = if text(header::COOKIE).contains("theme=dark") {
        "light"
    } else {
        "dark"
    };
    let cookie = format!("theme={next}; Path=/; Max-Age=31536000; SameSite=Lax");
    let back = path_of(text(header::REFERER)).to_owned();
    (
        StatusCode::SEE_OTHER,
        [(header::SET_COOKIE, cookie), (header::LOCATION, back)],
    )
        .into_response()
}

/// Opens a session and goes on to `next`.
async fn enter(state: &AppState, user: &User, visit: &Visit, next: &str) -> Response {
    match sessions::open(state, user, visit).await {
        Ok(cookie) => {
            log(Event::SignedIn, Some(user.id), visit.address);
            let cookies = [cookie, Typed::default().to_cookie(state.settings.secure_cookies)];
            let headers = AppendHeaders(cookies.map(|cookie| (header::SET_COOKIE, cookie)));
            (headers, Redirect::to(next)).into_response()
        }
        Err(error) => failed(&error),
    }
}

/// Back to a form of ours with the reason, and with what was typed but the password.
fn again(state: &AppState, to: &str, typed: Typed, error: impl Into<AppError>) -> Response {
    let mut response = refuse(state, to, error);
    if let Ok(cookie) = header::HeaderValue::from_str(&typed.to_cookie(state.settings.secure_cookies)) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

impl NewAccount {
    fn typed(&self) -> Typed {
        Typed {
            name: self.name.clone(),
            email: self.email.clone(),
        }
    }

    /// The account to be made, its password hashed; a trainer's unless the caller says otherwise.
    async fn checked(self) -> Result<NewUser, AppError> {
        if let Some(refusal) = password::refuse(&self.password, &[&self.email, &self.name]) {
            return Err(AppError::Invalid(refusal));
        }
        let password_hash = password::hash(self.password).await.map_err(AppError::internal)?;
        Ok(NewUser {
            name: self.name,
            email: self.email,
            password_hash,
            role: Role::Trainer,
        })
    }
}

fn too_many() -> AppError {
    AppError::TooMany("Too many attempts. Please wait a minute.".into())
}

fn failed(error: &dyn std::fmt::Display) -> Response {
    tracing::error!(%error, "sign-in");
    crate::security::failure_page()
}

fn gone() -> AppError {
    AppError::NotFound(
        "This invitation has been used, has ended or was cancelled. Ask whoever sent it for a new one."
            .into(),
    )
}
