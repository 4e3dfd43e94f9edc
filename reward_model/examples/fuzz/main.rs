//! Changes the files of small models at random and looks for panics: `cargo run --release -p reward_model --example fuzz --
//! SECONDS SEED`. Each case follows from its number alone; one that panics is told with it and can be run again:
//! `… --example fuzz -- case NUMBER`. The folder of the case at hand stays behind when the process dies.

mod cases;
mod mutate;

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// No file here is larger than 200 kB: who asks for a gigabyte in one piece believed a number in it.
struct Bounded;

const LARGEST: usize = 1 << 30;

// SAFETY: hands everything to the system's allocator, or says that there is no memory.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() > LARGEST {
            return std::ptr::null_mut();
        }
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static MEMORY: Bounded = Bounded;

/// Where the last panic was, and what it said.
static LAST: Mutex<String> = Mutex::new(String::new());

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize| arguments.get(i).and_then(|text| text.parse::<u64>().ok());
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let place = std::env::temp_dir().join(format!("touchstone-fuzz-{}", std::process::id()));
    let all = cases::Cases::new(&fixtures, &place.join("case"));
    if let (Some("case"), Some(case)) = (arguments.first().map(String::as_str), number(1)) {
        println!("{:?}, {}", all.run(case), place.display());
        return;
    }
    let (Some(seconds), Some(seed)) = (number(0), number(1)) else {
        eprintln!("usage: fuzz SECONDS SEED | fuzz case NUMBER");
        std::process::exit(2);
    };
    std::panic::set_hook(Box::new(|panic| {
        if let Ok(mut last) = LAST.lock() {
            *last = panic.to_string();
        }
    }));
    println!("seed {seed}, {seconds} s, in {}", place.display());
    let (start, mut told) = (Instant::now(), Instant::now());
    let (mut done, mut outcomes, mut panics) = (0u64, BTreeMap::new(), BTreeMap::<String, Vec<u64>>::new());
    let mut slowest = (Duration::ZERO, 0);
    while start.elapsed() < Duration::from_secs(seconds) {
        let case = seed.wrapping_mul(1 << 40).wrapping_add(done);
        // Read after an abort, which cannot be caught.
        std::fs::write(place.join("number"), case.to_string()).expect("a file");
        let began = Instant::now();
        match catch_unwind(AssertUnwindSafe(|| all.run(case))) {
            Ok(outcome) => *outcomes.entry(outcome).or_insert(0u64) += 1,
            Err(_) => {
                let what = LAST.lock().map(|last| last.clone()).unwrap_or_default();
                let cases = panics.entry(what.clone()).or_default();
                if cases.is_empty() {
                    println!("case {case}: {what}");
                }
                cases.push(case);
            }
        }
        slowest = slowest.max((began.elapsed(), case));
        done += 1;
        if told.elapsed() > Duration::from_secs(30) {
            told = Instant::now();
            println!(
                "{done} cases, {} kinds of panic, {outcomes:?}, slowest {slowest:?}",
                panics.len()
            );
        }
    }
    println!("{done} cases in {seconds} s, {outcomes:?}, slowest {slowest:?}");
    for (what, cases) in &panics {
        println!("{} panics, first in case {}: {what}", cases.len(), cases[0]);
    }
    if panics.is_empty() {
        let _ = std::fs::remove_dir_all(place);
    } else {
        std::process::exit(1);
    }
}
