//! Whether an email address and a password fit together.

use domain::user::User;
use store::{Store, StoreError};

use super::password::{self, PasswordError};

/// What a person types to sign in.
#[derive(Clone, serde::Deserialize)]
pub struct Credentials {
    pub email: String,
    pub password: String,
}

/// What came of them. Whether the address is known is for the log alone.
#[derive(Debug)]
pub enum Checked {
    Fits(User),
    /// The password is wrong, or the account is disabled.
    Wrong(User),
    Unknown,
}

/// Checking did not come to an answer.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Password(#[from] PasswordError),
}

/// Checks what a person typed; takes as long for an unknown address as for a wrong password.
pub async fn check(store: &Store, given: Credentials) -> Result<Checked, CredentialsError> {
    let found = store.find_credentials(&given.email).await?;
    let hash = found.as_ref().map(|(_, hash)| hash.clone());
    let fits = password::verify(given.password, hash).await?;
    Ok(match found {
        Some((user, _)) if fits && user.disabled_at.is_none() => Checked::Fits(user),
        Some((user, _)) => Checked::Wrong(user),
        None => Checked::Unknown,
    })
}
