//! `touchstone train --data`, `evaluate` and `score` as commands, with a tiny base model and no database.

mod before;
mod told;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

/// A folder of its own, gone when dropped.
struct Place(PathBuf);

impl Place {
    fn new() -> Place {
        let folder = std::env::temp_dir().join(format!("touchstone-files-{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir_all(&folder).unwrap();
        Place(folder)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.0.join(name), content).unwrap();
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.text(name)).unwrap()
    }

    /// The command, run in this folder.
    fn command(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_touchstone"));
        command
            .args(args.split_whitespace())
            .current_dir(&self.0)
            .env("TOUCHSTONE_BASE_MODEL", base())
            .env_remove("TOUCHSTONE_DATABASE_URL")
            .env_remove("TOUCHSTONE_DATA_DIR")
            .env("RUST_LOG", "warn");
        command
    }

    fn run(&self, args: &str) -> (bool, String, String) {
        told(self.command(args).stdin(Stdio::null()).output().unwrap())
    }

    /// What it prints when all goes well.
    fn done(&self, args: &str) -> String {
        let (ok, out, error) = self.run(args);
        assert!(ok, "{args}: {error}");
        out
    }

    /// What it says when it is refused.
    fn refused(&self, args: &str) -> String {
        let (ok, out, error) = self.run(args);
        assert!(!ok && out.is_empty(), "{args}: {out}");
        error
    }

