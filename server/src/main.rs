//! The `touchstone` command.

use clap::Parser;
use server::commands::Cli;

/// Training allocates and frees large buffers all the time: the system's allocator gives them back to the kernel and
/// pays a page fault for each anew.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    reward_model::one_thread_per_operation();
    server::commands::run(Cli::parse())
}
