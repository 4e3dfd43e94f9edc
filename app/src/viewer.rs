//! Who asks. The server's middleware puts `Option<User>` into each request's extensions, read anew each time.

use axum::http::request::Parts;
use domain::{permission::Permission, user::User};
use leptos::prelude::use_context;
use store::session::Session;

use crate::error::AppError;

/// The person who is signed in, if one is.
pub fn viewer() -> Option<User> {
    use_context::<Parts>()?.extensions.get::<Option<User>>()?.clone()
}

/// The session of this browser, if one is in force.
pub fn session() -> Option<Session> {
    use_context::<Parts>()?
        .extensions
        .get::<Option<Session>>()?
        .clone()
}

/// The person who is signed in, if their role has this permission. Every server function calls this first.
pub fn require(permission: Permission) -> Result<User, AppError> {
    let user = viewer().ok_or(AppError::SignedOut)?;
    if user.role.may(permission) {
        Ok(user)
    } else {
        Err(AppError::Forbidden)
    }
}
