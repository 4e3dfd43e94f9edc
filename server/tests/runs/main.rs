//! The pages of training: what a lead sees and starts, what others may not, and the stream of events.

mod choices;
mod side_by_side;
#[path = "../support/mod.rs"]
mod support;

use axum::http::{Method as Http, StatusCode};
use domain::{
    formats::{ComparedResponses, Opinion, ResponseText, Row},
    import::ImportProgress,
    job::JobKind,
    judgement::Strength,
    permission::Role,
    project::Project,
    prompt::{Message, Speaker},
    run::{State, event::RunEvent},
    score::Scored,
};
use store::{import::Importer, job::Lease, project::NewProject, run::RunEnd};
use support::TestApp;
use uuid::Uuid;

/// The job that waits, as a worker holds it.
async fn claimed(app: &TestApp) -> Lease {
    let claimed = app.db.claim_job("w", &[JobKind::Train]).await.unwrap();
    claimed.unwrap().1
}

async fn project(app: &TestApp, prompts: usize) -> Project {
    project_named(app, "Helpful", prompts).await
}

async fn project_named(app: &TestApp, name: &str, prompts: usize) -> Project {
    let new = NewProject {
        name: name.into(),
        instructions: String::new(),
        demo: false,
        created_by: None,
    };
    let project = app.db.insert_project(new).await.unwrap();
    let annotator = app.db.ensure_annotator("dataset").await.unwrap();
    let mut importer = Importer::new(app.db.store(), project.id, Uuid::now_v7(), Some(annotator));
    let response = |content: String| ResponseText {
        content,
        ..ResponseText::default()
    };
    let rows: Vec<Row> = (0..prompts)
        .map(|n| Row {
            prompt: vec![Message {
                role: Speaker::User,
                content: format!("<b>Question {n}</b>"),
            }],
            category: Some("facts".into()),
            language: None,
            responses: vec![
                response(format!("Good answer {n}")),
                response(format!("Bad <i>{n}</i>")),
            ],
            comparisons: vec![ComparedResponses {
                responses: vec![0, 1],
                opinion: Some(Opinion {
                    ranking: vec![vec![0], vec![1]],
                    strength: Some(Strength::Much),
                    ..Opinion::default()
                }),
            }],
            ..Row::default()
        })
        .collect();
    importer
        .insert(&rows, &mut ImportProgress::default(), None)
        .await
        .unwrap();
    project
}

fn form(project: Uuid) -> Vec<(&'static str, String)> {
    vec![
        ("form[project]", project.to_string()),
        ("form[source]", "all".into()),
        ("form[held_out]", "share".into()),
        ("form[percent]", "20".into()),
        ("form[method]", "head".into()),
        ("form[corrections]", "true".into()),
        ("form[name]", "first try".into()),
        ("form[settings][epochs]", String::new()),
    ]
}

