//! Everything that a browser or a program can reach, and the least role that may: each of it is tried by everyone. What is
//! found in the sources and not in these tables fails the test, so that nothing new is forgotten.

mod support;

use std::{collections::BTreeSet, fs, path::Path};

use axum::http::{Method, StatusCode};
use domain::permission::Role;
use support::{Browser, PASSWORD, TestApp};

const ID: &str = "018f0000-0000-7000-8000-000000000000";

/// `(endpoint below /fn/, least role, a form that reaches the function's body, or JSON)`.
const FUNCTIONS: &[(&str, Role, &str)] = &[
    ("assignment/set", Role::Lead, "project=ID&wanted=1"),
    ("assignment/choose", Role::Lead, "form[project]=ID"),
    (
        "corrections/save",
        Role::Trainer,
        "project=ID&comparison=ID&id=ID",
    ),
    ("import/watch", Role::Lead, "job=ID"),
    (
        "import/answer",
        Role::Lead,
        "job=ID&make=ranking&pairs_per_prompt=1&seed=0",
    ),
    ("import/cancel", Role::Lead, "job=ID"),
    ("import/discard", Role::Lead, "job=ID"),
    (
        "judge/next",
        Role::Trainer,
        r#"{"project":"ID","kind":"pair","without":[],"seat":"ID"}"#,
    ),
    (
        "judge/hold",
        Role::Trainer,
        r#"{"project":"ID","kind":"pair","seat":"ID","shown":[],"ahead":[]}"#,
    ),
    (
        "judge/give-back",
        Role::Trainer,
        r#"{"seat":"ID","comparisons":[]}"#,
    ),
    (
        "judge/progress",
        Role::Trainer,
        r#"{"project":"ID","kind":"pair"}"#,
    ),
    (
        "judge/task",
        Role::Trainer,
        r#"{"project":"ID","comparison":"ID"}"#,
    ),
    (
        "judge/submit",
        Role::Trainer,
        r#"{"project":"ID","submission":{"id":"ID","comparison_id":"ID","verdict":{"verdict":"tied"},"ranking":[],"presented":[],"flagged":false,"justification":null,"confidence":null,"active_ms":null,"supersedes":null}}"#,
    ),
    ("judge/form", Role::Trainer, "form[project]=ID"),
    (
        "judge/undo",
        Role::Trainer,
        "project=ID&comparison=ID&id=ID&old=ID",
    ),
    ("projects/create", Role::Lead, "name="),
    ("projects/create-demo", Role::Lead, ""),
    ("projects/instructions", Role::Lead, "project=ID&instructions=x"),
    ("runs/create", Role::Lead, "form[project]=ID"),
    ("runs/count", Role::Reviewer, "form[project]=ID"),
    ("runs/cancel", Role::Lead, "id=ID"),
    ("runs/resume", Role::Lead, "id=ID"),
    ("scores/try", Role::Reviewer, "run=ID&prompt=x&responses[0]=y"),
];

/// `(method, path, least role)`; None where nobody needs to be signed in.
const ROUTES: &[(&str, &str, Option<Role>)] = &[
    ("POST", "/account/name", Some(Role::Trainer)),
    ("POST", "/account/password", Some(Role::Trainer)),
    ("POST", "/account/sessions/{id}/end", Some(Role::Trainer)),
    ("POST", "/account/tokens", Some(Role::Lead)),
    ("POST", "/account/tokens/{id}/revoke", Some(Role::Trainer)),
    ("GET", "/api/v1/openapi.json", None),
    ("GET", "/api/v1/projects/{id}/export.jsonl", Some(Role::Lead)),
    ("POST", "/api/v1/score", Some(Role::Reviewer)),
    ("GET", "/favicon.svg", None),
    ("GET", "/health", None),
    ("POST", "/join/{token}", None),
    ("GET", "/pkg/{*file}", None),
    ("GET", "/projects/{id}/export.jsonl", Some(Role::Lead)),
    ("POST", "/projects/{id}/import/upload", Some(Role::Lead)),
    ("GET", "/robots.txt", None),
    ("GET", "/runs/{id}/events", Some(Role::Reviewer)),
    ("GET", "/runs/{id}/log.txt", Some(Role::Reviewer)),
    ("GET", "/runs/{id}/predictions.jsonl", Some(Role::Reviewer)),
    ("POST", "/setup", None),
    ("POST", "/sign-in", None),
    ("POST", "/sign-out", None),
    ("POST", "/team/invites", Some(Role::Lead)),
    ("POST", "/team/invites/{id}/cancel", Some(Role::Lead)),
    ("POST", "/team/people/{id}/disable", Some(Role::Owner)),
    ("POST", "/team/people/{id}/enable", Some(Role::Owner)),
    ("POST", "/team/people/{id}/role", Some(Role::Owner)),
    ("POST", "/team/tokens/{id}/revoke", Some(Role::Owner)),
    ("POST", "/theme", None),
    // The last, since it signs out.
    ("POST", "/account/sessions/end", Some(Role::Trainer)),
];

