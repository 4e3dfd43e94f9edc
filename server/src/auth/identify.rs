//! The middleware that finds out who asks, and the extractor for handlers.

use app::error::AppError;
use axum::{
    Json,
    extract::{FromRequestParts, Request, State},
    http::{Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use domain::{permission::Permission, user::User};
use store::session::Session;

use super::{
    departures::Key,
    paths::encode,
    secret::{TOKEN_PREFIX, hash_secret},
    sessions,
    visit::client,
};
use crate::{
    security_log::{Event, log, log_about},
    state::AppState,
};

/// An error as the API tells it: its status, and `{"kind": …, "message": …}`.
#[derive(Debug)]
pub struct ApiError(pub AppError);

impl<E: Into<AppError>> From<E> for ApiError {
    fn from(error: E) -> ApiError {
        ApiError(error.into())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let kind = serde_json::to_value(&self.0)
            .ok()
            .and_then(|value| value.get("kind").cloned());
        let body = serde_json::json!({ "kind": kind, "message": self.0.to_string() });
        (status, Json(body)).into_response()
    }
}

/// The person who asks, signed in or by API token. Handlers take it and call [`Viewer::may`] first.
#[derive(Debug, Clone)]
pub struct Viewer(pub User);

impl Viewer {
    /// The person, if their role has this permission.
    pub fn may(self, permission: Permission) -> Result<User, ApiError> {
        if self.0.role.may(permission) {
            Ok(self.0)
        } else {
            Err(ApiError(AppError::Forbidden))
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Viewer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Viewer, ApiError> {
        let user = parts.extensions.get::<Option<User>>().cloned().flatten();
        user.map(Viewer).ok_or(ApiError(AppError::SignedOut))
    }
}

/// The API token of a request.
pub fn bearer(headers: &header::HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Puts `Option<User>` into the request's extensions, read anew each time: of the API token if one is given, else of the
/// session; and beside it the session and the [`Key`]. A token opens the API alone, never a page or a form.
pub async fn identify(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let mut user: Option<User> = None;
    let mut session: Option<Session> = None;
    let mut key = None;
    match bearer(&parts.headers) {
        Some(token) if parts.uri.path().starts_with("/api/") => {
            let hash = hash_secret(token);
            match holder(&state, &parts, token, &hash).await {
                Ok(holder) => user = Some(holder),
                Err(error) => return error.into_response(),
            }
            key = Some(Key::Token(hash));
        }
        Some(_) => {}
        None => match sessions::find(state.store(), state.settings.secure_cookies, &parts.headers).await {
            Ok(Some((found, owner))) => {
                key = Some(Key::Session(found.id.clone()));
                (session, user) = (Some(found), Some(owner));
            }
            Ok(None) => {}
            Err(error) => {
                tracing::error!(%error, "who asks");
                return crate::security::failure_page();
            }
        },
    }
    parts.extensions.insert(user);
    parts.extensions.insert(session);
    parts.extensions.insert(key);
    next.run(Request::from_parts(parts, body)).await
}

/// Who holds a token, if it opens this address.
async fn holder(state: &AppState, parts: &Parts, token: &str, hash: &str) -> Result<User, ApiError> {
    let known = match token.starts_with(TOKEN_PREFIX) {
        true => state.store().find_user_by_token(hash).await?,
        false => None,
    };
    let from = client(parts, state);
    match known {
        Some((user, scope)) if user.role.may(Permission::UseApi) => {
            if scope.opens(parts.uri.path()) {
                return Ok(user);
            }
            log_about(Event::TokenRefused, Some(user.id), from, "out of scope");
            Err(ApiError(AppError::Forbidden))
        }
        Some((user, _)) => {
            log_about(Event::TokenRefused, Some(user.id), from, "role");
            Err(ApiError(AppError::SignedOut))
        }
        None => {
            log(Event::TokenRefused, None, from);
            Err(ApiError(AppError::SignedOut))
        }
    }
}

/// Sends visitors of pages to where they can sign in, or to the set-up while nobody has an account.
pub async fn gate(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let page = matches!(*request.method(), Method::GET | Method::HEAD)
        && !["/api/", "/fn/", "/events/", "/health"]
            .iter()
            .any(|prefix| path.starts_with(prefix));
    if !page {
        return next.run(request).await;
    }
    let known = request
        .extensions()
        .get::<Option<User>>()
        .is_some_and(Option::is_some);
    let open = path == "/sign-in" || path == "/setup" || path.starts_with("/join/");
    if known || (open && path != "/sign-in") {
        return next.run(request).await;
    }
    match state.store().is_fresh().await {
        Ok(true) => Redirect::to("/setup").into_response(),
        Ok(false) if open => next.run(request).await,
        Ok(false) => {
            let wanted = request
                .uri()
                .path_and_query()
                .map_or("/", |wanted| wanted.as_str());
            let mut target = "/sign-in".to_owned();
            if wanted != "/" {
                target.push_str("?next=");
                target.push_str(&encode(wanted));
            }
            Redirect::to(&target).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "who asks");
            crate::security::failure_page()
        }
    }
}
