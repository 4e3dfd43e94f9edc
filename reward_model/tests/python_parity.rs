//! What Touchstone saves, opened by the real libraries: equal scores to 1e-4.
//!
//! Needs `TOUCHSTONE_PYTHON`, an interpreter in the environment that tests/python/install.sh makes; with
//! `TOUCHSTONE_BASE_MODEL`, a folder of all-MiniLM-L6-v2, that model is tried beside the one of 100 kB.

mod parts;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;

use recipe::{Method, Pooling, Recipe};
use reward_model::{Message, Pair, Scorer, TrainOutcome, TrainRequest, render, train};

use self::parts::part;

fn pairs() -> Vec<Pair> {
    let pair = |i: usize| Pair {
        id: i.to_string(),
        prompt: vec![
            Message {
                role: "system".to_owned(),
                content: "Be kind.".to_owned(),
            },
            Message {
                role: "user".to_owned(),
                content: format!("What is {i} + {i}? Übung, naïve, 你好, مرحبا 🙂"),
            },
        ],
        chosen: format!("It is {}. {}", 2 * i, "Thanks for asking! ".repeat(i * i)),
        rejected: "No [SEP] idea.\n\nAsk  someone\telse".to_owned(),
        margin: 0.0,
        weight: 1.0,
        belief: 1.0,
        tied: false,
        lower: Vec::new(),
    };
    (0..12).map(pair).collect()
}

/// A trained model's folder, its texts as a JSON file, and what we score them with.
struct Case {
    name: String,
    model_dir: PathBuf,
    input: PathBuf,
    rewards: Vec<f32>,
}

impl Case {
    /// The same model as `peft` opens it: the base model with the adapter beside it.
    fn adapter(&self) -> Option<Self> {
        let model_dir = self.model_dir.join("adapter");
        model_dir.exists().then(|| Self {
            name: format!("{}-adapter", self.name),
            model_dir,
            input: self.input.clone(),
            rewards: self.rewards.clone(),
        })
    }
}

/// Each of the folders that we save.
fn settings(kind: &str) -> Recipe {
    let full = Recipe {
        learning_rate: 1e-4,
        pooling: Pooling::Family,
        ..Recipe::of(Method::Full)
    };
    let lora = Recipe {
        learning_rate: 1e-2,
        pooling: Pooling::Family,
        ..Recipe::of(Method::Lora)
    };
    match kind {
        "head" => Recipe::of(Method::Head),
        "ensemble" => Recipe {
            ensemble: 3,
            ..Recipe::of(Method::Head)
        },
        "mean" => Recipe {
            pooling: Pooling::Mean,
            ..full
        },
        "lora" => lora,
        "lora-mean" => Recipe {
            pooling: Pooling::Mean,
            ..lora
        },
        _ => full,
    }
}

fn case(base: &Path, kind: &str, name: String) -> Case {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&name);
    let _ = std::fs::remove_dir_all(&place);
    let request = TrainRequest {
        config: Recipe {
            base_model: base.to_owned(),
            max_tokens: 90,
            ..settings(kind)
        },
        train: pairs(),
        held_out: pairs(),
        run_dir: place.join("run"),
        cache_dir: place.join("cache"),
        threads: None,
    };
    let outcome = train(&request, &mut |_| {}, &AtomicBool::new(false)).unwrap();
    let TrainOutcome::Finished { model_dir, .. } = outcome else {
        panic!("{outcome:?}")
    };
    let texts: Vec<String> = pairs()
        .iter()
        .flat_map(|p| [render(&p.prompt, &p.chosen), render(&p.prompt, &p.rejected)])
        .collect();
    let scored = Scorer::load(&model_dir)
        .unwrap()
        .score_texts(&texts, &mut |_, _| {})
        .unwrap();
    assert!(
        scored.iter().any(|scored| scored.cut_tokens > 0),
        "a text that is cut is among them"
    );

    let input = place.join("texts.json");
    std::fs::write(&input, serde_json::to_string(&texts).unwrap()).unwrap();
    Case {
        name,
        model_dir,
        input,
        rewards: scored.iter().map(|scored| scored.reward).collect(),
    }
}

