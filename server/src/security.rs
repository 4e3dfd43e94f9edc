//! What holds for every answer and every request: headers, origins, and failures without details.

use std::any::Any;

use app::{error::AppError, flash::Flash};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{Html, IntoResponse, Response},
};
use domain::user::User;
use leptos::server_fn::error::ServerFnUrlError;

use crate::{
    address::Address,
    auth::{
        identify::{ApiError, bearer},
        paths::path_of,
        sessions::is_brought,
        visit::client,
    },
    security_log::{Event, log_about},
    state::AppState,
};

/// What an answer that is no page may do: nothing. Pages bring their own policy.
const NO_CONTENT_POLICY: &str =
    "default-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// Browsers that have once reached this host over TLS do so for a year; neighbours are not spoken for.
const TLS_FOR_A_YEAR: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Adds the headers that every answer has, unless it has its own.
pub async fn add_headers(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if state.address.is_https() {
        response
            .headers_mut()
            .insert(header::STRICT_TRANSPORT_SECURITY, TLS_FOR_A_YEAR);
    }
    let all: [(HeaderName, &'static str); 6] = [
        (header::CONTENT_SECURITY_POLICY, NO_CONTENT_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=()",
        ),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in all {
        response
            .headers_mut()
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Refuses requests that change something and do not come from our own pages. A request with an API token is let
/// through: no browser adds one by itself. So is one to the API without a cookie, which has nothing to lose and is to
/// hear that it lacks a token.
pub async fn check_origin(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let headers = request.headers();
    let by_program = request.uri().path().starts_with("/api/")
        && (bearer(headers).is_some() || !is_brought(state.settings.secure_cookies, headers));
    if safe || by_program || is_own_origin(headers, &state.address) {
        return next.run(request).await;
    }
    let text = |name: &str| {
        let value = headers.get(name)?;
        Some(value.to_str().unwrap_or("unreadable").to_owned())
    };
    let origin = text("origin").unwrap_or_else(|| "nowhere".to_owned());
    let host = text("host").unwrap_or_else(|| "none".to_owned());
    let own = state.address.public().to_owned();
    let (parts, _) = request.into_parts();
    let about = format!("origin {origin} host {host} public {own}");
    log_about(Event::OriginRefused, None, client(&parts, &state), about);
    let sentence = format!(
        "This request did not come from a page of this server. It came from {origin} to {host}; this server is at {own}. \
         If people reach it under another address, start it with that as TOUCHSTONE_PUBLIC_URL.\n"
    );
    (StatusCode::FORBIDDEN, sentence).into_response()
}

/// Browsers say where a request comes from in `Sec-Fetch-Site`, in `Origin`, or in both; one that says neither is
/// refused.
fn is_own_origin(headers: &HeaderMap, address: &Address) -> bool {
    let text = |name: &str| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or("unreadable"))
    };
    let host = text("host").unwrap_or_default();
    match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) if site != "same-origin" => false,
        (_, Some(origin)) => address.is_own_origin(origin, host),
        (Some(_), None) => address.is_own_host(host),
        (None, None) => false,
    }
}

/// Marks an answer that leads back to a page because the person's role does not allow what was asked.
#[derive(Debug, Clone, Copy)]
struct Refused;

/// Logs who asked for what their role does not allow.
pub async fn log_forbidden(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let by = parts.extensions.get::<Option<User>>();
    let by = by.and_then(|user| user.as_ref().map(|user| user.id));
    let from = client(&parts, &state);
    let (method, uri) = (parts.method.clone(), parts.uri.clone());
    let response = next.run(Request::from_parts(parts, body)).await;
    if response.status() == StatusCode::FORBIDDEN || response.extensions().get::<Refused>().is_some() {
        log_about(Event::Forbidden, by, from, format!("{method} {}", uri.path()));
    }
    response
}

/// A plain form whose server function failed is sent back with the error in the URL, where any link could put one.
/// Moves it into the flash instead.
pub async fn errors_to_flash(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let location = response
        .headers()
        .get(header::LOCATION)
        .and_then(|value| value.to_str().ok());
    let Some((path, query)) = location.and_then(|location| path_of_either(location).split_once('?')) else {
        return response;
    };
    let (ours, rest): (Vec<&str>, Vec<&str>) = query
        .split('&')
        .partition(|pair| pair.starts_with("__err=") || pair.starts_with("__path="));
    let Some(error) = ours.iter().find_map(|pair| pair.strip_prefix("__err=")) else {
        return response;
    };
    let error: AppError = ServerFnUrlError::decode_err(&error.replace("%3D", "="));
    let back = match rest.is_empty() {
        true => path.to_owned(),
        false => format!("{path}?{}", rest.join("&")),
    };
    if matches!(error, AppError::Forbidden) {
        response.extensions_mut().insert(Refused);
    }
    let cookie = Flash::failed(error).to_cookie(state.settings.secure_cookies);
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let (Ok(back), Ok(cookie)) = (HeaderValue::from_str(&back), HeaderValue::from_str(&cookie)) {
        response.headers_mut().insert(header::LOCATION, back);
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

fn path_of_either(location: &str) -> &str {
    if location.starts_with('/') {
        location
    } else {
        path_of(location)
    }
}

/// What people see when a handler panicked; the panic is in the log.
pub fn after_panic(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("a handler panicked");
    failure_page()
}

/// A 500 that tells nothing.
pub fn failure_page() -> Response {
    let page = "<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\"><title>Something went wrong · Touchstone</title>\
         <h1>Something went wrong</h1><p>It has been logged. Please try again.</p><p><a href=\"/\">To the projects</a></p>";
    (StatusCode::INTERNAL_SERVER_ERROR, Html(page)).into_response()
}

/// The answer of the API to an address where nothing stands.
pub async fn api_missing() -> ApiError {
    ApiError(AppError::NotFound("There is nothing at this address.".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(pairs: &[(&'static str, &'static str)]) -> bool {
        let headers = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        is_own_origin(&headers, &Address::new("https://touch.example", false))
    }

    #[test]
    fn only_our_own_pages_may_change_things() {
        let host = ("host", "127.0.0.1:8080");
        assert!(own(&[host, ("origin", "http://127.0.0.1:8080")]));
        assert!(own(&[host, ("origin", "https://touch.example")]));
        assert!(own(&[host, ("sec-fetch-site", "same-origin")]));
        let rebound = ("host", "evil.example:8080");
        assert!(!own(&[rebound, ("origin", "http://evil.example:8080")]));
        assert!(!own(&[rebound, ("sec-fetch-site", "same-origin")]));
        assert!(!own(&[host]));
        assert!(!own(&[host, ("origin", "null")]));
        assert!(!own(&[host, ("origin", "https://evil.example")]));
        assert!(!own(&[host, ("sec-fetch-site", "cross-site")]));
        assert!(!own(&[
            host,
            ("sec-fetch-site", "same-site"),
            ("origin", "http://127.0.0.1:8080")
        ]));
    }
}
