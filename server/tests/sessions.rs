//! Sessions, passwords asked again and API tokens through the real router.

mod support;

use axum::http::{Method, StatusCode};
use domain::permission::Role;
use store::{TestDb, project::NewProject, run::NewRun, user::Kept};
use support::{Browser, PASSWORD, TestApp};
use uuid::Uuid;

async fn id_of(app: &TestApp, name: &str) -> Uuid {
    let email = format!("{name}@example.org");
    app.db.find_credentials(&email).await.unwrap().unwrap().0.id
}

/// Makes the password that was given at the sign-in an old one.
async fn let_time_pass(app: &TestApp, browser: &Browser) {
    use server::auth::{confirm::CONFIRMED_MS, secret::hash_secret};
    use store::{entity::session, sea_orm::*};
    let key = hash_secret(&browser.cookies["session"]);
    session::Entity::update_many()
        .col_expr(
            session::Column::ConfirmedAt,
            sea_query::Expr::value(store::now() - CONFIRMED_MS - 1),
        )
        .filter(session::Column::Id.eq(key))
        .exec(app.db.writer())
        .await
        .unwrap();
}

async fn token_of(browser: &mut Browser, form: &[(&str, &str)]) -> String {
    let made = browser.post("/account/tokens", form).await;
    assert_eq!(made.location(), "/account", "{}", made.body);
    let flash = browser.flash("/account").await;
    format!("ts_{}", &flash.split("ts_").nth(1).unwrap()[..64])
}

async fn ask(app: &TestApp, token: &str, path: &str) -> StatusCode {
    let mut program = app.browser();
    program.origin = None;
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let method = if path.contains("export") {
        Method::GET
    } else {
        Method::POST
    };
    program.send(method, path, &headers, "{}".into()).await.status
}

