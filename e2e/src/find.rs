//! What a person looks for: a button, a link, a field by its label, some text.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use thirtyfour::{By, WebElement};

use crate::Browser;

const PATIENCE: Duration = Duration::from_secs(15);
const INTERVAL: Duration = Duration::from_millis(60);

impl Browser {
    /// The first visible match, as soon as there is one. What the page takes away meanwhile is looked for again.
    async fn wait_for(&self, by: By, what: &str) -> Result<WebElement> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            for found in self.find_all(by.clone()).await.unwrap_or_default() {
                if found.is_displayed().await.unwrap_or(false) {
                    return Ok(found);
                }
            }
            if Instant::now() > deadline {
                let text = self.text().await.unwrap_or_default();
                let path = self.path().await.unwrap_or_default();
                bail!("no {what} on {path}, which reads:\n{text}");
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// A button by (part of) its name.
    pub async fn button(&self, name: &str) -> Result<WebElement> {
        let name = quoted(name);
        let by = By::XPath(format!(
            "//button[contains(normalize-space(.), {name}) or @aria-label={name}] | //input[@type='submit' and @value={name}] | //summary[contains(normalize-space(.), {name})]"
        ));
        self.wait_for(by, &format!("button {name}")).await
    }

    /// A link by (part of) its name.
    pub async fn link(&self, name: &str) -> Result<WebElement> {
        let name = quoted(name);
        self.wait_for(
            By::XPath(format!("//a[contains(normalize-space(.), {name})]")),
            &format!("link {name}"),
        )
        .await
    }

    /// A form field by (part of) its label.
    pub async fn field(&self, label: &str) -> Result<WebElement> {
        let label = quoted(label);
        let by = By::XPath(format!(
            "//*[@id=//label[contains(normalize-space(.), {label})]/@for] | //label[contains(normalize-space(.), {label})]//*[self::input or self::textarea or self::select] | //*[@aria-label={label}]"
        ));
        self.wait_for(by, &format!("field {label}")).await
    }

    /// Something by CSS selector, where a person sees a thing without a name.
    pub async fn element(&self, css: &str) -> Result<WebElement> {
        self.wait_for(By::Css(css), css).await
    }

    /// What something reads; asked again where the page swaps it meanwhile.
    pub async fn read(&self, css: &str) -> Result<String> {
        for _ in 0..20 {
            if let Ok(text) = self.element(css).await?.text().await {
                return Ok(text);
            }
        }
        bail!("{css} never holds still")
    }

    /// What stands in a field, found by CSS selector.
    pub async fn value(&self, css: &str) -> Result<String> {
        let value = self.element(css).await?.value().await?;
        value.with_context(|| format!("{css} has no value"))
    }

    /// Whether something matches at this moment.
    pub async fn has(&self, css: &str) -> Result<bool> {
        Ok(!self.find_all(By::Css(css)).await?.is_empty())
    }

    /// Everything that can be read on the page.
    pub async fn text(&self) -> Result<String> {
        Ok(self.find(By::Tag("body")).await?.text().await?)
    }

    /// Waits until some text stands on the page.
    pub async fn reads(&self, text: &str) -> Result<()> {
        let quoted = quoted(text);
        let by = By::XPath(format!("//body//*[contains(normalize-space(.), {quoted})]"));
        self.wait_for(by, &format!("text {quoted}")).await.map(drop)
    }
}

/// An XPath string literal; no text of ours has both kinds of quotes.
fn quoted(text: &str) -> String {
    if text.contains('\'') {
        format!("\"{text}\"")
    } else {
        format!("'{text}'")
    }
}
