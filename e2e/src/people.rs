//! Who takes part, and what each does first.

use anyhow::{Context, Result};

use crate::Browser;

/// Someone with an account to be.
#[derive(Debug, Clone, Copy)]
pub struct Person {
    pub name: &'static str,
    pub email: &'static str,
    pub password: &'static str,
}

/// The owner of a journey's installation.
pub const OWNER: Person = Person {
    name: "Olive Owner",
    email: "olive@example.org",
    password: "slate streak gold",
};

/// A trainer whom the owner invites.
pub const TRAINER: Person = Person {
    name: "Tariq Trainer",
    email: "tariq@example.org",
    password: "nine tall birches",
};

impl Browser {
    /// Makes the owner's account on the first visit.
    pub async fn set_up(&self, owner: Person) -> Result<()> {
        self.visit("/").await?;
        self.reads("Welcome to Touchstone").await?;
        self.check_page().await?;
        self.fill_account(owner).await?;
        let code = self.setup_code.as_deref().context("the site was not fresh")?;
        self.fill("Set-up code", code).await?;
        self.click_button("Create the owner's account").await?;
        self.reads("Projects").await
    }

    /// Signs in.
    pub async fn sign_in(&self, person: Person) -> Result<()> {
        self.visit("/sign-in").await?;
        self.fill("Email", person.email).await?;
        self.fill("Password", person.password).await?;
        self.click_button("Sign in").await?;
        self.reads("Projects").await
    }

    /// Makes an invitation for a trainer and gives its path.
    pub async fn invite_trainer(&self) -> Result<String> {
        self.visit("/team").await?;
        self.click_button("Create a link").await?;
        let link = self.element(".secret").await?.text().await?;
        let path = link
            .find("/join/")
            .context("the invitation is no link to /join")?;
        Ok(link[path..].to_owned())
    }

    /// Accepts an invitation.
    pub async fn join(&self, path: &str, person: Person) -> Result<()> {
        self.visit(path).await?;
        self.reads("You are invited").await?;
        self.check_page().await?;
        self.fill_account(person).await?;
        self.click_button("Create my account").await?;
        self.reads("Projects").await
    }

    /// Makes the demo project and gives the path of its page.
    pub async fn make_demo_project(&self) -> Result<String> {
        self.visit("/").await?;
        self.click_button("Create the demo project").await?;
        self.reads("Judge pairs").await?;
        self.path().await
    }

    async fn fill_account(&self, person: Person) -> Result<()> {
        self.fill("Your name", person.name).await?;
        self.fill("Email", person.email).await?;
        self.fill("Password", person.password).await
    }
}
