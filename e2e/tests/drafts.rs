//! What was begun is kept: over a reload, the way to the editor and back, undo, *Change*, and another start of a
//! correction.

use anyhow::{Result, ensure};
use e2e::{Browser, Programs, Site, browser::Scripts, people::OWNER};
use serde_json::json;

const REASON: &str = "#justification";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_written_judgement_survives_reload_and_the_editor() -> Result<()> {
    let Some(programs) = Programs::from_env() else {
        return Ok(());
    };
    let site = Site::start(&programs).await?;
    let browser = Browser::open(&programs, &site, Scripts::On).await?;
    browser.set_up(OWNER).await?;
    let project = browser.make_demo_project().await?;
    browser.visit(&format!("{project}/judge")).await?;
    browser.hydrated().await?;
    browser.press("fhh").await?;
    browser.press("j").await?;
    browser.press("Half a senten").await?;

    browser.refresh().await?;
    browser.hydrated().await?;
    browser.reads("What you had begun here is back").await?;
    holds(&browser, "Half a senten", true, Some(2)).await?;
    // Who was writing goes on writing: the letters and digits that follow are no keys.
    browser.press("ce, 7 words").await?;
    holds(&browser, "Half a sentence, 7 words", true, Some(2)).await?;
    for _ in " words".chars().chain("ce, 7".chars()) {
        browser.press("\u{e003}").await?;
    }
    holds(&browser, "Half a senten", true, Some(2)).await?;
    browser.press("\u{e00c}").await?;
    browser.press("e").await?;
    browser.reads("Correct a response").await?;
    browser.back().await?;
    browser.reads("Which response is better?").await?;
    browser.hydrated().await?;
    holds(&browser, "Half a senten", true, Some(2)).await?;

    // Given, it begins the next one with nothing; taken back, everything is there again, and after a reload too.
    browser.press("2").await?;
    browser.judged_and_saved(1).await?;
    holds(&browser, "", false, None).await?;
    browser.press("u").await?;
    browser.judged_and_saved(0).await?;
    holds(&browser, "Half a senten", true, Some(2)).await?;
    browser.press("2").await?;
    browser.judged_and_saved(1).await?;
    browser.refresh().await?;
    browser.hydrated().await?;
    browser.press("u").await?;
    browser.judged_and_saved(0).await?;
    holds(&browser, "Half a senten", true, Some(2)).await?;
    browser.check_console().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_places_of_an_order_survive_reload_undo_and_change() -> Result<()> {
    let Some(programs) = Programs::from_env() else {
        return Ok(());
    };
    let site = Site::start(&programs).await?;
    let browser = Browser::open(&programs, &site, Scripts::On).await?;
    browser.set_up(OWNER).await?;
    let project = browser.make_demo_project().await?;
    browser.visit(&format!("{project}/judge?kind=ranking")).await?;
    browser.hydrated().await?;
    browser.press("cb").await?;
    browser.reads("C > B").await?;
    browser.reads("2 still to place").await?;
    browser.press("\u{e007}").await?;
    browser.reads("give each a place").await?;
    browser.refresh().await?;
    browser.hydrated().await?;
    browser.reads("C > B").await?;
    browser.press("a").await?;
    browser.reads("Keep this order, D last").await?;
    browser.press("\u{e007}").await?;
    browser.judged_and_saved(1).await?;
    browser.press("u").await?;
    browser.judged_and_saved(0).await?;
    browser.reads("C > B > A > D").await?;
    browser.press("\u{e007}").await?;
    browser.judged_and_saved(1).await?;
    browser.visit(&format!("{project}/judgements")).await?;
    browser.click_link("Change").await?;
    browser.hydrated().await?;
    browser.reads("C > B > A > D").await?;
    browser.check_page().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_correction_survives_another_start() -> Result<()> {
    let Some(programs) = Programs::from_env() else {
        return Ok(());
    };
    let site = Site::start(&programs).await?;
    let browser = Browser::open(&programs, &site, Scripts::On).await?;
    browser.set_up(OWNER).await?;
    let project = browser.make_demo_project().await?;
    browser.visit(&format!("{project}/judge")).await?;
    browser.hydrated().await?;
    browser.press("e").await?;
    browser.reads("Correct a response").await?;
    browser.hydrated().await?;
    browser
        .element("#correction")
        .await?
        .send_keys(" Typed with care.")
        .await?;
    browser.click_link("Response B").await?;
    browser.reads("What you had written is kept.").await?;
    let kept = browser.value("#correction").await?;
    ensure!(kept.ends_with("Typed with care."), "{kept}");
    browser
        .click_button("Take the text of response B instead")
        .await?;
    let fresh = browser.value("#correction").await?;
    ensure!(!fresh.contains("Typed with care."), "{fresh}");
    browser.element("#correction").await?.send_keys(" For B.").await?;
    let save = browser.button("Save the correction").await?;
    browser
        .action_chain()
        .double_click_element(&save)
        .perform()
        .await?;
    browser.reads("Saved. Your correction is preferred").await?;
    let saved = browser.value("#correction").await?;
    ensure!(saved.ends_with("For B."), "{saved}");
    browser
        .visit(&format!("{project}/judgements?show=corrections"))
        .await?;
    browser.reads("1 to 1 of 1 entry").await?;
    browser.check_page().await
}

/// What stands beside the grades: the reason, the flag, how sure.
async fn holds(browser: &Browser, reason: &str, flagged: bool, sure: Option<u8>) -> Result<()> {
    const READ: &str = "return [document.querySelector(arguments[0]).value,\
        document.querySelector('input[name=\"form[flagged]\"]').checked,\
        Number(document.querySelector('input[name=\"form[confidence]\"]:checked')?.value ?? 0)]";
    let found = browser.execute(READ, vec![json!(REASON)]).await?;
    let wanted = json!([reason, flagged, sure.unwrap_or(0)]);
    ensure!(
        *found.json() == wanted,
        "{} stands there, not {wanted}",
        found.json()
    );
    Ok(())
}
