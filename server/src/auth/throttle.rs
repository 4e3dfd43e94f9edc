//! Slows down guessing: signing in is limited per email address and per client address.

use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::secret::hash_secret;

/// Attempts at once per email address; one more every 15 seconds.
pub const PER_EMAIL: NonZeroU32 = NonZeroU32::new(8).unwrap();

/// Attempts at once per client address; one more every 2 seconds.
pub const PER_ADDRESS: NonZeroU32 = NonZeroU32::new(40).unwrap();

/// So many keys are kept before the quiet ones are forgotten.
const MANY: usize = 10_000;

/// The limits on signing in.
#[derive(Debug)]
pub struct Throttle {
    emails: DefaultKeyedRateLimiter<String>,
    addresses: DefaultKeyedRateLimiter<IpAddr>,
}

impl Default for Throttle {
    fn default() -> Throttle {
        Throttle {
            emails: RateLimiter::keyed(quota(PER_EMAIL, 15)),
            addresses: RateLimiter::keyed(quota(PER_ADDRESS, 2)),
        }
    }
}

impl Throttle {
    /// Whether one more attempt is allowed; counts it.
    pub fn admits(&self, email: &str, address: IpAddr) -> bool {
        if self.emails.len() + self.addresses.len() > MANY {
            self.emails.retain_recent();
            self.addresses.retain_recent();
        }
        let email = hash_secret(&store::user::normal_email(email));
        self.addresses.check_key(&address).is_ok() && self.emails.check_key(&email).is_ok()
    }

    /// Whether one more attempt from this address is allowed; counts it.
    pub fn admits_address(&self, address: IpAddr) -> bool {
        self.addresses.check_key(&address).is_ok()
    }
}

fn quota(burst: NonZeroU32, seconds: u64) -> Quota {
    Quota::with_period(Duration::from_secs(seconds))
        .unwrap_or(Quota::per_minute(burst))
        .allow_burst(burst)
}
