//! Text that wants to be markup, in every field that a person or a file can fill, on every page that there is.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use e2e::{
    Browser, Programs, Site,
    browser::Scripts,
    hostile::{NAME, SHORT_NAME, TEXT},
    people::Person,
};
use serde_json::json;
use thirtyfour::By;

const OWNER: Person = Person {
    name: NAME,
    email: "hostile@example.org",
    password: "slate streak gold",
};

const TRAINER: Person = Person {
    name: NAME,
    email: "hostile-too@example.org",
    password: "nine tall birches",
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_text_becomes_markup_on_any_page() -> Result<()> {
    let Some(programs) = Programs::from_env() else {
        return Ok(());
    };
    let site = Site::start(&programs).await?;
    let owner = Browser::open(&programs, &site, Scripts::On).await?;
    owner.set_up(OWNER).await?;
    let project = make_project(&owner).await?;
    import_file(&owner, &project).await?;
    fill_account_and_team(&owner).await?;
    let comparison = judge_and_correct(&owner, &project).await?;
    let run = match programs.base_model.is_some() {
        true => Some(train(&owner, &project).await?),
        false => {
            eprintln!("SKIPPED: TOUCHSTONE_BASE_MODEL names no folder; nothing is trained");
            None
        }
    };
    let prompt = first_prompt(&owner, &project).await?;
    let mut pages = pages(&project, run.as_deref(), &comparison);
    pages.push(("/projects/:id/prompts/:prompt", prompt));
    if run.is_some() {
        every_page_is_among(&pages)?;
    }
    tour(&owner, &pages).await?;
    if let Some(run) = &run {
        try_it(&owner, run).await?;
    }
    refused_forms(&owner, &project).await?;

    let plain = Browser::open(&programs, &site, Scripts::Off).await?;
    plain.sign_in(OWNER).await?;
    tour(&plain, &pages).await?;
    let invitation = owner.invite_trainer().await?;
    let trainer = Browser::open(&programs, &site, Scripts::On).await?;
    trainer.join(&invitation, TRAINER).await?;
    tour(&trainer, &pages).await?;
    tour(&owner, &[("/team", "/team".to_owned())]).await
}

/// A project by a form, its name and instructions hostile; they read as they were typed.
async fn make_project(owner: &Browser) -> Result<String> {
    owner
        .post_form("/fn/projects/create", &[("name", NAME), ("instructions", TEXT)])
        .await?;
    let project = owner.path().await?;
    ensure!(project.starts_with("/projects/"), "no project but {project}");
    owner.nothing_injected(&project).await?;
    ensure!(
        owner.title().await? == format!("{NAME} · Touchstone"),
        "the title is not the name"
    );
    owner.toggle_fold("Edit the instructions").await?;
    ensure!(
        owner.value("#instructions").await? == TEXT,
        "the instructions are not what was typed"
    );
    Ok(project)
}

/// Every label and text of a line, and faults whose sentences quote the file.
async fn import_file(owner: &Browser, project: &str) -> Result<()> {
    let mut lines: Vec<String> = (0..8)
        .map(|index| {
            let line = json!({
                "prompt": [{ "role": "system", "content": TEXT }, { "role": "user", "content": format!("{TEXT} {index}") }],
                "chosen": [{ "role": "assistant", "content": format!("{TEXT} yes {index}") }],
                "rejected": [{ "role": "assistant", "content": format!("```html {TEXT}\n{TEXT}\n```\n\n[a]({TEXT}) no {index}") }],
                "category": SHORT_NAME, "language": "en", "chosen_model": SHORT_NAME, "rejected_model": NAME,
                "metadata": { NAME: TEXT }, TEXT: TEXT,
            });
            line.to_string()
        })
        .collect();
    lines.push(format!("{TEXT} is no JSON"));
    lines.push(json!({ "chosen": TEXT, "rejected": { NAME: TEXT } }).to_string());
    lines.push(json!({ "prompt": "a", "chosen": "b", "rejected": "c", "margin": TEXT }).to_string());
    lines.push(
        json!({ "prompt": "a", "chosen": [{ "role": TEXT, "content": "b" }], "rejected": "c" }).to_string(),
    );
    owner.visit(&format!("{project}/import")).await?;
    owner
        .choose_file("#import-file", &format!("{SHORT_NAME}.jsonl"), &lines.join("\n"))
        .await?;
    owner
        .element("input[name=on_error][value=skip]")
        .await?
        .click()
        .await?;
    owner.element("#import-annotator").await?.send_keys(NAME).await?;
    owner.click_button("Upload and import").await?;
    owner.reads("is uploaded; the import begins").await?;
    owner.nothing_injected("the upload's answer").await?;
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        owner.visit(&format!("{project}/import")).await?;
        owner.nothing_injected("the import's report").await?;
        if owner.has("details.import .badge.good").await? {
            break;
        }
        ensure!(Instant::now() < deadline, "not imported: {}", owner.text().await?);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

async fn fill_account_and_team(owner: &Browser) -> Result<()> {
    owner.visit("/account").await?;
    owner.fill("Name of a new token", SHORT_NAME).await?;
    owner.click_button("Create a token").await?;
    owner.element(".secret").await?;
    owner.nothing_injected("/account with a token").await?;
    owner.visit("/account").await?;
    owner.nothing_injected("/account").await?;
    owner.visit("/team").await?;
    owner.fill("Name, for yourself", SHORT_NAME).await?;
    owner.click_button("Create a link").await?;
    owner.element(".secret").await?;
    owner.nothing_injected("/team with an invitation").await
}

/// A justification, a correction and its draft; gives the comparison's path.
async fn judge_and_correct(owner: &Browser, project: &str) -> Result<String> {
    owner.visit(&format!("{project}/judge")).await?;
    owner.hydrated().await?;
    owner.element(".judge-task").await?;
    owner.nothing_injected("judging").await?;
    let written = owner.read(".judge-task").await?;
    ensure!(
        written.contains("data-hostile"),
        "the text is not shown: {written}"
    );
    let correct = owner.element(".response-correct").await?.attr("href").await?;
    let correct = correct.context("no way to a correction")?;
    owner.press("j").await?;
    owner.element("#justification").await?.send_keys(TEXT).await?;
    owner.press("\u{e00c}").await?;
    owner.press("2").await?;
    owner.judged_and_saved(1).await?;
    owner.visit(&correct).await?;
    owner.hydrated().await?;
    owner.nothing_injected("the correction's page").await?;
    let shown = owner.value("#correction").await?;
    ensure!(
        shown.contains("</textarea>"),
        "the response is not what was imported: {shown}"
    );
    owner.element("#correction").await?.send_keys(TEXT).await?;
    owner.element(".diff ins").await?;
    owner.nothing_injected("the difference").await?;
    owner.click_button("Save the correction").await?;
    owner.reads("Saved. Your correction is preferred").await?;
    owner.nothing_injected("the saved correction").await?;
    ensure!(
        owner.value("#correction").await?.contains(TEXT),
        "the correction is not what was typed"
    );
    Ok(correct)
}

async fn train(owner: &Browser, project: &str) -> Result<String> {
    let id = project.rsplit('/').next().unwrap_or_default();
    owner.visit(&format!("{project}/train")).await?;
    owner
        .post_form(
            "/fn/runs/create",
            &[
                ("form[project]", id),
                ("form[name]", NAME),
                ("form[source]", "all"),
                ("form[include_flagged]", "true"),
                ("form[corrections]", "true"),
                ("form[rankings]", "true"),
                ("form[whole_rankings]", "false"),
                ("form[margins]", "false"),
                ("form[held_out]", "share"),
                ("form[percent]", "25"),
                ("form[split_seed]", ""),
                ("form[method]", "head"),
                ("form[settings][epochs]", "1"),
            ],
        )
        .await?;
    let run = owner.path().await?;
    ensure!(
        run.starts_with("/runs/"),
        "no run but {run}: {}",
        owner.text().await?
    );
    let deadline = Instant::now() + Duration::from_secs(600);
    loop {
        owner.visit(&run).await?;
        owner.nothing_injected("a run under way").await?;
        let text = owner.text().await?;
        if text.contains("What came out") {
            return Ok(run);
        }
        ensure!(
            Instant::now() < deadline && !text.contains("Failed"),
            "the run did not end well:\n{text}"
        );
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// The page of one of the imported prompts.
async fn first_prompt(owner: &Browser, project: &str) -> Result<String> {
    owner.visit(&format!("{project}/prompts")).await?;
    let link = owner.element(&format!("a[href^='{project}/prompts/']")).await?;
    link.attr("href").await?.context("no prompt is listed")
}

/// The pattern of each route, and an address of it.
fn pages(project: &str, run: Option<&str>, correct: &str) -> Vec<(&'static str, String)> {
    let of_project = |page: &str| format!("{project}{page}");
    let mut pages = vec![
        ("/", "/".to_owned()),
        ("/team", "/team".to_owned()),
        ("/account", "/account".to_owned()),
        (
            "/confirm",
            format!(
                "/confirm?action=/account/tokens&f.name={0}&f.{0}={0}",
                encoded(NAME)
            ),
        ),
        ("/setup", "/setup".to_owned()),
        ("/sign-in", format!("/sign-in?next=/%22%3E{}", encoded(NAME))),
        ("/join/:token", format!("/join/{}", encoded(SHORT_NAME))),
        ("/projects/:id", of_project("")),
        ("/projects/:id/judge", of_project("/judge")),
        ("/projects/:id/judge", of_project("/judge?kind=ranking")),
        (
            "/projects/:id/judge",
            of_project(&format!("/judge?kind={}", encoded(NAME))),
        ),
        ("/projects/:id/judgements", of_project("/judgements")),
        ("/projects/:id/corrections", of_project("/corrections")),
        ("/projects/:id/corrections", correct.to_owned()),
        (
            "/projects/:id/corrections",
            of_project(&format!("/corrections?comparison={}", encoded(NAME))),
        ),
        ("/projects/:id/assignment", of_project("/assignment")),
        ("/projects/:id/prompts", of_project("/prompts")),
        (
            "/projects/:id/prompts",
            of_project(&format!(
                "/prompts?q={0}&category={0}&model={0}",
                encoded(SHORT_NAME)
            )),
        ),
        ("/projects/:id/import", of_project("/import")),
        ("/projects/:id/export", of_project("/export")),
        ("/projects/:id/train", of_project("/train")),
        (
            "/projects/:id/train",
            of_project(&format!(
                "/train?form[name]={0}&form[percent]={0}&form[settings][epochs]={0}&form[source]={0}",
                encoded(TEXT)
            )),
        ),
        ("", format!("/{}", encoded(NAME))),
        ("", format!("/projects/{}", encoded(SHORT_NAME))),
    ];
    if let Some(run) = run {
        let id = run.rsplit('/').next().unwrap_or_default();
        pages.extend([
            (
                "/projects/:id/runs/compare",
                of_project(&format!("/runs/compare?run={id}&run={}", encoded(NAME))),
            ),
            ("/runs/:id", run.to_owned()),
            ("/runs/:id/scores", format!("{run}/scores")),
            ("/runs/:id/scores", format!("{run}/scores?show=pairs")),
            (
                "/runs/:id/scores",
                format!("{run}/scores?category={}&tried={0}&page={0}", encoded(SHORT_NAME)),
            ),
        ]);
    }
    pages
}

/// A page that is added to the application is added to the tour.
fn every_page_is_among(pages: &[(&str, String)]) -> Result<()> {
    let routes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../app/src/routes.rs");
    let routes = std::fs::read_to_string(routes)?;
    let patterns: Vec<&str> = routes
        .split("path!(\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    ensure!(patterns.len() > 10, "the routes are not where they were");
    for pattern in patterns {
        ensure!(
            pages.iter().any(|(known, _)| *known == pattern),
            "{pattern} is not visited"
        );
    }
    Ok(())
}

async fn tour(browser: &Browser, pages: &[(&str, String)]) -> Result<()> {
    for (_, page) in pages {
        browser.visit(page).await?;
        browser.element("#main").await?;
        browser.nothing_injected(page).await?;
    }
    Ok(())
}

/// The link that a plain form leads to shows what was typed, to whoever opens it.
async fn try_it(owner: &Browser, run: &str) -> Result<()> {
    let id = run.rsplit('/').next().unwrap_or_default();
    owner.visit(&format!("{run}/scores")).await?;
    owner
        .post_form(
            "/fn/scores/try",
            &[
                ("run", id),
                ("prompt", TEXT),
                ("responses[0]", TEXT),
                ("responses[1]", "another"),
            ],
        )
        .await?;
    let tried = owner.path().await?;
    ensure!(tried.contains("tried="), "not sent to the result but to {tried}");
    owner.nothing_injected("Try it").await?;
    ensure!(
        owner.value("#try-prompt").await? == TEXT,
        "the prompt is not what was typed"
    );
    ensure!(
        owner.value("#try-response-0").await? == TEXT,
        "the response is not what was typed"
    );
    owner.element(".try-results").await?;
    owner.hydrated().await?;
    owner.click_button("Score").await?;
    owner.element(".try-results").await?;
    owner.nothing_injected("Try it, scored in place").await
}

/// Sentences that quote what was typed.
async fn refused_forms(owner: &Browser, project: &str) -> Result<()> {
    let id = project.rsplit('/').next().unwrap_or_default();
    for (field, value) in [
        ("form[settings][epochs]", TEXT),
        ("form[percent]", NAME),
        ("form[source]", TEXT),
        ("form[method]", TEXT),
    ] {
        owner.visit(&format!("{project}/train")).await?;
        let mut fields = vec![
            ("form[project]", id),
            ("form[name]", NAME),
            ("form[source]", "all"),
            ("form[percent]", "10"),
            ("form[held_out]", "share"),
            ("form[method]", "head"),
        ];
        fields.retain(|(name, _)| *name != field);
        fields.push((field, value));
        owner.post_form("/fn/runs/create", &fields).await?;
        owner.nothing_injected(&format!("a refused {field}")).await?;
    }
    owner.visit("/").await?;
    owner
        .post_form("/fn/projects/create", &[("name", TEXT), ("instructions", TEXT)])
        .await?;
    owner.nothing_injected("a refused project").await?;
    owner.visit("/account").await?;
    owner.post_form("/account/tokens", &[("name", TEXT)]).await?;
    owner.nothing_injected("a refused token").await?;
    owner.post_form("/account/name", &[("name", TEXT)]).await?;
    owner.nothing_injected("a refused name").await?;
    ensure!(owner.find_all(By::Css("#main")).await?.len() == 1, "no page");
    Ok(())
}

/// Percent-encoded, as in an address.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}
