//! Pairs that are gone through as a stream, and embeddings that are kept: the same numbers as from a list, and nothing twice.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use recipe::{Method, Recipe};
use reward_model::{Event, Message, Pair, PairSource, Take, TrainError, TrainOutcome, TrainRequest, train};

/// Makes its pairs anew in each pass, and other ones from a pass on.
#[derive(Debug)]
struct Made {
    pairs: usize,
    passes: AtomicUsize,
    changes_at: usize,
}

impl Made {
    fn new(pairs: usize, changes_at: usize) -> Self {
        let passes = AtomicUsize::new(0);
        Self {
            pairs,
            passes,
            changes_at,
        }
    }

    fn pair(i: usize, end: &str) -> Pair {
        let said = Message {
            role: "user".to_owned(),
            content: format!("please help me {i}{end}"),
        };
        let margin = (i % 3) as f32;
        Pair {
            margin,
            ..Pair::new(
                i.to_string(),
                vec![said],
                format!("yes, kind {}", i % 7),
                "no, rude",
            )
        }
    }

    fn all(pairs: usize) -> Vec<Pair> {
        (0..pairs).map(|i| Self::pair(i, "")).collect()
    }
}

impl PairSource for Made {
    fn each(&self, take: &mut Take) -> Result<(), TrainError> {
        let changed = self.passes.fetch_add(1, Ordering::Relaxed) + 1 >= self.changes_at;
        let end = if changed { "!" } else { "" };
        for i in 0..self.pairs {
            if take(&Self::pair(i, end))? == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }
}

fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("streaming")
        .join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

fn request<P>(method: Method, train: P, place: &Path) -> TrainRequest<P> {
    TrainRequest {
        config: Recipe {
            base_model: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny"),
            max_tokens: 64,
            epochs: 2,
            ..Recipe::of(method)
        },
        train,
        held_out: Made::all(9),
        run_dir: place.join("run"),
        cache_dir: place.join("cache"),
        threads: None,
    }
}

/// The losses, the hash of the pairs, and how fast texts were embedded.
fn told<P: PairSource>(request: &TrainRequest<P>) -> Result<(Vec<f64>, String, f64), TrainError> {
    let (mut losses, mut speed) = (Vec::new(), 0.0);
    let mut listen = |event| match event {
        Event::Step { loss, .. } => losses.push(loss),
        Event::Embedding {
            done,
            total,
            tokens_per_second,
        } => {
            assert!(done <= total);
            speed = tokens_per_second;
        }
        _ => {}
    };
    match train(request, &mut listen, &AtomicBool::new(false))? {
        TrainOutcome::Finished { about, .. } => Ok((losses, about.data_hash, speed)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stream_gives_the_numbers_of_a_list() {
    for (method, name) in [(Method::Head, "head"), (Method::Full, "full")] {
        let list = told(&request(method, Made::all(100), &folder(&format!("{name}-list")))).unwrap();
        let place = folder(&format!("{name}-stream"));
        let stream = told(&request(method, Made::new(100, usize::MAX), &place)).unwrap();
        assert_eq!((list.0, list.1), (stream.0, stream.1));
        let left = std::fs::read_dir(place.join("run")).unwrap();
        let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["model", "predictions.jsonl"], "token ids stay on the disk");
    }
}

#[test]
fn a_source_that_changes_under_the_run_is_refused() {
    for (method, name) in [(Method::Head, "head"), (Method::Full, "full")] {
        let place = folder(&format!("{name}-changed"));
        let error = told(&request(method, Made::new(30, 2), &place)).unwrap_err();
        assert!(matches!(error, TrainError::Source(_)), "{error}");
        assert!(error.to_string().contains("have changed"), "{error}");
        assert!(!place.join("run/model").exists());
    }
}

#[test]
fn a_text_is_embedded_once_and_a_damaged_embedding_again() {
    let place = folder("cache");
    let again = |run: &str| {
        let mut request = request(Method::Head, Made::all(40), &place);
        request.run_dir = place.join(run);
        told(&request).unwrap()
    };
    let first = again("first");
    assert!(first.2 > 0.0);
    let file = std::fs::read_dir(place.join("cache")).unwrap().next().unwrap();
    let file = file.unwrap().path();
    let kept = std::fs::read(&file).unwrap();
    let second = again("second");
    assert_eq!((&second.0, second.2), (&first.0, 0.0), "nothing was embedded");
    assert_eq!(std::fs::read(&file).unwrap(), kept);

    // 80 responses of 40 and 9 prompts, of which the 9 are among the 40.
    let record = kept.len() / 80;
    assert_eq!(kept.len(), 80 * record);
    let mut damaged = kept.clone();
    damaged[7 * record + record / 2] ^= 0x40;
    std::fs::write(&file, &damaged).unwrap();
    let third = again("third");
    assert_eq!(third.0, first.0);
    assert!(third.2 > 0.0, "the damaged one was embedded");
    let mended = std::fs::read(&file).unwrap();
    assert_eq!(mended[..kept.len()], damaged);
    assert_eq!(mended[kept.len()..], kept[7 * record..8 * record]);
    assert_eq!(again("fourth").2, 0.0);
}
