//! Prompts with responses that nobody has judged: what is made of them is asked, counted and made, by command and by page.

use axum::http::{Method, StatusCode};
use domain::{import::ImportReport, job::JobKind, permission::Role};
use serde_json::{Value, json};
use server::worker::{Stop, WorkerContext};
use store::{Store, project::NewProject};
use uuid::Uuid;

use crate::{
    place::Place,
    support::{Browser, TestApp},
};

/// Fifty prompts with two to nine responses, as texts, objects and messages.
pub fn lines() -> String {
    let line = |n: usize| {
        let responses: Vec<Value> = (0..2 + n % 8)
            .map(|r| match r % 3 {
                0 => json!(format!("Answer {r} to {n}")),
                1 => json!({"text": format!("Answer {r} to {n}"), "model": format!("m{r}"), "tokens": r}),
                _ => json!({"role": "assistant", "content": format!("Answer {r} to {n}")}),
            })
            .collect();
        let prompt = match n % 2 {
            0 => json!(format!("Question {n}?")),
            _ => json!([{"role": "user", "content": format!("Question {n}?")}]),
        };
        json!({"id": n, "prompt": prompt, "responses": responses}).to_string() + "\n"
    };
    (0..50).map(line).collect()
}

/// Of two to nine responses each, over fifty prompts: n (n − 1) / 2 each.
pub const ALL_PAIRS: u64 = 6 * (1 + 3 + 6 + 10 + 15 + 21 + 28 + 36) + 1 + 3;
/// At most three of each prompt.
const THREE_PAIRS: u64 = 50 * 3 - 7 * 2;

#[test]
fn the_command_asks_what_is_made_and_makes_as_many_as_it_told() {
    let place = Place::new();
    let file = place.file("answers.jsonl", lines().as_bytes());
    let (ok, _, error) = place.import(&file, &[]);
    assert!(!ok, "{error}");
    for said in [
        "50 prompts come with up to 9 responses each that nobody has judged".to_owned(),
        "--make ranking: 50 comparisons".to_owned(),
        format!("--make all-pairs: {ALL_PAIRS} comparisons"),
        format!("{THREE_PAIRS} with 3"),
    ] {
        assert!(error.contains(&said), "{said}: {error}");
    }
    let random = ["--make", "random-pairs", "--pairs-per-prompt", "3", "--seed", "7"];
    let (ok, plan, error) = place.import(&file, &[&random[..], &["--dry-run"]].concat());
    assert!(
        ok && plan.contains(&format!(
            "unjudged responses: {THREE_PAIRS} comparisons of 50 prompts"
        )),
        "{plan}{error}"
    );
    let (exported, _, _) = place.run(&["export", "--project", "P"]);
    assert!(!exported, "nothing is written before it is said what is made");

    for (project, make, made) in [
        ("Ranked", &["--make", "ranking"][..], 50),
        ("All", &["--make", "all-pairs"][..], ALL_PAIRS),
        ("Some", &random[..], THREE_PAIRS),
    ] {
        let (ok, report, error) = place.import_into(project, &file, make);
        let said = format!("50 new prompts, 269 new responses, {made} new comparisons");
        assert!(ok && report.contains(&said), "{project}: {report}{error}");
        assert!(
            error.contains(&format!("unjudged responses: {made} comparisons of 50 prompts")),
            "{error}"
        );
        let (ok, report, _) = place.import_into(project, &file, make);
        assert!(
            ok && report.starts_with("0 of 50 rows imported, 50 already there"),
            "{report}"
        );
    }
    let error = place.import(&file, &["--make", "random-pairs"]).2;
    assert!(error.contains("--pairs-per-prompt"), "{error}");
}

/// The demo's own file is of the commonest shape, too.
#[test]
fn the_demos_own_file_goes_in() {
    let place = Place::new();
    let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/../domain/demo/demo.jsonl");
    let (ok, report, error) = place.import(demo.as_ref(), &["--make", "all-pairs"]);
    assert!(
        ok && report.contains("50 new prompts, 200 new responses, 300 new comparisons"),
        "{report}{error}"
    );
}

