//! Changes of rank ask for the password again: what an open browser, or markup that slipped into a page, could do with one
//! click must not make anybody an owner. A form without the password is sent to `/confirm`, which says what is to be
//! done, asks, and posts the form again with the password.

use app::flash::Flash;
use axum::{
    Form,
    body::Body,
    extract::{FromRequest, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use domain::{Millis, permission::Role, user::User};

use super::{
    credentials::{Checked, Credentials, check},
    forms::answer,
    identify::ApiError,
    paths::encode,
    visit::Visit,
};
use crate::{
    limits::MAX_FORM,
    security_log::{Event, log, log_about},
    state::AppState,
};

/// How long a password that was given counts for what follows: ten minutes.
pub const CONFIRMED_MS: Millis = 10 * 60 * 1000;

/// The form's field of the password.
const FIELD: &str = "confirm_password";

type Fields = Vec<(String, String)>;

/// Lets a form through whose sender has given the password with it or lately. Only who may have rank at all is asked;
/// the handler refuses the others.
pub async fn ask_password(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let visit = Visit::of(&parts, &state);
    let viewer = parts.extensions.get::<Option<User>>().cloned().flatten();
    let (Some(session), Some(user)) = (&visit.session, viewer.filter(|user| user.role >= Role::Lead)) else {
        return next.run(Request::from_parts(parts, body)).await;
    };
    let Ok(bytes) = axum::body::to_bytes(body, MAX_FORM).await else {
        let error = app::error::AppError::Invalid("The form could not be read.".into());
        return ApiError(error).into_response();
    };
    let copy = Request::from_parts(parts.clone(), Body::from(bytes.clone()));
    let fields = match Form::<Fields>::from_request(copy, &state).await {
        Ok(Form(fields)) => fields,
        Err(error) => return error.into_response(),
    };
    let path = parts.uri.path();
    let given = fields.iter().find(|(name, _)| name == FIELD);
    let admitted = match given {
        Some((_, password)) => confirm(&state, &visit, &user, password).await,
        None if is_asked_each_time(path) => Err(None),
        None if session.confirmed_at > store::now() - CONFIRMED_MS => Ok(()),
        None => Err(None),
    };
    match admitted {
        Ok(()) => next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Err(reason) => to_page(&state, path, &fields, reason),
    }
}

/// A change of role gives power to somebody else: no earlier password stands for it.
fn is_asked_each_time(path: &str) -> bool {
    path.ends_with("/role")
}

/// Checks the password, and notes it in the session.
async fn confirm(
    state: &AppState,
    visit: &Visit,
    user: &User,
    password: &str,
) -> Result<(), Option<&'static str>> {
    let email = user.email.clone().unwrap_or_default();
    if !state.throttle.admits(&email, visit.address) {
        log_about(Event::SignInSlowed, Some(user.id), visit.address, "confirming");
        return Err(Some("Too many attempts. Please wait a minute."));
    }
    let given = Credentials {
        email,
        password: password.to_owned(),
    };
    match check(state.store(), given).await {
        Ok(Checked::Fits(_)) => {}
        Ok(_) => {
            log(Event::PasswordWrong, Some(user.id), visit.address);
            return Err(Some("That is not your password."));
        }
        Err(error) => {
            tracing::error!(%error, "confirming");
            return Err(Some("Your password could not be checked. Please try again."));
        }
    }
    if let Some(session) = &visit.session
        && let Err(error) = state.store().confirm_session(&session.id).await
    {
        tracing::error!(%error, "confirming");
    }
    log(Event::PasswordConfirmed, Some(user.id), visit.address);
    Ok(())
}

/// To the page that asks, with the form's fields but the password.
fn to_page(state: &AppState, path: &str, fields: &Fields, reason: Option<&str>) -> Response {
    let mut target = format!("/confirm?action={}", encode(path));
    for (name, value) in fields.iter().filter(|(name, _)| name != FIELD) {
        target.push_str(&format!("&f.{}={}", encode(name), encode(value)));
    }
    match reason {
        Some(reason) => answer(state, &target, Flash::failed(reason)),
        None => axum::response::Redirect::to(&target).into_response(),
    }
}
