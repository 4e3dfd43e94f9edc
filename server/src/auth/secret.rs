//! Secrets that people carry: invitation links and API tokens. Only their SHA-256 is kept.

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// What API tokens start with, so that scanners of leaked secrets know them.
pub const TOKEN_PREFIX: &str = "ts_";

/// 244 random bits as 64 hex digits.
pub fn new_secret() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

/// What is kept of a secret. Plain SHA-256 does: there is nothing to guess in 244 bits.
pub fn hash_secret(secret: &str) -> String {
    Sha256::digest(secret.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
