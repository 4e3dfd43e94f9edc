//! Fifty prompts with responses that nobody has judged, by command: they go in, are judged and ranked, train a head, and come out.

use std::collections::BTreeMap;

use axum::http::{Method, StatusCode};
use domain::permission::Role;
use serde_json::{Value, json};
use server::auth::password;
use store::{Store, user::NewUser};
use uuid::Uuid;

use crate::{
    place::Place,
    support::{Browser, PASSWORD, router_over},
    unjudged::{ALL_PAIRS, lines},
};

async fn signed_in(place: &Place, store: &Store, name: &str, role: Role) -> Browser {
    let new = NewUser {
        name: name.to_owned(),
        email: format!("{name}@example.org"),
        password_hash: password::hash(PASSWORD.to_owned()).await.unwrap(),
        role,
    };
    store.insert_user(new).await.unwrap();
    let mut browser = Browser::over(router_over(store.clone(), &place.0.join("data"), "http").0);
    browser.sign_in(name).await;
    browser
}

/// Calls a server function as an island does.
async fn call(browser: &mut Browser, path: &str, body: Value) -> Value {
    let headers = [
        ("content-type", "application/json"),
        ("accept", "application/json"),
    ];
    let answer = browser.send(Method::POST, path, &headers, body.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

/// Judges everything of a kind, the response with the smaller number always better; how many there were.
async fn judge(browser: &mut Browser, project: Uuid, kind: &str) -> usize {
    let mut judged = 0;
    loop {
        let asked = json!({"project": project, "kind": kind, "without": []});
        let tasks = call(browser, "/fn/judge/next", asked).await;
        let tasks = tasks.as_array().unwrap();
        if tasks.is_empty() {
            return judged;
        }
        for task in tasks {
            let shown = task["responses"].as_array().unwrap();
            let mut best_first: Vec<(u32, &Value)> = shown
                .iter()
                .map(|response| (number(response["html"].as_str().unwrap()), &response["id"]))
                .collect();
            best_first.sort_by_key(|(number, _)| *number);
            let ranking: Vec<[&Value; 1]> = best_first.iter().map(|(_, id)| [*id]).collect();
            let verdict = match kind {
                "pair" => json!({"verdict": "preferred", "strength": "much"}),
                _ => json!({"verdict": "ranked"}),
            };
            let submission = json!({
                "id": Uuid::new_v4(), "comparison_id": task["comparison_id"], "verdict": verdict, "ranking": ranking,
                "presented": shown.iter().map(|response| &response["id"]).collect::<Vec<_>>(),
                "flagged": false, "justification": null, "confidence": null, "active_ms": 900, "supersedes": null,
            });
            let body = json!({"project": project, "submission": submission});
            call(browser, "/fn/judge/submit", body).await;
            judged += 1;
        }
    }
}

/// The number of an answer of [`lines`].
fn number(text: &str) -> u32 {
    let behind = text.split("Answer ").nth(1).unwrap();
    behind.split(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn fifty_prompts_with_two_to_nine_responses_are_ranked_train_a_head_and_come_out_again() {
    let place = Place::new();
    let file = place.file("answers.jsonl", lines().as_bytes());
    let (ok, report, error) = place.import(&file, &["--make", "ranking"]);
    assert!(ok && report.contains("50 new comparisons"), "{report}{error}");

    let url = format!("sqlite:{}", place.0.join("data/touchstone.db").display());
    let store = Store::connect(&url).await.unwrap();
    let project = store.find_project_by_name("P").await.unwrap().unwrap().id;
    let mut browser = signed_in(&place, &store, "ada", Role::Trainer).await;
    // Seven prompts have two responses: those are pairs.
    assert_eq!(judge(&mut browser, project, "pair").await, 7);
    assert_eq!(judge(&mut browser, project, "ranking").await, 43);

    let base = concat!(env!("CARGO_MANIFEST_DIR"), "/../reward_model/tests/fixtures/tiny");
    let train = [
        "train",
        "--project",
        "P",
        "--method",
        "head",
        "--max-tokens",
        "32",
    ];
    let trained = place
        .command(&train)
        .env("TOUCHSTONE_BASE_MODEL", base)
        .output()
        .unwrap();
    let table = String::from_utf8_lossy(&trained.stdout);
    assert!(
        trained.status.success() && table.contains("responses scored   269"),
        "{table}{}",
        String::from_utf8_lossy(&trained.stderr)
    );

    let run = store.list_runs(project, 1).await.unwrap().remove(0);
    // Another run goes on from its model; a path is no name of one.
    let trained_on = |name: &str| {
        let more = ["--base", name, "--name", "on"];
        let mut command = place.command(&[&train[..], &more].concat());
        command.env("TOUCHSTONE_BASE_MODEL", base).output().unwrap()
    };
    let refused = trained_on(place.0.to_str().unwrap());
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && error.contains("base_model: it is neither a model trained here"),
        "{error}"
    );
    let on = trained_on(&run.id.to_string());
    assert!(on.status.success(), "{}", String::from_utf8_lossy(&on.stderr));
    let newer = store.list_runs(project, 1).await.unwrap().remove(0);
    assert_eq!(
        (newer.name.as_str(), newer.settings.base_model),
        ("on", run.id.to_string().into())
    );
    let held_out = run.metrics.unwrap().held_out.unwrap().of;
    let predictions = format!("/runs/{}/predictions.jsonl", run.id);
    let mut reviewer = signed_in(&place, &store, "rita", Role::Reviewer).await;
    let file = reviewer.get(&predictions).await;
    assert!(
        held_out > 0 && file.body.lines().count() as u64 == held_out,
        "{}",
        file.body
    );
    assert!(
        reviewer
            .get(&format!("/runs/{}", run.id))
            .await
            .body
            .contains(&predictions)
    );
    let missing = reviewer
        .get(&predictions.replace(&run.id.to_string(), &Uuid::nil().to_string()))
        .await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);

    let mut of_prompt = BTreeMap::<String, usize>::new();
    for line in place.export() {
        let text = |side: &str| line[side][0]["content"].as_str().unwrap().to_owned();
        assert!(number(&text("chosen")) < number(&text("rejected")), "{line}");
        *of_prompt.entry(text("prompt")).or_default() += 1;
    }
    assert_eq!(of_prompt.len(), 50);
    assert_eq!(of_prompt.values().sum::<usize>() as u64, ALL_PAIRS);
}