/// Routes that only lead on to others: to server functions, and to the answer that there is nothing.
const DISPATCHERS: [&str; 2] = ["/fn/{*path}", "/api/{*path}"];

/// `(path, least role)`; None where nobody needs to be signed in.
const PAGES: &[(&str, Option<Role>)] = &[
    ("/", Some(Role::Trainer)),
    ("/setup", None),
    ("/sign-in", None),
    ("/join/:token", None),
    ("/team", Some(Role::Lead)),
    ("/confirm", Some(Role::Lead)),
    ("/account", Some(Role::Trainer)),
    ("/projects/:id", Some(Role::Trainer)),
    ("/projects/:id/judge", Some(Role::Trainer)),
    ("/projects/:id/corrections", Some(Role::Trainer)),
    ("/projects/:id/assignment", Some(Role::Lead)),
    ("/projects/:id/prompts", Some(Role::Reviewer)),
    ("/projects/:id/prompts/:prompt", Some(Role::Reviewer)),
    ("/projects/:id/judgements", Some(Role::Trainer)),
    ("/projects/:id/import", Some(Role::Lead)),
    ("/projects/:id/export", Some(Role::Lead)),
    ("/projects/:id/train", Some(Role::Reviewer)),
    ("/projects/:id/runs/compare", Some(Role::Reviewer)),
    ("/runs/:id", Some(Role::Reviewer)),
    ("/runs/:id/scores", Some(Role::Reviewer)),
];

/// A browser of each role, and one that is signed in as nobody.
async fn everyone(app: &TestApp) -> Vec<(Option<Role>, Browser)> {
    let mut all = vec![(None, app.browser())];
    for role in Role::ALL {
        all.push((Some(role), app.signed_in(role.as_str(), role).await));
    }
    all
}

/// Whether an answer is the one for somebody of `role` where `least` is needed.
fn is_right(status: StatusCode, role: Option<Role>, least: Option<Role>) -> bool {
    match (role, least) {
        (None, Some(_)) => status == StatusCode::UNAUTHORIZED,
        (Some(role), Some(least)) if role < least => status == StatusCode::FORBIDDEN,
        _ => status != StatusCode::UNAUTHORIZED && status != StatusCode::FORBIDDEN,
    }
}

/// What stands in quotes after each `mark` in the sources below a folder.
fn quoted_after(folder: &str, mark: &str) -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut folders = vec![root];
    let mut found = BTreeSet::new();
    while let Some(path) = folders.pop() {
        if path.is_dir() {
            folders.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let source = fs::read_to_string(&path).unwrap();
        for rest in source.split(mark).skip(1) {
            let text = rest.trim_start();
            let quoted = text.strip_prefix('"').and_then(|text| text.split('"').next());
            found.extend(quoted.map(str::to_owned));
        }
    }
    assert!(!found.is_empty(), "nothing after {mark} in {folder}");
    found
}

#[test]
fn nothing_that_can_be_reached_is_missing_in_the_tables() {
    let mut functions = quoted_after("../app/src/server_fns", "endpoint = ");
    functions.remove("<noun>/<verb>");
    let listed = FUNCTIONS
        .iter()
        .map(|(endpoint, ..)| (*endpoint).to_owned())
        .collect();
    assert_eq!(functions, listed, "server functions");

    let mut routes = quoted_after("src", ".route(");
    DISPATCHERS
        .iter()
        .for_each(|path| assert!(routes.remove(*path), "{path}"));
    let listed = ROUTES.iter().map(|(_, path, _)| (*path).to_owned()).collect();
    assert_eq!(routes, listed, "routes");

    let pages = quoted_after("../app/src/routes.rs", "path!(");
    let listed = PAGES.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(pages, listed, "pages");
}

