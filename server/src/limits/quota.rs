//! How much one person may send for keeping. People who judge stay far below it; a program that writes 2 MB corrections
//! twenty times a second does not.

use std::{num::NonZeroU32, time::Duration};

use governor::{DefaultKeyedRateLimiter, Quota as Rate, RateLimiter};
use uuid::Uuid;

/// Requests at once; a hundred more every second.
const REQUESTS: NonZeroU32 = NonZeroU32::new(20_000).unwrap();

/// Kilobytes at once of requests longer than [`SMALL`]; sixteen more every second.
const KILOBYTES: NonZeroU32 = NonZeroU32::new(16 * 1024).unwrap();

/// Bytes of a request that count as a request alone: a judgement with its reason.
const SMALL: usize = 4 * 1024;

/// The quotas of all people, in the memory of this process.
#[derive(Debug)]
pub struct Quota {
    requests: DefaultKeyedRateLimiter<Uuid>,
    kilobytes: DefaultKeyedRateLimiter<Uuid>,
}

impl Default for Quota {
    fn default() -> Quota {
        Quota {
            requests: RateLimiter::keyed(rate(REQUESTS, Duration::from_millis(10))),
            kilobytes: RateLimiter::keyed(rate(KILOBYTES, Duration::from_micros(62_500))),
        }
    }
}

impl Quota {
    /// Whether this person may send so many bytes more; counts them.
    pub fn admits(&self, person: Uuid, bytes: usize) -> bool {
        if self.requests.check_key(&person).is_err() {
            return false;
        }
        let kilobytes = u32::try_from(bytes.saturating_sub(SMALL) / 1024).unwrap_or(u32::MAX);
        let Some(kilobytes) = NonZeroU32::new(kilobytes) else {
            return true;
        };
        matches!(self.kilobytes.check_key_n(&person, kilobytes), Ok(Ok(())))
    }
}

fn rate(burst: NonZeroU32, each: Duration) -> Rate {
    Rate::with_period(each)
        .unwrap_or(Rate::per_second(burst))
        .allow_burst(burst)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_corrections_have_a_quota_and_judging_is_not_held_up() {
        let quota = Quota::default();
        let (writer, judge) = (Uuid::new_v4(), Uuid::new_v4());
        let admitted = (0..20).filter(|_| quota.admits(writer, 2_000_000)).count();
        assert_eq!(admitted, 8, "16 MB at once");
        assert!(quota.admits(writer, 3_000), "the writer still judges");
        assert!((0..10_000).all(|_| quota.admits(judge, 2_000)));
        assert!(quota.admits(judge, 2_000_000), "nobody pays for another");
    }
}
