//! Scoring with a published kind of folder, against what PyTorch computed: tests/python/make_fixture.py.

use std::path::{Path, PathBuf};

use recipe::{Device, Precision};
use reward_model::{Example, Message, ModelError, Scorer};
use serde_json::Value;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn tiny() -> PathBuf {
    fixture("tiny")
}

/// transformers 5.23, torch 2.15: `…ForSequenceClassification(...).logits`.
fn equal_transformers(name: &str, scorer: &Scorer) {
    let expected = std::fs::read_to_string(fixture(name).join("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();
    let texts: Vec<String> = serde_json::from_value(expected["texts"].clone()).unwrap();
    let rewards: Vec<f32> = serde_json::from_value(expected["rewards"].clone()).unwrap();
    let scored = scorer.score_texts(&texts, &mut |_, _| {}).unwrap();
    for (i, scored) in scored.iter().enumerate() {
        assert!(
            (scored.reward - rewards[i]).abs() < 1e-4,
            "{scored:?} {}",
            rewards[i]
        );
        assert_eq!(scored.tokens, expected["ids"][i].as_array().unwrap().len());
    }
}

#[test]
fn rewards_equal_transformers() {
    for name in ["tiny", "distilbert", "deberta", "modernbert", "qwen3", "gemma2"] {
        for device in [Device::Cpu, Device::Cuda(0)] {
            match Scorer::load_on(&fixture(name), Precision::F32, device) {
                Ok(scorer) => equal_transformers(name, &scorer),
                Err(ModelError::Device(message)) if device != Device::Cpu => {
                    println!("{name} was not checked on a GPU: {message}");
                }
                Err(error) => panic!("{name}: {error}"),
            }
        }
    }
}

#[test]
fn a_reward_does_not_depend_on_its_neighbours() {
    let scorer = Scorer::load(&tiny()).unwrap();
    let text = |i: usize| {
        format!(
            "Human: help {i}\n\nAssistant: {}",
            "yes no good ".repeat(i * 7 % 23)
        )
    };
    let texts: Vec<String> = (0..200).map(text).collect();
    let mut progress = Vec::new();
    let together = scorer
        .score_texts(&texts, &mut |done, total| progress.push((done, total)))
        .unwrap();
    assert_eq!(progress.last(), Some(&(200, 200)));
    for (text, in_company) in texts.iter().zip(together).step_by(17) {
        let alone = scorer
            .score_texts(std::slice::from_ref(text), &mut |_, _| {})
            .unwrap()[0];
        assert!(
            (alone.reward - in_company.reward).abs() < 1e-5,
            "{alone:?} {in_company:?}"
        );
    }
    assert!(scorer.score_texts(&[], &mut |_, _| {}).unwrap().is_empty());
}

#[test]
fn the_end_is_kept_and_the_rest_counted() {
    let scorer = Scorer::load(&tiny()).unwrap();
    assert_eq!(scorer.max_tokens(), 96);
    let ask = |n: usize| Example {
        prompt: vec![Message {
            role: "user".to_owned(),
            content: "please ".repeat(n),
        }],
        response: "thanks ".repeat(80),
    };
    let scored = scorer
        .score(&[ask(200), ask(300), ask(1)], &mut |_, _| {})
        .unwrap();
    assert_eq!(scored.iter().map(|s| s.tokens).collect::<Vec<_>>(), [96, 96, 87]);
    assert_eq!(scored[1].cut_tokens - scored[0].cut_tokens, 100);
    assert_eq!(scored[2].cut_tokens, 0);
    assert!(
        (scored[0].reward - scored[1].reward).abs() < 1e-6,
        "only what was cut differs"
    );
}

#[test]
fn a_scorer_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Scorer>();
}

#[test]
fn a_folder_that_is_no_reward_model_is_refused_in_words() {
    let missing = Scorer::load(Path::new("/nowhere")).unwrap_err().to_string();
    assert!(missing.contains("/nowhere/config.json"), "{missing}");
}