    fn score(&self, input: &str) -> (bool, String, String) {
        let mut child = self
            .command("score --model out/model")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        told(child.wait_with_output().unwrap())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn told(output: Output) -> (bool, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

fn base() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../reward_model/tests/fixtures/tiny")
}

fn trl(prompt: &str, chosen: &str, rejected: &str) -> String {
    json!({"prompt": prompt, "chosen": chosen, "rejected": rejected}).to_string()
}

/// Kind answers are preferred over rude ones; each prompt has two pairs.
fn lines(pairs: usize) -> String {
    let line = |n: usize| {
        trl(
            &format!("please help me with {}", n / 2),
            &format!("yes, thanks, kind help number {n}"),
            &format!("no, rude, bad is {n}"),
        ) + "\n"
    };
    (0..pairs).map(line).collect()
}

fn gzip(content: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// What the table says of one thing.
fn row<'a>(table: &'a str, what: &str) -> &'a str {
    let row = table.lines().find_map(|line| line.strip_prefix(what));
    row.unwrap_or_else(|| panic!("no {what} in {table}")).trim()
}

#[test]
fn a_model_is_trained_measured_and_asked_without_a_database() {
    let place = Place::new();
    let hh = json!({
        "chosen": "\n\nHuman: is it good?\n\nAssistant: yes, thanks",
        "rejected": "\n\nHuman: is it good?\n\nAssistant: no, rude",
    });
    place.file("trl.jsonl.gz", gzip(&lines(80)));
    place.file("hh.jsonl", format!("{hh}\n"));
    place.file(
        "run.toml",
        "method = \"full\"\nepochs = 3\nlearning_rate = 1e-3\n",
    );
    let base = base();
    let train = format!(
        "train --data trl.jsonl.gz hh.jsonl --base {} --config run.toml --out out --held-out-share 0.3 \
         --max-tokens 64 --epochs 2",
        base.display()
    );
    let table = place.done(&train);
    for what in [
        "accuracy",
        "longest wins",
        "log loss",
        "AUC",
        "ECE",
        "reward",
        "seconds",
        "peak memory",
    ] {
        row(&table, what);
    }
    assert!(!place.0.join("data").exists(), "a data folder was made");
    let metrics = place.json("out/metrics.json");
    let config = &metrics["config"];
    assert_eq!(
        (&config["method"], &config["epochs"], &config["max_tokens"]),
        (&json!("full"), &json!(2), &json!(64)),
        "the flag wins over the file"
    );
    let (train_pairs, held_out) = (&metrics["train_pairs"], &metrics["held_out_pairs"]);
    assert_eq!(train_pairs.as_u64().unwrap() + held_out.as_u64().unwrap(), 81);
    assert!((8..45).contains(&held_out.as_u64().unwrap()), "{held_out}");
    let svg = place.text("out/curves.svg");
    assert_eq!(svg.matches("<polyline").count(), 4);
    assert!(svg.contains("<circle") && !svg.contains("NaN"));

    // Done already: the same table at once, apart from what this process took.
    let again = place.done(&train);
    assert_eq!(row(&again, "reward"), row(&table, "reward"));

    let table = place.done("evaluate --model out/model --data trl.jsonl.gz hh.jsonl");
    assert_eq!(row(&table, "pairs"), "81");
    assert!(row(&table, "reward and length").starts_with("r ="));
    let json: Value =
        serde_json::from_str(&place.done("evaluate --json --model out/model --data trl.jsonl.gz")).unwrap();
    assert_eq!(json["metrics"]["pairs"], 80);

    let responses = json!({"prompt": "a", "responses": ["yes, thanks", "no, rude"]}).to_string();
    let preference = trl("a", "yes, thanks", "no, rude");
    let input = [responses, preference, trl("a", "same", "same"), hh.to_string()].join("\n");
    let (ok, out, error) = place.score(&input);
    assert!(
        ok && error.contains("not scored: standard input:3: chosen and rejected are the same text"),
        "{error}"
    );
    let scores: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(scores.len(), 4);
    assert_eq!(scores[0]["scores"][0]["reward"], scores[1]["chosen"]);
    assert_eq!(scores[0]["scores"][1]["reward"], scores[1]["rejected"]);
    assert_eq!(scores[2], json!({"chosen": null, "rejected": null}));
    assert!(scores[3]["chosen"].is_f64() && scores[3]["rejected"].is_f64());
}

/// What is told of the saved model is what the saved model gives.
#[test]
fn what_training_reports_is_what_evaluate_finds() {
    let place = Place::new();
    place.file("train.jsonl", lines(60));
    // The last two prompts are in both files.
    let held_out: String = lines(80)
        .lines()
        .skip(56)
        .map(|line| format!("{line}\n"))
        .collect();
    place.file("test.jsonl", held_out);
    // A decoder has no bias to put the rewards' zero with.
    let decoder = base().with_file_name("qwen3");
    let with_decoder = format!("--base {}", decoder.display());
    for (name, method, more) in [
        ("head", "head", ""),
        ("full", "full", ""),
        ("decoder", "full", &with_decoder),
    ] {
        let command = format!(
            "train --data train.jsonl --held-out test.jsonl --method {method} {more} --max-tokens 64 --out {name}"
        );
        let (ok, trained, error) = place.run(&command);
        assert!(
            ok && error.contains("4 pairs are not learnt from: their prompts are held out"),
            "{error}"
        );
        assert_eq!(row(&trained, "pairs"), "56 to learn from, 24 held out");
        let found = place.done(&format!("evaluate --model {name}/model --data test.jsonl"));
        for what in ["accuracy", "AUC", "longest wins", "reward", "log loss"] {
            assert_eq!(row(&trained, what), row(&found, what), "{name}");
        }
    }
}

#[test]
fn two_trainings_do_not_share_a_folder() {
    let place = Place::new();
    place.file("train.jsonl", lines(20));
    let taken = place.0.join("out");
    fs::create_dir(&taken).unwrap();
    let lock = fs::File::create(taken.join(".lock")).unwrap();
    lock.lock().unwrap();
    let train = "train --data train.jsonl --max-tokens 64 --out out";
    let error = place.refused(train);
    assert!(error.contains("another training works in out"), "{error}");
    drop(lock);
    place.done(train);
}

#[test]
fn what_is_broken_or_unknown_is_named() {
    let place = Place::new();
    place.file("good.jsonl", lines(20));
    place.file(
        "bad.jsonl",
        lines(2) + "{\"prompt\": \"a\", \"chosen\": \"b\"}\n{\"prompt\"\n",
    );
    let error = place.refused("train --data good.jsonl bad.jsonl --out out");
    for said in [
        "bad.jsonl:3: rejected: is missing",
        "bad.jsonl:4: ",
        "2 lines are broken",
    ] {
        assert!(error.contains(said), "{said}\n{error}");
    }
    assert!(!place.0.join("out").exists());
    let (ok, table, error) =
        place.run("train --data good.jsonl bad.jsonl --on-error skip --max-tokens 64 --out out");
    assert!(
        ok && error.contains("bad.jsonl:3: rejected: is missing"),
        "{error}"
    );
    assert!(table.contains("accuracy"), "{table}");
    let error = place.refused("evaluate --model out/model --data bad.jsonl");
    assert!(error.contains("bad.jsonl:3: rejected: is missing"), "{error}");
    let (ok, _, error) = place.score("{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": 1}");
    assert!(
        !ok && error.contains("standard input:1: rejected: must be text"),
        "{error}"
    );

    place.file("run.toml", "# settings\nepochs = 2\nlearning_rat = 1e-3\n");
    let train = "train --data good.jsonl --config run.toml --out other";
    let error = place.refused(train);
    assert!(
        error.contains("run.toml:3: learning_rat: is no setting"),
        "{error}"
    );
    place.file("run.toml", "epochs = 2.5\n");
    let error = place.refused(train);
    assert!(
        error.contains("run.toml:1: epochs: must be a whole number"),
        "{error}"
    );
    place.file("empty.jsonl", "");
    place.file("one.jsonl", lines(1));
    for (args, said) in [
        (
            "train --data nowhere.jsonl --out other",
            "cannot read nowhere.jsonl",
        ),
        (
            "train --data empty.jsonl --max-tokens 64 --out other",
            "the files hold no pairs to learn from",
        ),
        (
            "train --data one.jsonl --max-tokens 64 --out other --held-out-share 0.999",
            "all 1 pairs are held out, which goes by prompt",
        ),
        (
            "train --data good.jsonl --max-tokens 64 --out other --held-out-share 0 --keep best",
            "setting keep: goes by held-out pairs, and none are held out",
        ),
        (
            "train --project P --out other",
            "'--project <NAME>' cannot be used with '--out <FOLDER>'",
        ),
        (
            "train --data good.jsonl --out other --held-out 20",
            "for 20 % of the prompts give --held-out-share 0.2",
        ),
        (
            "train --data good.jsonl --out other --held-out-share 1.5",
            "--held-out-share",
        ),
        ("train --data good.jsonl --out other --base nowhere", "nowhere"),
        (
            "train --data good.jsonl --out other --max-tokens 4000",
            "setting max_tokens: the base model takes at most 96\n",
        ),
        ("train --data good.jsonl", "--out"),
        ("train --data good.jsonl --out other --project P", "--project"),
        ("train", "--project"),
        (
            "evaluate --model nowhere --data good.jsonl",
            "cannot load the model in nowhere",
        ),
    ] {
        let error = place.refused(args);
        assert!(error.contains(said), "{args}: {error}");
    }
    assert!(!place.0.join("other").exists(), "what is refused leaves nothing");
}

#[test]
fn a_run_that_is_interrupted_goes_on_to_the_same_numbers() {
    let place = Place::new();
    place.file("data.jsonl", lines(400));
    let train = |out: &str| {
        format!(
            "train --data data.jsonl --method full --epochs 30 --evaluate-every 10 --max-tokens 64 --out {out}"
        )
    };
    let mut child = place
        .command(&train("stopped"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let events = place.0.join("stopped/events.jsonl");
    let has_begun = || fs::read_to_string(&events).is_ok_and(|told| told.contains("\"kind\":\"step\""));
    while !has_begun() {
        assert!(Instant::now() < deadline, "training did not begin");
        assert!(child.try_wait().unwrap().is_none(), "training ended at once");
        std::thread::sleep(Duration::from_millis(5));
    }
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
    let (ok, _, error) = told(child.wait_with_output().unwrap());
    assert!(
        !ok && error.contains("the same command goes on from there"),
        "{error}"
    );
    assert!(!place.0.join("stopped/model").exists());
    assert!(place.text("stopped/curves.svg").contains("<polyline"));

    // With other settings it is not the same run.
    let error = place.refused(&format!("{} --seed 9", train("stopped")));
    assert!(error.contains("other settings, pairs or base model"), "{error}");

    let (ok, resumed, error) = place.run(&train("stopped"));
    assert!(ok && error.contains(", from step "), "{error}");
    let straight = place.done(&train("straight"));
    for what in ["accuracy", "log loss", "AUC", "reward"] {
        assert_eq!(row(&resumed, what), row(&straight, what));
    }
    let course = |out: &str| -> Vec<(Value, Value)> {
        let told = place.text(&format!("{out}/events.jsonl"));
        let event = |line: &str| -> Value { serde_json::from_str(line).unwrap() };
        told.lines()
            .map(event)
            .map(|event| (event["step"].clone(), event["loss"].clone()))
            .collect()
    };
    assert_eq!(course("stopped"), course("straight"), "the curves are whole");
}