#[tokio::test]
async fn every_function_is_refused_to_those_below_it() {
    let app = TestApp::new().await;
    for (role, mut browser) in everyone(&app).await {
        for (endpoint, least, body) in FUNCTIONS {
            let kind = match body.starts_with('{') {
                true => "application/json",
                false => "application/x-www-form-urlencoded",
            };
            let headers = [("accept", "application/json"), ("content-type", kind)];
            let path = format!("/fn/{endpoint}");
            let answer = browser
                .send(Method::POST, &path, &headers, body.replace("ID", ID))
                .await;
            assert!(
                is_right(answer.status, role, Some(*least)),
                "{role:?} at {path}: {} {}",
                answer.status,
                answer.body
            );
            assert!(
                !answer.body.contains("request is incomplete") && !answer.body.contains("cannot be read"),
                "{path} was not reached: {}",
                answer.body
            );
        }
    }
}

#[tokio::test]
async fn every_route_is_refused_to_those_below_it() {
    let app = TestApp::new().await;
    for (role, mut browser) in everyone(&app).await {
        for (method, path, least) in ROUTES {
            let form = format!(
                "confirm_password={}&name=x&email=x&password=x&current=x&role=trainer",
                PASSWORD.replace(' ', "+")
            );
            let kind = match path.ends_with("/upload") {
                true => "multipart/form-data; boundary=b",
                false => "application/x-www-form-urlencoded",
            };
            let headers = [("content-type", kind)];
            let path = path
                .replace("{id}", ID)
                .replace("{token}", "x")
                .replace("{*file}", "x");
            let (method, body) = match *method {
                "GET" => (Method::GET, String::new()),
                _ => (Method::POST, form),
            };
            let answer = browser.send(method, &path, &headers, body).await;
            if role.is_none() && least.is_some() && answer.status == StatusCode::SEE_OTHER {
                assert!(
                    answer.location().starts_with("/sign-in"),
                    "{path}: {}",
                    answer.location()
                );
                continue;
            }
            assert!(
                is_right(answer.status, role, *least),
                "{role:?} at {path}: {} {}",
                answer.status,
                answer.body
            );
            if let ("/sign-out", Some(role)) = (path.as_str(), role) {
                browser.sign_in(role.as_str()).await;
            }
        }
    }
}

#[tokio::test]
async fn every_page_is_refused_to_those_below_it() {
    let app = TestApp::new().await;
    for (role, mut browser) in everyone(&app).await {
        for (path, least) in PAGES {
            let path = path
                .replace(":id", ID)
                .replace(":prompt", ID)
                .replace(":token", "x");
            let answer = browser.get(&path).await;
            if role.is_none() && least.is_some() {
                let to = answer.location();
                assert!(to.starts_with("/sign-in"), "nobody at {path}: {to}");
                continue;
            }
            assert!(
                is_right(answer.status, role, *least),
                "{role:?} at {path}: {}",
                answer.status
            );
        }
    }
}

#[tokio::test]
async fn roles_are_read_anew_at_each_request() {
    let app = TestApp::new().await;
    app.person("olga", Role::Owner).await;
    let mut browser = app.signed_in("tom", Role::Trainer).await;
    let tom = app
        .db
        .find_credentials("tom@example.org")
        .await
        .unwrap()
        .unwrap()
        .0
        .id;
    for (role, status) in [
        (Role::Lead, StatusCode::OK),
        (Role::Reviewer, StatusCode::FORBIDDEN),
        (Role::Lead, StatusCode::OK),
    ] {
        app.db.set_role(tom, role).await.unwrap();
        assert_eq!(browser.get("/team").await.status, status, "{role:?}");
    }
    browser.post("/account/name", &[("name", "Tom")]).await;
    assert!(
        browser.flash("/account").await.contains("name is changed"),
        "it is the same session"
    );
}
