//! What happened to accounts and who tried: one line each, target `security`, with who (an identifier) and from where;
//! never a secret, a name or an email address.

use std::net::IpAddr;

use uuid::Uuid;

/// Something worth knowing afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    OwnerMade,
    SetupCodeWrong,
    SignedIn,
    SignInFailed,
    SignInSlowed,
    SignedOut,
    SignedOutEverywhere,
    SessionEnded,
    Joined,
    Invited,
    InvitationEnded,
    RoleChanged,
    AccountDisabled,
    AccountOpened,
    PasswordChanged,
    PasswordConfirmed,
    PasswordWrong,
    TokenMade,
    TokenRevoked,
    TokenRefused,
    InvitationRefused,
    Forbidden,
    OriginRefused,
    TooLarge,
    OverQuota,
}

impl Event {
    /// The name in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Event::OwnerMade => "owner_made",
            Event::SetupCodeWrong => "setup_code_wrong",
            Event::SignedIn => "signed_in",
            Event::SignInFailed => "sign_in_failed",
            Event::SignInSlowed => "sign_in_slowed",
            Event::SignedOut => "signed_out",
            Event::SignedOutEverywhere => "signed_out_everywhere",
            Event::SessionEnded => "session_ended",
            Event::Joined => "joined",
            Event::Invited => "invited",
            Event::InvitationEnded => "invitation_ended",
            Event::RoleChanged => "role_changed",
            Event::AccountDisabled => "account_disabled",
            Event::AccountOpened => "account_opened",
            Event::PasswordChanged => "password_changed",
            Event::PasswordConfirmed => "password_confirmed",
            Event::PasswordWrong => "password_wrong",
            Event::TokenMade => "token_made",
            Event::TokenRevoked => "token_revoked",
            Event::TokenRefused => "token_refused",
            Event::InvitationRefused => "invitation_refused",
            Event::Forbidden => "forbidden",
            Event::OriginRefused => "origin_refused",
            Event::TooLarge => "too_large",
            Event::OverQuota => "over_quota",
        }
    }

    fn is_refusal(self) -> bool {
        matches!(
            self,
            Event::SetupCodeWrong
                | Event::SignInFailed
                | Event::SignInSlowed
                | Event::PasswordWrong
                | Event::TokenRefused
                | Event::InvitationRefused
                | Event::Forbidden
                | Event::OriginRefused
                | Event::TooLarge
                | Event::OverQuota
        )
    }
}

/// Logs an event. `by` did it (None where nobody is known to have), from this address.
pub fn log(event: Event, by: Option<Uuid>, from: IpAddr) {
    write(event, by, from, String::new());
}

/// As [`log`], of something: an identifier, a role, an origin.
pub fn log_about(event: Event, by: Option<Uuid>, from: IpAddr, about: impl std::fmt::Display) {
    write(event, by, from, about.to_string());
}

fn write(event: Event, by: Option<Uuid>, from: IpAddr, about: String) {
    let by = by.map_or_else(|| "unknown".to_owned(), |id| id.to_string());
    // What a client can choose must not make lines of its own.
    let about: String = about.chars().filter(|c| !c.is_control()).take(300).collect();
    let event_name = event.as_str();
    if event.is_refusal() {
        tracing::warn!(target: "security", event = event_name, by, %from, about);
    } else {
        tracing::info!(target: "security", event = event_name, by, %from, about);
    }
}
