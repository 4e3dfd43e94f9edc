//! The forms of the team: invitations (permission Invite), roles and who is disabled (permission ManageTeam).

use app::{flash::Flash, text};
use axum::{
    Form, Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::post,
};
use domain::permission::{Permission, Role};
use serde::Deserialize;
use store::{
    StoreError,
    invite::{Invite, NewInvite},
};
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
        .route("/team/invites/{id}/cancel", post(cancel_invite))
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
        role_of(&self.role)
    }
}

#[derive(Deserialize)]
struct InviteForm {
    role: String,
    #[serde(default)]
    label: String,
    /// How many people may join; empty: one.
    #[serde(default)]
    uses: String,
    /// How many days it holds; empty: seven.
    #[serde(default)]
    days: String,
}

impl InviteForm {
    fn checked(self, token_hash: String) -> Result<NewInvite, StoreError> {
        let number = |text: &str, what: &str, default: u32| match text.trim() {
            "" => Ok(default),
            text => text
                .parse()
                .map_err(|_| StoreError::Invalid(format!("“{text}” is not a number of {what}."))),
        };
        Ok(NewInvite {
            token_hash,
            role: role_of(&self.role)?,
            uses: number(&self.uses, "people", 1)?,
            days: number(&self.days, "days", 7)?,
            label: self.label,
        })
    }
}

fn role_of(text: &str) -> Result<Role, StoreError> {
    text.parse()
        .map_err(|unknown: domain::permission::UnknownRole| StoreError::Invalid(unknown.to_string()))
}

/// `POST /team/invites` (permission: Invite): a link, shown on the next page, this once.
async fn invite(
    State(state): State<AppState>,
    viewer: Viewer,
    visit: Visit,
    base: BaseUrl,
    Form(form): Form<InviteForm>,
) -> Response {
    let maker = match viewer.may(Permission::Invite) {
        Ok(maker) => maker,
        Err(error) => return error.into_response(),
    };
    let token = new_secret();
    let made = match form.checked(hash_secret(&token)) {
        Ok(new) => state.store().insert_invite(&maker, new).await,
        Err(error) => Err(error),
    };
    match made {
        Ok(invite) => {
            let about = format!(
                "{} {} for {}",
                invite.id,
                invite.role.as_str(),
                invite.uses_allowed
            );
            log_about(Event::Invited, Some(maker.id), visit.address, about);
            let link = format!("{}/join/{token}", base.0);
            answer(&state, PAGE, Flash::secret(whom_to_send(&invite), link))
        }
        Err(error) => refuse(&state, PAGE, error),
    }
}

fn whom_to_send(invite: &Invite) -> String {
    let role = invite.role.as_str();
    let until = text::date_time(invite.expires_at);
    match invite.uses_allowed {
        1 => {
            format!("Send this link to the new {role}. It works once, until {until}, and is shown only now.")
        }
        uses => format!(
            "Send this link to the new {role}s. Up to {uses} people can join by it until {until}. It is shown only now."
        ),
    }
}

/// `POST /team/invites/{id}/cancel` (permission: Invite): one's own, or for owners anyone's.
async fn cancel_invite(
    State(state): State<AppState>,
    viewer: Viewer,
    visit: Visit,
    Path(id): Path<Uuid>,
) -> Response {
    let user = match viewer.may(Permission::Invite) {
        Ok(user) => user,
        Err(error) => return error.into_response(),
    };
    match state.store().cancel_invite(&user, id).await {
        Ok(()) => {
            log_about(Event::InvitationEnded, Some(user.id), visit.address, id);
            answer(
                &state,
                PAGE,
                Flash::done("The invitation is cancelled: nobody can join by it any more."),
            )
        }
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
