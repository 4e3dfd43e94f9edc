//! What is fuzzed: folders of files of which one is changed, and what is then done with the folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use recipe::{Method, Recipe};
use reward_model::{Message, Pair, Scorer, TrainError, TrainOutcome, TrainRequest, check_base_model, train};

use crate::mutate::{self, Dice};

/// A folder's files by their paths in it.
type Files = BTreeMap<String, Vec<u8>>;

/// A folder, whole, and what is done with it.
struct Template {
    files: Files,
    use_as: Use,
}

#[derive(Clone, Copy, PartialEq)]
enum Use {
    /// A reward model: scores texts; now and then a step is trained on it.
    Model,
    /// A run that was stopped: goes on.
    Run,
}

/// What a case came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It worked in spite of the change.
    Worked,
    /// It was refused in words.
    Refused,
}

/// All that a case is drawn from.
pub struct Cases {
    templates: Vec<Template>,
    tiny: PathBuf,
    scorers: Vec<Scorer>,
    settings: Vec<u8>,
    /// Where the folder of the case at hand is.
    place: PathBuf,
}

const SAMPLE: &str = "Human: please help me, is the a good?\n\nAssistant: no, the bad is rude to you 7";

fn pairs() -> Vec<Pair> {
    let pair = |i: usize| Pair {
        id: i.to_string(),
        prompt: vec![Message {
            role: "user".to_owned(),
            content: "please help me".to_owned(),
        }],
        chosen: format!("yes, thanks {i}"),
        rejected: format!("no, rude {i}"),
        margin: 0.0,
        weight: 1.0,
        belief: 1.0,
        tied: false,
        lower: Vec::new(),
    };
    (0..4).map(pair).collect()
}

fn request(config: Recipe, base_model: &Path, place: &Path) -> TrainRequest {
    TrainRequest {
        config: Recipe {
            base_model: base_model.to_owned(),
            max_tokens: 32,
            epochs: 2,
            batch_pairs: 4,
            checkpoint_every_seconds: 0,
            ..config
        },
        train: pairs(),
        held_out: pairs(),
        run_dir: place.join("run"),
        cache_dir: place.join("cache"),
        threads: Some(1),
    }
}

/// Trains one step and stops.
fn one_step(request: &TrainRequest) -> Result<TrainOutcome, TrainError> {
    let stop = AtomicBool::new(false);
    let mut listen = |event| {
        if matches!(event, reward_model::Event::Step { .. }) {
            stop.store(true, Ordering::Relaxed);
        }
    };
    train(request, &mut listen, &stop)
}

fn read(folder: &Path, into: &mut Files, prefix: &str) {
    for entry in std::fs::read_dir(folder).expect("a folder of fixtures") {
        let path = entry.expect("an entry").path();
        let name = format!(
            "{prefix}{}",
            path.file_name().unwrap_or_default().to_string_lossy()
        );
        if path.is_dir() {
            read(&path, into, &format!("{name}/"));
        } else if !name.ends_with("expected.json") {
            into.insert(name, std::fs::read(&path).expect("a file"));
        }
    }
}

fn files(folder: &Path) -> Files {
    let mut files = Files::new();
    read(folder, &mut files, "");
    files
}

fn empty(place: &Path) {
    let _ = std::fs::remove_dir_all(place);
    std::fs::create_dir_all(place).expect("a folder to work in");
}

