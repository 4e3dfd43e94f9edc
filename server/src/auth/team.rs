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
    visit::Visit,
};
use crate::{
    address::BaseUrl,
    security_log::{Event, log_about},
    state::AppState,
};

const PAGE: &str = "/team";

/// The routes of this file that give nobody anything.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/team/invites/{id}/delete", post(delete_invite))
        .route("/team/tokens/{id}/revoke", post(revoke_token))
}

/// The routes of this file that change who may do what.
pub fn routes_of_rank() -> Router<AppState> {
    Router::new()
        .route("/team/invites", post(invite))
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
async fn invite(
    State(state): State<AppState>,
    viewer: Viewer,
    visit: Visit,
    base: BaseUrl,
    Form(form): Form<RoleForm>,
) -> Response {
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
            log_about(
                Event::Invited,
                Some(owner.id),
                visit.address,
                invite.role.as_str(),
            );
            let text = format!(
                "Send this link to the new {}. It works once, for seven days, and is shown only now.",
                invite.role.as_str()
            );
            let link = format!("{}/join/{token}", base.0);
            answer(&state, PAGE, Flash::secret(text, link))
        }
        Err(error) => refuse(&state, PAGE, error),
    }
}

/// `POST /team/invites/{id}/delete`.
async fn delete_invite(
    State(state): State<AppState>,
    viewer: Viewer,
    visit: Visit,
    Path(id): Path<Uuid>,
) -> Response {
    let owner = match viewer.may(Permission::ManageTeam) {
        Ok(owner) => owner,
        Err(error) => return error.into_response(),
    };
    log_about(Event::InvitationEnded, Some(owner.id), visit.address, id);
    match state.store().delete_invite(id).await {
        Ok(()) => answer(&state, PAGE, Flash::done("The invitation is taken back.")),
        Err(error) => refuse(&state, PAGE, error),
    }
}

/// `POST /team/tokens/{id}/revoke`: anybody's API token.
async fn revoke_token(
    State(state): State<AppState>,
    viewer: Viewer,
    visit: Visit,
    Path(id): Path<Uuid>,
) -> Response {
    let owner = match viewer.may(Permission::ManageTeam) {
        Ok(owner) => owner,
        Err(error) => return error.into_response(),
    };
    match state.store().revoke_api_token(None, id).await {
        Ok(()) => {
            log_about(Event::TokenRevoked, Some(owner.id), visit.address, id);
            state.departures.announce();
            answer(&state, PAGE, Flash::done("The token no longer works."))
        }
        Err(error) => refuse(&state, PAGE, error),
    }
}

/// `POST /team/people/{id}/role`.
async fn change_role(
    State(state): State<AppState>,
    viewer: Viewer,
    visit: Visit,
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
            let about = format!("{id} {}", form.role);
            log_about(Event::RoleChanged, Some(owner.id), visit.address, about);
            state.departures.announce();
            answer(&state, PAGE, Flash::done("The role is changed."))
        }
        Err(error) => refuse(&state, PAGE, error),
    }
}

/// `POST /team/people/{id}/disable`: out at once, on every device.
async fn disable(
    State(state): State<AppState>,
    viewer: Viewer,
    visit: Visit,
    Path(id): Path<Uuid>,
) -> Response {
    set_disabled(state, (viewer, visit), id, true).await
}

/// `POST /team/people/{id}/enable`.
async fn enable(
    State(state): State<AppState>,
    viewer: Viewer,
    visit: Visit,
    Path(id): Path<Uuid>,
) -> Response {
    set_disabled(state, (viewer, visit), id, false).await
}

async fn set_disabled(
    state: AppState,
    (viewer, visit): (Viewer, Visit),
    id: Uuid,
    disabled: bool,
) -> Response {
    let owner = match viewer.may(Permission::ManageTeam) {
        Ok(owner) => owner,
        Err(error) => return error.into_response(),
    };
    match state.store().set_disabled(id, disabled).await {
        Ok(()) => {
            let (event, text) = match disabled {
                true => (
                    Event::AccountDisabled,
                    "The account is disabled; its API tokens have ended.",
                ),
                false => (Event::AccountOpened, "The account is open again."),
            };
            log_about(event, Some(owner.id), visit.address, id);
            state.departures.announce();
            answer(&state, PAGE, Flash::done(text))
        }
        Err(error) => refuse(&state, PAGE, error),
    }
}
