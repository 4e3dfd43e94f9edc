//! Memory does not grow with the texts of the pairs. Alone in its file: the peak is the whole process's.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use recipe::{Method, Pooling, Recipe};
use reward_model::{Event, Message, Pair, PairSource, Take, TrainError, TrainOutcome, TrainRequest, train};

/// So many pairs, made when they are asked for; their texts together are some 250 bytes.
#[derive(Debug)]
struct Made(usize);

impl PairSource for Made {
    fn each(&self, take: &mut Take) -> Result<(), TrainError> {
        for i in 0..self.0 {
            let said = Message {
                role: "user".to_owned(),
                content: format!("please help me, is the a good? {i}"),
            };
            let pair = Pair::new(
                format!("file-of-preferences.jsonl:{i}"),
                vec![said],
                format!("yes please, thanks, the good is kind {i}"),
                format!("no, the bad is rude to you, rude, bad, no {i}"),
            );
            if take(&pair)? == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }
}

/// Prepares a run on so many pairs, takes a step, and gives the peak of memory in bytes.
fn peak_after(pairs: usize) -> Option<usize> {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("memory");
    let _ = std::fs::remove_dir_all(&place);
    let request = TrainRequest {
        config: Recipe {
            base_model: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny"),
            max_tokens: 64,
            pooling: Pooling::Family,
            ..Recipe::of(Method::Full)
        },
        train: Made(pairs),
        held_out: Vec::new(),
        run_dir: place.join("run"),
        cache_dir: place.join("cache"),
        threads: Some(2),
    };
    let stop = AtomicBool::new(false);
    let mut listen = |event| {
        if let Event::Step { .. } = event {
            stop.store(true, Ordering::Relaxed);
        }
    };
    let outcome = train(&request, &mut listen, &stop).unwrap();
    assert_eq!(outcome, TrainOutcome::Stopped { step: 1 });
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: usize = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

#[test]
fn a_hundred_thousand_more_pairs_take_a_few_megabytes() {
    // The first run pays for what does not depend on the number of pairs.
    let (Some(few), Some(many)) = (peak_after(20_000), peak_after(120_000)) else {
        eprintln!("this system does not tell a process's peak of memory");
        return;
    };
    let each = (many - few) / 100_000;
    assert!(each < 150, "{each} bytes more for each pair");
    println!("{each} bytes more for each pair");
}
