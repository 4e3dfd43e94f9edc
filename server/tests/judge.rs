//! Judging, ranking and correcting over HTTP: by plain forms, and as the islands do it.

mod support;

use axum::http::{Method, StatusCode};
use domain::{
    comparison::ComparisonKind,
    correction::MAX_CORRECTION_BYTES,
    formats::{ComparedResponses, ResponseText, Row},
    import::ImportProgress,
    permission::Role,
    project::Project,
    prompt::{Message, Speaker},
};
use serde_json::{Value, json};
use store::{comparison::Worklist, import::Importer, project::NewProject};
use support::{Answer, Browser, TestApp};
use uuid::Uuid;

/// A project of three pairs and a ranking of four.
async fn project(app: &TestApp) -> Project {
    let new = NewProject {
        name: "Judged".into(),
        instructions: "Be *fair*.".into(),
        demo: false,
        created_by: None,
    };
    let project = app.db.insert_project(new).await.unwrap();
    let rows: Vec<Row> = (0..4)
        .map(|n| {
            let count = if n == 3 { 4 } else { 2 };
            let response = |r| ResponseText {
                content: format!("**Answer** {r} to {n} <script>alert(1)</script>"),
                model: Some(format!("secret-model-{r}")),
                ..ResponseText::default()
            };
            Row {
                prompt: vec![Message {
                    role: Speaker::User,
                    content: format!("Question {n}?"),
                }],
                category: None,
                language: Some("en".into()),
                responses: (0..count).map(response).collect(),
                comparisons: vec![ComparedResponses {
                    responses: (0..count).collect(),
                    opinion: None,
                }],
                ..Row::default()
            }
        })
        .collect();
    let mut importer = Importer::new(app.db.store(), project.id, Uuid::nil(), None);
    let mut progress = ImportProgress::default();
    importer.insert(&rows, &mut progress, None).await.unwrap();
    project
}

/// The value of a hidden field.
fn field(page: &str, name: &str) -> String {
    let mark = format!("name=\"{name}\" value=\"");
    let at = page.find(&mark).unwrap_or_else(|| panic!("{name} in {page}")) + mark.len();
    page[at..].split('"').next().unwrap().to_owned()
}

/// Posts the judging form of a page with this said.
async fn say(browser: &mut Browser, page: &str, more: &[(&str, &str)]) -> Answer {
    let names = [
        "form[project]",
        "form[id]",
        "form[comparison]",
        "form[supersedes]",
    ];
    let values = names.map(|name| field(page, name));
    let mut form: Vec<(&str, &str)> = names.into_iter().zip(values.iter().map(String::as_str)).collect();
    form.extend(more);
    browser.post("/fn/judge/form", &form).await
}

async fn ask(browser: &mut Browser, path: &str, body: String) -> (StatusCode, Value) {
    let headers = [
        ("content-type", "application/json"),
        ("accept", "application/json"),
    ];
    let answer = browser.send(Method::POST, path, &headers, body).await;
    (
        answer.status,
        serde_json::from_str(&answer.body).unwrap_or(Value::String(answer.body)),
    )
}

#[tokio::test]
async fn without_scripts_a_button_grades_and_the_next_pair_is_there() {
    let app = TestApp::new().await;
    let project = project(&app).await;
    let path = format!("/projects/{}/judge", project.id);
    let user = app.person("ada", Role::Trainer).await.id;
    let mut browser = app.browser();
    browser.sign_in("ada").await;
    let list = Worklist {
        project: &project,
        user,
        kind: ComparisonKind::Pair,
    };
    for done in 0..3u64 {
        let page = browser.get(&path).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        assert!(page.body.contains("<strong>Answer</strong>"));
        assert!(!page.body.contains("secret-model") && !page.body.contains("<script>alert"));
        let answer = say(
            &mut browser,
            &page.body,
            &[("form[say]", "2"), ("form[justification]", "Because ü.")],
        )
        .await;
        assert_eq!(answer.location(), path, "{}", answer.body);
        // A form sent twice is one judgement.
        say(
            &mut browser,
            &page.body,
            &[("form[say]", "2"), ("form[justification]", "Because ü.")],
        )
        .await;
        assert!(browser.flash(&path).await.contains("A is clearly better"));
        assert_eq!(app.db.judging_progress(list).await.unwrap().done, done + 1);
    }
    let page = browser.get(&path).await.body;
    assert!(page.contains("Nothing is left"), "{page}");
    let undo: Vec<(&str, String)> = ["project", "comparison", "id", "old"]
        .map(|name| (name, field(&page, name)))
        .to_vec();
    let undo: Vec<(&str, &str)> = undo.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = browser.post("/fn/judge/undo", &undo).await;
    assert_eq!(app.db.judging_progress(list).await.unwrap().done, 2);
    let page = browser.get(answer.location()).await.body;
    assert_eq!(field(&page, "form[comparison]"), undo[1].1);
    say(&mut browser, &page, &[("form[say]", "skip:language")]).await;
    assert_eq!(app.db.judging_progress(list).await.unwrap().done, 3);
}

