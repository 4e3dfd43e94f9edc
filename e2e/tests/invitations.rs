//! A lead invites a class by one link: made, copied, used up, and seen in the list; with scripts and without.

use anyhow::{Result, ensure};
use e2e::{
    Browser, Programs, Site,
    browser::Scripts,
    people::{OWNER, Person, TRAINER},
};

const LEAD: Person = Person {
    name: "Lea Lead",
    email: "lea@example.org",
    password: "nine tall birches",
};

const SECOND: Person = Person {
    name: "Tessa Trainer",
    email: "tessa@example.org",
    password: "nine tall birches",
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lead_invites_several_by_one_link_that_can_be_copied() -> Result<()> {
    let Some(programs) = Programs::from_env() else {
        return Ok(());
    };
    let site = Site::start(&programs).await?;
    let lead = Browser::open(&programs, &site, Scripts::On).await?;
    lead.set_up(OWNER).await?;
    let arguments = [
        "admin", "add-user", LEAD.email, "--role", "lead", "--name", LEAD.name,
    ];
    site.command(&programs, &arguments, LEAD.password).await?;
    lead.delete_all_cookies().await?;
    lead.sign_in(LEAD).await?;
    lead.click_link("Team").await?;
    lead.fill("For how many people", "2").await?;
    lead.fill("Name, for yourself", "Autumn class").await?;
    lead.click_button("Create a link").await?;
    lead.hydrated().await?;
    let link = lead.element(".secret").await?.text().await?;
    lead.click_button("Copy").await?;
    lead.reads("Copied").await?;
    let selected = lead.execute("return String(getSelection())", vec![]).await?;
    ensure!(selected.json() == link.trim(), "{} is copied", selected.json());
    lead.check_page().await?;

    let path = &link[link.find("/join/").unwrap_or_default()..];
    for person in [TRAINER, SECOND] {
        let guest = Browser::open(&programs, &site, Scripts::On).await?;
        guest.join(path, person).await?;
    }
    lead.visit("/team").await?;
    lead.toggle_fold("Invitations that are over").await?;
    lead.reads("0 of 2").await?;
    lead.reads("Tariq Trainer, Tessa Trainer").await?;
    lead.visit(path).await?;
    lead.reads("This invitation has been used").await?;
    lead.browser_log().await?; // Chromium logs the refusal as an error; it was asked for.
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_scripts_the_link_stands_there_to_be_selected_and_the_invitation_is_cancelled() -> Result<()>
{
    let Some(programs) = Programs::from_env() else {
        return Ok(());
    };
    let site = Site::start(&programs).await?;
    let owner = Browser::open(&programs, &site, Scripts::Off).await?;
    owner.set_up(OWNER).await?;
    let path = owner.invite_trainer().await?;
    let copy = owner.find(thirtyfour::By::Css(".secret-row button")).await?;
    ensure!(!copy.is_displayed().await?, "a button that does nothing");
    owner.click_button("Cancel invitation").await?;
    owner.reads("The invitation is cancelled").await?;
    owner.delete_all_cookies().await?;
    owner.visit(&path).await?;
    owner
        .reads("This invitation has been used, has ended or was cancelled")
        .await
}
