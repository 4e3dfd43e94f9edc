//! An old phone without scripts: sign in, judge, correct.

use anyhow::{Result, ensure};
use e2e::{Browser, Programs, Site, browser::Scripts, people::OWNER};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signs_in_judges_ranks_and_corrects() -> Result<()> {
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
    browser.check_console().await
}
