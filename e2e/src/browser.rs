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
    // Dropped before the process that it asks to close the window.
    driver: WebDriver,
    _process: Chromedriver,
    pub(crate) programs: Programs,
    site_url: String,
    /// What the server's terminal shows, if it was fresh.
    pub(crate) setup_code: Option<String>,
    pub(crate) scripts: Scripts,
}

impl Browser {
    /// Opens a browser for `site`.
    pub async fn open(programs: &Programs, site: &Site, scripts: Scripts) -> Result<Browser> {
        let port = free_port()?;
        let process = Chromedriver::start(programs, port)?;
        let deadline = Instant::now() + Duration::from_secs(20);
        while !answers(port) {
            if Instant::now() > deadline {
                bail!("chromedriver did not answer within 20 s");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let capabilities = capabilities(programs, &process.profile, scripts)?;
        let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities).await?;
        driver.set_window_rect(0, 0, 1280, 800).await?;
        Ok(Browser {
            driver,
            _process: process,
            programs: programs.clone(),
            site_url: site.url.clone(),
            setup_code: site.setup_code().ok(),
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
}

impl Deref for Browser {
    type Target = WebDriver;

    fn deref(&self) -> &WebDriver {
        &self.driver
    }
}

/// The process between us and Chromium, and the profile that both use.
#[derive(Debug)]
struct Chromedriver {
    process: Child,
    profile: PathBuf,
}

impl Chromedriver {
    fn start(programs: &Programs, port: u16) -> Result<Chromedriver> {
        let profile = std::env::temp_dir().join(format!("touchstone-profile-{}-{port}", std::process::id()));
        let process = Command::new(&programs.chromedriver)
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", programs.chromedriver.display()))?;
        Ok(Chromedriver { process, profile })
    }
}

impl Drop for Chromedriver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
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
