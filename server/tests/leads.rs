//! What leads and reviewers do by their pages: inviting several people by one link, and looking through a project.

mod support;

use axum::http::StatusCode;
use domain::{
    comparison::presented_order,
    judgement::{Grade, Judgement},
    permission::Role,
};
use store::{
    TestDb,
    browse::{PromptFilter, Turn},
};
use support::{Browser, PASSWORD, TestApp};
use uuid::Uuid;

/// The demo project and its first prompt.
async fn demo(app: &TestApp) -> (Uuid, Uuid) {
    let project = app.db.create_demo_project(None).await.unwrap().id;
    let page = app
        .db
        .list_prompts(project, &PromptFilter::default(), Turn::First)
        .await
        .unwrap();
    (project, page.rows[0].place.id)
}

/// A flagged judgement of the prompt's first pair.
async fn judge(app: &TestApp, project: Uuid, prompt: Uuid, by: Uuid) -> Judgement {
    let record = app.db.find_prompt_record(project, prompt).await.unwrap();
    let pair = record
        .comparisons
        .iter()
        .find(|c| c.responses.len() == 2)
        .unwrap();
    let presented = presented_order(pair.id, by, &pair.responses);
    let (verdict, ranking) = Grade::RightClearly.decide([presented[0], presented[1]]);
    let judgement = Judgement {
        id: Uuid::new_v4(),
        comparison_id: pair.id,
        user_id: by,
        verdict,
        ranking,
        presented,
        flagged: true,
        justification: Some("It hides the date.\n<img src=x onerror=alert(1)>".into()),
        confidence: Some(2),
        scheme_version: 1,
        active_ms: Some(12_400),
        supersedes: None,
        created_at: 1_795_464_900_000,
    };
    app.db.insert_judgement(project, judgement).await.unwrap()
}

#[tokio::test]
async fn a_stored_justification_and_a_flag_are_shown_to_reviewers_as_text() {
    for db in TestDb::each().await {
        let app = TestApp::on(db);
        let tom = app.person("tom", Role::Trainer).await.id;
        let (project, prompt) = demo(&app).await;
        judge(&app, project, prompt, tom).await;
        let mut reviewer = app.signed_in("rita", Role::Reviewer).await;
        let overview = reviewer.get(&format!("/projects/{project}")).await.body;
        assert!(overview.contains("judgement is flagged") && overview.contains("/prompts?state=flagged"));
        let list = reviewer
            .get(&format!("/projects/{project}/prompts?state=flagged"))
            .await
            .body;
        assert_eq!(list.matches("prompt-row").count(), 1, "{list}");
        assert!(list.contains(&format!("/prompts/{prompt}")) && list.contains("1 flagged"));
        let page = reviewer
            .get(&format!("/projects/{project}/prompts/{prompt}"))
            .await
            .body;
        for said in [
            "tom",
            "is clearly better than",
            "fairly sure",
            "flagged",
            "took 12 s",
            "2026-11-23 20:15 UTC",
        ] {
            assert!(page.contains(said), "{said}");
        }
        assert!(
            page.contains("It hides the date.\n&lt;img src=x"),
            "the justification, escaped"
        );
        assert!(page.contains("Response 4") && !page.contains("Response 5"));
    }
}

#[tokio::test]
async fn a_trainer_sees_neither_models_nor_what_others_said() {
    let app = TestApp::new().await;
    let (project, prompt) = demo(&app).await;
    let ada = app.person("ada", Role::Trainer).await.id;
    judge(&app, project, prompt, ada).await;
    let mut trainer = app.signed_in("tom", Role::Trainer).await;
    for path in [
        "/prompts",
        &format!("/prompts/{prompt}"),
        "/prompts?state=flagged",
    ] {
        let page = trainer.get(&format!("/projects/{project}{path}")).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
        assert!(!page.body.contains("hides the date"));
    }
    let overview = trainer.get(&format!("/projects/{project}")).await.body;
    assert!(!overview.contains("/prompts"), "no link to what is refused");
}

