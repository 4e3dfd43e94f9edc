//! Folders with broken files are refused with a sentence that names the file; a full disk leaves the last checkpoint whole;
//! shards and half-precision weights load.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::{DType, Device, Tensor, safetensors};
use recipe::{Method, Pooling, Recipe};
use reward_model::{Event, Message, Pair, Scorer, TrainOutcome, TrainRequest, check_base_model, train};
use serde_json::{Value, json};

const CHILD: &str = "TOUCHSTONE_FULL_DISK_CHILD";

fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny")
}

fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// A copy of the small model, of which one file is changed.
fn copy(name: &str, file: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> PathBuf {
    let place = folder(name);
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        std::fs::copy(tiny().join(file), place.join(file)).unwrap();
    }
    let old = std::fs::read(place.join(file)).unwrap();
    std::fs::write(place.join(file), change(old)).unwrap();
    place
}

fn json_change(change: impl FnOnce(&mut Value)) -> impl FnOnce(Vec<u8>) -> Vec<u8> {
    |bytes| {
        let mut value = serde_json::from_slice(&bytes).unwrap();
        change(&mut value);
        value.to_string().into_bytes()
    }
}

fn refused(folder: &Path, words: &[&str]) {
    let message = Scorer::load(folder).unwrap_err().to_string();
    assert!(words.iter().all(|word| message.contains(word)), "{message}");
}

/// What people name instead of a folder that can be read, each refused with its name and the way out.
#[test]
fn other_forms_of_models_are_refused_by_name() {
    let older = folder("broken-bin");
    for file in ["config.json", "tokenizer.json"] {
        std::fs::copy(tiny().join(file), older.join(file)).unwrap();
    }
    std::fs::write(older.join("pytorch_model.bin"), "").unwrap();
    refused(&older, &["pytorch_model.bin", "not read", "save_pretrained"]);
    let adapter = folder("broken-adapter");
    std::fs::write(adapter.join("adapter_config.json"), "{}").unwrap();
    refused(&adapter, &["adapter alone", "merge_and_unload"]);
    for family in ["mistral", "phi3", "gpt2"] {
        let other = copy(
            "broken-family",
            "config.json",
            json_change(|config| config["model_type"] = json!(family)),
        );
        refused(&other, &[family, "not read", "supported are bert"]);
    }
}

#[test]
fn what_the_system_and_json_say_comes_in_words() {
    let missing = Scorer::load(Path::new("/nowhere")).unwrap_err().to_string();
    assert!(missing.ends_with("there is no such file or folder"), "{missing}");
    let half = copy("broken-json", "config.json", |bytes| bytes[..40].to_vec());
    refused(&half, &["config.json", "ends too early", "cut short"]);
    let none = copy("broken-no-json", "config.json", |_| b"<html>".to_vec());
    refused(&none, &["config.json", "it is no JSON (line 1"]);
}

/// A module's folder is the model's own, whatever its list says.
#[test]
fn modules_outside_of_the_models_folder_are_refused() {
    for path in ["../elsewhere", "/etc", "a/../../b"] {
        let place = copy("broken-modules", "config.json", |bytes| bytes);
        let modules = json!([
            {"path": "", "type": "sentence_transformers.models.Transformer"},
            {"path": path, "type": "sentence_transformers.models.Pooling"},
        ]);
        std::fs::write(place.join("modules.json"), modules.to_string()).unwrap();
        refused(&place, &["modules.json", path, "no", "folder"]);
    }
}

#[test]
fn broken_weights_are_refused() {
    let file = "model.safetensors";
    refused(
        &copy("broken-cut", file, |bytes| bytes[..50_000].to_vec()),
        &[file],
    );
    refused(&copy("broken-empty", file, |_| vec![]), &[file]);
    refused(
        &copy("broken-header", file, |mut bytes| {
            bytes[9] = b'!';
            bytes
        }),
        &[file],
    );
    refused(
        &copy("broken-length", file, |mut bytes| {
            bytes[..8].fill(0xff);
            bytes
        }),
        &[file],
    );
}

