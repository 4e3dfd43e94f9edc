//! A Chromium of its own, driven over WebDriver.

use std::{
    ops::Deref,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::json;
use thirtyfour::{ChromiumLikeCapabilities, DesiredCapabilities, LoggingPrefsLogLevel, WebDriver};

use crate::{
    Programs, Site,
    site::{answers, free_port},
};

/// Debian's Chromium runs as root and offline only with these.
const FLAGS: [&str; 9] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-prefers-reduced-motion",
];

/// Whether pages may run scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scripts {
    On,
    Off,
}

/// One person's browser: a fresh profile, no cookies.
#[derive(Debug)]
pub struct Browser {
    driver: WebDriver,
    chromedriver: Child,
    profile: PathBuf,
    pub(crate) programs: Programs,
    site_url: String,
    pub(crate) scripts: Scripts,
}

impl Browser {
    /// Opens a browser for `site`.
    pub async fn open(programs: &Programs, site: &Site, scripts: Scripts) -> Result<Browser> {
        let port = free_port()?;
        let chromedriver = Command::new(&programs.chromedriver)
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", programs.chromedriver.display()))?;
        let deadline = Instant::now() + Duration::from_secs(20);
        while !answers(port) {
            if Instant::now() > deadline {
                bail!("chromedriver did not answer within 20 s");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let profile = std::env::temp_dir().join(format!("touchstone-profile-{}-{port}", std::process::id()));
        let capabilities = capabilities(programs, &profile, scripts)?;
        let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities).await?;
        driver.set_window_rect(0, 0, 1280, 800).await?;
        Ok(Browser {
            driver,
            chromedriver,
            profile,
            programs: programs.clone(),
            site_url: site.url.clone(),
            scripts,
        })
    }

    /// Opens a page of the site by its path.
    pub async fn visit(&self, path: &str) -> Result<()> {
        Ok(self.driver.goto(format!("{}{path}", self.site_url)).await?)
    }

    /// The path and query of the page that is open.
    pub async fn path(&self) -> Result<String> {
        let url = self.driver.current_url().await?;
        Ok(match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        })
    }

    /// Closes the browser; without this it is killed on drop.
    pub async fn close(self) -> Result<()> {
        Ok(self.driver.clone().quit().await?)
    }
}

impl Deref for Browser {
    type Target = WebDriver;

    fn deref(&self) -> &WebDriver {
        &self.driver
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.chromedriver.kill();
        let _ = self.chromedriver.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

fn capabilities(
    programs: &Programs,
    profile: &std::path::Path,
    scripts: Scripts,
) -> Result<thirtyfour::ChromeCapabilities> {
    let mut capabilities = DesiredCapabilities::chrome();
    for flag in FLAGS {
        capabilities.add_arg(flag)?;
    }
    capabilities.add_arg(&format!("--user-data-dir={}", profile.display()))?;
    capabilities.set_binary(&programs.chromium.to_string_lossy())?;
    capabilities.set_browser_log_level(LoggingPrefsLogLevel::All)?;
    if scripts == Scripts::Off {
        let blocked = json!({ "profile.managed_default_content_settings.javascript": 2 });
        capabilities.add_experimental_option("prefs", blocked)?;
    }
    Ok(capabilities)
}
