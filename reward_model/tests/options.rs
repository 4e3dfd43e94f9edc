//! What a run can be asked for beside its method, on a model of 100 kB.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use recipe::{Keep, Method, Pooling, Recipe};
use reward_model::{
    About, Event, Example, Message, Pair, Scored, Scorer, TrainError, TrainOutcome, TrainRequest, train,
};

fn folder(name: &str) -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("options").join(name);
    if place.exists() {
        std::fs::remove_dir_all(&place).unwrap();
    }
    place
}

/// Kind answers are preferred over rude ones, with much noise.
fn pairs(n: usize, seed: usize) -> Vec<Pair> {
    let (kind, rude) = (["yes, thanks", "kind help to you"], ["no, rude", "the bad a"]);
    let pair = |i: usize| {
        let content = format!("please help me {}", (i * 7 + seed) % 5);
        let role = "user".to_owned();
        let (good, bad) = (kind[(i + seed) % 2], rude[i % 2]);
        let (chosen, rejected) = if i % 4 == 3 { (bad, good) } else { (good, bad) };
        let more = |text: &str| format!("{text} {}", (i * 3) % 13);
        Pair::new(
            i.to_string(),
            vec![Message { role, content }],
            more(chosen),
            more(rejected),
        )
    };
    (0..n).map(pair).collect()
}

fn request(method: Method, place: &Path) -> TrainRequest {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny");
    TrainRequest {
        config: Recipe {
            base_model: base,
            max_tokens: 96,
            seed: 5,
            epochs: 4,
            learning_rate: 2e-3,
            pooling: Pooling::Family,
            ..Recipe::of(method)
        },
        train: pairs(64, 0),
        held_out: pairs(24, 1),
        run_dir: place.join("run"),
        cache_dir: place.join("cache"),
        threads: None,
    }
}

fn run(request: &TrainRequest) -> (Vec<Event>, Result<About, TrainError>) {
    let mut events = Vec::new();
    let outcome = train(request, &mut |event| events.push(event), &AtomicBool::new(false));
    let about = outcome.map(|outcome| match outcome {
        TrainOutcome::Finished { about, .. } => *about,
        TrainOutcome::Stopped { .. } => panic!("nobody stopped it"),
    });
    (events, about)
}

fn finished(request: &TrainRequest) -> About {
    run(request).1.unwrap()
}

fn scored(request: &TrainRequest) -> Vec<Scored> {
    let example = |pair: &Pair, response: &str| Example {
        prompt: pair.prompt.clone(),
        response: response.to_owned(),
    };
    let each = |pair: &Pair| [example(pair, &pair.chosen), example(pair, &pair.rejected)];
    let examples: Vec<Example> = request.held_out.iter().flat_map(each).collect();
    let scorer = Scorer::load(&request.run_dir.join("model")).unwrap();
    scorer.score(&examples, &mut |_, _| {}).unwrap()
}

/// The saved model gives the accuracy and the mean that were measured.
fn check_saved(request: &TrainRequest, about: &About) {
    let scored = scored(request);
    let metrics = about.metrics.unwrap();
    let hits = scored
        .chunks(2)
        .filter(|two| two[0].reward > two[1].reward)
        .count();
    assert_eq!(hits as f64 / 24.0, metrics.accuracy.value);
    let mean = scored.iter().map(|one| f64::from(one.reward)).sum::<f64>() / 48.0;
    assert!(mean.abs() < 1e-4, "{mean}");
}

#[test]
fn every_method_pools_by_mean_if_asked() {
    for (method, name) in [(Method::Full, "mean-full"), (Method::Layers, "mean-layers")] {
        let mut request = request(method, &folder(name));
        request.config.pooling = Pooling::Mean;
        let about = finished(&request);
        assert!(request.run_dir.join("model/modules.json").exists());
        check_saved(&request, &about);
    }
}

#[test]
fn the_best_weights_are_kept_and_patience_ends_a_run() {
    let place = folder("best");
    let mut request = request(Method::Full, &place);
    request.config = Recipe {
        epochs: 40,
        learning_rate: 5e-3,
        evaluate_every_steps: 4,
        keep: Keep::Best,
        patience: 3,
        ..request.config
    };
    let (events, about) = run(&request);
    let about = about.unwrap();
    let evaluated: Vec<(u64, f64)> = events
        .iter()
        .filter_map(|event| match event {
            Event::Evaluated { step, metrics, .. } => Some((*step, metrics.log_loss)),
            _ => None,
        })
        .collect();
    let best = evaluated.iter().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
    let (last, _) = evaluated.last().unwrap();
    assert_eq!(*last, best.0 + 3 * 4, "{evaluated:?}");
    assert!(*last < 320 && about.step == best.0);
    assert_eq!(about.metrics.unwrap().log_loss, best.1);
    check_saved(&request, &about);
}

/// A run that is killed between an evaluation and its end keeps the same weights as one that is not.
#[test]
fn the_best_weights_survive_a_stop() {
    let of = |name: &str, stop: bool| {
        let mut request = request(Method::Full, &folder(name));
        request.config = Recipe {
            learning_rate: 1e-2,
            evaluate_every_steps: 4,
            checkpoint_every_steps: 3,
            keep: Keep::Best,
            ..request.config
        };
        let flag = AtomicBool::new(false);
        let mut listen = |event: Event| {
            if let (true, Event::Step { step: 26, .. }) = (stop, event) {
                flag.store(true, std::sync::atomic::Ordering::Relaxed);
            }
        };
        let outcome = train(&request, &mut listen, &flag).unwrap();
        assert_eq!(stop, matches!(outcome, TrainOutcome::Stopped { step: 26 }));
        let about = finished(&request);
        assert!(about.step < 32, "the last was the best: nothing was tried");
        std::fs::read(request.run_dir.join("model/model.safetensors")).unwrap()
    };
    assert!(of("best-whole", false) == of("best-stopped", true));
}