#[tokio::test]
async fn a_filter_keeps_its_words_and_leads_on_page_by_page() {
    let app = TestApp::new().await;
    let (project, _) = demo(&app).await;
    let mut reviewer = app.signed_in("rita", Role::Reviewer).await;
    let list = format!("/projects/{project}/prompts");
    let first = reviewer
        .get(&format!("{list}?kind=pair&state=unjudged&q="))
        .await
        .body;
    let next = first
        .split("href=\"")
        .filter_map(|rest| rest.split('"').next())
        .find(|link| link.contains("after="))
        .expect("a next page")
        .replace("&amp;", "&");
    assert!(
        next.contains("kind=pair") && next.contains("state=unjudged"),
        "{next}"
    );
    let second = reviewer.get(&format!("{list}{next}")).await.body;
    assert_eq!(second.matches("card prompt-row").count(), 25);
    assert!(
        second.contains("before=") && !second.contains("after="),
        "50 prompts are two pages"
    );

    let odd = reviewer
        .get(&format!(
            "{list}?q=%3C%2Fscript%3E%22&after=1.x&state=%00&category=%3Cb%3E&page=9"
        ))
        .await;
    assert_eq!(odd.status, StatusCode::OK);
    assert!(odd.body.contains("No prompt is like that") && !odd.body.contains("</script>\""));
    let foreign = format!("/projects/{project}/prompts/{}", Uuid::new_v4());
    assert_eq!(reviewer.get(&foreign).await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        reviewer.get(&format!("{list}/nothing")).await.status,
        StatusCode::NOT_FOUND
    );
}

/// The link of the flash on the team's page.
async fn invitation_link(browser: &mut Browser) -> String {
    let flash = browser.flash("/team").await;
    let link = flash.split("http://touchstone.test").nth(1).expect("a link");
    link.split('<').next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_lead_makes_one_link_for_several_and_sees_who_joined() {
    for db in TestDb::each().await {
        let app = TestApp::on(db);
        app.person("olga", Role::Owner).await;
        let mut lead = app.signed_in("lea", Role::Lead).await;
        let page = lead.get("/team").await;
        assert_eq!(page.status, StatusCode::OK, "no bare refusal");
        assert!(!page.body.contains("olga@example.org") && !page.body.contains("Disable"));
        let wanted = [
            ("role", "trainer"),
            ("uses", "2"),
            ("days", "30"),
            ("label", "Autumn class"),
        ];
        assert_eq!(lead.post("/team/invites", &wanted).await.location(), "/team");
        let link = invitation_link(&mut lead).await;
        for (name, to) in [("Ann", "/"), ("Ben", "/"), ("Cid", link.as_str())] {
            let email = format!("{name}@example.org");
            let form = [("name", name), ("email", &email), ("password", PASSWORD)];
            assert_eq!(app.browser().post(&link, &form).await.location(), to, "{name}");
        }
        let page = lead.get("/team").await.body;
        assert!(page.contains("Autumn class") && page.contains("0 of 2") && page.contains("Ann, Ben"));
    }
}

#[tokio::test]
async fn a_lead_invites_no_lead_and_cancels_no_invitation_of_an_owner() {
    let app = TestApp::new().await;
    let mut owner = app.signed_in("olga", Role::Owner).await;
    let mut lead = app.signed_in("lea", Role::Lead).await;
    for role in ["lead", "owner"] {
        lead.post("/team/invites", &[("role", role)]).await;
        let flash = lead.flash("/team").await;
        assert!(
            flash.contains(&format!("A lead cannot invite a {role}")),
            "{flash}"
        );
    }
    for (uses, days) in [("0", "7"), ("101", "7"), ("1", "91"), ("many", "7"), ("-1", "7")] {
        let form = [("role", "trainer"), ("uses", uses), ("days", days)];
        lead.post("/team/invites", &form).await;
        assert!(!lead.flash("/team").await.contains("/join/"), "{uses} {days}");
    }
    owner.post("/team/invites", &[("role", "reviewer")]).await;
    let link = invitation_link(&mut owner).await;
    let olga = app.db.list_people().await.unwrap().remove(1);
    let id = app.db.list_invites(&olga).await.unwrap()[0].invite.id;
    lead.post(&format!("/team/invites/{id}/cancel"), &[]).await;
    assert!(lead.flash("/team").await.contains("The invitation was not found"));
    assert_eq!(app.browser().get(&link).await.status, StatusCode::OK);
    owner.post(&format!("/team/invites/{id}/cancel"), &[]).await;
    assert_eq!(app.browser().get(&link).await.status, StatusCode::NOT_FOUND);
}
