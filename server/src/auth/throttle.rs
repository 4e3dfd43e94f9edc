//! Slows down guessing. Attempts are counted per email address *and* client, so that whoever guesses at somebody's
//! password elsewhere does not keep them from signing in, and per client over all addresses.

use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::secret::hash_secret;

/// Attempts at once per email address from one client; one more every 15 seconds.
pub const PER_EMAIL: NonZeroU32 = NonZeroU32::new(8).unwrap();

/// Attempts at once per client address; one more every 2 seconds.
pub const PER_ADDRESS: NonZeroU32 = NonZeroU32::new(40).unwrap();

/// So many keys are kept before the quiet ones are forgotten.
const MANY: usize = 10_000;

/// The limits on signing in.
#[derive(Debug)]
pub struct Throttle {
    emails: DefaultKeyedRateLimiter<(String, IpAddr)>,
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
        self.admits_address(address) && self.emails.check_key(&(email, source(address))).is_ok()
    }

    /// Whether one more attempt from this address is allowed; counts it.
    pub fn admits_address(&self, address: IpAddr) -> bool {
        self.addresses.check_key(&source(address)).is_ok()
    }
}

/// What one client has at the least: an IPv4 address, or the half of an IPv6 address that names its network.
fn source(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => std::net::Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}

fn quota(burst: NonZeroU32, seconds: u64) -> Quota {
    Quota::with_period(Duration::from_secs(seconds))
        .unwrap_or(Quota::per_minute(burst))
        .allow_burst(burst)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_from_elsewhere_does_not_lock_the_owner_out() {
        let throttle = Throttle::default();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let (guesser, owner) = (address("6.6.6.6"), address("9.9.9.9"));
        for _ in 0..PER_EMAIL.get() {
            assert!(throttle.admits("olga@example.org", guesser));
        }
        assert!(!throttle.admits("Olga@example.org ", guesser));
        assert!(throttle.admits("olga@example.org", owner));
        // One network of IPv6 is one client.
        for end in 1..=u64::from(PER_EMAIL.get()) {
            assert!(throttle.admits("olga@example.org", address(&format!("2001:db8::{end:x}"))));
        }
        assert!(!throttle.admits("olga@example.org", address("2001:db8::ffff")));
        assert!(throttle.admits("olga@example.org", address("2001:db8:0:1::1")));
    }
}
