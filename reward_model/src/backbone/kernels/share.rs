//! Work of one operation between the threads of a pool, when there are fewer texts than threads.

use std::cell::Cell;
use std::ops::Range;

use rayon::iter::{IntoParallelIterator, ParallelIterator};

thread_local! {
    static SHARED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` so that the operations in it may use the whole pool that it runs in.
pub(crate) fn shared<T>(work: impl FnOnce() -> T) -> T {
    let before = SHARED.replace(true);
    let result = work();
    SHARED.set(before);
    result
}

/// Whether this is within [`shared`], on a pool of several threads.
pub(crate) fn is_shared() -> bool {
    SHARED.get() && rayon::current_num_threads() > 1
}

/// Calls `work` with ranges that make up `0..count`, cut at multiples of `grain`: one range for each thread of the pool within
/// [`shared`], and one for all elsewhere. The ranges must not matter to the numbers.
pub(crate) fn parts(count: usize, grain: usize, work: &(dyn Fn(Range<usize>) + Sync)) {
    let grains = count.div_ceil(grain);
    let threads = if SHARED.get() {
        rayon::current_num_threads().min(grains)
    } else {
        1
    };
    if threads <= 1 {
        return work(0..count);
    }
    let edge = |part: usize| (part * grains / threads * grain).min(count);
    rayon::scope(|scope| {
        for part in 1..threads {
            scope.spawn(move |_| work(edge(part)..edge(part + 1)));
        }
        work(edge(0)..edge(1));
    });
}

/// `work(0)`, `work(1)`, … `work(count − 1)`, shared likewise; each thread has a `Scratch` to work with.
pub(crate) fn map<T: Send, Scratch: Default>(
    count: usize,
    work: impl Fn(usize, &mut Scratch) -> T + Sync,
) -> Vec<T> {
    if is_shared() {
        let indices = (0..count).into_par_iter();
        return indices
            .map_init(Scratch::default, |scratch, i| work(i, scratch))
            .collect();
    }
    let mut scratch = Scratch::default();
    (0..count).map(|i| work(i, &mut scratch)).collect()
}
