//! The forms of those who come and go: set-up, sign-in, sign-out, an invitation; and the theme.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use app::{error::AppError, flash::Flash};
use axum::{
    Form, Router,
    extract::{ConnectInfo, FromRequestParts, Path, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{AppendHeaders, IntoResponse, Redirect, Response},
    routing::post,
};
use domain::permission::Role;
use serde::Deserialize;
use store::user::NewUser;

use super::{
    backend::{AuthSession, Credentials},
    password,
    secret::hash_secret,
};
use crate::state::AppState;

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

/// The address of the client, as far as it can be known.
pub(crate) struct Client(IpAddr);

impl FromRequestParts<AppState> for Client {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Client, Self::Rejection> {
        let forwarded = parts
            .headers
            .get("x-forwarded-for")
            .and_then(|value| value.to_str().ok());
        let forwarded = forwarded
            .filter(|_| state.settings.behind_proxy)
            .and_then(|list| list.rsplit(',').next()?.trim().parse().ok());
        let direct = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|info| info.0.ip());
        Ok(Client(
            forwarded.or(direct).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        ))
    }
}

#[derive(Deserialize)]
struct NewAccount {
    name: String,
    email: String,
    password: String,
}

#[derive(Deserialize)]
struct SignIn {
    #[serde(flatten)]
    credentials: Credentials,
    #[serde(default)]
    next: String,
}

/// `POST /setup`: makes the owner's account, while there is none.
async fn set_up(
    State(state): State<AppState>,
    mut session: AuthSession,
    client: Client,
    Form(form): Form<NewAccount>,
) -> Response {
    if !matches!(state.store().is_fresh().await, Ok(true)) {
        return answer(
            &state,
            "/sign-in",
            Flash::failed("The owner's account already exists."),
        );
    }
    let credentials = form.credentials();
    let new = match form.checked(&state, client).await {
        Ok(new) => new,
        Err(error) => return refuse(&state, "/setup", error),
    };
    match state.store().insert_first_owner(new).await {
        Ok(owner) => {
            tracing::info!(user = %owner.id, "owner's account made");
            enter(&state, &mut session, credentials, "/").await
        }
        Err(error) => refuse(&state, "/setup", error),
    }
}

/// `POST /sign-in`. The answer to a wrong password is that to an unknown address.
async fn sign_in(
    State(state): State<AppState>,
    mut session: AuthSession,
    client: Client,
    Form(form): Form<SignIn>,
) -> Response {
    let next = local_path(&form.next);
    if !state.throttle.admits(&form.credentials.email, client.0) {
        tracing::warn!("sign-in slowed down");
        let flash = Flash::failed("Too many attempts. Please wait a minute.");
        let cookie = flash.to_cookie(state.settings.secure_cookies);
        let headers = AppendHeaders([
            (header::SET_COOKIE, cookie),
            (header::RETRY_AFTER, "60".to_owned()),
        ]);
        return (headers, Redirect::to("/sign-in")).into_response();
    }
    enter(&state, &mut session, form.credentials, next).await
}

/// `POST /sign-out`.
async fn sign_out(State(state): State<AppState>, mut session: AuthSession) -> Response {
    if let Err(error) = session.logout().await {
        tracing::error!(%error, "sign-out");
        return crate::security::failure_page();
    }
    answer(&state, "/sign-in", Flash::done("You are signed out."))
}

/// `POST /join/{token}`: makes the account that an invitation allows.
async fn join(
    State(state): State<AppState>,
    mut session: AuthSession,
    client: Client,
    Path(token): Path<String>,
    Form(form): Form<NewAccount>,
) -> Response {
    let back = format!(
        "/join/{}",
        token.replace(|c: char| !c.is_ascii_alphanumeric(), "")
    );
    let hash = hash_secret(&token);
    match state.store().find_open_invite(&hash).await {
        Ok(Some(_)) => {}
        Ok(None) => return refuse(&state, &back, gone()),
        Err(error) => return refuse(&state, &back, error),
    }
    let credentials = form.credentials();
    let new = match form.checked(&state, client).await {
        Ok(new) => new,
        Err(error) => return refuse(&state, &back, error),
    };
    match state.store().accept_invite(&hash, new).await {
        Ok(user) => {
            tracing::info!(user = %user.id, role = user.role.as_str(), "joined");
            enter(&state, &mut session, credentials, "/").await
        }
        Err(store::StoreError::NotFound(_)) => refuse(&state, &back, gone()),
        Err(error) => refuse(&state, &back, error),
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

/// Signs in and goes on to `next`.
async fn enter(state: &AppState, session: &mut AuthSession, given: Credentials, next: &str) -> Response {
    let failed = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "sign-in");
        crate::security::failure_page()
    };
    let account = match session.authenticate(given).await {
        Ok(Some(account)) => account,
        Ok(None) => {
            let flash = Flash::failed("Wrong email or password.");
            return answer(state, "/sign-in", flash);
        }
        Err(error) => return failed(&error),
    };
    match session.login(&account).await {
        Ok(()) => Redirect::to(next).into_response(),
        Err(error) => failed(&error),
    }
}

impl NewAccount {
    fn credentials(&self) -> Credentials {
        Credentials {
            email: self.email.clone(),
            password: self.password.clone(),
        }
    }

    /// The account to be made, its password hashed; a trainer's unless the caller says otherwise.
    async fn checked(self, state: &AppState, client: Client) -> Result<NewUser, AppError> {
        if !state.throttle.admits_address(client.0) {
            return Err(AppError::TooMany(
                "Too many attempts. Please wait a minute.".into(),
            ));
        }
        if let Some(refusal) = password::refuse(&self.password) {
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

fn gone() -> AppError {
    AppError::NotFound(
        "This invitation has been used, has ended or was cancelled. Ask whoever sent it for a new one."
            .into(),
    )
}

/// The path if it stays on this server, else the first page.
fn local_path(path: &str) -> &str {
    let stays = path.starts_with('/') && !path.starts_with("//") && !path.contains(['\\', '\r', '\n']);
    if stays { path } else { "/" }
}

/// The path and query of a URL.
pub(crate) fn path_of(url: &str) -> &str {
    let after_scheme = url.find("://").map_or(url, |at| &url[at + 3..]);
    after_scheme
        .find('/')
        .map_or("/", |at| local_path(&after_scheme[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_off_this_server() {
        for evil in [
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "javascript:x",
            "",
        ] {
            assert_eq!(local_path(evil), "/", "{evil}");
        }
        assert_eq!(local_path("/projects/1?x=2"), "/projects/1?x=2");
        assert_eq!(path_of("http://localhost:1/a?b"), "/a?b");
        assert_eq!(path_of("http://localhost:1//evil.example"), "/");
        assert_eq!(path_of(""), "/");
    }
}
