//! Who gives somebody more rights is asked for the password, with scripts and without; a session that was left open is not enough.

use anyhow::{Result, ensure};
use e2e::{
    Browser, Programs, Site,
    browser::Scripts,
    people::{OWNER, TRAINER},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_rank_asks_for_the_password_and_changes_nothing_without_it() -> Result<()> {
    let Some(programs) = Programs::from_env() else {
        return Ok(());
    };
    let site = Site::start(&programs).await?;
    let owner = Browser::open(&programs, &site, Scripts::On).await?;
    owner.set_up(OWNER).await?;
    let arguments = [
        "admin",
        "add-user",
        TRAINER.email,
        "--role",
        "trainer",
        "--name",
        TRAINER.name,
    ];
    site.command(&programs, &arguments, TRAINER.password).await?;

    owner.visit("/team").await?;
    owner
        .choose(&format!("Role of {}", TRAINER.name), "owner")
        .await?;
    owner.click_button("Change role").await?;
    owner.reads("Is it you?").await?;
    owner.reads(TRAINER.name).await?;
    owner.check_page().await?;
    owner.fill("Your password", "not my password").await?;
    owner.click_button("Confirm").await?;
    owner.reads("That is not your password.").await?;
    owner.click_link("Cancel").await?;
    ensure!(role(&owner).await? == "trainer", "nothing has changed");

    let plain = Browser::open(&programs, &site, Scripts::Off).await?;
    plain.sign_in(OWNER).await?;
    plain.visit("/team").await?;
    plain
        .choose(&format!("Role of {}", TRAINER.name), "reviewer")
        .await?;
    plain.click_button("Change role").await?;
    plain.fill("Your password", OWNER.password).await?;
    plain.click_button("Confirm").await?;
    plain.reads("The role is changed.").await?;
    ensure!(role(&plain).await? == "reviewer", "the role that was chosen");
    Ok(())
}

/// The role that the list of people shows for the trainer.
async fn role(browser: &Browser) -> Result<String> {
    browser.visit("/team").await?;
    for row in browser.find_all(thirtyfour::By::Css("tr")).await? {
        if row.text().await?.contains(TRAINER.name) {
            return Ok(row.find(thirtyfour::By::Css(".badge")).await?.text().await?);
        }
    }
    anyhow::bail!("{} is not in the list", TRAINER.name)
}
