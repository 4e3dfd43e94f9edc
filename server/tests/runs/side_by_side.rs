//! Runs side by side, and what each told as text.

use axum::http::StatusCode;
use domain::{
    permission::Role,
    run::{
        Cut,
        data::DataChoice,
        event::{Evaluation, Rewards, RunEvent, StepPoint},
    },
    stats::Proportion,
};
use store::run::{NewRun, RunEnd};
use uuid::Uuid;

use super::{project, support::TestApp};

/// A run that has told of ten steps and an evaluation.
async fn told(app: &TestApp, project: Uuid, name: &str, epochs: u32) -> Uuid {
    let mut settings = recipe::Recipe::of(recipe::Method::Head);
    settings.epochs = epochs;
    let new = NewRun {
        project_id: project,
        name: name.into(),
        settings,
        choice: DataChoice::default(),
        created_by: None,
    };
    let (run, lease) = app.db.start_run(new, "w").await.unwrap();
    let point = |step| StepPoint {
        step,
        loss: 0.7 - 0.01 * step as f64,
        learning_rate: Some(1e-3),
        grad_norm: Some(2.0),
        ..StepPoint::default()
    };
    let events = [
        RunEvent::Started {
            step: 0,
            steps: 10,
            train: 16,
            held_out: 4,
            cut: Cut::default(),
        },
        RunEvent::Steps {
            points: (1..=10).map(point).collect(),
            pairs_per_second: Some(50.0),
            seconds_left: None,
        },
        RunEvent::Evaluated(Evaluation {
            step: 10,
            loss: 0.61,
            correct: Proportion { hits: 3.0, of: 4 },
            rewards: Some(Rewards {
                mean: 0.125,
                lowest: -1.0,
                highest: 2.0,
                margin: 0.5,
            }),
        }),
        RunEvent::Checkpointed { step: 10 },
    ];
    app.db.append_run_events(run.id, &lease, &events).await.unwrap();
    let broken = RunEnd::Failed("It <i>broke</i>.".into());
    app.db.finish_run(run.id, &lease, broken).await.unwrap();
    run.id
}

#[tokio::test]
async fn curves_stand_in_one_chart_each_beside_what_differs() {
    let app = TestApp::new().await;
    let project = project(&app, 20).await;
    let one = told(&app, project.id, "<i>one</i>", 3).await;
    let two = told(&app, project.id, "two", 5).await;
    let mut reviewer = app.signed_in("rea", Role::Reviewer).await;
    let list = reviewer
        .get(&format!("/projects/{}/train", project.id))
        .await
        .body;
    assert!(list.contains(&format!("name=\"run\" value=\"{one}\"")), "{list}");
    let place = format!("/projects/{}/runs/compare", project.id);
    let page = reviewer
        .get(&format!("{place}?run={one}&run={two}&run={two}"))
        .await;
    assert_eq!(page.status, StatusCode::OK);
    let body = page.body;
    for title in [
        "Held-out loss",
        "Held-out accuracy",
        "Training loss",
        "Learning rate",
        "Gradient norm",
        "Mean reward of held-out responses",
    ] {
        assert!(
            body.contains(&format!("aria-label=\"{title} by step: ")),
            "{title}"
        );
    }
    assert!(
        !body.contains("Training accuracy") && !body.contains("<i>one"),
        "{body}"
    );
    let differing = &body[body.find("Data and settings that differ").unwrap()..];
    let differing = &differing[..differing.find("</table>").unwrap()];
    assert!(differing.contains("Passes over the pairs") && !differing.contains("Learning rate"));

    for too_few in [place.clone(), format!("{place}?run={one}&run={one}")] {
        let page = reviewer.get(&too_few).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(page.body.contains("Choose 2 to 8 runs"));
    }
    let unknown = format!("{place}?run={one}&run={}", Uuid::now_v7());
    assert_eq!(reviewer.get(&unknown).await.status, StatusCode::NOT_FOUND);
    let elsewhere = super::project_named(&app, "Other", 5).await;
    let foreign = format!("/projects/{}/runs/compare?run={one}&run={two}", elsewhere.id);
    assert_eq!(reviewer.get(&foreign).await.status, StatusCode::NOT_FOUND);
    let mut trainer = app.signed_in("tom", Role::Trainer).await;
    let refused = trainer.get(&format!("{place}?run={one}&run={two}")).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_log_is_on_the_page_and_a_text_file() {
    let app = TestApp::new().await;
    let project = project(&app, 20).await;
    let run = told(&app, project.id, "one", 3).await;
    let mut reviewer = app.signed_in("rea", Role::Reviewer).await;
    let page = reviewer.get(&format!("/runs/{run}")).await.body;
    assert!(
        page.contains("Evaluation at step 10: accuracy 75.0 %") && !page.contains("<i>broke"),
        "{page}"
    );
    for chart in ["Loss", "Accuracy", "Learning rate", "Gradient norm", "Rewards"] {
        assert!(
            page.contains(&format!("aria-label=\"{chart} by step: ")),
            "{chart}"
        );
    }

    let file = reviewer.get(&format!("/runs/{run}/log.txt")).await;
    assert_eq!(file.header("content-type"), "text/plain; charset=utf-8");
    assert!(file.header("content-disposition").contains(&run.to_string()));
    let lines: Vec<&str> = file.body.lines().collect();
    let said = [
        "Waits for a worker",
        "Begins: 10 steps on 16 pairs, 4 held out",
        "Step 10: loss 0.6000, learning rate 1.00e-3, gradient norm 2.000",
        "Evaluation at step 10",
        "Checkpoint at step 10",
        "Failed: It <i>broke</i>.",
    ];
    assert_eq!(lines.len(), said.len(), "{lines:#?}");
    for (line, said) in lines.iter().zip(said) {
        assert!(line.contains(" UTC  ") && line.contains(said), "{line}");
    }
    let mut trainer = app.signed_in("tom", Role::Trainer).await;
    let refused = trainer.get(&format!("/runs/{run}/log.txt")).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let missing = format!("/runs/{}/log.txt", Uuid::now_v7());
    assert_eq!(reviewer.get(&missing).await.status, StatusCode::NOT_FOUND);
}