#[test]
fn a_loss_that_runs_away_names_step_pairs_and_what_to_do() {
    let mut request = request(Method::Head, &folder("diverged"));
    // Each step turns the weights around and makes them nine times as large.
    request.config = Recipe {
        epochs: 200,
        learning_rate: 1.0,
        weight_decay: 10.0,
        warmup_share: 0.5,
        optimizer: recipe::Optimizer::Sgd,
        ..request.config
    };
    let error = run(&request).1.unwrap_err();
    let text = error.to_string();
    let is_named = matches!(error, TrainError::Diverged { .. } | TrainError::NotFinite { .. });
    assert!(is_named && text.contains("lower learning rate"), "{text}");
    assert!(text.contains("at step") || text.contains("by step"), "{text}");
}

#[test]
fn batches_that_are_summed_are_one_batch() {
    let of = |name: &str, batch_pairs: usize, accumulate: usize| {
        let mut request = request(Method::Full, &folder(name));
        request.config = Recipe {
            batch_pairs,
            accumulate,
            shuffle: false,
            ..request.config
        };
        finished(&request);
        std::fs::read(request.run_dir.join("model/model.safetensors")).unwrap()
    };
    assert!(of("at-once", 16, 1) == of("summed", 4, 4));
}

#[test]
fn an_ensemble_says_how_unsure_it_is() {
    let mut request = request(Method::Head, &folder("ensemble"));
    request.config.ensemble = 8;
    let about = finished(&request);
    check_saved(&request, &about);
    let scored = scored(&request);
    assert!(scored.iter().all(|one| one.spread.unwrap() > 0.0));
    request.config.ensemble = 1;
    request.run_dir.set_file_name("single");
    finished(&request);
    assert!(self::scored(&request).iter().all(|one| one.spread.is_none()));
}

#[test]
fn rankings_train_and_are_measured_pair_by_pair() {
    for (method, name) in [(Method::Head, "rank-head"), (Method::Full, "rank-full")] {
        let mut request = request(method, &folder(name));
        let ranking = |pair: Pair| Pair {
            lower: vec!["you bad the".into(), "bad".into()],
            ..pair
        };
        request.train = request.train.into_iter().map(ranking).collect();
        request.held_out = request.held_out.into_iter().take(6).map(ranking).collect();
        let about = finished(&request);
        assert_eq!(about.metrics.unwrap().pairs, 36);
    }
}

#[test]
fn steps_tell_what_they_saw() {
    let (events, _) = run(&request(Method::Full, &folder("told")));
    let last = events.iter().rev().find_map(|event| match event {
        Event::Step {
            accuracy,
            margin,
            reward_spread,
            ..
        } => Some((*accuracy, *margin, *reward_spread)),
        _ => None,
    });
    let (accuracy, margin, spread) = last.unwrap();
    assert!((0.0..=1.0).contains(&accuracy) && margin.is_finite() && spread > 0.0);
}

/// Dropout and decaying rates change the weights, the same way each time.
#[test]
fn dropout_and_layer_decay_are_repeatable() {
    let of = |name: &str, dropout: f64, layer_decay: f64| {
        let mut request = request(Method::Full, &folder(name));
        (request.config.dropout, request.config.layer_decay) = (dropout, layer_decay);
        request.threads = Some(if name.ends_with('2') { 1 } else { 3 });
        finished(&request);
        std::fs::read(request.run_dir.join("model/model.safetensors")).unwrap()
    };
    let plain = of("plain", 0.0, 1.0);
    for (name, dropout, decay) in [("drop", 0.1, 1.0), ("decay", 0.0, 0.5)] {
        let one = of(name, dropout, decay);
        assert!(one != plain);
        assert!(one == of(&format!("{name}2"), dropout, decay));
    }
}

/// What is left is told by what steps take: not by the time that reading and embedding took before them.
#[test]
fn the_time_left_leaves_out_what_came_before_the_steps() {
    let mut request = request(Method::Head, &folder("time-left"));
    request.config.epochs = 2;
    let long = "good kind thanks please help ".repeat(40);
    for (i, pair) in request.train.iter_mut().enumerate() {
        pair.chosen = format!("{long}{i}");
        pair.rejected = format!("{i}{long}");
    }
    let called = Instant::now();
    let (mut began, mut checked) = (None, 0);
    let mut listen = |event| match event {
        Event::Started { .. } => began = Some(Instant::now()),
        Event::Step {
            step,
            steps,
            seconds_left,
            ..
        } if step < steps => {
            let began: Instant = began.unwrap();
            let before = (began - called).as_secs_f64();
            let taken = seconds_left / (steps - step) as f64 * step as f64;
            assert!(
                taken < began.elapsed().as_secs_f64() + before / 2.0,
                "{taken} {before}"
            );
            checked += 1;
        }
        _ => {}
    };
    train(&request, &mut listen, &AtomicBool::new(false)).unwrap();
    assert!(checked > 0);
}
