//! Passwords: argon2id, off the async threads, a few at a time.

use std::sync::LazyLock;

use argon2::{
    Argon2,
    password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString},
};
use tokio::sync::Semaphore;
use uuid::Uuid;

/// The fewest characters of a password.
pub const MIN_LENGTH: usize = 10;

/// The most bytes of a password; more would be work for nothing.
pub const MAX_LENGTH: usize = 1_000;

/// Each hash takes 19 MiB and a core for some tens of milliseconds.
static AT_ONCE: Semaphore = Semaphore::const_new(4);

/// Stands in where nobody has the email address, so that the answer takes as long.
static NOBODY: LazyLock<Option<String>> = LazyLock::new(|| compute("nobody's password").ok());

/// A password could not be hashed.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    #[error("hashing failed: {0}")]
    Hash(argon2::password_hash::Error),
    #[error("hashing was interrupted")]
    Interrupted,
}

/// Guesses that a password must withstand, as a power of ten: those that fall sooner are on lists of common ones, or are
/// such a word with a digit or two.
const LEAST_GUESSES_LOG10: f64 = 8.0;

/// Why this cannot be a password, if it cannot. `own` is what others know of its owner: address, name.
pub fn refuse(password: &str, own: &[&str]) -> Option<String> {
    if password.chars().count() < MIN_LENGTH {
        return Some(format!("A password has at least {MIN_LENGTH} characters."));
    }
    if password.len() > MAX_LENGTH {
        return Some(format!("A password has at most {MAX_LENGTH} bytes."));
    }
    let is_own = |own: &&str| !own.trim().is_empty() && own.trim().eq_ignore_ascii_case(password.trim());
    if own.iter().any(is_own) {
        return Some("A password must not be your own name or address.".into());
    }
    let squeezed: Vec<String> = own
        .iter()
        .map(|text| text.chars().filter(|c| c.is_alphanumeric()).collect())
        .collect();
    let mut known: Vec<&str> = own.iter().flat_map(|text| text.split(['@', '.', ' '])).collect();
    known.extend(own);
    known.extend(squeezed.iter().map(String::as_str));
    known.push("touchstone");
    if zxcvbn::zxcvbn(password, &known).guesses_log10() < LEAST_GUESSES_LOG10 {
        return Some(
            "This password is too easy to guess: take a few words that have nothing to do with each other."
                .into(),
        );
    }
    None
}

/// The argon2id hash of a password, in PHC form.
pub async fn hash(password: String) -> Result<String, PasswordError> {
    let _turn = AT_ONCE.acquire().await.map_err(|_| PasswordError::Interrupted)?;
    tokio::task::spawn_blocking(move || compute(&password))
        .await
        .map_err(|_| PasswordError::Interrupted)?
}

/// Whether the password fits the hash. Without a hash it never does, but takes as long.
pub async fn verify(password: String, hash: Option<String>) -> Result<bool, PasswordError> {
    if password.len() > MAX_LENGTH {
        return Ok(false);
    }
    let _turn = AT_ONCE.acquire().await.map_err(|_| PasswordError::Interrupted)?;
    let check = move || {
        let known = hash.is_some();
        let Some(hash) = hash.or_else(|| NOBODY.clone()) else {
            return false;
        };
        let fits = PasswordHash::new(&hash).is_ok_and(|hash| {
            Argon2::default()
                .verify_password(password.as_bytes(), &hash)
                .is_ok()
        });
        fits && known
    };
    tokio::task::spawn_blocking(check)
        .await
        .map_err(|_| PasswordError::Interrupted)
}

fn compute(password: &str) -> Result<String, PasswordError> {
    let salt = SaltString::encode_b64(Uuid::new_v4().as_bytes()).map_err(PasswordError::Hash)?;
    let hash = Argon2::default()
        .hash_password(password.as_bytes(), &salt)
        .map_err(PasswordError::Hash)?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_passwords_and_ones_own_address_are_refused() {
        let own = ["olga.owner@example.org", "Olga Owner"];
        for weak in [
            "1234567890",
            "password123",
            "qwertyuiop",
            "aaaaaaaaaaaa",
            "abcdefghij",
            "olga.owner@example.org",
            "OLGA.OWNER@EXAMPLE.ORG",
            "olga owner",
            "olgaowner1",
            "touchstone1",
            "short",
        ] {
            assert!(refuse(weak, &own).is_some(), "{weak}");
        }
        for strong in [
            "a few words do well",
            "quite another one",
            "nine tall birches",
            "slate streak gold",
        ] {
            assert_eq!(refuse(strong, &own), None, "{strong}");
        }
    }

    #[tokio::test]
    async fn a_password_fits_its_own_hash_alone() {
        let hash = hash("correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(verify("correct horse".into(), Some(hash.clone())).await.unwrap());
        assert!(!verify("correct horsf".into(), Some(hash)).await.unwrap());
        assert!(!verify("nobody's password".into(), None).await.unwrap());
    }
}
