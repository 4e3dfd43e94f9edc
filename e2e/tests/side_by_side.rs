//! Two people who judge at once get different pairs, and what a page fetched ahead is given back when it goes.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use e2e::{
    Browser, Programs, Site,
    browser::Scripts,
    people::{OWNER, TRAINER},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_get_different_pairs_and_a_page_that_goes_gives_back() -> Result<()> {
    let Some(programs) = Programs::from_env() else {
        return Ok(());
    };
    let site = Site::start(&programs).await?;
    let owner = Browser::open(&programs, &site, Scripts::On).await?;
    owner.set_up(OWNER).await?;
    let project = owner.make_demo_project().await?;
    let invitation = owner.invite_trainer().await?;
    let trainer = Browser::open(&programs, &site, Scripts::On).await?;
    trainer.join(&invitation, TRAINER).await?;

    owner.visit(&format!("{project}/judge")).await?;
    owner.hydrated().await?;
    // What the owner's page shows, and four ahead.
    let all = is_left(&trainer, &project, 5).await?;
    let (hers, his) = (
        owner.read(".judge-task").await?,
        trainer.read(".judge-task").await?,
    );
    ensure!(hers != his, "both have the same pair");
    owner.visit(&project).await?;
    is_left(&trainer, &project, 0).await?;

    owner.visit(&format!("{project}/assignment")).await?;
    owner.check_page().await?;
    owner.choose("People who judge each comparison", "2").await?;
    owner.click_button("Save").await?;
    owner.reads("2 people judge each comparison from now on").await?;
    let [left, wanted] = figures(&trainer, &project).await?;
    ensure!((left, wanted) == (all, 2 * all), "{left} left of {wanted} wanted");
    owner.check_console().await
}

/// Loads the trainer's page until all but so many pairs are left for them; gives how many there are.
async fn is_left(trainer: &Browser, project: &str, but: u64) -> Result<u64> {
    let deadline = Instant::now() + Duration::from_secs(15);
    loop {
        let [left, all] = figures(trainer, project).await?;
        if left + but == all {
            return Ok(all);
        }
        if Instant::now() > deadline {
            bail!("{left} of {all} left, not all but {but}");
        }
    }
}

/// What is left for the person, and how many judgements the project wants: `0 done · 145 left for you · 0 of 150 in …`.
async fn figures(browser: &Browser, project: &str) -> Result<[u64; 2]> {
    browser.visit(&format!("{project}/judge")).await?;
    let line = browser.read(".judge-progress").await?;
    let numbers: Vec<u64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [_, left, _, wanted] = numbers[..] else {
        bail!("four numbers in “{line}”");
    };
    Ok([left, wanted])
}
