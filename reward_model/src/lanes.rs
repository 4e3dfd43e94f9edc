//! Work side by side, results in order: what makes a run's numbers independent of the number of cores.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

use crate::backbone::shared;
use crate::error::ModelError;

/// Tells candle not to share single operations between threads; call it first in `main`, before any other thread is
/// there, and get `true`.
///
/// Texts run side by side here, so splitting each operation as well gains nothing, and candle's pool admits one operation
/// at a time in the whole process: the lanes would wait for one another (measured: training three times slower). Its size
/// is read from the variable `CANDLE_NUM_THREADS` alone. Numbers are the same either way.
pub fn one_thread_per_operation() -> bool {
    const VARIABLE: &str = "CANDLE_NUM_THREADS";
    if std::env::var_os(VARIABLE).is_some() {
        return true;
    }
    let threads = std::fs::read_dir("/proc/self/task").map_or(usize::MAX, Iterator::count);
    if threads != 1 {
        return false;
    }
    // SAFETY: this is the process's only thread, as just counted, so nobody reads the environment meanwhile.
    unsafe { std::env::set_var(VARIABLE, "1") };
    true
}

/// Numbers that one thread goes through in some ten microseconds.
pub(crate) const FEW: usize = 1 << 16;

/// A pool of threads, each of which works on a few texts alone.
pub(crate) struct Lanes {
    pool: rayon::ThreadPool,
    threads: usize,
}

impl Lanes {
    /// `threads` of them, or as many as the machine has cores.
    pub fn new(threads: Option<usize>) -> Result<Self, ModelError> {
        let threads = threads
            .or_else(|| std::thread::available_parallelism().ok().map(Into::into))
            .unwrap_or(1)
            .max(1);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("reward-model-{i}"))
            .build()
            .map_err(|error| candle_core::Error::Msg(format!("no threads: {error}")))?;
        Ok(Self { pool, threads })
    }

    /// How many they are.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Runs `f` where rayon's parallel iterators use this pool.
    pub fn install<T: Send>(&self, f: impl FnOnce() -> T + Send) -> T {
        self.pool.install(f)
    }

    /// [`Lanes::install`] for work on so many numbers: a few are done here before a lane has woken up.
    pub fn install_for<T: Send>(&self, elements: usize, f: impl FnOnce() -> T + Send) -> T {
        if elements <= FEW { f() } else { self.install(f) }
    }

    /// Calls `work(0)`, `work(1)`, … `work(jobs − 1)` on the lanes and `consume` with the results, in that order and on
    /// the calling thread. Stops early, without an error, when `consume` breaks.
    ///
    /// # Errors
    /// The first error of either.
    pub fn run<T: Send>(
        &self,
        jobs: usize,
        work: impl Fn(usize) -> Result<T, ModelError> + Sync,
        mut consume: impl FnMut(usize, T) -> Result<ControlFlow<()>, ModelError>,
    ) -> Result<(), ModelError> {
        let (next, over) = (AtomicUsize::new(0), AtomicBool::new(false));
        // Lanes without a job of their own help the others, operation by operation.
        let helped = jobs < self.threads;
        let work = |job| if helped { shared(|| work(job)) } else { work(job) };
        let (sender, receiver) = mpsc::sync_channel(self.threads);
        self.pool.in_place_scope(|scope| {
            for _ in 0..self.threads.min(jobs) {
                let (sender, next, over, work) = (sender.clone(), &next, &over, &work);
                scope.spawn(move |_| {
                    while !over.load(Ordering::Relaxed) {
                        let job = next.fetch_add(1, Ordering::Relaxed);
                        if job >= jobs || sender.send((job, work(job))).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(sender);
            let mut waiting = BTreeMap::new();
            let mut due = 0;
            let mut result = Ok(());
            // The receiver is emptied to the end, so that no lane waits for a place in the channel.
            for (job, output) in receiver {
                if over.load(Ordering::Relaxed) {
                    continue;
                }
                waiting.insert(job, output);
                while let Some(output) = waiting.remove(&due) {
                    match output.and_then(|output| consume(due, output)) {
                        Ok(ControlFlow::Continue(())) => due += 1,
                        stop => {
                            over.store(true, Ordering::Relaxed);
                            result = stop.map(|_| ());
                            waiting.clear();
                            break;
                        }
                    }
                }
            }
            result
        })
    }
}

/// Groups items, in the order given, so that each group has at most `budget` in all; an item above it stands alone.
pub(crate) fn groups(sizes: impl IntoIterator<Item = (usize, usize)>, budget: usize) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut used = usize::MAX;
    for (item, size) in sizes {
        if used.saturating_add(size) > budget {
            groups.push(Vec::new());
            used = 0;
        }
        used += size;
        if let Some(group) = groups.last_mut() {
            group.push(item);
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_a_break_stops() {
        let lanes = Lanes::new(Some(3)).unwrap();
        let mut seen = Vec::new();
        let work = |job: usize| Ok(job * job);
        lanes
            .run(50, work, |job, square| {
                seen.push((job, square));
                Ok(if job == 20 {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                })
            })
            .unwrap();
        assert_eq!(seen, (0..=20).map(|job| (job, job * job)).collect::<Vec<_>>());
    }

    #[test]
    fn an_error_ends_the_run() {
        let lanes = Lanes::new(Some(2)).unwrap();
        let work = |job| {
            if job == 3 {
                Err(ModelError::Tokenizer("no".into()))
            } else {
                Ok(())
            }
        };
        assert!(
            lanes
                .run(100, work, |_, ()| Ok(ControlFlow::Continue(())))
                .is_err()
        );
    }

    #[test]
    fn groups_stay_within_the_budget() {
        assert_eq!(
            groups([(0, 3), (1, 4), (2, 9), (3, 1)], 8),
            vec![vec![0, 1], vec![2], vec![3]]
        );
    }
}