#[test]
fn a_config_that_does_not_fit_is_refused() {
    let set = |field: &'static str, value: Value| {
        copy(
            &format!("config-{field}-{value}"),
            "config.json",
            json_change(move |config| config[field] = value),
        )
    };
    refused(
        &set("hidden_size", json!(64)),
        &["model.safetensors", "shape", "[100, 64]"],
    );
    refused(
        &set("num_hidden_layers", json!(3)),
        &["model.safetensors", "no tensor", "layer.2"],
    );
    refused(
        &set("num_hidden_layers", json!(2_000_000)),
        &["config.json", "num_hidden_layers"],
    );
    refused(
        &set("num_attention_heads", json!(5)),
        &["config.json", "multiple"],
    );
    refused(
        &set("num_attention_heads", json!(0)),
        &["config.json", "num_attention_heads"],
    );
    refused(
        &set("max_position_embeddings", json!(u64::MAX)),
        &["config.json", "max_position_embeddings"],
    );
    let short = check_base_model(&set("max_position_embeddings", json!(2)))
        .unwrap_err()
        .to_string();
    assert!(
        short.contains("tokenizer.json") && short.contains("special tokens"),
        "{short}"
    );
}

#[test]
fn a_tokenizer_with_more_words_is_refused() {
    let place = copy(
        "tokenizer-large",
        "tokenizer.json",
        json_change(|json| json["model"]["vocab"]["new"] = json!(100)),
    );
    refused(&place, &["tokenizer.json", "101 tokens", "vocab_size"]);
    assert!(
        check_base_model(&place)
            .unwrap_err()
            .to_string()
            .contains("101 tokens")
    );
    let template = |json: &mut Value| json["post_processor"]["special_tokens"]["[SEP]"]["ids"] = json!([777]);
    refused(
        &copy("tokenizer-template", "tokenizer.json", json_change(template)),
        &["tokenizer.json", "778 tokens"],
    );
    let nothing = |json: &mut Value| json["post_processor"]["special_tokens"] = json!({});
    refused(
        &copy("tokenizer-nothing", "tokenizer.json", json_change(nothing)),
        &["tokenizer.json"],
    );
}

fn scores(folder: &Path) -> Vec<f32> {
    let texts = ["Assistant: yes, thanks", "Assistant: no, rude"].map(str::to_owned);
    let scored = Scorer::load(folder)
        .unwrap()
        .score_texts(&texts, &mut |_, _| {})
        .unwrap();
    scored.iter().map(|scored| scored.reward).collect()
}

