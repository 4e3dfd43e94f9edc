//! A data folder made by an old version (README.md), opened by this one: it migrates, its run goes on to the end, its
//! exports hold the same rows, and people, tokens and pages work.

#[expect(dead_code, reason = "not all of it is needed here")]
#[path = "../support/mod.rs"]
mod support;

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use axum::http::{Method, StatusCode};
use domain::run::{State, progress::Progress};
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::{Value, json};
use store::Store;
use support::Browser;
use uuid::Uuid;

/// What `make.py` wrote down.
#[derive(Deserialize)]
struct Told {
    password: String,
    disabled: String,
    token: String,
    demo: Uuid,
    imported: Uuid,
    done: Uuid,
    half: Uuid,
    projects: BTreeMap<String, Uuid>,
}

/// A copy of the old data folder, gone when dropped.
struct Old {
    folder: PathBuf,
    told: Told,
}

fn here() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/upgrade"))
}

impl Old {
    fn unpacked() -> Old {
        let folder = std::env::temp_dir().join(format!("touchstone-upgrade-{}", Uuid::new_v4().simple()));
        fs::create_dir_all(&folder).unwrap();
        let unpacked = Command::new("tar")
            .args(["xzf", "data.tar.gz", "--no-same-owner", "-C"])
            .arg(&folder)
            .current_dir(here())
            .status()
            .unwrap();
        assert!(unpacked.success());
        let told = serde_json::from_slice(&fs::read(here().join("told.json")).unwrap()).unwrap();
        Old { folder, told }
    }

    fn data_dir(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn command(&self, args: &[&str]) -> Command {
        let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reward_model/tests/fixtures/tiny");
        let mut command = Command::new(env!("CARGO_BIN_EXE_touchstone"));
        command
            .args(args)
            .env("TOUCHSTONE_DATA_DIR", self.data_dir())
            .env("TOUCHSTONE_BASE_MODEL", base)
            .env_remove("TOUCHSTONE_DATABASE_URL")
            .env("RUST_LOG", "warn");
        command
    }

    async fn store(&self) -> Store {
        let url = format!("sqlite:{}", self.data_dir().join("touchstone.db").display());
        Store::connect(&url).await.unwrap()
    }

    /// A browser in which this person is signed in, or has tried to.
    async fn signed_in(&self, store: &Store, email: &str) -> Browser {
        let (router, _) = support::router_over(store.clone(), &self.data_dir(), "http");
        let mut browser = Browser::over(router);
        let form = [("email", email), ("password", &self.told.password)];
        browser.post("/sign-in", &form).await;
        browser
    }
}

impl Drop for Old {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// Killed when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn rows(text: &str) -> Vec<Value> {
    let mut rows: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    // A judgement makes several rows where it is a ranking, a correction one for each response.
    rows.sort_by_key(|row| format!("{}{}{}", row["source_id"], row["chosen"], row["rejected"]));
    rows
}

/// All that the old row says, the new one says too; it may say more. Of what is null, nothing is asked.
fn says_the_same(old: &Value, new: &Value) -> bool {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => old
            .iter()
            .all(|(key, value)| value.is_null() || new.get(key).is_some_and(|new| says_the_same(value, new))),
        (Value::Array(old), Value::Array(new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| says_the_same(old, new))
        }
        _ => old == new,
    }
}

/// The old version called what a file brought a judgement, as if somebody had made it here.
fn as_called_now(mut before: Value, now: &Value) -> Value {
    if before["source"] == "judgement" && now["source"] == "imported" {
        before["source"] = "imported".into();
    }
    before
}

#[test]
fn an_old_data_folder_exports_the_same_rows() {
    let old = Old::unpacked();
    for (name, id) in &old.told.projects {
        let mut packed = Vec::new();
        let file = fs::File::open(here().join(format!("{id}.jsonl.gz"))).unwrap();
        GzDecoder::new(file).read_to_end(&mut packed).unwrap();
        let before = rows(std::str::from_utf8(&packed).unwrap());
        let out = old.folder.join("out.jsonl");
        let exported = old
            .command(&["export", "--project", name, "--out", out.to_str().unwrap()])
            .status()
            .unwrap();
        assert!(exported.success(), "{name}");
        let now = rows(&fs::read_to_string(&out).unwrap());
        assert!(before.len() > 30, "{name}: {}", before.len());
        assert_eq!(now.len(), before.len(), "{name}");
        for (before, now) in before.into_iter().zip(&now) {
            let before = as_called_now(before, now);
            assert!(says_the_same(&before, now), "{name}:\n{before}\n{now}");
        }
    }
}

