//! A decoder with a chat template, from training to scoring: what it reads, what is saved with it, what it refuses.
//! With `TOUCHSTONE_PYTHON` (see tests/python/install.sh) also against `apply_chat_template` of the real library.

mod parts;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;

use recipe::{Method, Pooling, Recipe};
use reward_model::{Encoder, Example, Message, Pair, Scorer, TrainError, TrainOutcome, TrainRequest, train};
use serde_json::{Value, json};

use self::parts::part;

/// Refuses tools; ends each turn with the token that the tokenizer also pads with, as Zephyr and others do.
const TEMPLATE: &str = "{{ bos_token }}{% for message in messages %}
{% if message.role == 'tool' %}{{ raise_exception('No tools here') }}{% endif %}
{{ message.role + ' : ' + message.content | trim + eos_token }}{% endfor %}";

/// A tiny Qwen3 whose tokenizer would put `[CLS]` and `[SEP]` around a text, in a folder of this test's own.
fn base(place: &Path) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let base = place.join("base");
    let _ = std::fs::remove_dir_all(place);
    std::fs::create_dir_all(&base).unwrap();
    for (from, name) in [("qwen3", "model.safetensors"), ("tiny", "tokenizer.json")] {
        std::fs::copy(fixtures.join(from).join(name), base.join(name)).unwrap();
    }
    let config = std::fs::read_to_string(fixtures.join("qwen3/config.json")).unwrap();
    let mut config: Value = serde_json::from_str(&config).unwrap();
    config["pad_token_id"] = Value::Null;
    std::fs::write(base.join("config.json"), config.to_string()).unwrap();
    let tokens = json!({"bos_token": "[CLS]", "eos_token": "[SEP]", "pad_token": {"content": "[SEP]"}});
    std::fs::write(base.join("special_tokens_map.json"), tokens.to_string()).unwrap();
    std::fs::write(base.join("tokenizer_config.json"), "{}").unwrap();
    std::fs::write(base.join("chat_template.jinja"), TEMPLATE).unwrap();
    base
}

fn request(place: &Path, base: &Path, method: Method) -> TrainRequest {
    let config = match method {
        Method::Head => Recipe::of(Method::Head),
        _ => Recipe {
            learning_rate: 1e-4,
            pooling: Pooling::Family,
            ..Recipe::of(Method::Full)
        },
    };
    let said = |role: &str, content: &str| Message {
        role: role.to_owned(),
        content: content.to_owned(),
    };
    let pair = |i: usize| Pair {
        id: format!("pair-{i}"),
        prompt: vec![said("system", "be kind "), said("user", &format!("help me {i}"))],
        chosen: format!("yes, thanks {}", "to you ".repeat(i * i)),
        rejected: " no\n".to_owned(),
        margin: 0.0,
        weight: 1.0,
        belief: 1.0,
        tied: false,
        lower: Vec::new(),
    };
    TrainRequest {
        config: Recipe {
            base_model: base.to_owned(),
            max_tokens: 60,
            ..config
        },
        train: (0..8).map(pair).collect(),
        held_out: (0..8).map(pair).collect(),
        run_dir: place.join("run"),
        cache_dir: place.join("cache"),
        threads: None,
    }
}

fn trained(request: &TrainRequest) -> PathBuf {
    match train(request, &mut |_| {}, &AtomicBool::new(false)).unwrap() {
        TrainOutcome::Finished { model_dir, .. } => model_dir,
        stopped => panic!("{stopped:?}"),
    }
}

fn examples(request: &TrainRequest) -> Vec<Example> {
    let example = |pair: &Pair, response: &String| Example {
        prompt: pair.prompt.clone(),
        response: response.clone(),
    };
    let both = |pair| [example(pair, &pair.chosen), example(pair, &pair.rejected)];
    request.held_out.iter().flat_map(both).collect()
}

fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

#[test]
fn a_saved_model_writes_conversations_as_its_base_does() {
    for (name, method) in [("chat-head", Method::Head), ("chat-full", Method::Full)] {
        let place = place(name);
        let base = base(&place);
        let request = request(&place, &base, method);
        let model = trained(&request);
        let (before, after) = (
            Encoder::load(&base, 60).unwrap(),
            Encoder::load(&model, 60).unwrap(),
        );
        for example in examples(&request) {
            let text = after.text(&example.prompt, &example.response).unwrap();
            assert_eq!(text, before.text(&example.prompt, &example.response).unwrap());
            let beginning = "[CLS]system : be kind[SEP]user : help me ";
            assert!(text.starts_with(beginning), "{text}");
            assert_eq!(after.encode(&text).unwrap(), before.encode(&text).unwrap());
        }
        let examples = examples(&request);
        let scored = Scorer::load(&model)
            .unwrap()
            .score(&examples, &mut |_, _| {})
            .unwrap();
        assert!(scored.iter().any(|scored| scored.cut_tokens > 0));
        assert!(scored[2].reward > scored[3].reward, "{scored:?}");
    }
}

#[test]
fn a_refused_conversation_is_named() {
    let place = place("chat-refused");
    let mut request = request(&place, &base(&place), Method::Full);
    request.train[3].prompt[0].role = "tool".to_owned();
    let error = train(&request, &mut |_| {}, &AtomicBool::new(false)).unwrap_err();
    let TrainError::Pair { id, message } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(id, "pair-3");
    assert!(
        message.ends_with("base: the chat template refuses a conversation: No tools here"),
        "{message}"
    );
}

#[test]
fn another_template_is_another_run() {
    let place = place("chat-changed");
    let base = base(&place);
    let request = request(&place, &base, Method::Head);
    trained(&request);
    std::fs::write(base.join("chat_template.jinja"), TEMPLATE.replace(" : ", ": ")).unwrap();
    let error = train(&request, &mut |_| {}, &AtomicBool::new(false)).unwrap_err();
    assert!(matches!(error, TrainError::Changed { .. }), "{error:?}");
}

/// transformers 5.23, torch 2.15: `model(**tokenizer.apply_chat_template(messages, padding=True, …)).logits`.
#[test]
fn python_scores_conversations_alike() {
    let Some(python) = part("TOUCHSTONE_PYTHON") else {
        return;
    };
    let place = place("chat-python");
    let request = request(&place, &base(&place), Method::Full);
    let model = trained(&request);
    let examples = examples(&request);
    let conversation = |example: &Example| {
        let mut messages = json!(example.prompt);
        let answer = json!({"role": "assistant", "content": example.response});
        messages.as_array_mut().unwrap().push(answer);
        messages
    };
    let input = place.join("conversations.json");
    let conversations: Vec<Value> = examples.iter().map(conversation).collect();
    std::fs::write(&input, json!(conversations).to_string()).unwrap();
    let output = Command::new(python)
        .env("HF_HUB_OFFLINE", "1")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/score.py"))
        .args([&model, &input])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let stdout = String::from_utf8(output.stdout).unwrap();
    let theirs: [Vec<f32>; 1] = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    let ours = Scorer::load(&model)
        .unwrap()
        .score(&examples, &mut |_, _| {})
        .unwrap();
    assert_eq!(ours.len(), theirs[0].len());
    for (ours, theirs) in ours.iter().zip(&theirs[0]) {
        assert!((ours.reward - theirs).abs() < 1e-4, "{ours:?} {theirs}");
    }
}
