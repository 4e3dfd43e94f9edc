//! Accounts through the real router: set-up, sign-in, invitations, roles, tokens, origins, the policy.

mod support;

use std::time::{Duration, Instant};

use axum::http::{Method, StatusCode};
use domain::permission::Role;
use server::{
    auth::throttle::PER_EMAIL,
    limits::{MAX_FORM, MAX_FUNCTION},
};
use store::TestDb;
use support::{PASSWORD, TestApp};

const OWNER: [(&str, &str); 3] = [
    ("name", "Olga"),
    ("email", "olga@example.org"),
    ("password", PASSWORD),
];

#[tokio::test]
async fn the_first_visitor_becomes_the_owner_and_nobody_after() {
    for db in TestDb::each().await {
        let app = TestApp::on(db);
        let mut first = app.browser();
        assert_eq!(first.get("/").await.location(), "/setup");
        assert_eq!(first.get("/sign-in").await.location(), "/setup");
        assert!(first.get("/setup").await.body.contains("Create the owner"));
        let mut wrong = OWNER.to_vec();
        wrong.push(("code", "0123456789abcdef"));
        assert_eq!(first.post("/setup", &wrong).await.location(), "/setup");
        assert!(first.flash("/setup").await.contains("set-up code is not right"));
        assert!(app.db.is_fresh().await.unwrap());
        assert_eq!(first.post("/setup", &OWNER).await.location(), "/");
        let home = first.get("/").await;
        assert_eq!(home.status, StatusCode::OK);
        assert!(home.body.contains("Olga") && home.body.contains("Projects"));

        let mut second = app.browser();
        assert_eq!(second.get("/setup").await.status, StatusCode::CONFLICT);
        let again = [
            ("name", "Eve"),
            ("email", "eve@example.org"),
            ("password", PASSWORD),
        ];
        assert_eq!(second.post("/setup", &again).await.location(), "/sign-in");
        assert_eq!(app.db.list_people().await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_short_password_is_refused_with_a_sentence() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let form = [
        ("name", "Olga"),
        ("email", "olga@example.org"),
        ("password", "short"),
    ];
    let code = browser.setup_code.clone();
    let back = browser.post("/setup", &form).await.location().to_owned();
    assert_eq!(back, format!("/setup?code={code}"));
    let page = browser.get(&back).await.body;
    assert!(page.contains("at least 10 characters"));
    for kept in ["Olga", "olga@example.org", &code] {
        assert!(
            page.contains(&format!("value=\"{kept}\"")),
            "{kept} is to be typed again"
        );
    }
    assert!(app.db.is_fresh().await.unwrap());
}

#[tokio::test]
async fn signing_in_goes_where_one_wanted_and_never_elsewhere() {
    let app = TestApp::new().await;
    app.person("tom", Role::Trainer).await;
    let mut browser = app.browser();
    let asked = browser.get("/account?x=1").await;
    assert_eq!(asked.location(), "/sign-in?next=/account%3Fx%3D1");
    assert!(
        browser
            .get(asked.location())
            .await
            .body
            .contains("value=\"/account?x=1\"")
    );
    for (next, to) in [
        ("/account?x=1", "/account?x=1"),
        ("https://evil.example", "/"),
        ("//evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("/\u{b}/evil.example", "/"),
        ("/é", "/"),
    ] {
        let form = [
            ("email", "TOM@example.org"),
            ("password", PASSWORD),
            ("next", next),
        ];
        assert_eq!(app.browser().post("/sign-in", &form).await.location(), to);
    }
}

#[tokio::test]
async fn wrong_passwords_and_unknown_people_get_one_answer() {
    let app = TestApp::new().await;
    app.person("tom", Role::Trainer).await;
    let mut answers = Vec::new();
    for email in ["tom@example.org", "nobody@example.org"] {
        let mut browser = app.browser();
        let form = [("email", email), ("password", "not the password")];
        assert_eq!(browser.post("/sign-in", &form).await.location(), "/sign-in");
        assert!(!browser.cookies.contains_key("session"));
        answers.push(browser.flash("/sign-in").await);
    }
    assert_eq!(answers[0], answers[1]);
    assert!(answers[0].contains("Wrong email or password"));
}

/// Whoever has no account costs a hash as well: otherwise the time of an answer tells which addresses have one.
#[tokio::test]
async fn the_time_of_an_answer_tells_nothing() {
    let app = TestApp::new().await;
    app.person("tom", Role::Trainer).await;
    let mut browser = app.browser();
    let mut quickest = [Duration::MAX; 2];
    for _ in 0..PER_EMAIL.get() / 2 {
        for (email, quickest) in ["tom@example.org", "nobody@example.org"]
            .into_iter()
            .zip(&mut quickest)
        {
            let form = [("email", email), ("password", "not the password")];
            let asked = Instant::now();
            browser.post("/sign-in", &form).await;
            *quickest = asked.elapsed().min(*quickest);
        }
    }
    let [known, unknown] = quickest;
    // A hash takes more than ten times what all else does.
    assert!(
        unknown > known / 4 && known > unknown / 4,
        "{known:?} and {unknown:?}"
    );
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let app = TestApp::new().await;
    app.person("tom", Role::Trainer).await;
    let mut browser = app.browser();
    for _ in 0..PER_EMAIL.get() {
        let form = [("email", "tom@example.org"), ("password", "guess")];
        assert_eq!(browser.post("/sign-in", &form).await.header("retry-after"), "");
    }
    let right = browser.sign_in("tom").await;
    assert_eq!(right.header("retry-after"), "60");
    assert!(browser.flash("/sign-in").await.contains("Too many attempts"));
    app.person("ann", Role::Trainer).await;
    assert_eq!(
        browser.sign_in("ann").await.location(),
        "/",
        "others are not held up"
    );
}

#[tokio::test]
async fn a_session_ends_with_sign_out_a_new_password_or_a_disabled_account() {
    for db in TestDb::each().await {
        let app = TestApp::on(db);
        let mut one = app.signed_in("tom", Role::Trainer).await;
        let mut two = app.browser();
        two.sign_in("tom").await;
        let form = [("current", PASSWORD), ("password", "quite another one")];
        assert_eq!(one.post("/account/password", &form).await.location(), "/account");
        assert!(one.flash("/account").await.contains("password is changed"));
        assert_eq!(one.get("/").await.status, StatusCode::OK);
        assert!(
            two.get("/").await.location().starts_with("/sign-in"),
            "the other session is out"
        );

        let stolen = one.cookies.clone();
        assert_eq!(one.post("/sign-out", &[]).await.location(), "/sign-in");
        let mut thief = app.browser();
        thief.cookies = stolen;
        assert!(thief.get("/").await.location().starts_with("/sign-in"));

        let mut owner = app.signed_in("olga", Role::Owner).await;
        let mut ann = app.signed_in("ann", Role::Lead).await;
        let id = app
            .db
            .find_credentials("ann@example.org")
            .await
            .unwrap()
            .unwrap()
            .0
            .id;
        owner.post(&format!("/team/people/{id}/disable"), &[]).await;
        assert!(
            ann.get("/").await.location().starts_with("/sign-in"),
            "out at once"
        );
        assert_eq!(ann.sign_in("ann").await.location(), "/sign-in");
    }
}

#[tokio::test]
async fn an_invitation_makes_one_account_of_its_role() {
    let app = TestApp::new().await;
    let mut owner = app.signed_in("olga", Role::Owner).await;
    assert_eq!(
        owner
            .post("/team/invites", &[("role", "reviewer")])
            .await
            .location(),
        "/team"
    );
    let flash = owner.flash("/team").await;
    let link = flash
        .split("http://touchstone.test")
        .nth(1)
        .unwrap()
        .split('<')
        .next()
        .unwrap()
        .to_owned();
    assert!(!owner.get("/team").await.body.contains(&link), "shown once");

    let mut guest = app.browser();
    assert!(guest.get(&link).await.body.contains("<strong>reviewer</strong>"));
    let form = [
        ("name", "Rita"),
        ("email", "rita@example.org"),
        ("password", PASSWORD),
    ];
    assert_eq!(guest.post(&link, &form).await.location(), "/");
    assert_eq!(guest.get("/").await.status, StatusCode::OK);
    let rita = app
        .db
        .find_credentials("rita@example.org")
        .await
        .unwrap()
        .unwrap()
        .0;
    assert_eq!(rita.role, Role::Reviewer);

    let mut late = app.browser();
    assert_eq!(late.get(&link).await.status, StatusCode::NOT_FOUND);
    let form = [
        ("name", "Eve"),
        ("email", "eve@example.org"),
        ("password", PASSWORD),
    ];
    assert_eq!(late.post(&link, &form).await.location(), link);
    assert!(
        app.db
            .find_credentials("eve@example.org")
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_trainer_is_refused_what_is_the_owners() {
    let app = TestApp::new().await;
    let owner = app.person("olga", Role::Owner).await;
    let mut trainer = app.signed_in("tom", Role::Trainer).await;
    let refused = trainer.get("/team").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.body.contains("Who can help: olga."), "{}", refused.body);
    let id = app.person("ann", Role::Trainer).await.id;
    for (path, form) in [
        ("/team/invites".to_owned(), [("role", "owner")]),
        (format!("/team/people/{id}/role"), [("role", "owner")]),
        (format!("/team/people/{id}/disable"), [("role", "")]),
        ("/account/tokens".to_owned(), [("name", "mine")]),
    ] {
        assert_eq!(
            trainer.post(&path, &form).await.status,
            StatusCode::FORBIDDEN,
            "{path}"
        );
    }
    assert_eq!(app.db.find_user(id).await.unwrap().unwrap().role, Role::Trainer);
    assert!(app.db.list_invites(&owner).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_token_opens_the_api_alone() {
    let app = TestApp::new().await;
    let mut lead = app.signed_in("lea", Role::Lead).await;
    lead.post("/account/tokens", &[("name", "laptop")]).await;
    let flash = lead.flash("/account").await;
    let token = format!("ts_{}", &flash.split("ts_").nth(1).unwrap()[..64]);
    let bearer = format!("Bearer {token}");

    let mut program = app.browser();
    program.origin = None;
    let with = [("authorization", bearer.as_str())];
    let known = program
        .send(Method::POST, "/api/nothing", &with, String::new())
        .await;
    assert_eq!(known.status, StatusCode::NOT_FOUND, "let in, and nothing there");
    let page = program.send(Method::GET, "/account", &with, String::new()).await;
    assert!(page.location().starts_with("/sign-in"));
    let form = program
        .send(Method::POST, "/account/name", &with, "name=Eve".into())
        .await;
    assert_eq!(form.status, StatusCode::FORBIDDEN);
    let wrong = [("authorization", "Bearer ts_wrong")];
    let unknown = program
        .send(Method::POST, "/api/nothing", &wrong, String::new())
        .await;
    assert_eq!(unknown.status, StatusCode::UNAUTHORIZED);
    assert!(
        unknown.body.contains("\"kind\":\"signed_out\""),
        "{}",
        unknown.body
    );

    let id = app
        .db
        .list_api_tokens(
            app.db
                .find_credentials("lea@example.org")
                .await
                .unwrap()
                .unwrap()
                .0
                .id,
        )
        .await
        .unwrap()[0]
        .id;
    lead.post(&format!("/account/tokens/{id}/revoke"), &[]).await;
    let revoked = program
        .send(Method::POST, "/api/nothing", &with, String::new())
        .await;
    assert_eq!(revoked.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_form_from_elsewhere_changes_nothing() {
    let app = TestApp::new().await;
    let mut browser = app.signed_in("olga", Role::Owner).await;
    for origin in [Some("https://evil.example"), Some("null"), None] {
        browser.origin = origin.map(str::to_owned);
        let answer = browser.post("/team/invites", &[("role", "owner")]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{origin:?}");
    }
    let owner = app.db.list_people().await.unwrap().remove(0);
    assert!(app.db.list_invites(&owner).await.unwrap().is_empty());
}

#[tokio::test]
async fn every_answer_has_its_policy() {
    let app = TestApp::new().await;
    let mut browser = app.signed_in("tom", Role::Trainer).await;
    let page = browser.get("/").await;
    let policy = page.header("content-security-policy").to_owned();
    let nonce = policy
        .split("'nonce-")
        .nth(1)
        .unwrap()
        .split('\'')
        .next()
        .unwrap()
        .to_owned();
    assert!(nonce.len() >= 16 && !policy.contains("unsafe-inline"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'none'"));
    for script in page.body.split("<script").skip(1) {
        let tag = script.split('>').next().unwrap();
        assert!(tag.contains(&nonce), "a script without the nonce: <script{tag}>");
    }
    assert!(!page.body.contains(" style=") && !page.body.contains(" onclick="));
    let other = browser.get("/").await;
    assert!(
        !other.header("content-security-policy").contains(&nonce),
        "each page has its own nonce"
    );

    for path in [
        "/nowhere",
        "/pkg/nothing.js",
        "/favicon.svg",
        "/health",
        "/api/nothing",
    ] {
        let answer = browser.get(path).await;
        for header in [
            "content-security-policy",
            "x-content-type-options",
            "referrer-policy",
        ] {
            assert_ne!(answer.header(header), "", "{header} of {path}");
        }
    }
    assert_eq!(browser.get("/nowhere").await.status, StatusCode::NOT_FOUND);
    assert!(page.header("cache-control").contains("no-store"));
}

#[tokio::test]
async fn a_body_without_measure_is_refused() {
    let app = TestApp::new().await;
    let mut lead = app.signed_in("lea", Role::Lead).await;
    let form = |bytes: usize| format!("name=Big&padding={}", "x".repeat(bytes));
    let kind = ("content-type", "application/x-www-form-urlencoded");
    for (path, bytes, says) in [
        ("/account/name", MAX_FORM, "at most 64 KB"),
        ("/fn/projects/create", MAX_FUNCTION, "at most 4 MB"),
        ("/api/v1/score", 30_000_000, "at most 8 MB"),
    ] {
        let body = form(bytes);
        let length = body.len().to_string();
        let headers = [kind, ("content-length", length.as_str())];
        let answer = lead.send(Method::POST, path, &headers, body).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{path}");
        assert!(answer.body.contains(says), "{path}: {}", answer.body);
    }
    assert!(app.db.list_projects().await.unwrap().is_empty());
    let mut stranger = app.browser();
    let answer = stranger
        .send(Method::POST, "/fn/projects/create", &[kind], form(MAX_FORM))
        .await;
    assert_eq!(
        answer.status,
        StatusCode::PAYLOAD_TOO_LARGE,
        "nobody's bodies are small"
    );
}

#[tokio::test]
async fn a_failed_form_says_why_on_the_page_and_not_in_the_address() {
    let app = TestApp::new().await;
    let mut lead = app.signed_in("lea", Role::Lead).await;
    let made = lead.post("/fn/projects/create", &[("name", "Helpful")]).await;
    assert!(made.location().starts_with("/projects/"), "{made:?}");
    let page = made.location().to_owned();
    assert!(lead.get(&page).await.body.contains("Helpful"));
    let again = lead.post("/fn/projects/create", &[("name", "Helpful")]).await;
    assert!(!again.location().contains("__err"), "{}", again.location());
    assert!(
        lead.flash("/")
            .await
            .contains("There is already a project “Helpful”.")
    );

    let mut trainer = app.signed_in("tom", Role::Trainer).await;
    let headers = [
        ("accept", "application/json"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let refused = trainer
        .send(Method::POST, "/fn/projects/create", &headers, "name=Mine".into())
        .await;
    assert_eq!(app.db.list_projects().await.unwrap().len(), 1, "{refused:?}");
}
