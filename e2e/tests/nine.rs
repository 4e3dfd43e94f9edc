//! Nine unjudged responses come in by a file and are put into order: by keys, and by the form without scripts.

use anyhow::{Context, Result, ensure};
use e2e::{Browser, Programs, Site, browser::Scripts, people::OWNER};
use serde_json::json;
use thirtyfour::By;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nine_responses_are_ranked_by_keys_and_without_scripts() -> Result<()> {
    let Some(programs) = Programs::from_env() else {
        return Ok(());
    };
    let site = Site::start(&programs).await?;
    let browser = Browser::open(&programs, &site, Scripts::On).await?;
    browser.set_up(OWNER).await?;
    browser.fill("Name", "Nine").await?;
    browser.click_button("Create the project").await?;
    browser.reads("Nine").await?;
    let project = browser.path().await?;
    let project = project.split('?').next().context("a path")?.to_owned();
    import_two_of_nine(&browser, &project).await?;

    browser.visit(&format!("{project}/judge?kind=ranking")).await?;
    browser.hydrated().await?;
    browser.check_page().await?;
    ensure!(
        browser.find_all(By::Css("article.response")).await?.len() == 9,
        "not nine responses"
    );
    // Letters of responses place; with shift they are commands.
    browser.press("bcdefgh").await?;
    browser.reads("2 still to place").await?;
    browser.press("=i").await?;
    browser.reads("Keep this order, A last").await?;
    browser.press("F").await?;
    browser.element("input[name='form[flagged]']:checked").await?;
    browser.press("\u{e007}").await?;
    browser.judged_and_saved(1).await?;
    browser.visit(&format!("{project}/judgements")).await?;
    browser
        .reads("B > C > D > E > F > G > H = I > A · flagged")
        .await?;

    let plain = Browser::open(&programs, &site, Scripts::Off).await?;
    plain.sign_in(OWNER).await?;
    plain.visit(&format!("{project}/judge?kind=ranking")).await?;
    for index in 0..9 {
        let place = 9 - index;
        let label = format!("label:has(> input[name='form[place_{index}]'][value='{place}'])");
        plain.element(&label).await?.click().await?;
    }
    plain.click_button("Keep this order").await?;
    plain.reads("Saved: I > H > G > F > E > D > C > B > A.").await
}

/// Two prompts with nine responses each, as a file of lines.
async fn import_two_of_nine(browser: &Browser, project: &str) -> Result<()> {
    let lines: Vec<String> = (0..2)
        .map(|prompt| {
            let responses: Vec<String> = (1..=9).map(|r| format!("Answer {r} to {prompt}.")).collect();
            json!({ "prompt": format!("Question {prompt}?"), "responses": responses }).to_string()
        })
        .collect();
    browser.upload_lines(project, &lines).await?;
    browser.make_rankings().await?;
    browser.reads("2 of 2 rows").await
}
