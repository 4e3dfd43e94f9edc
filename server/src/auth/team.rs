//! The forms of the team: invitations, roles, who is disabled. All need the permission ManageTeam.

use app::flash::Flash;
use axum::{
    Form, Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::post,
};
use domain::permission::{Permission, Role};
use serde::Deserialize;
use store::StoreError;
use uuid::Uuid;

use super::{
    Viewer,
    forms::{answer, refuse},
    secret::{hash_secret, new_secret},
};
use crate::state::AppState;

const PAGE: &str = "/team";

/// The routes of this file.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/team/invites", post(invite))
        .route("/team/invites/{id}/delete", post(delete_invite))
        .route("/team/people/{id}/role", post(change_role))
        .route("/team/people/{id}/disable", post(disable))
        .route("/team/people/{id}/enable", post(enable))
}

#[derive(Deserialize)]
struct RoleForm {
    role: String,
}

impl RoleForm {
    fn role(&self) -> Result<Role, StoreError> {
        self.role
            .parse()
            .map_err(|unknown: domain::permission::UnknownRole| StoreError::Invalid(unknown.to_string()))
    }
}

/// `POST /team/invites`: a link, shown on the next page, this once.
async fn invite(State(state): State<AppState>, viewer: Viewer, Form(form): Form<RoleForm>) -> Response {
    let owner = match viewer.may(Permission::ManageTeam) {
        Ok(owner) => owner,
        Err(error) => return error.into_response(),
    };
    let token = new_secret();
    let made = match form.role() {
        Ok(role) => {
            state
                .store()
                .insert_invite(&hash_secret(&token), role, owner.id)
                .await
        }
        Err(error) => Err(error),
    };
    match made {
        Ok(invite) => {
            tracing::info!(by = %owner.id, invite = %invite.id, role = invite.role.as_str(), "invited");
            let text = format!(
                "Send this link to the new {}. It works once, for seven days, and is shown only now.",
                invite.role.as_str()
            );
            let link = format!("{}/join/{token}", state.services.public_url);
            answer(&state, PAGE, Flash::secret(text, link))
        }
        Err(error) => refuse(&state, PAGE, error),
    }
}

/// `POST /team/invites/{id}/delete`.
async fn delete_invite(State(state): State<AppState>, viewer: Viewer, Path(id): Path<Uuid>) -> Response {
    if let Err(error) = viewer.may(Permission::ManageTeam) {
        return error.into_response();
    }
    match state.store().delete_invite(id).await {
        Ok(()) => answer(&state, PAGE, Flash::done("The invitation is taken back.")),
        Err(error) => refuse(&state, PAGE, error),
    }
}

/// `POST /team/people/{id}/role`.
async fn change_role(
    State(state): State<AppState>,
    viewer: Viewer,
    Path(id): Path<Uuid>,
    Form(form): Form<RoleForm>,
) -> Response {
    let owner = match viewer.may(Permission::ManageTeam) {
        Ok(owner) => owner,
        Err(error) => return error.into_response(),
    };
    let changed = match form.role() {
        Ok(role) => state.store().set_role(id, role).await,
        Err(error) => Err(error),
    };
    match changed {
        Ok(()) => {
            tracing::info!(by = %owner.id, user = %id, role = form.role, "role changed");
            answer(&state, PAGE, Flash::done("The role is changed."))
        }
        Err(error) => refuse(&state, PAGE, error),
    }
}

/// `POST /team/people/{id}/disable`: out at once, on every device.
async fn disable(State(state): State<AppState>, viewer: Viewer, Path(id): Path<Uuid>) -> Response {
    set_disabled(state, viewer, id, true).await
}

/// `POST /team/people/{id}/enable`.
async fn enable(State(state): State<AppState>, viewer: Viewer, Path(id): Path<Uuid>) -> Response {
    set_disabled(state, viewer, id, false).await
}

async fn set_disabled(state: AppState, viewer: Viewer, id: Uuid, disabled: bool) -> Response {
    let owner = match viewer.may(Permission::ManageTeam) {
        Ok(owner) => owner,
        Err(error) => return error.into_response(),
    };
    match state.store().set_disabled(id, disabled).await {
        Ok(()) => {
            tracing::info!(by = %owner.id, user = %id, disabled, "account changed");
            let text = if disabled {
                "The account is disabled."
            } else {
                "The account is open again."
            };
            answer(&state, PAGE, Flash::done(text))
        }
        Err(error) => refuse(&state, PAGE, error),
    }
}
