//! Sessions of browsers: a random secret in a cookie, its SHA-256 in the database, so that a copy of the database opens
//! no session. Each signing in makes a new secret, and ends the session that the browser had.

use axum::http::{HeaderMap, header};
use domain::user::User;
use store::{
    Store, StoreError,
    session::{LONGEST_MS, NewSession, Session},
};

use super::{
    secret::{hash_secret, new_secret},
    visit::Visit,
};
use crate::state::AppState;

/// Opens a session for `user` in this browser; gives the cookie to be set.
pub async fn open(state: &AppState, user: &User, visit: &Visit) -> Result<String, StoreError> {
    if let Some(old) = &visit.session {
        state.store().end_session(old.user_id, &old.id).await?;
    }
    let secret = new_secret();
    let new = NewSession {
        id: hash_secret(&secret),
        user_id: user.id,
        agent: visit.agent.clone(),
        address: visit.address.to_string(),
    };
    state.store().insert_session(new).await?;
    Ok(cookie(state, &secret, LONGEST_MS / 1000))
}

/// The cookie that takes a session's secret away from the browser.
pub fn closed(state: &AppState) -> String {
    cookie(state, "", 0)
}

/// The session of a request and whose it is.
pub async fn find(
    store: &Store,
    secure: bool,
    headers: &HeaderMap,
) -> Result<Option<(Session, User)>, StoreError> {
    match secret(secure, headers) {
        Some(secret) => store.find_session(&hash_secret(secret)).await,
        None => Ok(None),
    }
}

/// Whether a request brings a session's cookie, in force or not.
pub fn is_brought(secure: bool, headers: &HeaderMap) -> bool {
    secret(secure, headers).is_some()
}

fn secret(secure: bool, headers: &HeaderMap) -> Option<&str> {
    let pairs = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let (_, secret) = pairs.into_iter().find(|(key, _)| *key == name(secure))?;
    Some(secret).filter(|secret| !secret.is_empty())
}

/// With `__Host-` a browser takes the cookie from this host alone, over TLS alone: no neighbouring domain can plant one.
fn name(secure: bool) -> &'static str {
    if secure { "__Host-session" } else { "session" }
}

fn cookie(state: &AppState, secret: &str, seconds: i64) -> String {
    let secure = state.settings.secure_cookies;
    let mark = if secure { "; Secure" } else { "" };
    format!(
        "{}={secret}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{mark}",
        name(secure)
    )
}
