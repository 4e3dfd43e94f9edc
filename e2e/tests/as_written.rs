//! What a response says can be seen: checkboxes, formulas, code, hidden characters; and the text as it was written.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use e2e::{Browser, Programs, Site, browser::Scripts, people::OWNER};
use serde_json::json;

/// The direction of code, and of the Arabic paragraph before it.
const CODE_SIDES: &str = r#"
const code = document.querySelector(".response pre code");
const arabic = [...document.querySelectorAll(".response p")].find((p) => p.textContent.startsWith("مرحبا"));
return [getComputedStyle(code).direction, getComputedStyle(arabic).direction];
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_and_without_scripts_a_tick_show_a_response_as_it_was_written() -> Result<()> {
    let Some(programs) = Programs::from_env() else {
        return Ok(());
    };
    let site = Site::start(&programs).await?;
    let browser = Browser::open(&programs, &site, Scripts::On).await?;
    browser.set_up(OWNER).await?;
    let project = project_with_lists(&browser).await?;

    browser.visit(&format!("{project}/judge")).await?;
    browser.hydrated().await?;
    rendered(&browser).await?;
    browser.check_page().await?;
    browser.press("w").await?;
    written(&browser).await?;
    browser.check_page().await?;
    browser.press("3").await?;
    browser.judged_and_saved(1).await?;
    written(&browser).await?;
    browser.click_button("As written").await?;
    rendered(&browser).await?;
    // In a text, w is a letter.
    browser.press("j").await?;
    browser.element("#justification").await?.send_keys("www").await?;
    ensure!(
        browser.value("#justification").await? == "www",
        "the letter is not typed"
    );
    rendered(&browser).await?;

    let plain = Browser::open(&programs, &site, Scripts::Off).await?;
    plain.sign_in(OWNER).await?;
    plain.visit(&format!("{project}/judge")).await?;
    rendered(&plain).await?;
    plain
        .element(".response .written-choice input")
        .await?
        .click()
        .await?;
    written(&plain).await
}

async fn project_with_lists(browser: &Browser) -> Result<String> {
    browser
        .post_form(
            "/fn/projects/create",
            &[("name", "Lists"), ("instructions", "Look **closely**.")],
        )
        .await?;
    let project = browser.path().await?;
    let text = |done: &str| {
        format!(
            "مرحبا بكم في الدرس\n\n- [{done}] buy milk\n\nSo \\(x*y*z\\) and\n\n\\[\\frac{{1}}{{2}}\\]\n\n```python\ndef f(): pass\n```\n\nzero\u{200B}width"
        )
    };
    let lines: Vec<String> = (0..3)
        .map(|index| {
            let line = json!({ "prompt": format!("**Prompt** {index}"), "chosen": text("x"), "rejected": text(" ") });
            line.to_string()
        })
        .collect();
    browser.visit(&format!("{project}/import")).await?;
    browser
        .choose_file("#import-file", "lists.jsonl", &lines.join("\n"))
        .await?;
    browser.click_button("Upload and import").await?;
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        browser.visit(&format!("{project}/import")).await?;
        if browser.has("details.import .badge.good").await? {
            return Ok(project);
        }
        ensure!(
            Instant::now() < deadline,
            "not imported: {}",
            browser.text().await?
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Both responses are rendered, and differ where they were written differently.
async fn rendered(browser: &Browser) -> Result<()> {
    let seen = browser.read(".judge-responses").await?;
    for part in ["☑ buy milk", "☐ buy milk", "U+200B", "def f(): pass"] {
        ensure!(seen.contains(part), "{part} is not seen in\n{seen}");
    }
    ensure!(!seen.contains("- [x]"), "both are seen:\n{seen}");
    let sides = browser.execute(CODE_SIDES, vec![]).await?;
    ensure!(
        sides.json() == &json!(["ltr", "rtl"]),
        "code goes from left to right in a text from right to left: {}",
        sides.json()
    );
    for part in [
        ".response math[display=block] mfrac",
        ".response .code-keyword",
        ".response math mo",
    ] {
        browser.element(part).await?;
    }
    Ok(())
}

async fn written(browser: &Browser) -> Result<()> {
    browser.element(".response .written").await?;
    let seen = browser.read(".judge-responses").await?;
    ensure!(
        seen.contains("\\(x*y*z\\)") && seen.contains("```python"),
        "not as it was written:\n{seen}"
    );
    Ok(())
}
