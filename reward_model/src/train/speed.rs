//! How fast a run goes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Steps, and the time that they took together, over which a speed is told: the last ones that make up both. A few steps of a head
/// take microseconds, and a speed by so little time would be the clock's.
const STEPS: usize = 20;
const TIME: Duration = Duration::from_secs(1);

/// Pairs and tokens per second of training alone, over the last steps.
pub(super) struct Speed {
    since: Instant,
    recent: VecDeque<Step>,
    /// What the recent ones took.
    time: Duration,
}

struct Step {
    time: Duration,
    pairs: usize,
    tokens: usize,
}

impl Speed {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            recent: VecDeque::new(),
            time: Duration::ZERO,
        }
    }

    pub(super) fn pause(&mut self) {
        self.since = Instant::now();
    }

    pub(super) fn add(&mut self, pairs: usize, tokens: usize) {
        let time = self.since.elapsed();
        self.since = Instant::now();
        self.add_step(Step { time, pairs, tokens });
    }

    fn add_step(&mut self, step: Step) {
        self.time += step.time;
        self.recent.push_back(step);
        while self.recent.len() > STEPS
            && let Some(oldest) = self.recent.front()
            && self.time - oldest.time >= TIME
        {
            self.time -= oldest.time;
            self.recent.pop_front();
        }
    }

    fn per_second(&self, what: impl Fn(&Step) -> usize) -> f64 {
        let seconds = self.time.as_secs_f64();
        self.recent.iter().map(what).sum::<usize>() as f64 / seconds.max(1e-9)
    }

    pub(super) fn pairs(&self) -> f64 {
        self.per_second(|step| step.pairs)
    }

    pub(super) fn tokens(&self) -> f64 {
        self.per_second(|step| step.tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(micros: impl Iterator<Item = u64>) -> (f64, usize) {
        let mut speed = Speed::new();
        for micros in micros {
            let time = Duration::from_micros(micros);
            speed.add_step(Step {
                time,
                pairs: 8,
                tokens: 80,
            });
        }
        (speed.pairs(), speed.recent.len())
    }

    #[test]
    fn a_speed_is_over_a_second_or_twenty_steps_whichever_is_longer() {
        // One step in a thousand takes a thousand times as long: over twenty steps the speed would jump between 80,000 and 1,600.
        let jumpy = (1..=50_000).map(|n| if n % 1000 == 0 { 100_000 } else { 100 });
        let (speed, steps) = told(jumpy);
        assert!((35_000.0..45_000.0).contains(&speed), "{speed}");
        assert!((4_000..8_000).contains(&steps), "{steps}");
        let (speed, steps) = told(std::iter::repeat_n(2_000_000, 60));
        assert_eq!((speed, steps), (4.0, 20));
    }
}
