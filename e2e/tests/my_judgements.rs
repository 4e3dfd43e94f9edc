//! Looking back: one's own judgements are listed, searched and changed, and a change leads back to the list.

use anyhow::{Result, ensure};
use e2e::{Browser, Programs, Site, browser::Scripts, people::OWNER};
use thirtyfour::By;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_leads_back_to_the_list_with_a_confirmation() -> Result<()> {
    let Some(programs) = Programs::from_env() else {
        return Ok(());
    };
    let site = Site::start(&programs).await?;
    let browser = Browser::open(&programs, &site, Scripts::On).await?;
    browser.set_up(OWNER).await?;
    let project = browser.make_demo_project().await?;
    browser.visit(&format!("{project}/judgements")).await?;
    browser.reads("You have not judged anything here yet").await?;
    browser.check_page().await?;
    browser.visit(&format!("{project}/judge")).await?;
    browser.hydrated().await?;
    instructions_are_open(&browser, true).await?;
    browser.press("1").await?;
    browser.judged_and_saved(1).await?;
    browser.press("f").await?;
    browser.press("jBecause of Ёлка").await?;
    browser.press("\u{e00c}").await?;
    browser.press("2").await?;
    browser.judged_and_saved(2).await?;
    browser.visit(&format!("{project}/judge")).await?;
    instructions_are_open(&browser, false).await?;

    browser.click_link("My judgements").await?;
    browser.reads("A is much better").await?;
    browser.reads("Because of Ёлка").await?;
    browser.check_page().await?;
    for css in [".work-table .reason", ".work-table td > a"] {
        browser.is_within_a_phone(css).await?;
    }
    browser.fill("Search", "ёлка").await?;
    browser.choose("Show", "flagged").await?;
    browser.element(".own-filters button").await?.click().await?;
    browser.reads("1 to 1 of 1 entry").await?;
    ensure!(
        browser.find_all(By::Css(".work-table tbody tr")).await?.len() == 1,
        "not one row"
    );
    let list = browser.path().await?;

    browser.click_link("Change").await?;
    browser.hydrated().await?;
    browser.reads("because: “Because of Ёлка”").await?;
    browser.check_page().await?;
    browser.press("7").await?;
    browser.reads("Changed. You now say: B is much better.").await?;
    ensure!(
        browser.path().await?.contains("show=flagged"),
        "{} is not the list {list}",
        browser.path().await?
    );
    browser.reads("B is much better · flagged").await?;
    browser.reads("Because of Ёлка").await?;
    browser.check_page().await
}

async fn instructions_are_open(browser: &Browser, wanted: bool) -> Result<()> {
    browser.element(".judge-instructions").await?;
    let open = browser.has(".judge-instructions[open]").await?;
    ensure!(open == wanted, "the instructions are open: {open}");
    Ok(())
}
