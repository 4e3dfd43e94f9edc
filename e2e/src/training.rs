//! Training as a lead does it.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use thirtyfour::By;

use crate::Browser;

/// How long the log on the page is, folded or not.
const LOG_LENGTH: &str = "return document.querySelector('.run-log')?.textContent.length ?? 0";

impl Browser {
    /// Presses Train, watches the run without a reload until it is done, and gives its path.
    pub async fn train_to_the_end(&self) -> Result<String> {
        self.hydrated().await?;
        self.element("form button.primary")
            .await?
            .click_when_ready()
            .await?;
        self.element(".run-live").await?;
        self.hydrated().await?;
        let deadline = Instant::now() + Duration::from_secs(180);
        let mut seen = Vec::new();
        let mut log = Vec::new();
        loop {
            let told = self.execute(LOG_LENGTH, vec![]).await?.json().as_u64();
            let stage = self.read(".run-stage [role=status]").await?;
            if seen.last() != Some(&stage) {
                seen.push(stage.clone());
            }
            if stage.starts_with("Done") {
                // A run of a blink is over before it has told anything twice.
                let grew = log.len() > 1 || seen.len() < 4;
                ensure!(
                    grew,
                    "the log stood still while the run went on: {seen:?}, {log:?}"
                );
                return self.path().await;
            }
            if log.last() != Some(&told) {
                log.push(told);
            }
            if stage.starts_with("Failed") || Instant::now() > deadline {
                bail!("the run did not end well: {seen:?}\n{}", self.text().await?);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Chooses how to train.
    pub async fn choose_method(&self, method: &str) -> Result<()> {
        let radio = format!("label.method:has(> input[value='{method}'])");
        Ok(self.element(&radio).await?.click_when_ready().await?)
    }

    /// Whether a setting of the form can be seen now.
    pub async fn shows_setting(&self, name: &str) -> Result<bool> {
        let field = self.find(By::Id(format!("train-{name}"))).await?;
        Ok(field.is_displayed().await?)
    }

    /// Ticks runs in the list, by their paths.
    pub async fn tick_runs(&self, runs: &[&str]) -> Result<()> {
        for run in runs {
            let id = run.rsplit('/').next().unwrap_or_default();
            let box_of_run = format!("input[name='run'][value='{id}']");
            self.element(&box_of_run).await?.click_when_ready().await?;
        }
        Ok(())
    }
}
