//! How long somebody was really at it: the page in view, and something moved within the last half minute.

/// A pause longer than this, in milliseconds, counts only so much.
const IDLE_AFTER: f64 = 30_000.0;

/// Counts active time; fed with the time of every sign of life.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ActiveClock {
    total: f64,
    last: f64,
    in_view: bool,
}

impl ActiveClock {
    /// Starts now, in view.
    pub fn start(now: f64) -> ActiveClock {
        ActiveClock {
            total: 0.0,
            last: now,
            in_view: true,
        }
    }

    /// A key, a pointer, a scroll: somebody is there.
    pub fn touch(&mut self, now: f64) {
        if self.in_view {
            self.total += (now - self.last).clamp(0.0, IDLE_AFTER);
        }
        self.last = now;
    }

    /// The page came into view or left it.
    pub fn set_in_view(&mut self, in_view: bool, now: f64) {
        self.touch(now);
        self.in_view = in_view;
    }

    /// Active milliseconds until now.
    pub fn read(&mut self, now: f64) -> i64 {
        self.touch(now);
        self.total as i64
    }
}

#[cfg(test)]
mod tests {
    use super::ActiveClock;

    #[test]
    fn pauses_and_hidden_time_do_not_count() {
        let mut clock = ActiveClock::start(1_000.0);
        clock.touch(6_000.0);
        clock.set_in_view(false, 8_000.0);
        clock.set_in_view(true, 500_000.0);
        clock.touch(501_000.0);
        assert_eq!(clock.read(901_000.0), 7_000 + 1_000 + 30_000);
    }
}
