//! The code that whoever sets up a fresh installation reads in the terminal: to have reached the page first is not
//! enough, since any web site can make a browser on this machine reach it.

use std::sync::Arc;

use super::secret::{hash_secret, new_secret};

/// Hex digits of the code: 64 random bits, and attempts are throttled.
const LENGTH: usize = 16;

/// The code of this process.
#[derive(Clone)]
pub struct SetupCode(Arc<str>);

impl Default for SetupCode {
    fn default() -> SetupCode {
        let secret = hash_secret(&new_secret());
        SetupCode(secret[..LENGTH].into())
    }
}

impl SetupCode {
    /// For the terminal.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the code; compared by hash, so that time tells nothing.
    pub fn fits(&self, given: &str) -> bool {
        hash_secret(given.trim()) == hash_secret(&self.0)
    }
}

impl std::fmt::Debug for SetupCode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SetupCode")
    }
}
