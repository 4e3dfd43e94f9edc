//! An old phone without scripts: sign in, judge, correct.

use anyhow::{Result, ensure};
use e2e::{Browser, Programs, Site, browser::Scripts, people::OWNER};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signs_in_judges_ranks_corrects_and_asks_for_a_run() -> Result<()> {
    let Some(programs) = Programs::from_env() else {
        return Ok(());
    };
    let site = Site::start(&programs).await?;
    let browser = Browser::open(&programs, &site, Scripts::Off).await?;
    browser.set_up(OWNER).await?;
    let project = browser.make_demo_project().await?;
    browser.visit("/account").await?;
    browser.click_button("Sign out").await?;
    browser.sign_in(OWNER).await?;

    browser.visit(&format!("{project}/judge")).await?;
    ensure!(browser.judged().await? == 0);
    browser.click_button("A clearly").await?;
    browser.element(".judge-task").await?;
    ensure!(browser.judged().await? == 1, "the judgement is not counted");

    browser.visit(&format!("{project}/judge?kind=ranking")).await?;
    for (index, place) in [2, 1, 3, 3].into_iter().enumerate() {
        browser
            .element(&format!(
                "label:has(> input[name='form[place_{index}]'][value='{place}'])"
            ))
            .await?
            .click()
            .await?;
    }
    browser.click_button("Keep this order").await?;
    browser.element(".judge-task").await?;
    ensure!(browser.judged().await? == 1, "the ranking is not counted");

    browser.visit(&format!("{project}/judge")).await?;
    browser.element(".response-correct").await?.click().await?;
    browser
        .element("#correction")
        .await?
        .send_keys(" Written without scripts.")
        .await?;
    browser.click_button("Save the correction").await?;
    // Its redirect would otherwise overtake the next visit.
    browser.reads("Saved. Your correction is preferred").await?;
    browser.visit(&format!("{project}/corrections")).await?;
    browser.click_link("Change").await?;
    let saved = browser.value("#correction").await?;
    ensure!(saved.ends_with("Written without scripts."), "{saved}");

    browser.visit(&format!("{project}/train")).await?;
    browser.toggle_fold("Steps and rates").await?;
    browser.fill("Passes over the pairs", "many").await?;
    browser.element("form button.primary").await?.click().await?;
    browser.reads("“many” is not a whole number").await?;
    browser.fill("Passes over the pairs", "2").await?;
    browser.element("form button.primary").await?.click().await?;
    browser.reads("What it learns from").await?;
    browser.click_link("Duplicate with changes").await?;
    browser.reads("Train a reward model").await?;
    let passes = browser.value("#train-epochs").await?;
    ensure!(passes == "2", "{passes} passes in the duplicate");
    browser.check_console().await
}
