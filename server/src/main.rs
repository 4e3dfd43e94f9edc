//! The `touchstone` command.

use clap::Parser;
use server::commands::Cli;

/// Training allocates and frees large buffers all the time: the system's allocator gives them back to the kernel and
/// pays a page fault for each anew.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Freed memory goes back to the kernel after so long, instead of after a second: steps of training that takes seconds each would
/// find it gone (a sixth of a decoder's processor time, docs/performance.md).
const KEEP_FREED_MS: std::ffi::c_long = 10_000;
/// `mi_option_purge_delay` in mimalloc.h, versions 2 and 3; the bindings do not name it.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

fn main() -> std::process::ExitCode {
    server::private_files::by_default();
    reward_model::one_thread_per_operation();
    // SAFETY: sets a number that mimalloc reads; what MIMALLOC_PURGE_DELAY says goes before it.
    unsafe { libmimalloc_sys::mi_option_set_default(PURGE_DELAY, KEEP_FREED_MS) };
    server::commands::run(Cli::parse())
}
