//! Bodies of requests: how large, and how slow.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use app::error::AppError;
use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{Html, IntoResponse, Response},
};
use domain::user::User;
use futures::{Stream, StreamExt, stream};
use tokio::time::Instant;

use super::{MAX_API, MAX_FORM, MAX_FUNCTION};
use crate::{
    auth::{identify::ApiError, visit::client},
    security_log::{Event, log_about},
    state::AppState,
};

/// The longest pause within a body.
const PAUSE: Duration = Duration::from_secs(20);

/// The longest that a body may take in all; uploads have [`UPLOAD_TIME`].
const BODY_TIME: Duration = Duration::from_secs(120);

/// The longest that the body of an upload may take.
const UPLOAD_TIME: Duration = Duration::from_secs(60 * 60);

/// So much of a body that is too large is read and thrown away, for the client to hear the answer: who still sends when
/// the connection is closed sees a broken connection instead.
const DRAINED: usize = 64 * 1024 * 1024;

/// The longest that throwing away may take.
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// What became of a body.
const READABLE: u8 = 0;
const TOO_LARGE: u8 = 1;
const TOO_SLOW: u8 = 2;

/// Holds each request to the size and the time that its address and its sender allow, and each person to their quota.
pub async fn limit(State(state): State<AppState>, request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let user = parts.extensions.get::<Option<User>>().cloned().flatten();
    let most = most_bytes(parts.uri.path(), user.is_some());
    let wants_page = wants_page(&parts);
    let from = client(&parts, &state);
    let by = user.map(|user| user.id);
    let declared = declared(&parts.headers);
    if most.is_some_and(|most| declared > most) && parts.headers.contains_key(header::CONTENT_LENGTH) {
        drain(body).await;
        log_about(Event::TooLarge, by, from, parts.uri.path());
        return too_large(most.unwrap_or_default(), wants_page);
    }
    if let Some(person) = by.filter(|_| parts.uri.path().starts_with("/fn/"))
        && !state.quota.admits(person, declared)
    {
        log_about(Event::OverQuota, by, from, parts.uri.path());
        return over_quota(wants_page);
    }
    let path = parts.uri.path().to_owned();
    let time = if most.is_some() { BODY_TIME } else { UPLOAD_TIME };
    let fate = Arc::new(AtomicU8::new(READABLE));
    let body = Body::from_stream(held(body, most.unwrap_or(usize::MAX), time, Arc::clone(&fate)));
    let response = next.run(Request::from_parts(parts, body)).await;
    match fate.load(Ordering::Acquire) {
        TOO_LARGE => {
            log_about(Event::TooLarge, by, from, path);
            too_large(most.unwrap_or_default(), wants_page)
        }
        TOO_SLOW => tell(
            StatusCode::REQUEST_TIMEOUT,
            AppError::Invalid("The request took too long to arrive. Please try again.".into()),
            wants_page,
        ),
        _ => response,
    }
}

/// The most bytes of a request to this path; None where the route itself sees to it.
fn most_bytes(path: &str, is_known: bool) -> Option<usize> {
    let is_upload = path.ends_with("/import/upload")
        || (path.starts_with("/api/v1/projects/") && path.contains("/import"));
    match is_known {
        true if is_upload => None,
        true if path.starts_with("/api/") => Some(MAX_API),
        true if path.starts_with("/fn/") => Some(MAX_FUNCTION),
        _ => Some(MAX_FORM),
    }
}

/// The bytes that a body is said to have. One that comes in pieces says nothing: it counts as all that a function takes.
fn declared(headers: &HeaderMap) -> usize {
    let length = headers.get(header::CONTENT_LENGTH);
    let said = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let unsaid = match headers.contains_key(header::TRANSFER_ENCODING) {
        true => MAX_FUNCTION,
        false => 0,
    };
    said.unwrap_or(unsaid)
}

/// Whether a browser waits for a page.
fn wants_page(parts: &Parts) -> bool {
    let accepts = parts
        .headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    !parts.uri.path().starts_with("/api/") && accepts.is_some_and(|accepts| accepts.contains("text/html"))
}

/// The body's bytes as long as they are not too many and do not come too slowly.
fn held(
    body: Body,
    most: usize,
    time: Duration,
    fate: Arc<AtomicU8>,
) -> impl Stream<Item = Result<Bytes, io::Error>> + Send {
    let deadline = Instant::now() + time;
    let start = Some((body.into_data_stream(), 0));
    stream::unfold(start, move |state| {
        let fate = Arc::clone(&fate);
        async move {
            let (mut bytes, read) = state?;
            let until = deadline.min(Instant::now() + PAUSE);
            let end = |kind, what| {
                fate.store(what, Ordering::Release);
                Some((Err(io::Error::from(kind)), None))
            };
            match tokio::time::timeout_at(until, bytes.next()).await {
                Ok(None) => None,
                Ok(Some(Ok(chunk))) if read + chunk.len() <= most => {
                    let read = read + chunk.len();
                    Some((Ok(chunk), Some((bytes, read))))
                }
                Ok(Some(Ok(_))) => {
                    drain(Body::from_stream(bytes)).await;
                    end(io::ErrorKind::FileTooLarge, TOO_LARGE)
                }
                Ok(Some(Err(error))) => Some((Err(io::Error::other(error)), None)),
                Err(_) => end(io::ErrorKind::TimedOut, TOO_SLOW),
            }
        }
    })
}

async fn drain(body: Body) {
    let mut bytes = body.into_data_stream();
    let all = async {
        let mut read = 0;
        while let Some(Ok(chunk)) = bytes.next().await {
            read += chunk.len();
            if read > DRAINED {
                break;
            }
        }
    };
    // What is still to come after that breaks off.
    drop(tokio::time::timeout(DRAIN_TIME, all).await);
}

fn too_large(most: usize, wants_page: bool) -> Response {
    let most = match most / (1024 * 1024) {
        0 => format!("{} KB", most / 1024),
        mb => format!("{mb} MB"),
    };
    let sentence = format!("That is too much at once: this takes at most {most} in one request.");
    tell(
        StatusCode::PAYLOAD_TOO_LARGE,
        AppError::TooLarge(sentence),
        wants_page,
    )
}

fn over_quota(wants_page: bool) -> Response {
    let sentence = "You have sent very much in a short time. Please wait some minutes.";
    let mut response = tell(
        StatusCode::TOO_MANY_REQUESTS,
        AppError::TooMany(sentence.into()),
        wants_page,
    );
    let wait = HeaderValue::from_static("60");
    response.headers_mut().insert(header::RETRY_AFTER, wait);
    response
}

/// The answer that the sender can read: a page, or JSON as server functions and the API tell errors.
fn tell(status: StatusCode, error: AppError, wants_page: bool) -> Response {
    if wants_page {
        let page = format!(
            "<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\"><title>Not taken · Touchstone</title>\
             <h1>Not taken</h1><p>{error}</p><p>Go back with your browser: what you wrote is still there.</p>"
        );
        return (status, Html(page)).into_response();
    }
    let mut response = ApiError(error).into_response();
    *response.status_mut() = status;
    response
}