/// A folder whose reward is read from the mean has no head that transformers knows: it must not open with one at random.
#[test]
fn python_refuses_a_mean_pooled_folder_as_a_classifier() {
    let Some(python) = part("TOUCHSTONE_PYTHON") else {
        return;
    };
    let fixture = |name: &str| {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures")
            .join(name)
    };
    let cases: Vec<Case> = [
        ("tiny", "head"),
        ("tiny", "mean"),
        ("qwen3", "mean"),
        ("modernbert", "mean"),
    ]
    .into_iter()
    .map(|(base, kind)| case(&fixture(base), kind, format!("python-refused-{base}-{kind}")))
    .collect();
    let output = Command::new(python)
        .env("HF_HUB_OFFLINE", "1")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/refuse.py"))
        .args(cases.iter().map(|case| &case.model_dir))
        .output()
        .unwrap();
    let (stdout, stderr) = (
        output.stdout,
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert!(output.status.success(), "{stderr}");
    let said: Vec<String> = serde_json::from_slice(&stdout).unwrap();
    assert_eq!(said.len(), 2 * cases.len());
    for said in said {
        assert!(said.contains("open_with_sentence_transformers"), "{said}");
    }
    for case in &cases {
        let about = std::fs::read_to_string(case.model_dir.join("touchstone.json")).unwrap();
        let about: serde_json::Value = serde_json::from_str(&about).unwrap();
        assert_eq!(about["config"]["pooling"], "mean", "what was resolved is named");
        let card = std::fs::read_to_string(case.model_dir.join("README.md")).unwrap();
        for part in [
            "---\nlibrary_name: sentence-transformers",
            "## Figures",
            "## How it was made",
            "| accuracy |",
        ] {
            assert!(card.contains(part), "{part} is not in {card}");
        }
        assert!(!card.contains(env!("CARGO_MANIFEST_DIR")), "{card}");
    }
}

#[test]
fn python_opens_what_we_save() {
    let Some(python) = part("TOUCHSTONE_PYTHON") else {
        return;
    };
    let fixture = |name: &str| {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures")
            .join(name)
    };
    let all = ["head", "ensemble", "lora-mean", "mean", "full", "lora"];
    let mut bases = vec![
        ("tiny", fixture("tiny"), &all[..]),
        ("qwen3", fixture("qwen3"), &all[..]),
    ];
    for name in [
        "distilbert",
        "roberta",
        "deberta",
        "modernbert",
        "llama",
        "gemma2",
        "gemma3",
    ] {
        bases.push((name, fixture(name), &all[3..]));
    }
    // sentence-transformers would take another tokenizer for it: see score.py.
    bases.push(("qwen2", fixture("qwen2"), &all[4..]));
    if let Some(folder) = part("TOUCHSTONE_BASE_MODEL") {
        bases.push(("minilm", PathBuf::from(folder), &all[..]));
    }
    let cases = bases.iter().flat_map(|(name, base, kinds)| {
        let case = move |kind: &&str| {
            let case = case(base, kind, format!("python-{name}-{kind}"));
            let adapter = case.adapter();
            assert_eq!(adapter.is_some(), settings(kind).method == Method::Lora);
            std::iter::once(case).chain(adapter)
        };
        kinds.iter().flat_map(case)
    });
    let cases: Vec<Case> = cases.collect();
    // One process for all: starting Python's libraries takes longer than all the rest.
    let output = Command::new(python)
        .env("HF_HUB_OFFLINE", "1")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/score.py"))
        .args(cases.iter().flat_map(|case| [&case.model_dir, &case.input]))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let stdout = String::from_utf8(output.stdout).unwrap();
    let theirs: Vec<Vec<f32>> = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    assert_eq!(theirs.len(), cases.len());
    for (case, theirs) in cases.iter().zip(theirs) {
        assert_eq!(theirs.len(), case.rewards.len());
        let worst = case
            .rewards
            .iter()
            .zip(&theirs)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        println!("{}: rewards differ by at most {worst:e}", case.name);
        assert!(
            worst < 1e-4,
            "{}: {worst} {theirs:?} {:?}",
            case.name,
            case.rewards
        );
    }
}
