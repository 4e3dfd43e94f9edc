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

use super::{
    backend::AuthSession,
    secret::{TOKEN_PREFIX, hash_secret},
};
use crate::state::AppState;

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

/// Puts `Option<User>` into the request's extensions: of the API token if one is given, else of the session.
/// A token opens the API alone, never a page or a form.
pub async fn identify(
    State(state): State<AppState>,
    session: AuthSession,
    mut request: Request,
    next: Next,
) -> Response {
    let user = match bearer(request.headers()) {
        Some(token) if request.uri().path().starts_with("/api/") => {
            let known = match token.starts_with(TOKEN_PREFIX) {
                true => state.store().find_user_by_token(&hash_secret(token)).await,
                false => Ok(None),
            };
            match known {
                Ok(Some(user)) if user.role.may(Permission::UseApi) => Some(user),
                Ok(_) => return ApiError(AppError::SignedOut).into_response(),
                Err(error) => return ApiError::from(error).into_response(),
            }
        }
        Some(_) => None,
        None => session.user.map(|account| account.user),
    };
    request.extensions_mut().insert(user);
    next.run(request).await
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

/// Percent-encodes what has a meaning in a query.
fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}
