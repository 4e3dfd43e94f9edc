//! Settings as they are asked for, and runs that are asked for anew: duplicated, resumed.

use axum::http::StatusCode;
use domain::{permission::Role, run::State};
use recipe::{Keep, Lora, Method, Optimizer, Precision, Recipe, Ties};
use uuid::Uuid;

use super::{form, project, support::TestApp};

/// The usual form with settings over it; the last of a name counts.
fn with<'a>(fields: &'a [(&'static str, String)], more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let replaced = |name: &str| more.iter().any(|(other, _)| *other == name);
    let kept = fields.iter().filter(|(name, _)| !replaced(name));
    let mut all: Vec<_> = kept.map(|(name, value)| (*name, value.as_str())).collect();
    all.extend(more);
    all
}

#[tokio::test]
async fn settings_are_stored_as_asked_with_the_methods_defaults() {
    let app = TestApp::new().await;
    let project = project(&app, 20).await;
    let mut lead = app.signed_in("lea", Role::Lead).await;
    let fields = form(project.id);
    let asked = [
        ("form[method]", "lora"),
        ("form[settings][lora_rank]", "4"),
        ("form[settings][lora_target_modules]", "query, value ,key"),
        ("form[settings][precision]", "bf16"),
        ("form[settings][optimizer]", "rmsprop"),
        ("form[settings][shuffle]", "no"),
        ("form[settings][head_learning_rate]", "0.5"),
        ("form[settings][ties]", "rao_kupper"),
        ("form[settings][ties_number]", "0.25"),
        ("form[settings][keep]", "best"),
        ("form[settings][checkpoint_every_steps]", "50"),
        // For heads alone: left out.
        ("form[settings][ensemble]", "5"),
    ];
    let place = lead.post("/fn/runs/create", &with(&fields, &asked)).await;
    let id: Uuid = place.location()[6..].parse().expect("a run");
    let run = app.db.find_run(id).await.unwrap();
    let expected = Recipe {
        lora: Lora {
            rank: 4,
            target_modules: vec!["query".into(), "value".into(), "key".into()],
            ..Lora::default()
        },
        precision: Precision::Bf16,
        optimizer: Optimizer::Rmsprop,
        shuffle: false,
        head_learning_rate: Some(0.5),
        ties: Some(Ties::RaoKupper { threshold: 0.25 }),
        keep: Keep::Best,
        checkpoint_every_steps: 50,
        ..Recipe::of(Method::Lora)
    };
    assert_eq!(run.settings, expected);
    assert!(run.data.choice.ties, "a loss that knows ties learns from them");

    let page = lead.get(&format!("/runs/{id}")).await;
    for shown in ["query, value, key", "rao_kupper", "bf16", "Ties as pairs"] {
        assert!(page.body.contains(shown), "{shown}");
    }
}

#[tokio::test]
async fn a_refused_setting_is_named_in_the_form_as_it_was_filled_in() {
    let app = TestApp::new().await;
    let project = project(&app, 20).await;
    let mut lead = app.signed_in("lea", Role::Lead).await;
    let fields = form(project.id);
    let asked = [
        ("form[name]", "<b>mine</b>"),
        ("form[settings][learning_rate]", "7"),
        ("form[settings][epochs]", "3"),
    ];
    let answer = lead.post("/fn/runs/create", &with(&fields, &asked)).await;
    let place = answer.location().to_owned();
    assert!(
        place.starts_with(&format!("/projects/{}/train?", project.id)),
        "{place}"
    );
    let page = lead.get(&place).await.body;
    assert!(
        page.contains("Learning rate: must be above 0 and at most 1."),
        "{page}"
    );
    let around = |id: &str| {
        let at = page.find(&format!("id=\"train-{id}\"")).expect("the field");
        page[at..].split('>').next().unwrap().to_owned()
    };
    let wrong = around("learning_rate");
    assert!(
        wrong.contains("aria-invalid=\"true\"") && wrong.contains("value=\"7\""),
        "{wrong}"
    );
    assert!(around("epochs").contains("value=\"3\"") && !around("epochs").contains("aria-invalid"));
    assert!(!page.contains("<b>mine"), "what was typed is text");
    assert!(app.db.list_runs(project.id, 10).await.unwrap().is_empty());

    // A link can name a wrong setting, but not put words on the page.
    let link = format!(
        "/projects/{}/train?form[source]=all&form[method]=head&form[settings][seed]=<i>x</i>",
        project.id
    );
    let page = lead.get(&link.replace('<', "%3C").replace('>', "%3E")).await.body;
    assert!(page.contains("is not a whole number") && !page.contains("<i>x"));
}

#[tokio::test]
async fn a_run_is_duplicated_with_what_it_was_asked() {
    let app = TestApp::new().await;
    let project = project(&app, 20).await;
    let mut lead = app.signed_in("lea", Role::Lead).await;
    let fields = form(project.id);
    let asked = [
        ("form[method]", "full"),
        ("form[percent]", "30"),
        ("form[split_seed]", "9"),
        ("form[settings][epochs]", "4"),
        ("form[settings][schedule]", "cosine"),
    ];
    let run = lead
        .post("/fn/runs/create", &with(&fields, &asked))
        .await
        .location()
        .to_owned();
    let link = format!("/projects/{}/train?from={}", project.id, &run[6..]);
    assert!(
        lead.get(&run).await.body.contains(&link),
        "the run's page offers it"
    );
    let page = lead.get(&link).await;
    assert_eq!(page.status, StatusCode::OK);
    for (id, value) in [
        ("percent", "30"),
        ("split-seed", "9"),
        ("epochs", "4"),
        ("batch_pairs", ""),
    ] {
        let at = page.body.find(&format!("id=\"train-{id}\"")).expect("the field");
        let field = page.body[at..].split('>').next().unwrap();
        let filled =
            field.contains(&format!("value=\"{value}\"")) || value.is_empty() && !field.contains("value=\"");
        assert!(filled, "{id}: {field}");
    }
    assert!(page.body.contains("value=\"cosine\" selected"));
    assert!(page.body.contains("value=\"full\" checked"));

    let other = Uuid::now_v7();
    let missing = format!("/projects/{}/train?from={other}", project.id);
    assert_eq!(lead.get(&missing).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_run_that_ended_without_a_model_can_be_resumed_by_a_lead_alone() {
    let app = TestApp::new().await;
    let project = project(&app, 20).await;
    let mut lead = app.signed_in("lea", Role::Lead).await;
    let fields = form(project.id);
    let run = lead
        .post("/fn/runs/create", &with(&fields, &[]))
        .await
        .location()
        .to_owned();
    let id: Uuid = run[6..].parse().unwrap();
    let state = async || app.db.find_run(id).await.unwrap().state;
    lead.post("/fn/runs/resume", &[("id", &run[6..])]).await;
    assert!(
        lead.flash(&run)
            .await
            .contains("Only a run that failed or was cancelled")
    );
    lead.post("/fn/runs/cancel", &[("id", &run[6..])]).await;
    assert_eq!(state().await, State::Cancelled);
    lead.flash(&run).await;
    assert!(lead.get(&run).await.body.contains("Resume the run"));

    let mut reviewer = app.signed_in("rea", Role::Reviewer).await;
    assert!(!reviewer.get(&run).await.body.contains("Resume the run"));
    reviewer.post("/fn/runs/resume", &[("id", &run[6..])]).await;
    assert_eq!(state().await, State::Cancelled);
    let answer = lead.post("/fn/runs/resume", &[("id", &run[6..])]).await;
    assert_eq!((answer.location(), state().await), (run.as_str(), State::Queued));
}
