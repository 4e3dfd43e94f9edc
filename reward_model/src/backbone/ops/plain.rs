//! Which operations are made of candle's own: those on tensors that are not in main memory. The tests hold ours to them.

use candle_core::Device;

/// Whether operations on a device are made of candle's own: ours are for the CPU.
pub(crate) fn is_for(device: &Device) -> bool {
    !device.is_cpu() || is_forced()
}

#[cfg(not(test))]
fn is_forced() -> bool {
    false
}

#[cfg(test)]
use forced::is_forced;

/// Tests without a GPU.
#[cfg(test)]
pub(crate) mod forced {
    use std::cell::Cell;

    thread_local! {
        static FORCED: Cell<bool> = const { Cell::new(false) };
    }

    pub(super) fn is_forced() -> bool {
        FORCED.get()
    }

    /// Runs `work` as on a GPU, as far as it is done on this thread, but on the CPU.
    pub(crate) fn as_on_gpu<T>(work: impl FnOnce() -> T) -> T {
        let before = FORCED.replace(true);
        let result = work();
        FORCED.set(before);
        result
    }
}
