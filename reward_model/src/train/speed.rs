//! How fast a run goes.

use std::time::Instant;

/// Pairs and tokens per second of training alone, over the last steps.
pub(super) struct Speed {
    since: Instant,
    recent: Vec<(f64, usize, usize)>,
}

impl Speed {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            recent: Vec::new(),
        }
    }

    pub(super) fn pause(&mut self) {
        self.since = Instant::now();
    }

    pub(super) fn add(&mut self, pairs: usize, tokens: usize) {
        if self.recent.len() == 20 {
            self.recent.remove(0);
        }
        self.recent
            .push((self.since.elapsed().as_secs_f64(), pairs, tokens));
        self.since = Instant::now();
    }

    fn per_second(&self, what: impl Fn(&(f64, usize, usize)) -> usize) -> f64 {
        let seconds: f64 = self.recent.iter().map(|step| step.0).sum();
        self.recent.iter().map(what).sum::<usize>() as f64 / seconds.max(1e-9)
    }

    pub(super) fn pairs(&self) -> f64 {
        self.per_second(|step| step.1)
    }

    pub(super) fn tokens(&self) -> f64 {
        self.per_second(|step| step.2)
    }
}