impl Cases {
    /// From the fixtures; `place` is emptied.
    pub fn new(fixtures: &Path, place: &Path) -> Self {
        let tiny = fixtures.join("tiny");
        empty(place);
        let (mut templates, mut scorers) = (Vec::new(), Vec::new());
        let names = [
            "tiny",
            "distilbert",
            "roberta",
            "deberta",
            "modernbert",
            "llama",
            "qwen2",
            "qwen3",
            "gemma2",
            "gemma3",
        ];
        for name in names {
            let mut files = files(&fixtures.join(name));
            scorers.push(Scorer::load(&fixtures.join(name)).expect("a fixture"));
            templates.push(Template {
                files: files.clone(),
                use_as: Use::Model,
            });
            if name == "llama" {
                // The same as a folder of shards, though of one.
                let weights = files.remove("model.safetensors").expect("weights");
                let index = r#"{"metadata":{"total_size":1},"weight_map":{"a":"part-1.safetensors","b":"part-1.safetensors"}}"#;
                files.insert("model.safetensors.index.json".to_owned(), index.into());
                files.insert("part-1.safetensors".to_owned(), weights);
                templates.push(Template {
                    files,
                    use_as: Use::Model,
                });
            }
        }
        for config in [Recipe::of(Method::Head), Recipe::of(Method::Full)] {
            let request = request(config, &tiny, place);
            one_step(&request).expect("a step");
            templates.push(Template {
                files: files(place),
                use_as: Use::Run,
            });
            train(&request, &mut |_| {}, &AtomicBool::new(false)).expect("a model");
            let files = files(&request.run_dir.join("model"));
            templates.push(Template {
                files,
                use_as: Use::Model,
            });
            empty(place);
        }
        let settings = serde_json::to_vec(&Recipe::of(Method::Full)).expect("settings");
        Self {
            templates,
            tiny,
            scorers,
            settings,
            place: place.to_owned(),
        }
    }

    /// Draws the case of this number and runs it. Panics where the crate does.
    pub fn run(&self, number: u64) -> Outcome {
        let mut dice = Dice::new(number);
        match dice.below(8) {
            0 => self.text(&mut dice),
            1 => self.setting(&mut dice),
            _ => self.folder(&mut dice),
        }
    }

    fn text(&self, dice: &mut Dice) -> Outcome {
        let texts: Vec<String> = (0..1 + dice.below(3))
            .map(|_| mutate::text_from(dice, SAMPLE))
            .collect();
        outcome(dice.of(&self.scorers).score_texts(&texts, &mut |_, _| {}))
    }

    fn setting(&self, dice: &mut Dice) -> Outcome {
        let text = mutate::file(dice, "settings.json", &self.settings);
        match serde_json::from_slice::<Recipe>(&text) {
            Ok(config) => outcome(reward_model::check_recipe(&config)),
            Err(_) => Outcome::Refused,
        }
    }

    fn folder(&self, dice: &mut Dice) -> Outcome {
        let template = dice.of(&self.templates);
        let names: Vec<&String> = template.files.keys().collect();
        // Weights are most of the bytes and least of the logic.
        let mut changed = *dice.of(&names);
        if changed.ends_with(".safetensors") {
            changed = *dice.of(&names);
        }
        empty(&self.place);
        for (name, content) in &template.files {
            let path = self.place.join(name);
            std::fs::create_dir_all(path.parent().unwrap_or(&path)).expect("a folder");
            let new = (name == changed).then(|| mutate::file(dice, name, content));
            std::fs::write(path, new.as_ref().unwrap_or(content)).expect("a file");
        }
        if template.use_as == Use::Run {
            let config = if template.files.keys().any(|name| name.starts_with("cache/")) {
                Recipe::of(Method::Head)
            } else {
                Recipe::of(Method::Full)
            };
            return outcome(train(
                &request(config, &self.tiny, &self.place),
                &mut |_| {},
                &AtomicBool::new(false),
            ));
        }
        let texts = [SAMPLE.to_owned(), String::new(), mutate::text_from(dice, SAMPLE)];
        let scored = Scorer::load(&self.place).and_then(|scorer| scorer.score_texts(&texts, &mut |_, _| {}));
        let _ = check_base_model(&self.place);
        if dice.below(4) == 0 {
            let config = if dice.below(2) == 0 {
                Recipe::of(Method::Head)
            } else {
                Recipe::of(Method::Full)
            };
            let _ = one_step(&request(config, &self.place, &self.place));
        }
        outcome(scored)
    }
}

/// Every refusal must be a sentence, not an empty one.
fn outcome<T, E: std::fmt::Display>(result: Result<T, E>) -> Outcome {
    match result {
        Ok(_) => Outcome::Worked,
        Err(error) => {
            assert!(error.to_string().len() > 8, "a refusal without words: {error}");
            Outcome::Refused
        }
    }
}
