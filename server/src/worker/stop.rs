//! The flag that tells a running job to stop.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

/// Why a job is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// A person wants it cancelled.
    Cancelled,
    /// This process ends; another will go on.
    Shutdown,
    /// Another worker has the job: write nothing more.
    LeaseLost,
}

/// A flag with a reason; the first reason stays. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    raised: Arc<AtomicBool>,
    reason: Arc<OnceLock<StopReason>>,
}

impl Stop {
    /// Raises the flag.
    pub fn raise(&self, reason: StopReason) {
        self.reason.get_or_init(|| reason);
        self.raised.store(true, Ordering::Release);
    }

    /// Whether the flag is up.
    pub fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Acquire)
    }

    /// Why, if it is up.
    pub fn reason(&self) -> Option<StopReason> {
        self.reason.get().copied()
    }

    /// The flag alone, for code that knows nothing of jobs.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.raised)
    }
}
