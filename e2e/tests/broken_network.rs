//! A judgement made while the server is away is kept in the browser and sent when the server is back.

use anyhow::Result;
use e2e::{Browser, Programs, Site, browser::Scripts, people::OWNER};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn judgements_wait_for_the_server_and_survive_its_kill() -> Result<()> {
    let Some(programs) = Programs::from_env() else {
        return Ok(());
    };
    let mut site = Site::start(&programs).await?;
    let browser = Browser::open(&programs, &site, Scripts::On).await?;
    browser.set_up(OWNER).await?;
    let project = browser.make_demo_project().await?;
    browser.visit(&format!("{project}/judge")).await?;
    browser.hydrated().await?;
    browser.press("2").await?;
    browser.judged_and_saved(1).await?;

    site.kill()?;
    browser.press("6").await?;
    browser.reads("kept in this browser").await?;
    site.restart(&programs).await?;
    browser.judged_and_saved(2).await?;

    browser.visit(&format!("{project}/judge")).await?;
    browser.hydrated().await?;
    browser.judged_and_saved(2).await
}
