//! What a person does: click, fill in, press keys.

use anyhow::Result;
use serde_json::{Value, json};
use thirtyfour::{By, WebElement};

use crate::Browser;

impl Browser {
    pub async fn click_button(&self, name: &str) -> Result<()> {
        Ok(self.button(name).await?.click_when_ready().await?)
    }

    /// Opens or closes a fold by keyboard, wherever on the page it is.
    pub async fn toggle_fold(&self, name: &str) -> Result<()> {
        Ok(self.button(name).await?.send_keys("\u{e007}").await?)
    }

    pub async fn click_link(&self, name: &str) -> Result<()> {
        Ok(self.link(name).await?.click_when_ready().await?)
    }

    /// Replaces what stands in a field.
    pub async fn fill(&self, label: &str, text: &str) -> Result<()> {
        let field = self.field(label).await?;
        field.clear().await?;
        Ok(field.send_keys(text).await?)
    }

    /// Presses keys on the page, wherever the focus is.
    pub async fn press(&self, keys: &str) -> Result<()> {
        Ok(self.action_chain().send_keys(keys).perform().await?)
    }

    /// Chooses an option of a select by its value.
    pub async fn choose(&self, label: &str, value: &str) -> Result<()> {
        let field: WebElement = self.field(label).await?;
        Ok(field
            .find(By::Css(format!("option[value='{value}']")))
            .await?
            .click()
            .await?)
    }

    /// Waits until every island of the page has come to life, and what is to be judged counts as seen.
    pub async fn hydrated(&self) -> Result<()> {
        for _ in 0..200 {
            let waiting = self.execute(WAITING_ISLANDS, vec![]).await?;
            if waiting.json().as_u64() == Some(0) {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        anyhow::bail!(
            "islands of {} did not come to life within 10 s",
            self.path().await?
        )
    }

    /// What `fetch` in the page gets: `{status, body}`.
    pub async fn fetch(&self, path: &str, options: Value) -> Result<Value> {
        const FETCH: &str = "const done = arguments[arguments.length - 1];\
            fetch(arguments[0], arguments[1] || {}).then(async r => done({status: r.status, body: await r.text()}),\
            e => done({status: 0, body: String(e)}))";
        Ok(self
            .execute_async(FETCH, vec![json!(path), options])
            .await?
            .json()
            .clone())
    }
}

/// How many islands carry no `data-hydrated` yet, on themselves or on an element of theirs, or are not seen yet.
const WAITING_ISLANDS: &str = "return [...document.querySelectorAll('leptos-island')]\
    .filter(i => !i.matches('[data-hydrated]') && !i.querySelector('[data-hydrated]')).length\
    + document.querySelectorAll('[data-unseen]').length";
