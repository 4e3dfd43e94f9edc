//! Tells those who stay connected for long (streams of events) that somebody's rights may have ended, so that they look
//! again at once instead of at their next turn.

use std::sync::Arc;

use domain::permission::Permission;
use store::{Store, StoreError};
use tokio::sync::watch;

/// Clones share it.
#[derive(Debug, Clone)]
pub struct Departures(Arc<watch::Sender<()>>);

impl Default for Departures {
    fn default() -> Departures {
        Departures(Arc::new(watch::Sender::new(())))
    }
}

impl Departures {
    /// Somebody signed out, was disabled, or lost a role or a token.
    pub fn announce(&self) {
        self.0.send_replace(());
    }

    /// Something to wait on.
    pub fn subscribe(&self) -> watch::Receiver<()> {
        self.0.subscribe()
    }
}

/// By what somebody is here, to be looked at again later.
#[derive(Debug, Clone)]
pub enum Key {
    /// The session's key in the database.
    Session(String),
    /// The hash of an API token.
    Token(String),
}

impl Key {
    /// Whether it still opens what needs this permission.
    pub async fn still_opens(&self, store: &Store, permission: Permission) -> Result<bool, StoreError> {
        let user = match self {
            Key::Session(id) => store.find_session(id).await?.map(|(_, user)| user),
            Key::Token(hash) => store.find_user_by_token(hash).await?.map(|(user, _)| user),
        };
        Ok(user.is_some_and(|user| user.role.may(permission)))
    }
}