#[tokio::test]
async fn a_ranking_takes_ties_and_needs_every_place() {
    let app = TestApp::new().await;
    let project = project(&app).await;
    let path = format!("/projects/{}/judge?kind=ranking", project.id);
    let mut browser = app.signed_in("ada", Role::Trainer).await;
    let page = browser.get(&path).await.body;
    let mut form = vec![
        ("form[say]", "rank"),
        ("form[place_0]", "2"),
        ("form[place_1]", "1"),
        ("form[place_2]", "2"),
    ];
    say(&mut browser, &page, &form).await;
    assert!(browser.flash(&path).await.contains("every response a place"));
    form.push(("form[place_3]", "4"));
    let answer = say(&mut browser, &page, &form).await;
    assert_eq!(answer.location(), path);
    assert!(browser.flash(&path).await.contains("B &gt; A = C &gt; D"));
}

#[tokio::test]
async fn what_the_islands_send_is_checked() {
    let app = TestApp::new().await;
    let project = project(&app).await;
    let mut nobody = app.browser();
    let next = json!({"project": project.id, "kind": "pair", "without": []});
    let (status, _) = ask(&mut nobody, "/fn/judge/next", next.to_string()).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);

    let mut browser = app.signed_in("ada", Role::Trainer).await;
    let (status, tasks) = ask(&mut browser, "/fn/judge/next", next.to_string()).await;
    assert_eq!(
        (status, tasks.as_array().map(Vec::len)),
        (StatusCode::OK, Some(3))
    );
    let task = &tasks[0];
    let shown = [&task["responses"][0]["id"], &task["responses"][1]["id"]];
    let submission = json!({
        "id": Uuid::new_v4(), "comparison_id": task["comparison_id"],
        "verdict": {"verdict": "preferred", "strength": "much"}, "ranking": [[shown[1]], [shown[0]]],
        "presented": shown, "flagged": true, "justification": null, "confidence": 3, "active_ms": 900,
        "supersedes": null,
    });
    let send = |submission: &Value| json!({"project": project.id, "submission": submission}).to_string();
    let mut turned = submission.clone();
    turned["presented"] = json!([shown[1], shown[0]]);
    let mut unsure = submission.clone();
    unsure["confidence"] = json!(9);
    let surrogate = send(&submission).replace("\"justification\":null", r#""justification":"\ud800""#);
    for body in [send(&turned), send(&unsure), surrogate, "{".into()] {
        let (status, error) = ask(&mut browser, "/fn/judge/submit", body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{error}");
        assert!(
            error["message"].as_str().is_some_and(|text| text.ends_with('.')),
            "{error}"
        );
    }
    for _ in 0..2 {
        let (status, _) = ask(&mut browser, "/fn/judge/submit", send(&submission)).await;
        assert_eq!(status, StatusCode::OK);
    }
    let mut other = submission.clone();
    other["flagged"] = json!(false);
    let (status, _) = ask(&mut browser, "/fn/judge/submit", send(&other)).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let work = browser
        .get(&format!("/projects/{}/corrections", project.id))
        .await
        .body;
    assert!(work.contains("B is much better · flagged"), "{work}");
}

#[tokio::test]
async fn a_correction_is_saved_shown_with_its_difference_and_replaced() {
    let app = TestApp::new().await;
    let project = project(&app).await;
    let mut browser = app.signed_in("ada", Role::Trainer).await;
    let page = browser.get(&format!("/projects/{}/judge", project.id)).await.body;
    let comparison = field(&page, "form[comparison]");
    let path = format!("/projects/{}/corrections?comparison={comparison}", project.id);
    let save = async |browser: &mut Browser, page: &str, content: &str| {
        let names = ["project", "comparison", "id", "response", "supersedes"];
        let values = names.map(|name| field(page, name));
        let mut form: Vec<(&str, &str)> = names.into_iter().zip(values.iter().map(String::as_str)).collect();
        form.push(("content", content));
        browser.post("/fn/corrections/save", &form).await
    };
    let page = browser.get(&path).await.body;
    for bad in ["  ", "a\0b"] {
        save(&mut browser, &page, bad).await;
        assert!(browser.flash(&path).await.contains("must not"), "{bad:?}");
    }
    let long = "слово ".repeat(100_000);
    assert!(long.len() < MAX_CORRECTION_BYTES);
    let answer = save(&mut browser, &page, &long).await;
    assert_eq!(answer.location(), path);
    let page = browser.get(&path).await.body;
    assert!(page.contains("<ins>"));
    let answer = save(&mut browser, &page, "**Answer** 0,\r\nbut better 🙂").await;
    assert_eq!(answer.location(), path);
    let page = browser.get(&path).await.body;
    assert!(page.contains("<del>") && page.contains("but better 🙂"), "{page}");
    let judge = browser
        .get(&format!("/projects/{}/judge?comparison={comparison}", project.id))
        .await
        .body;
    assert!(judge.contains("Your correction is preferred"));
    assert_eq!(app.db.count_exportable(project.id).await.unwrap().corrections, 1);
}

/// The comparisons that a page-like client gets.
async fn next(browser: &mut Browser, project: Uuid, seat: Uuid) -> Vec<Value> {
    let next = json!({"project": project, "kind": "pair", "without": [], "seat": seat});
    let (status, tasks) = ask(browser, "/fn/judge/next", next.to_string()).await;
    assert_eq!(status, StatusCode::OK, "{tasks}");
    let tasks = tasks.as_array().expect("a list").iter();
    tasks.map(|task| task["comparison_id"].clone()).collect()
}

#[tokio::test]
async fn what_a_page_holds_nobody_else_gets_until_it_is_given_back() {
    let app = TestApp::new().await;
    let project = project(&app).await;
    let path = format!("/projects/{}/judge", project.id);
    let (mut ada, mut bob) = (
        app.signed_in("ada", Role::Trainer).await,
        app.signed_in("bob", Role::Trainer).await,
    );
    let shown = field(&ada.get(&path).await.body, "form[comparison]");
    assert_eq!(
        field(&ada.get(&path).await.body, "form[comparison]"),
        shown,
        "a reload"
    );
    let seat = Uuid::new_v4();
    let hers = next(&mut ada, project.id, seat).await;
    assert_eq!(hers.len(), 3, "what the page shows and all that is left");
    let page = bob.get(&path).await.body;
    assert!(page.contains("Others have the last 3 in hand"), "{page}");
    assert!(
        page.contains("0 done · 0 left for you · 0 of 3 in the project"),
        "{page}"
    );

    let hold = |ahead: &[Value]| {
        json!({"project": project.id, "kind": "pair", "seat": seat, "shown": [hers[0]], "ahead": ahead})
            .to_string()
    };
    let (status, held) = ask(&mut ada, "/fn/judge/hold", hold(&hers[1..])).await;
    assert_eq!((status, held.as_array().map(Vec::len)), (StatusCode::OK, Some(2)));
    assert_eq!(
        next(&mut bob, project.id, Uuid::new_v4()).await,
        [hers[2].clone()]
    );

    let leave = json!({"seat": seat, "comparisons": hers}).to_string();
    // As a beacon sends it.
    let headers = [("content-type", "text/plain;charset=UTF-8"), ("accept", "*/*")];
    let answer = ada
        .send(Method::POST, "/fn/judge/give-back", &headers, leave)
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let mut carl = app.signed_in("carl", Role::Trainer).await;
    assert!(hers[..2].contains(&next(&mut carl, project.id, Uuid::new_v4()).await[0]));

    let all = json!({"project": project.id, "kind": "pair", "seat": seat, "shown": [], "ahead": [], "comparisons": []});
    for path in ["/fn/judge/give-back", "/fn/judge/hold", "/fn/judge/progress"] {
        let (status, _) = ask(&mut app.browser(), path, all.to_string()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[tokio::test]
async fn a_lead_sets_how_many_judge_and_a_trainer_may_not() {
    let app = TestApp::new().await;
    let project = project(&app).await;
    let path = format!("/projects/{}/assignment", project.id);
    let mut lead = app.signed_in("lead", Role::Lead).await;
    let id = project.id.to_string();
    let set = [("project", id.as_str()), ("wanted", "3")];
    let choose = [
        ("form[project]", id.as_str()),
        ("form[kind]", "ranking"),
        ("form[language]", "en"),
        ("form[wanted]", "5"),
    ];
    assert_eq!(lead.post("/fn/assignment/set", &set).await.location(), path);
    assert!(lead.flash(&path).await.contains("3 people judge each comparison"));
    assert_eq!(lead.post("/fn/assignment/choose", &choose).await.location(), path);
    let page = lead.get(&path).await.body;
    assert!(page.contains("1 comparison: 5 people each."), "{page}");
    assert!(
        page.contains("Chosen rankings") && page.contains("0 of 9"),
        "{page}"
    );
    let too_many = [("project", id.as_str()), ("wanted", "10")];
    lead.post("/fn/assignment/set", &too_many).await;
    assert!(lead.flash(&path).await.contains("1 to 9 people"));

    let mut trainer = app.signed_in("ada", Role::Trainer).await;
    assert_eq!(trainer.get(&path).await.status, StatusCode::FORBIDDEN);
    trainer.post("/fn/assignment/set", &set).await;
    trainer.post("/fn/assignment/choose", &choose[..3]).await;
    let workload = app.db.list_workload(project.id).await.unwrap();
    let wanted: Vec<u64> = workload.iter().map(|group| group.wanted).collect();
    assert_eq!(wanted, [3, 5], "a trainer changed it");
}

#[tokio::test]
async fn nobody_takes_an_identifier_that_an_import_would_make() {
    let app = TestApp::new().await;
    let project = project(&app).await;
    let mut browser = app.signed_in("ada", Role::Trainer).await;
    let page = browser.get(&format!("/projects/{}/judge", project.id)).await.body;
    let predicted = domain::identity::annotator_id("dataset").to_string();
    let taken = page.replace(&field(&page, "form[id]"), &predicted);
    say(&mut browser, &taken, &[("form[say]", "2")]).await;
    let path = format!("/projects/{}/judge", project.id);
    assert!(browser.flash(&path).await.contains("make a random one"));
    assert_eq!(app.db.summarise_project(project.id).await.unwrap().judgements, 0);
}

/// A project with one ranking of nine.
async fn nine(app: &TestApp) -> Project {
    let new = NewProject {
        name: "Nine".into(),
        instructions: "First.".into(),
        demo: false,
        created_by: None,
    };
    let project = app.db.insert_project(new).await.unwrap();
    let row = Row {
        prompt: vec![Message {
            role: Speaker::User,
            content: "Which of nine?".into(),
        }],
        responses: (0..9)
            .map(|r| ResponseText {
                content: format!("Answer {r}"),
                ..ResponseText::default()
            })
            .collect(),
        comparisons: vec![ComparedResponses {
            responses: (0..9).collect(),
            opinion: None,
        }],
        ..Row::default()
    };
    let mut importer = Importer::new(app.db.store(), project.id, Uuid::nil(), None);
    let mut progress = ImportProgress::default();
    importer.insert(&[row], &mut progress, None).await.unwrap();
    project
}

#[tokio::test]
async fn nine_responses_are_ranked_by_a_plain_form_and_changed() {
    let app = TestApp::new().await;
    let project = nine(&app).await;
    let mut browser = app.signed_in("ada", Role::Trainer).await;
    let path = format!("/projects/{}/judge?kind=ranking", project.id);
    let page = browser.get(&path).await.body;
    let names: Vec<String> = (0..9).map(|index| format!("form[place_{index}]")).collect();
    let places = ["9", "1", "2", "3", "4", "5", "6", "7", "7"];
    let mut form = vec![
        ("form[say]", "rank"),
        ("form[justification]", "Told </textarea> apart."),
    ];
    form.extend(names.iter().map(String::as_str).zip(places));
    form.extend([("form[confidence]", "3"), ("form[flagged]", "yes")]);
    say(&mut browser, &page, &form).await;
    let said = "B &gt; C &gt; D &gt; E &gt; F &gt; G &gt; H = I &gt; A";
    assert!(browser.flash(&path).await.contains(said));

    // It is listed whole, and a change begins with what was written and leads back to the list.
    let list = format!("/projects/{}/judgements", project.id);
    let work = browser.get(&format!("{list}?show=justified&q=apart")).await.body;
    assert!(work.contains("Told &lt;/textarea&gt; apart."), "{work}");
    assert!(work.contains(" · flagged · certain"), "{work}");
    let at = work.find("/judge?comparison=").expect("a way to change it");
    let change = work[at..].split('"').next().unwrap().replace("&amp;", "&");
    let page = browser
        .get(&format!("/projects/{}{change}", project.id))
        .await
        .body;
    assert!(page.contains("Told &lt;/textarea&gt; apart."), "{page}");
    let checked = page.matches(" checked").count();
    assert_eq!(checked, 9 + 2, "places, flag and certainty: {page}");
    let from = field(&page, "form[from]").replace("&amp;", "&");
    form.push(("form[from]", &from));
    let answer = say(&mut browser, &page, &form).await;
    assert!(
        answer
            .location()
            .starts_with(&format!("{list}?show=justified&q=apart&changed="))
    );
    let back = browser.get(answer.location()).await.body;
    assert!(back.contains(&format!("Changed. You now say: {said}")), "{back}");

    // Taken back without scripts, it is all there again.
    let page = browser.get(&path).await.body;
    let undo: Vec<(&str, String)> = ["project", "comparison", "id", "old"]
        .map(|name| (name, field(&page, name)))
        .to_vec();
    let undo: Vec<(&str, &str)> = undo.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = browser.post("/fn/judge/undo", &undo).await;
    let page = browser.get(answer.location()).await.body;
    assert_eq!(page.matches(" checked").count(), 9 + 2, "{page}");
}

#[tokio::test]
async fn a_form_that_comes_before_its_page_can_be_read_keeps_nothing() {
    let app = TestApp::new().await;
    let project = project(&app).await;
    let mut browser = app.signed_in("ada", Role::Trainer).await;
    let path = format!("/projects/{}/judge", project.id);
    let page = browser.get(&path).await.body;
    let comparison = field(&page, "form[comparison]");
    // Rendered now by the server's clock, and sent at once: the second click of a double one.
    let shown_at = store::now().to_string();
    let early = [("form[say]", "1"), ("form[shown_at]", shown_at.as_str())];
    let answer = say(&mut browser, &page, &early).await;
    assert!(answer.location().ends_with(&format!("comparison={comparison}")));
    let told = browser.flash(answer.location()).await;
    assert!(told.contains("nothing was kept"), "{told}");
    let work = browser
        .get(&format!("/projects/{}/judgements", project.id))
        .await
        .body;
    assert!(work.contains("You have not judged anything here yet"), "{work}");
    let shown_at = (store::now() - 400).to_string();
    let late = [("form[say]", "1"), ("form[shown_at]", shown_at.as_str())];
    assert_eq!(say(&mut browser, &page, &late).await.location(), path);
}

#[tokio::test]
async fn instructions_are_open_the_first_time_and_after_a_change() {
    let app = TestApp::new().await;
    let project = project(&app).await;
    let mut browser = app.signed_in("ada", Role::Trainer).await;
    let path = format!("/projects/{}/judge", project.id);
    let open = async |browser: &mut Browser| {
        let page = browser.get(&path).await.body;
        let mut tags = page
            .split('<')
            .map(|tag| tag.split('>').next().unwrap_or_default());
        let instructions = tags.find(|tag| tag.contains("judge-instructions"));
        instructions.expect("the instructions").contains(" open")
    };
    assert!(open(&mut browser).await);
    assert!(!open(&mut browser).await);
    app.db.set_instructions(project.id, "Be *strict*.").await.unwrap();
    assert!(open(&mut browser).await);
    assert!(!open(&mut browser).await);
}
