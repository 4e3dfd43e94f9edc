//! From imported pairs to scores, with a tiny base model: by command, killed in the middle, and over the API.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use app::context::Services;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode, header},
};
use domain::{
    permission::Role,
    run::{
        Run, State,
        data::{DataChoice, HeldOut},
        event::RunEvent,
        progress::Progress,
    },
};
use recipe::Method;
use serde_json::{Value, json};
use server::{
    auth::secret::hash_secret,
    rendering::Renderer,
    router::router,
    scoring::ScoringService,
    site::Site,
    state::{AppState, Settings},
    worker::{Stop, WorkerContext},
};
use store::{
    Store,
    api_token::NewToken,
    run::NewRun,
    sea_orm::{ConnectionTrait, Statement},
    user::NewUser,
};
use tower::ServiceExt;
use uuid::Uuid;

const TOKEN: &str = "ts_0123456789abcdef";

/// A data folder of its own, gone when dropped.
struct Place(PathBuf);

impl Place {
    fn new() -> Place {
        let folder = std::env::temp_dir().join(format!("touchstone-train-{}", Uuid::new_v4().simple()));
        fs::create_dir_all(&folder).unwrap();
        Place(folder)
    }

    fn data_dir(&self) -> PathBuf {
        self.0.join("data")
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

    fn run(&self, args: &[&str]) -> String {
        let output = self.command(args).stdin(Stdio::null()).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{args:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Imports so many pairs of which the polite side is preferred.
    fn import(&self, pairs: usize) {
        let lines: Vec<String> = (0..pairs)
            .map(|n| {
                let chosen = format!("thank you, here is help number {n}");
                let rejected = format!("no, {n} is stupid and i will not");
                json!({"prompt": format!("question {n}"), "chosen": chosen, "rejected": rejected}).to_string()
            })
            .collect();
        let file = self.0.join("pairs.jsonl");
        fs::write(&file, lines.join("\n")).unwrap();
        self.run(&["import", file.to_str().unwrap(), "--project", "P"]);
    }

    async fn store(&self) -> Store {
        let url = format!("sqlite:{}", self.data_dir().join("touchstone.db").display());
        Store::connect(&url).await.unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A worker process, killed when dropped.
struct Worker(Child);

impl Worker {
    fn start(place: &Place) -> Worker {
        Worker(place.command(&["work"]).stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // SIGKILL; fails if it has ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

async fn queue_full_run(store: &Store) -> Run {
    let project = store.find_project_by_name("P").await.unwrap().unwrap();
    let mut settings = recipe::Recipe::of(Method::Full);
    settings.epochs = 40;
    settings.max_tokens = 32;
    settings.evaluate_every = 10.0;
    settings.checkpoint_every_steps = 7;
    let choice = DataChoice {
        held_out: HeldOut::Share { percent: 20, seed: 1 },
        ..DataChoice::default()
    };
    let new = NewRun {
        project_id: project.id,
        name: String::new(),
        settings,
        choice,
        created_by: None,
    };
    store.create_run(new).await.unwrap()
}

/// Waits until the run's course is as wanted.
async fn wait_for(store: &Store, run: Uuid, what: &str, wanted: impl Fn(&Progress) -> bool) -> Progress {
    let started = Instant::now();
    loop {
        let events = store.list_run_events(run, 0, 1_000_000).await.unwrap();
        let progress = Progress::from_events(&events);
        if wanted(&progress) {
            return progress;
        }
        assert!(
            started.elapsed() < Duration::from_secs(120),
            "waited for {what}: {progress:?}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_killed_training_goes_on_to_the_same_loss() {
    let place = Place::new();
    place.import(120);
    let store = place.store().await;

    let unbroken = queue_full_run(&store).await;
    let worker = Worker::start(&place);
    let done = |progress: &Progress| progress.state == Some(State::Done);
    let whole = wait_for(&store, unbroken.id, "the unbroken run", done).await;
    drop(worker);

    let broken = queue_full_run(&store).await;
    let worker = Worker::start(&place);
    let half = |progress: &Progress| progress.checkpoint.is_some_and(|step| step >= 14);
    let before = wait_for(&store, broken.id, "a checkpoint", half).await;
    assert!(before.step < before.steps, "killed too late to tell anything");
    drop(worker);
    // What is judged meanwhile is not learnt from: the run's pairs are frozen.
    place.import(130);
    let _worker = Worker::start(&place);
    let rest = wait_for(&store, broken.id, "the resumed run", done).await;

    assert!(rest.resumed >= 1, "it began anew: {rest:?}");
    assert_eq!(rest.train, whole.train);
    assert_eq!(rest.evaluations.len(), whole.evaluations.len());
    for (one, other) in whole.evaluations.iter().zip(&rest.evaluations) {
        assert!(
            (one.loss - other.loss).abs() < 1e-5,
            "step {}: {one:?} {other:?}",
            one.step
        );
    }
    let metrics = store.find_run(broken.id).await.unwrap().metrics.unwrap();
    let expected = store.find_run(unbroken.id).await.unwrap().metrics.unwrap();
    let loss = |metrics: &domain::run::Metrics| metrics.held_out_loss.unwrap();
    assert!((loss(&metrics) - loss(&expected)).abs() < 1e-5);
    assert!(metrics.scored >= 240, "{metrics:?}");
}

#[tokio::test]
async fn a_cancelled_training_stops_and_goes_on_when_asked() {
    let place = Place::new();
    place.import(120);
    let store = place.store().await;
    let run = queue_full_run(&store).await;
    let _worker = Worker::start(&place);
    let begun = |progress: &Progress| progress.checkpoint.is_some();
    wait_for(&store, run.id, "a checkpoint", begun).await;
    store.cancel_run(run.id).await.unwrap();
    let ended = |progress: &Progress| progress.state == Some(State::Cancelled);
    let stopped = wait_for(&store, run.id, "the end", ended).await;
    assert!(
        stopped.step < stopped.steps,
        "cancelled too late to tell anything"
    );
    let lead = NewUser {
        name: "Lea".into(),
        email: "lea@example.org".into(),
        password_hash: "x".into(),
        role: Role::Lead,
    };
    let lead = store.insert_user(lead).await.unwrap();
    store.resume_run(run.id, Some(lead.id)).await.unwrap();
    let done = |progress: &Progress| progress.state == Some(State::Done);
    let rest = wait_for(&store, run.id, "the resumed run", done).await;
    assert!(rest.resumed >= 1, "it began anew: {rest:?}");
    let last = rest.points.last().unwrap();
    assert!(last.learning_rate.is_some() && last.grad_norm.is_some_and(|norm| norm > 0.0));
    assert!(
        rest.evaluations
            .iter()
            .all(|evaluation| evaluation.rewards.is_some())
    );
}

/// A worker of this process, with the tiny base model.
fn worker(store: &Store, place: &Place) -> WorkerContext {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reward_model/tests/fixtures/tiny");
    WorkerContext::new(store.clone(), &place.data_dir(), Some(base))
}

async fn set(store: &Store, sql: &str, id: Uuid) {
    let statement = Statement::from_sql_and_values(store.backend(), sql, [id.into()]);
    store.writer().execute_raw(statement).await.unwrap();
}

#[tokio::test]
async fn a_worker_that_loses_its_lease_leaves_the_run_to_the_other() {
    let place = Place::new();
    place.import(120);
    let store = place.store().await;
    let run = queue_full_run(&store).await;
    let first = worker(&store, &place);
    let (job, lease) = store
        .claim_job_of_run(&first.name, run.id)
        .await
        .unwrap()
        .unwrap();
    let job_id = job.id;
    let losing = tokio::spawn(async move { first.run_job(job, lease, Stop::default()).await });
    let begun = |progress: &Progress| progress.checkpoint.is_some();
    wait_for(&store, run.id, "a checkpoint", begun).await;
    set(
        &store,
        "UPDATE job SET worker = 'another', lease_until = 1 WHERE id = $1",
        job_id,
    )
    .await;
    let stolen = store.list_run_events(run.id, 0, 1_000_000).await.unwrap().len();
    losing.await.unwrap();
    let left = store.find_run(run.id).await.unwrap();
    assert_eq!((left.state, left.metrics), (State::Running, None));
    assert_eq!(store.find_job(job_id).await.unwrap().state, State::Running);
    let told = store.list_run_events(run.id, 0, 1_000_000).await.unwrap().len();
    assert_eq!(told, stolen, "it went on telling");

    // Nobody takes it twice while someone has it; who takes it goes on from the checkpoint.
    let second = worker(&store, &place);
    let (job, lease) = store
        .claim_job_of_run(&second.name, run.id)
        .await
        .unwrap()
        .unwrap();
    assert!(store.claim_job_of_run("third", run.id).await.unwrap().is_none());
    second.run_job(job, lease, Stop::default()).await;
    let done = |progress: &Progress| progress.state == Some(State::Done) && progress.resumed == 1;
    wait_for(&store, run.id, "the end", done).await;
}

#[tokio::test]
async fn a_job_waits_for_its_runs_folder_until_the_other_process_lets_go() {
    let place = Place::new();
    place.import(20);
    let store = place.store().await;
    let run = queue_full_run(&store).await;
    let folder = place.data_dir().join("runs").join(run.id.to_string());
    fs::create_dir_all(&folder).unwrap();
    let other = fs::File::create(folder.join(".lock")).unwrap();
    other.try_lock().unwrap();
    let own = worker(&store, &place);
    let (job, lease) = store.claim_job_of_run(&own.name, run.id).await.unwrap().unwrap();
    let waiting = tokio::spawn(async move { own.run_job(job, lease, Stop::default()).await });
    let waits = |progress: &Progress| {
        progress
            .note
            .as_deref()
            .is_some_and(|note| note.contains("folder"))
    };
    wait_for(&store, run.id, "the note", waits).await;
    assert!(!folder.join("pairs").exists());
    drop(other);
    waiting.await.unwrap();
    assert_eq!(store.find_run(run.id).await.unwrap().state, State::Done);
}

#[tokio::test]
async fn a_run_whose_job_fails_before_it_begins_fails_with_it() {
    let place = Place::new();
    place.import(4);
    let store = place.store().await;
    let run = queue_full_run(&store).await;
    // Settings that no version can read.
    set(
        &store,
        "UPDATE run SET config = '{\"method\": \"dowsing\"}' WHERE id = $1",
        run.id,
    )
    .await;
    let own = worker(&store, &place);
    let (job, lease) = store.claim_job_of_run(&own.name, run.id).await.unwrap().unwrap();
    let id = job.id;
    own.run_job(job, lease, Stop::default()).await;
    assert_eq!(store.find_job(id).await.unwrap().state, State::Failed);
    let events = store.list_run_events(run.id, 0, 100).await.unwrap();
    assert_eq!(Progress::from_events(&events).state, Some(State::Failed));
}

#[tokio::test]
async fn a_killed_command_goes_on_with_its_run_when_it_is_given_again() {
    let place = Place::new();
    place.import(120);
    let store = place.store().await;
    let project = store.find_project_by_name("P").await.unwrap().unwrap().id;
    let flags = [
        "train",
        "--project",
        "P",
        "--method",
        "full",
        "--epochs",
        "40",
        "--max-tokens",
        "32",
    ];
    let more = ["--checkpoint-every-steps", "7"];
    let mut command = place.command(&[&flags[..], &more].concat());
    let killed = Worker(
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let run = loop {
        if let Some(run) = store.list_runs(project, 2).await.unwrap().pop() {
            break run.id;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let begun = |progress: &Progress| progress.checkpoint.is_some();
    wait_for(&store, run, "a checkpoint", begun).await;
    drop(killed);
    let left = store.find_run(run).await.unwrap();
    assert_eq!(left.state, State::Running, "killed too late to tell anything");
    let table = place.run(&[&flags[..], &more].concat());
    assert!(table.contains(&run.to_string()), "{table}");
    let runs = store.list_runs(project, 10).await.unwrap();
    assert_eq!((runs.len(), runs[0].state), (1, State::Done));
    let events = store.list_run_events(run, 0, 1_000_000).await.unwrap();
    assert!(Progress::from_events(&events).resumed >= 1);
}

#[tokio::test]
async fn the_command_resumes_a_cancelled_run_by_its_identifier() {
    let place = Place::new();
    place.import(60);
    let store = place.store().await;
    let run = queue_full_run(&store).await;
    assert_eq!(store.cancel_run(run.id).await.unwrap(), State::Cancelled);
    let id = run.id.to_string();
    let refused = place
        .command(&["train", "--resume", &id, "--epochs", "3"])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("settings that it has"));
    let table = place.run(&["train", "--resume", &id]);
    assert!(table.contains(&id), "{table}");
    assert_eq!(store.find_run(run.id).await.unwrap().state, State::Done);
    // Done is done: the table again, and nothing else.
    assert_eq!(
        place.run(&["train", "--resume", &id]).lines().next(),
        table.lines().next()
    );
}

#[tokio::test]
async fn a_missing_base_model_is_explained_on_the_run() {
    let place = Place::new();
    place.import(4);
    let output = place
        .command(&["train", "--project", "P"])
        .env("TOUCHSTONE_BASE_MODEL", place.0.join("nowhere"))
        .output()
        .unwrap();
    assert!(!output.status.success());
    let store = place.store().await;
    let project = store.find_project_by_name("P").await.unwrap().unwrap();
    let run = store.list_runs(project.id, 1).await.unwrap().remove(0);
    assert_eq!(run.state, State::Failed);
    assert!(run.error.unwrap().contains("TOUCHSTONE_BASE_MODEL"));
}

#[tokio::test]
async fn the_api_and_the_command_give_the_stored_scores() {
    let place = Place::new();
    place.import(60);
    let table = place.run(&[
        "train",
        "--project",
        "P",
        "--held-out",
        "20",
        "--max-tokens",
        "64",
    ]);
    assert!(
        table.contains("held-out accuracy") && table.contains("responses scored   120"),
        "{table}"
    );

    let store = place.store().await;
    let project = store.find_project_by_name("P").await.unwrap().unwrap();
    let run = store.list_runs(project.id, 1).await.unwrap().remove(0);
    let compared = store.compare_scores(&run).await.unwrap();
    let pair = store
        .show_judged_pairs(run.id, &compared.pairs[..1])
        .await
        .unwrap()
        .remove(0);
    let item = json!({"prompt": pair.prompt, "responses": [pair.chosen, pair.rejected]});
    let stored = [pair.chosen_reward, pair.rejected_reward];
    let same = |scores: &Value, place: &str| {
        for (score, stored) in scores.as_array().unwrap().iter().zip(stored) {
            let reward = score["reward"].as_f64().unwrap();
            assert!(
                (reward - stored).abs() < 1e-5,
                "{place}: {reward} is not {stored}"
            );
            assert!(
                score["tokens"].as_u64().unwrap() > 2 && score["cut_tokens"] == 0,
                "{score}"
            );
        }
    };

    let app = serve(&store, &place.data_dir()).await;
    let by_run = ask(&app, Some(TOKEN), &json!({"run": run.id, "items": [item]})).await;
    assert_eq!(by_run.0, StatusCode::OK, "{}", by_run.1);
    same(&by_run.1["scores"][0], "API by run");
    let by_name = ask(&app, Some(TOKEN), &json!({"project": "P", "items": [item]})).await;
    same(&by_name.1["scores"][0], "API by project");

    let refused = [
        (None, json!({"run": run.id, "items": [item]}), 401, "signed_out"),
        (
            Some("ts_wrong"),
            json!({"run": run.id, "items": [item]}),
            401,
            "signed_out",
        ),
        (Some(TOKEN), json!({"run": run.id, "items": []}), 422, "invalid"),
        (Some(TOKEN), json!({"items": [item]}), 422, "invalid"),
        (
            Some(TOKEN),
            json!({"run": Uuid::nil(), "items": [item]}),
            404,
            "not_found",
        ),
        (
            Some(TOKEN),
            json!({"project": "Q", "items": [item]}),
            404,
            "not_found",
        ),
        (Some(TOKEN), json!({"run": 3}), 422, "invalid"),
    ];
    for (token, request, status, kind) in refused {
        let (got, body) = ask(&app, token, &request).await;
        assert_eq!(
            (got.as_u16(), body["kind"].as_str()),
            (status, Some(kind)),
            "{request}: {body}"
        );
        assert!(
            body["message"].as_str().unwrap().ends_with(['.', ' ']) || status == 422,
            "{body}"
        );
    }

    let mut command = place.command(&["score", "--run", &run.id.to_string()]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), item.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    same(&line["scores"], "command");

    // A finished run's events are all there, and a browser that has seen them is told to stop asking.
    let newest = store
        .list_run_events(run.id, 0, 1_000_000)
        .await
        .unwrap()
        .pop()
        .unwrap();
    assert!(matches!(
        newest.event,
        RunEvent::State {
            state: State::Done,
            ..
        }
    ));
}

/// The real router over this store, with a lead's API token.
async fn serve(store: &Store, data_dir: &Path) -> Router {
    let lead = NewUser {
        name: "Lea".into(),
        email: "lea@example.org".into(),
        password_hash: "x".into(),
        role: Role::Lead,
    };
    let lead = store.insert_user(lead).await.unwrap();
    store
        .insert_api_token(NewToken::of(lead.id, "test"), &hash_secret(TOKEN))
        .await
        .unwrap();
    let site = Site::built_in();
    let services = Services {
        store: store.clone(),
        rendering: Arc::new(Renderer::new()),
        hash_secret,
        data_dir: data_dir.into(),
        site: Arc::new(site.names()),
        public_url: "http://touchstone.test".into(),
        scoring: Arc::new(ScoringService::new(data_dir)),
    };
    let settings = Settings {
        max_upload_mb: 16,
        ..Settings::default()
    };
    router(AppState::new(services, settings), site)
}

async fn ask(app: &Router, token: Option<&str>, request: &Value) -> (StatusCode, Value) {
    let mut builder = Request::post("/api/v1/score")
        .header(header::HOST, "touchstone.test")
        .header(header::ORIGIN, "http://touchstone.test")
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        builder = builder.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = builder.body(Body::from(request.to_string())).unwrap();
    let Ok(response) = app.clone().oneshot(request).await;
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}
