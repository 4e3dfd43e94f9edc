//! What axum-login asks of us: check credentials, load the person of a session.

use axum_login::{AuthUser, AuthnBackend};
use domain::user::User;
use store::{Store, StoreError};
use uuid::Uuid;

use super::password::{self, PasswordError};

/// Signs people in against the store.
#[derive(Debug, Clone)]
pub struct Backend(pub Store);

/// The session of a request.
pub type AuthSession = axum_login::AuthSession<Backend>;

/// A person with what ties their sessions to their password: a new password ends all other sessions.
#[derive(Clone)]
pub struct Account {
    pub user: User,
    password_hash: String,
}

/// What a person types to sign in.
#[derive(Clone, serde::Deserialize)]
pub struct Credentials {
    pub email: String,
    pub password: String,
}

/// Signing in did not come to an answer.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Password(#[from] PasswordError),
}

impl std::fmt::Debug for Account {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Account").field(&self.user.id).finish()
    }
}

impl AuthUser for Account {
    type Id = Uuid;

    fn id(&self) -> Uuid {
        self.user.id
    }

    fn session_auth_hash(&self) -> &[u8] {
        self.password_hash.as_bytes()
    }
}

impl AuthnBackend for Backend {
    type User = Account;
    type Credentials = Credentials;
    type Error = BackendError;

    async fn authenticate(&self, given: Credentials) -> Result<Option<Account>, BackendError> {
        let found = self.0.find_credentials(&given.email).await?;
        let hash = found.as_ref().map(|(_, hash)| hash.clone());
        let fits = password::verify(given.password, hash).await?;
        Ok(found
            .filter(|(user, _)| fits && user.disabled_at.is_none())
            .map(|(user, password_hash)| Account { user, password_hash }))
    }

    async fn get_user(&self, id: &Uuid) -> Result<Option<Account>, BackendError> {
        let found = self.0.find_active_user(*id).await?;
        Ok(found.map(|(user, password_hash)| Account { user, password_hash }))
    }
}
