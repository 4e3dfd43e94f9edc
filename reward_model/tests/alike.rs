//! Pairs whose two responses are one text to the model, because they are cut to equality or because its tokenizer does not tell
//! them apart: counted, left out, and refused where nothing else is there.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use recipe::{Method, Recipe, Truncation};
use reward_model::{About, Event, Message, Pair, Scorer, TrainError, TrainOutcome, TrainRequest, train};

fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

fn pair(id: &str, chosen: &str, rejected: &str) -> Pair {
    let prompt = vec![Message {
        role: "user".to_owned(),
        content: "please help".to_owned(),
    }];
    Pair::new(id, prompt, chosen, rejected)
}

/// Differs behind what the model reads.
fn cut_alike(id: &str) -> Pair {
    let long = "good ".repeat(80);
    pair(id, &format!("{long} yes"), &format!("{long} no"))
}

/// The tokenizer takes case and spaces away.
fn spelled_alike(id: &str) -> Pair {
    pair(id, "Yes,   THANKS", "yes, thanks")
}

fn sound(n: usize) -> Vec<Pair> {
    (0..n)
        .map(|i| {
            pair(
                &format!("sound-{i}"),
                &format!("yes, thanks {i}"),
                &format!("no, rude {i}"),
            )
        })
        .collect()
}

fn request(method: Method, name: &str, train: Vec<Pair>, held_out: Vec<Pair>) -> TrainRequest {
    let place = folder(&format!("alike-{name}-{method:?}"));
    TrainRequest {
        config: Recipe {
            base_model: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny"),
            max_tokens: 64,
            truncation: Truncation::End,
            epochs: 2,
            batch_pairs: 4,
            ..Recipe::of(method)
        },
        train,
        held_out,
        run_dir: place.join("run"),
        cache_dir: place.join("cache"),
        threads: Some(2),
    }
}

fn finished(request: &TrainRequest) -> (About, [usize; 4]) {
    let mut told = [0; 4];
    let mut listen = |event| {
        if let Event::Started {
            train_pairs,
            held_out_pairs,
            alike,
            ..
        } = event
        {
            told = [train_pairs, held_out_pairs, alike[0], alike[1]];
        }
    };
    match train(request, &mut listen, &AtomicBool::new(false)).unwrap() {
        TrainOutcome::Finished { about, .. } => (*about, told),
        other => panic!("{other:?}"),
    }
}

#[test]
fn pairs_that_are_one_text_to_the_model_are_counted_and_left_out() {
    for method in [Method::Head, Method::Full] {
        let (with, mut without) = (sound(9), sound(9));
        let mut train = vec![cut_alike("cut"), spelled_alike("spelled")];
        train.splice(1..1, with);
        let mut held_out = sound(5);
        held_out.insert(2, cut_alike("held-out"));
        let (about, told) = finished(&request(method, "some", train, held_out));
        assert_eq!(told, [9, 5, 2, 1], "{method:?}");
        assert_eq!(
            (about.alike, about.train_pairs, about.held_out_pairs),
            ([2, 1], 9, 5)
        );
        assert_eq!(about.metrics.unwrap().pairs, 5);

        // As many steps, and a model as if they had not been there.
        without.truncate(9);
        let (alone, _) = finished(&request(method, "none", without, sound(5)));
        assert_eq!((alone.step, alone.alike), (about.step, [0, 0]));
        let loss = |about: &About| about.metrics.unwrap().log_loss;
        assert!((loss(&alone) - loss(&about)).abs() < 1e-3, "{method:?}");
    }
}

#[test]
fn training_is_refused_where_every_pair_is_one_text_to_the_model() {
    for method in [Method::Head, Method::Full] {
        let alike = || vec![cut_alike("a"), spelled_alike("b")];
        let refusal = |name: &str, training: Vec<Pair>, held_out: Vec<Pair>| {
            let refused = train(
                &request(method, name, training, held_out),
                &mut |_| {},
                &AtomicBool::new(false),
            );
            match refused.unwrap_err() {
                TrainError::Alike { which, pairs, .. } => (which, pairs),
                other => panic!("{other}"),
            }
        };
        assert_eq!(refusal("all", alike(), sound(2)), ("training", 2));
        assert_eq!(refusal("all-held-out", sound(4), alike()), ("held-out", 2));
    }
}

#[test]
fn a_model_says_which_pairs_it_tells_apart() {
    let (about, _) = finished(&request(Method::Head, "scorer", sound(8), Vec::new()));
    assert_eq!(about.config.max_tokens, 64);
    let model = Path::new(env!("CARGO_TARGET_TMPDIR")).join("alike-scorer-Head/run/model");
    let scorer = Scorer::load(&model).unwrap();
    let pairs = [cut_alike("a"), pair("b", "yes", "no"), spelled_alike("c")];
    assert_eq!(scorer.tells_apart(&pairs).unwrap(), [false, true, false]);
}