#[test]
fn shards_and_half_precision_load() {
    let (weights, want) = (
        safetensors::load(tiny().join("model.safetensors"), &Device::Cpu).unwrap(),
        scores(&tiny()),
    );
    for (kind, close) in [(DType::F32, 0.0), (DType::F16, 0.02), (DType::BF16, 0.1)] {
        let place = copy(&format!("shards-{kind:?}"), "config.json", |bytes| bytes);
        std::fs::remove_file(place.join("model.safetensors")).unwrap();
        let (mut shards, mut map) = ([HashMap::<String, Tensor>::new(), HashMap::new()], json!({}));
        for (i, (name, tensor)) in weights.iter().enumerate() {
            shards[i % 2].insert(name.clone(), tensor.to_dtype(kind).unwrap());
            map[name] = json!(format!("part-{}.safetensors", i % 2));
        }
        for (i, shard) in shards.iter().enumerate() {
            safetensors::save(shard, place.join(format!("part-{i}.safetensors"))).unwrap();
        }
        let index = place.join("model.safetensors.index.json");
        std::fs::write(&index, json!({"weight_map": map}).to_string()).unwrap();
        let got = scores(&place);
        assert!(
            got.iter().zip(&want).all(|(a, b)| (a - b).abs() <= close),
            "{kind:?}: {got:?} {want:?}"
        );
        std::fs::remove_file(place.join("part-1.safetensors")).unwrap();
        refused(&place, &["part-1.safetensors"]);
        std::fs::write(&index, r#"{"weight_map": {}}"#).unwrap();
        refused(&place, &["index.json", "weight_map"]);
    }
}

fn request(place: &Path) -> TrainRequest {
    let pair = |i: usize| Pair {
        id: i.to_string(),
        prompt: vec![Message {
            role: "user".to_owned(),
            content: "help".to_owned(),
        }],
        chosen: format!("yes {i}"),
        rejected: format!("no {i}"),
        margin: 0.0,
        weight: 1.0,
        belief: 1.0,
        tied: false,
        lower: Vec::new(),
    };
    TrainRequest {
        config: Recipe {
            base_model: tiny(),
            max_tokens: 96,
            batch_pairs: 4,
            checkpoint_every_steps: 2,
            checkpoint_every_seconds: 0,
            pooling: Pooling::Family,
            ..Recipe::of(Method::Full)
        },
        train: (0..40).map(pair).collect(),
        held_out: vec![],
        run_dir: place.join("run"),
        cache_dir: place.join("cache"),
        threads: Some(1),
    }
}

fn stop_after(place: &Path, last: u64) {
    let stop = AtomicBool::new(false);
    let mut listen = |event| {
        if matches!(event, Event::Step { step, .. } if step == last) {
            stop.store(true, Ordering::Relaxed);
        }
    };
    let outcome = train(&request(place), &mut listen, &stop).unwrap();
    assert_eq!(outcome, TrainOutcome::Stopped { step: last });
}

/// The failed write left the checkpoint of step 2, and nothing beside it; with room again the run ends as an unbroken one.
fn goes_on(place: &Path) {
    let left: Vec<_> = std::fs::read_dir(place.join("run/checkpoints"))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, ["step-00000002"]);
    let whole = folder("disk-whole");
    let mut first = 0;
    for place in [&whole, place] {
        let mut listen = |event| {
            if let Event::Started { first_step, .. } = event {
                first = first_step;
            }
        };
        train(&request(place), &mut listen, &AtomicBool::new(false)).unwrap();
    }
    assert_eq!(first, 2);
    let weights = |place: &Path| std::fs::read(place.join("run/model/model.safetensors")).unwrap();
    assert!(weights(&whole) == weights(place));
}

/// Not a test of its own: a run that cannot write, in a process whose files may not grow.
#[test]
fn child() {
    let Ok(place) = std::env::var(CHILD) else { return };
    let error = train(&request(Path::new(&place)), &mut |_| {}, &AtomicBool::new(false)).unwrap_err();
    println!("\nrefused: {error}");
}

/// One test for both ways, one after the other: RLIMIT_FSIZE, which needs no rights, and a small tmpfs where one can be
/// mounted.
#[test]
fn a_full_disk_leaves_the_last_checkpoint() {
    let place = folder("disk-limit");
    stop_after(&place, 2);
    let script = r#"trap '' XFSZ; ulimit -f 64; exec "$0" child --exact --nocapture"#;
    let output = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env(CHILD, &place)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        said.lines()
            .any(|line| line.starts_with("refused: ") && line.contains("weights.safetensors")),
        "{said}"
    );
    goes_on(&place);

    let disk = folder("disk-small");
    let mount = |options: &str| {
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(&disk)
            .output();
        done.is_ok_and(|done| done.status.success())
    };
    if !mount("size=16m") {
        eprintln!("no tmpfs may be mounted here: the full disk was RLIMIT_FSIZE alone");
        return;
    }
    let _unmount = Unmount(disk.clone());
    eprintln!("the full disk was RLIMIT_FSIZE and a tmpfs of 512 kB");
    stop_after(&disk, 2);
    assert!(mount("remount,size=512k"));
    let error = train(&request(&disk), &mut |_| {}, &AtomicBool::new(false))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("space") && error.contains(".safetensors"),
        "{error}"
    );
    assert!(mount("remount,size=16m"));
    goes_on(&disk);
}

struct Unmount(PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}