#[tokio::test]
async fn signing_in_over_a_session_makes_a_new_identifier_and_ends_the_old_one() {
    for db in TestDb::each().await {
        let app = TestApp::on(db);
        let mut browser = app.signed_in("tom", Role::Trainer).await;
        let trainers = browser.cookies.clone();
        app.person("olga", Role::Owner).await;
        assert_eq!(browser.sign_in("olga").await.location(), "/");
        assert_ne!(browser.cookies["session"], trainers["session"]);
        let mut fixed = app.browser();
        fixed.cookies = trainers;
        assert!(fixed.get("/team").await.location().starts_with("/sign-in"));
        assert_eq!(browser.get("/team").await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_person_sees_where_they_are_signed_in_and_signs_out_everywhere() {
    let app = TestApp::new().await;
    let mut one = app.signed_in("tom", Role::Trainer).await;
    let mut two = app.browser();
    two.sign_in("tom").await;
    let mut ann = app.signed_in("ann", Role::Trainer).await;
    let page = one.get("/account").await.body;
    assert_eq!(page.matches("/account/sessions/").count(), 3, "two, and all");
    assert_eq!(page.matches(">this one<").count(), 1);

    let other = app.db.list_sessions(id_of(&app, "tom").await).await.unwrap();
    let others = &other
        .iter()
        .find(|s| s.id != server::auth::secret::hash_secret(&one.cookies["session"]))
        .unwrap()
        .id;
    ann.post(&format!("/account/sessions/{others}/end"), &[]).await;
    assert_eq!(
        two.get("/").await.status,
        StatusCode::OK,
        "nobody ends another's session"
    );
    one.post(&format!("/account/sessions/{others}/end"), &[]).await;
    assert!(two.get("/").await.location().starts_with("/sign-in"));

    two.sign_in("tom").await;
    let out = one.post("/account/sessions/end", &[]).await;
    assert_eq!(out.location(), "/sign-in");
    assert!(!one.cookies.contains_key("session"));
    assert!(two.get("/").await.location().starts_with("/sign-in"));
    assert_eq!(ann.get("/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn changes_of_rank_ask_for_the_password_again() {
    let app = TestApp::new().await;
    let mut owner = app.signed_in("olga", Role::Owner).await;
    let tom = app.person("tom", Role::Trainer).await.id;
    let role = format!("/team/people/{tom}/role");
    let disable = format!("/team/people/{tom}/disable");

    // A role is never changed by one click, however fresh the session.
    let asked = owner.post(&role, &[("role", "owner")]).await;
    assert!(
        asked.location().starts_with("/confirm?action=/team/people/"),
        "{asked:?}"
    );
    let page = owner.get(asked.location()).await.body;
    assert!(
        page.contains("Make tom an owner.") && page.contains("name=\"confirm_password\""),
        "{page}"
    );
    assert!(page.contains(&format!("action=\"{role}\"")) && page.contains("value=\"owner\""));

    let_time_pass(&app, &owner).await;
    for (path, form) in [
        ("/team/invites", vec![("role", "owner")]),
        (disable.as_str(), vec![]),
        ("/account/tokens", vec![("name", "t")]),
    ] {
        let asked = owner.post(path, &form).await;
        assert!(asked.location().starts_with("/confirm?"), "{path}: {asked:?}");
        assert_eq!(owner.get(asked.location()).await.status, StatusCode::OK, "{path}");
    }
    let olga = app
        .db
        .find_user(id_of(&app, "olga").await)
        .await
        .unwrap()
        .unwrap();
    assert!(app.db.list_invites(&olga).await.unwrap().is_empty());
    assert_eq!(app.db.find_user(tom).await.unwrap().unwrap().role, Role::Trainer);

    let wrong = [("role", "lead"), ("confirm_password", "not the password")];
    let asked = owner.post(&role, &wrong).await.location().to_owned();
    assert!(
        asked.starts_with("/confirm?") && !asked.contains("password"),
        "{asked}"
    );
    assert!(owner.flash(&asked).await.contains("not your password"));
    let right = [("role", "lead"), ("confirm_password", PASSWORD)];
    assert_eq!(owner.post(&role, &right).await.location(), "/team");
    assert_eq!(app.db.find_user(tom).await.unwrap().unwrap().role, Role::Lead);
    // The password counts for a while.
    assert_eq!(owner.post(&disable, &[]).await.location(), "/team");
    assert!(
        app.db
            .find_user(tom)
            .await
            .unwrap()
            .unwrap()
            .disabled_at
            .is_some()
    );
}

#[tokio::test]
async fn what_gives_nobody_anything_asks_for_no_password() {
    let app = TestApp::new().await;
    let mut owner = app.signed_in("olga", Role::Owner).await;
    owner.post("/team/invites", &[("role", "trainer")]).await;
    let olga = app
        .db
        .find_user(id_of(&app, "olga").await)
        .await
        .unwrap()
        .unwrap();
    let invite = app.db.list_invites(&olga).await.unwrap()[0].invite.id;
    let_time_pass(&app, &owner).await;
    let ended = owner.post(&format!("/team/invites/{invite}/cancel"), &[]).await;
    assert_eq!(ended.location(), "/team");
    let renamed = owner.post("/account/name", &[("name", "Olga")]).await;
    assert_eq!(renamed.location(), "/account");
}

#[tokio::test]
async fn a_token_opens_what_it_is_for_until_its_end() {
    let app = TestApp::new().await;
    let mut lead = app.signed_in("lea", Role::Lead).await;
    let project = Uuid::new_v4();
    let export = format!("/api/v1/projects/{project}/export.jsonl");
    for (scope, scores, exports) in [("all", true, true), ("score", true, false), ("data", false, true)] {
        let token = token_of(&mut lead, &[("name", scope), ("scope", scope), ("days", "30")]).await;
        for (path, opens) in [("/api/v1/score", scores), (export.as_str(), exports)] {
            let status = ask(&app, &token, path).await;
            assert_eq!(status != StatusCode::FORBIDDEN, opens, "{scope} {path}: {status}");
        }
    }
    let tokens = app.db.list_api_tokens(id_of(&app, "lea").await).await.unwrap();
    let ends = tokens[0].expires_at.unwrap() - store::now();
    assert!((29..=30).contains(&(ends / 86_400_000)));
    let refused = lead
        .post("/account/tokens", &[("name", "x"), ("days", "9999")])
        .await;
    assert_eq!(refused.location(), "/account");
    assert!(lead.flash("/account").await.contains("how long the token holds"));
}

#[tokio::test]
async fn tokens_end_with_the_password_or_the_account_and_owners_see_everyones() {
    let app = TestApp::new().await;
    let mut owner = app.signed_in("olga", Role::Owner).await;
    let mut lead = app.signed_in("lea", Role::Lead).await;
    let change = |old: &'static str, new: &'static str| [("current", old), ("password", new)];
    let next = "quite another one";

    let first = token_of(&mut lead, &[("name", "first")]).await;
    assert!(lead.get("/account").await.body.contains("Keep my API tokens"));
    lead.post("/account/password", &change(PASSWORD, next)).await;
    assert_eq!(ask(&app, &first, "/api/v1/score").await, StatusCode::UNAUTHORIZED);

    let second = token_of(&mut lead, &[("name", "second")]).await;
    let kept = [change(next, PASSWORD).as_slice(), &[("keep_tokens", "yes")]].concat();
    lead.post("/account/password", &kept).await;
    assert_ne!(
        ask(&app, &second, "/api/v1/score").await,
        StatusCode::UNAUTHORIZED
    );

    let page = owner.get("/team").await.body;
    assert!(
        page.contains("second") && page.contains("/team/tokens/"),
        "{page}"
    );
    let id = app.db.list_all_api_tokens().await.unwrap()[0].id;
    let refused = lead.post(&format!("/team/tokens/{id}/revoke"), &[]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    owner.post(&format!("/team/tokens/{id}/revoke"), &[]).await;
    assert_eq!(
        ask(&app, &second, "/api/v1/score").await,
        StatusCode::UNAUTHORIZED
    );

    let third = token_of(&mut lead, &[("name", "third")]).await;
    let lea = id_of(&app, "lea").await;
    for what in ["disable", "enable"] {
        owner.post(&format!("/team/people/{lea}/{what}"), &[]).await;
    }
    assert_eq!(ask(&app, &third, "/api/v1/score").await, StatusCode::UNAUTHORIZED);
    assert!(
        lead.get("/").await.location().starts_with("/sign-in"),
        "nor does the session"
    );
}

#[tokio::test]
async fn an_invitation_does_not_outlive_the_right_of_its_maker() {
    let app = TestApp::new().await;
    let mut owner = app.signed_in("olga", Role::Owner).await;
    app.person("other", Role::Owner).await;
    owner.post("/team/invites", &[("role", "owner")]).await;
    let flash = owner.flash("/team").await;
    let link = flash.split("http://touchstone.test").nth(1).unwrap();
    let link = link.split('<').next().unwrap().to_owned();
    let mut guest = app.browser();
    assert_eq!(guest.get(&link).await.status, StatusCode::OK);
    let olga = id_of(&app, "olga").await;
    app.db.set_role(olga, Role::Reviewer).await.unwrap();
    assert_eq!(guest.get(&link).await.status, StatusCode::NOT_FOUND);
    let form = [
        ("name", "Eve"),
        ("email", "eve@example.org"),
        ("password", PASSWORD),
    ];
    guest.post(&link, &form).await;
    assert!(
        app.db
            .find_credentials("eve@example.org")
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_stream_of_events_ends_when_its_watcher_signs_out_or_loses_the_right() {
    let app = TestApp::new().await;
    app.person("olga", Role::Owner).await;
    let new = NewProject {
        name: "Helpful".into(),
        instructions: String::new(),
        demo: false,
        created_by: None,
    };
    let project = app.db.insert_project(new).await.unwrap().id;
    let run = NewRun {
        project_id: project,
        name: String::new(),
        settings: recipe::Recipe::of(recipe::Method::Head),
        choice: domain::run::data::DataChoice::default(),
        created_by: None,
    };
    // Nobody works on it: without a reason the stream would go on for ever.
    let run = app.db.create_run(run).await.unwrap().id;
    let events = format!("/runs/{run}/events");
    let mut reviewer = app.signed_in("rea", Role::Reviewer).await;
    let rea = id_of(&app, "rea").await;
    let mut owner = app.browser();
    owner.sign_in("olga").await;
    let role = [("role", "trainer"), ("confirm_password", PASSWORD)];
    let lose = format!("/team/people/{rea}/role");
    for loses_role in [false, true] {
        reviewer.sign_in("rea").await;
        let mut watcher = app.browser();
        watcher.cookies = reviewer.cookies.clone();
        let watched = watcher.get(&events);
        let leaving = async {
            match loses_role {
                false => reviewer.post("/sign-out", &[]).await,
                true => owner.post(&lose, &role).await,
            }
        };
        let (watched, _) = tokio::time::timeout(std::time::Duration::from_secs(30), async {
            tokio::join!(watched, leaving)
        })
        .await
        .expect("the stream ends");
        assert_ne!(watched.status, StatusCode::INTERNAL_SERVER_ERROR);
    }
}

#[tokio::test]
async fn a_refused_sign_in_keeps_the_address_and_where_one_wanted_to_go() {
    let app = TestApp::new().await;
    app.person("tom", Role::Trainer).await;
    let mut browser = app.browser();
    let form = [
        ("email", "tom@example.org"),
        ("password", "not the password"),
        ("next", "/account?x=1"),
    ];
    let back = browser.post("/sign-in", &form).await.location().to_owned();
    assert_eq!(back, "/sign-in?next=/account%3Fx%3D1");
    let page = browser.get(&back).await.body;
    assert!(page.contains("value=\"tom@example.org\"") && page.contains("value=\"/account?x=1\""));
    assert!(!page.contains("not the password"));
    browser.sign_in("tom").await;
    assert!(
        !browser.cookies.contains_key("typed"),
        "forgotten once it is of no use"
    );
}

#[tokio::test]
async fn over_tls_the_session_is_this_hosts_alone() {
    let app = TestApp::reached_over(TestDb::sqlite().await, "https");
    app.person("tom", Role::Trainer).await;
    let mut browser = app.browser();
    browser.origin = Some("https://touchstone.test".into());
    let entered = browser.sign_in("tom").await;
    let cookie = entered.headers.get_all("set-cookie").iter().find_map(|line| {
        let line = line.to_str().ok()?;
        line.starts_with("__Host-session=").then(|| line.to_owned())
    });
    let cookie = cookie.expect("a session");
    assert!(cookie.contains("; Secure") && cookie.contains("; HttpOnly") && cookie.contains("SameSite=Lax"));
    assert!(!cookie.contains("Domain"));
    let page = browser.get("/").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.header("strict-transport-security").contains("max-age="));
    let out = browser.post("/sign-out", &[]).await;
    assert_eq!(out.header("clear-site-data"), "\"cache\"");
    let plain = TestApp::new().await.browser().get("/setup").await;
    assert_eq!(plain.header("strict-transport-security"), "");
}

#[tokio::test]
async fn a_password_from_the_command_line_ends_sessions_and_tokens() {
    let app = TestApp::new().await;
    let mut lead = app.signed_in("lea", Role::Lead).await;
    let token = token_of(&mut lead, &[("name", "t")]).await;
    let hash = server::auth::password::hash("quite another one".into())
        .await
        .unwrap();
    let lea = id_of(&app, "lea").await;
    app.db
        .set_password_hash(lea, &hash, Kept::default())
        .await
        .unwrap();
    assert!(lead.get("/").await.location().starts_with("/sign-in"));
    assert_eq!(ask(&app, &token, "/api/v1/score").await, StatusCode::UNAUTHORIZED);
}