#[tokio::test]
async fn an_old_run_that_was_stopped_half_way_goes_on_to_its_end() {
    let old = Old::unpacked();
    let store = old.store().await;
    let course = async || {
        let events = store.list_run_events(old.told.half, 0, 1_000_000).await.unwrap();
        Progress::from_events(&events)
    };
    let before = course().await;
    let checkpoint = before.checkpoint.expect("a checkpoint");
    assert!(checkpoint > 0 && before.step < before.steps, "{before:?}");
    let _worker = Process(old.command(&["work"]).stdout(Stdio::null()).spawn().unwrap());
    let started = Instant::now();
    let after = loop {
        let now = course().await;
        if now.state.is_some_and(State::is_final) {
            break now;
        }
        assert!(started.elapsed() < Duration::from_secs(240), "{now:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!((after.state, after.error), (Some(State::Done), None));
    assert_eq!(after.resumed, 1, "it began anew");
    assert_eq!((after.step, after.train), (before.steps, before.train));
    let run = store.find_run(old.told.half).await.unwrap();
    let (scored, all) = store
        .count_scored_responses(run.id, old.told.imported)
        .await
        .unwrap();
    assert_eq!((scored, all), (run.metrics.unwrap().scored, all));
    assert!(
        old.data_dir()
            .join(format!("runs/{}/model/config.json", run.id))
            .exists()
    );
}

#[tokio::test]
async fn people_pages_and_tokens_of_an_old_data_folder_work() {
    let old = Old::unpacked();
    let store = old.store().await;
    let Told {
        demo,
        imported,
        done,
        half,
        ..
    } = old.told;
    let mut gone = old.signed_in(&store, &old.told.disabled).await;
    assert_ne!(gone.get("/").await.status, StatusCode::OK);
    let mut trainer = old.signed_in(&store, "tom@example.org").await;
    for path in ["judge", "judge?kind=ranking", "corrections"] {
        let path = format!("/projects/{demo}/{path}");
        assert_eq!(trainer.get(&path).await.status, StatusCode::OK, "{path}");
    }
    let mut lead = old.signed_in(&store, "lea@example.org").await;
    let mut pages = vec!["/".into(), "/account".into()];
    for project in [demo, imported] {
        for part in ["", "/judge", "/corrections", "/import", "/export", "/train"] {
            pages.push(format!("/projects/{project}{part}"));
        }
    }
    pages.extend([
        format!("/runs/{done}"),
        format!("/runs/{half}"),
        format!("/runs/{done}/scores"),
    ]);
    pages.push(format!("/projects/{imported}/runs/compare?run={done}&run={half}"));
    for path in pages {
        let answer = lead.get(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
    }

    // The stored scores are what the stored model gives.
    let run = store.find_run(done).await.unwrap();
    let compared = store.compare_scores(&run).await.unwrap();
    let pairs = store.show_judged_pairs(done, &compared.pairs[..3]).await.unwrap();
    let items: Vec<Value> = pairs
        .iter()
        .map(|pair| json!({"prompt": pair.prompt, "responses": [pair.chosen, pair.rejected]}))
        .collect();
    let token = format!("Bearer {}", old.told.token);
    let headers = [
        ("authorization", token.as_str()),
        ("content-type", "application/json"),
    ];
    let request = json!({"run": done, "items": items}).to_string();
    let (router, _) = support::router_over(store.clone(), &old.data_dir(), "http");
    let mut program = Browser::over(router);
    let answer = program
        .send(Method::POST, "/api/v1/score", &headers, request)
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let scores: Value = serde_json::from_str(&answer.body).unwrap();
    for (index, pair) in pairs.iter().enumerate() {
        let reward = |place: usize| scores["scores"][index][place]["reward"].as_f64().unwrap();
        assert!((reward(0) - pair.chosen_reward).abs() < 1e-4, "{answer:?}");
        assert!((reward(1) - pair.rejected_reward).abs() < 1e-4, "{answer:?}");
    }
}