#[tokio::test]
async fn a_lead_starts_a_run_with_a_plain_form_and_cancels_it() {
    let app = TestApp::new().await;
    let project = project(&app, 50).await;
    let mut lead = app.signed_in("lea", Role::Lead).await;
    let page = lead.get(&format!("/projects/{}/train", project.id)).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        page.body.contains("50 pairs from 50 prompts"),
        "the choice is counted"
    );

    let counted = format!(
        "/projects/{}/train?form%5Bsource%5D=people&form%5Bpercent%5D=20&form%5Bmethod%5D=full",
        project.id
    );
    let page = lead.get(&counted).await;
    assert!(
        page.body.contains("No pairs yet"),
        "and counted again for another choice"
    );

    let fields = form(project.id);
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let answer = lead.post("/fn/runs/create", &fields).await;
    let place = answer.location().to_owned();
    assert!(place.starts_with("/runs/"), "{answer:?}");
    let page = lead.get(&place).await;
    assert!(
        page.body.contains("first try") && page.body.contains("Waits for a worker."),
        "{}",
        page.body
    );

    let id = place.trim_start_matches("/runs/").to_owned();
    let answer = lead.post("/fn/runs/cancel", &[("id", &id)]).await;
    assert_eq!(answer.location(), place);
    assert!(lead.flash(&place).await.contains("cancelled"));
    let early = lead.get(&format!("{place}/scores")).await;
    assert_eq!(early.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_bad_setting_comes_back_as_a_sentence() {
    let app = TestApp::new().await;
    let project = project(&app, 5).await;
    let mut lead = app.signed_in("lea", Role::Lead).await;
    let mut fields = form(project.id);
    fields.retain(|(name, _)| *name != "form[settings][epochs]");
    fields.push(("form[settings][epochs]", "many".into()));
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let path = format!("/projects/{}/train", project.id);
    lead.post("/fn/runs/create", &fields).await;
    assert!(
        lead.flash(&path)
            .await
            .contains("Passes over the pairs: “many” is not a whole number.")
    );
    assert!(app.db.list_runs(project.id, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn trainers_see_no_runs_and_reviewers_start_none() {
    let app = TestApp::new().await;
    let project = project(&app, 5).await;
    let mut lead = app.signed_in("lea", Role::Lead).await;
    let fields = form(project.id);
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let run = lead.post("/fn/runs/create", &fields).await.location().to_owned();
    let mut trainer = app.signed_in("tom", Role::Trainer).await;
    for path in [
        format!("/projects/{}/train", project.id),
        run.clone(),
        format!("{run}/scores"),
        format!("{run}/events"),
    ] {
        assert_eq!(trainer.get(&path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    let mut reviewer = app.signed_in("rea", Role::Reviewer).await;
    assert_eq!(reviewer.get(&run).await.status, StatusCode::OK);
    let json = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("accept", "application/json"),
    ];
    reviewer.post("/fn/runs/create", &fields).await;
    reviewer
        .send(Http::POST, "/fn/runs/cancel", &json, format!("id={}", &run[6..]))
        .await;
    let runs = app.db.list_runs(project.id, 10).await.unwrap();
    assert_eq!((runs.len(), runs[0].state), (1, State::Queued));
}

#[tokio::test]
async fn events_come_from_where_the_browser_was() {
    let app = TestApp::new().await;
    let project = project(&app, 5).await;
    let mut lead = app.signed_in("lea", Role::Lead).await;
    let fields = form(project.id);
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let run = lead.post("/fn/runs/create", &fields).await.location().to_owned();
    let id: Uuid = run[6..].parse().unwrap();
    let lease = claimed(&app).await;
    app.db.begin_run(id, &lease).await.unwrap();
    let broken = RunEnd::Failed("It broke.".into());
    app.db.finish_run(id, &lease, broken).await.unwrap();

    let all = lead.get(&format!("{run}/events")).await;
    assert_eq!(all.header("content-type"), "text/event-stream");
    assert_eq!(all.body.matches("data:").count(), 3, "{}", all.body);
    let rest = lead
        .send(
            Http::GET,
            &format!("{run}/events"),
            &[("last-event-id", "2")],
            String::new(),
        )
        .await;
    assert!(
        rest.body.contains("id: 3") && rest.body.contains("It broke."),
        "{}",
        rest.body
    );
    let none = lead.get(&format!("{run}/events?after=3")).await;
    assert_eq!(none.status, StatusCode::NO_CONTENT);
    let page = lead.get(&run).await;
    assert!(page.body.contains("It broke."));
}

#[tokio::test]
async fn scores_are_paged_and_show_markup_as_text() {
    let app = TestApp::new().await;
    let project = project(&app, 40).await;
    let mut lead = app.signed_in("lea", Role::Lead).await;
    let fields = form(project.id);
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let run = lead.post("/fn/runs/create", &fields).await.location().to_owned();
    let id: Uuid = run[6..].parse().unwrap();
    let waiting = app
        .db
        .list_unscored_responses(id, project.id, 1000)
        .await
        .unwrap();
    let scores: Vec<_> = waiting
        .iter()
        .zip(0..)
        .map(|(response, n)| {
            (
                response.id,
                Scored {
                    reward: f64::from(n),
                    spread: None,
                    tokens: 3,
                    cut_tokens: 0,
                },
            )
        })
        .collect();
    let lease = claimed(&app).await;
    app.db.upsert_scores(id, &lease, &scores).await.unwrap();
    let done = RunEnd::Done(Box::default());
    app.db.finish_run(id, &lease, done).await.unwrap();
    let done = app.db.list_run_events(id, 0, 10).await.unwrap().pop().unwrap();
    assert!(matches!(
        done.event,
        RunEvent::State {
            state: State::Done,
            ..
        }
    ));

    let page = lead.get(&format!("{run}/scores")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.body.matches("score-row").count(), 25);
    assert!(page.body.contains("+79.000") && page.body.contains("Next") && !page.body.contains("<i>"));
    let last = lead.get(&format!("{run}/scores?page=4")).await;
    assert_eq!(last.body.matches("score-row").count(), 5);
    let pairs = lead
        .get(&format!("{run}/scores?show=pairs&category=facts&held_out=true"))
        .await;
    assert!(pairs.body.contains("People prefer this much") && !pairs.body.contains("<b>Question"));
    let none = lead
        .get(&format!("{run}/scores?show=pairs&category=%3Cb%3E"))
        .await;
    assert!(none.body.contains("No pair to show here"));
}
