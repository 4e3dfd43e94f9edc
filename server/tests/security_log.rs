//! What is logged of accounts and of who tried what.

mod support;

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use axum::http::{Method, StatusCode};
use domain::permission::Role;
use support::{PASSWORD, TestApp};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn who_and_from_where_is_logged_and_no_secret() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _logging = tracing::subscriber::set_default(subscriber);

    let app = TestApp::new().await;
    let mut owner = app.signed_in("olga", Role::Owner).await;
    let tom = app.person("tom", Role::Trainer).await.id;
    let wrong = [("email", "tom@example.org"), ("password", "wrong horse battery")];
    app.browser().post("/sign-in", &wrong).await;
    let mut trainer = app.browser();
    trainer.sign_in("tom").await;
    assert_eq!(trainer.get("/team").await.status, StatusCode::FORBIDDEN);
    trainer
        .post("/fn/projects/create", &[("name", "Mine"), ("instructions", "")])
        .await;
    let stranger = [
        ("name", "Sue"),
        ("email", "sue@example.org"),
        ("password", PASSWORD),
        ("repeat", PASSWORD),
    ];
    app.browser().post("/join/0123456789abcdef", &stranger).await;
    let role = [("role", "lead"), ("confirm_password", PASSWORD)];
    owner.post(&format!("/team/people/{tom}/role"), &role).await;
    owner.post("/account/tokens", &[("name", "a token")]).await;
    let flash = owner.flash("/account").await;
    let token = format!("ts_{}", &flash.split("ts_").nth(1).unwrap()[..64]);
    owner.post(&format!("/team/people/{tom}/disable"), &[]).await;
    let mut program = app.browser();
    let bearer = [("authorization", "Bearer ts_unknown")];
    let unknown = program
        .send(Method::POST, "/api/v1/score", &bearer, String::new())
        .await;
    assert_eq!(unknown.status, StatusCode::UNAUTHORIZED);
    owner.origin = Some("https://evil.example".into());
    owner.post("/team/invites", &[("role", "owner")]).await;
    owner.origin = Some("http://touchstone.test".into());
    let session = owner.cookies["session"].clone();
    owner.post("/sign-out", &[]).await;

    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    for (what, by) in [("GET /team", tom), ("POST /fn/projects/create", tom)] {
        let told = log.lines().any(|line| {
            line.contains("event=\"forbidden\"") && line.contains(what) && line.contains(&by.to_string())
        });
        assert!(told, "{what} in\n{log}");
    }
    for event in [
        "signed_in",
        "sign_in_failed",
        "password_confirmed",
        "role_changed",
        "token_made",
        "account_disabled",
        "token_refused",
        "origin_refused",
        "invitation_refused",
        "signed_out",
    ] {
        let line = log
            .lines()
            .find(|line| line.contains(&format!("event=\"{event}\"")))
            .unwrap_or_else(|| panic!("{event} is missing in\n{log}"));
        assert!(
            line.contains("security") && line.contains("by=") && line.contains("from=0.0.0.0"),
            "{line}"
        );
    }
    let refused = log.lines().find(|line| line.contains("origin_refused")).unwrap();
    for told in ["https://evil.example", "touchstone.test"] {
        assert!(refused.contains(told), "{refused}");
    }
    assert!(
        log.lines()
            .any(|line| line.contains("sign_in_failed") && line.contains(&tom.to_string()))
    );
    for secret in [
        PASSWORD,
        "wrong horse",
        token.as_str(),
        session.as_str(),
        "example.org",
    ] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}
