//! Judging as a trainer does it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::Browser;

impl Browser {
    /// How many are done, as the page says: `12 done · 138 to go`.
    pub async fn judged(&self) -> Result<u64> {
        let line = self.read(".judge-progress").await?;
        let number = line.split_whitespace().next().context("no progress line")?;
        number.parse().with_context(|| format!("no number in “{line}”"))
    }

    /// Waits until the page says that so many are done and that all is saved, and what it shows next counts as seen.
    pub async fn judged_and_saved(&self, wanted: u64) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(15);
        loop {
            let (judged, saved) = (self.judged().await?, self.read(".judge-saved").await?);
            if judged == wanted && saved == "All saved" && !self.has(".judge[data-unseen]").await? {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("{judged} judged and “{saved}”, not {wanted} and all saved");
            }
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }
}