#[test]
fn lines_that_cannot_be_compared_are_named() {
    let place = Place::new();
    let line = |value: Value| value.to_string() + "\n";
    let many: Vec<String> = (0..10).map(|n| format!("answer {n}")).collect();
    let content = [
        line(json!({"prompt": "a", "responses": ["b", "c"]})),
        line(json!({"question": "a", "answer_0": "d", "answer_1": "e"})),
        line(json!({"prompt": "a", "response_a": "f", "response_b": "g", "model_a": "m"})),
        line(json!({"prompt": "a", "responses": ["b", "b"]})),
        line(json!({"prompt": "a", "responses": many})),
        line(json!({"prompt": "a", "responses": []})),
        line(json!({"prompt": "a", "responses": [{"words": "b"}, "c"]})),
        line(json!({"prompt": "a", "response_a": "h", "response_b": "i", "winner": "model_a"})),
    ]
    .concat();
    let file = place.file("mixed.jsonl", content.as_bytes());
    let (ok, report, error) = place.import(&file, &["--on-error", "skip"]);
    assert!(
        ok && report.contains("3 of 8 rows imported, 0 already there, 1 left out, 4 refused"),
        "{report}{error}"
    );
    for said in [
        "left out: mixed.jsonl:4: holds one response",
        "mixed.jsonl:5: holds 10 different responses: at most 9 are compared",
        "mixed.jsonl:6: responses: holds no responses",
        "mixed.jsonl:7: responses[0].text: is missing",
        "mixed.jsonl:8: says which response is better in columns that are not read yet: winner",
    ] {
        assert!(error.contains(said), "{said}: {error}");
    }
}

/// Posts a file to the project's page of imports, as a browser does.
async fn upload(browser: &mut Browser, project: Uuid, content: &str) {
    let body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"answers.jsonl\"\r\n\r\n{content}\r\n--b--\r\n"
    );
    let kind = [("content-type", "multipart/form-data; boundary=b")];
    let answer = browser
        .send(
            Method::POST,
            &format!("/projects/{project}/import/upload"),
            &kind,
            body,
        )
        .await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
}

/// Does the job that waits.
async fn work(store: &Store) -> ImportReport {
    let worker = WorkerContext::new(store.clone(), &std::env::temp_dir(), None);
    let (job, lease) = store
        .claim_job(&worker.name, &[JobKind::Import])
        .await
        .unwrap()
        .unwrap();
    let id = job.id;
    worker.run_job(job, lease, Stop::default()).await;
    let ended = store.find_job(id).await.unwrap();
    assert_eq!(ended.error, None);
    ended.result().unwrap()
}

#[tokio::test]
async fn the_page_tells_the_numbers_before_anything_is_written_and_imports_what_is_chosen() {
    let app = TestApp::new().await;
    let store = app.db.store();
    let new = |name: &str| NewProject {
        name: name.into(),
        instructions: String::new(),
        demo: false,
        created_by: None,
    };
    let project = store.insert_project(new("Answers")).await.unwrap().id;
    let page = format!("/projects/{project}/import");
    let mut lead = app.signed_in("lea", Role::Lead).await;
    upload(&mut lead, project, &lines()).await;
    assert!(work(&store).await.asks);
    assert_eq!(store.summarise_project(project).await.unwrap().prompts, 0);
    let shown = lead.get(&page).await.body;
    for said in [
        "50 prompts come with 2 to 9 responses each".to_owned(),
        "one order: 50 comparisons".to_owned(),
        format!("each other one: {ALL_PAIRS} comparisons").replace("720", "720"),
        format!("3: {THREE_PAIRS} comparisons"),
    ] {
        assert!(shown.contains(&said), "{said}: {shown}");
    }
    let mark = "name=\"job\" value=\"";
    let job = shown
        .split(mark)
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    let answer = [
        ("job", job.as_str()),
        ("make", "random-pairs"),
        ("pairs_per_prompt", "3"),
        ("seed", "1"),
    ];
    let mut trainer = app.signed_in("tim", Role::Trainer).await;
    trainer.post("/fn/import/answer", &answer).await;
    assert!(
        store
            .claim_job("nobody", &[JobKind::Import])
            .await
            .unwrap()
            .is_none(),
        "a trainer may not answer"
    );
    let done = lead.post("/fn/import/answer", &answer).await;
    assert_eq!(done.location(), page, "{}", done.body);
    lead.post("/fn/import/answer", &answer).await;
    assert!(
        lead.flash(&page)
            .await
            .contains("was imported or removed already")
    );
    let report = work(&store).await;
    assert_eq!((report.imported, report.comparisons), (50, THREE_PAIRS));
    assert!(
        !lead.get(&page).await.body.contains("name=\"make\""),
        "the question is answered"
    );

    // What nobody wants is gone.
    upload(&mut lead, project, &lines()).await;
    work(&store).await;
    let shown = lead.get(&page).await.body;
    let job = shown
        .split(mark)
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    lead.post("/fn/import/discard", &[("job", &job)]).await;
    assert!(!lead.get(&page).await.body.contains("name=\"make\""));
}
