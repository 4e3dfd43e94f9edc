//! What must hold on every page: a quiet console, nothing seriously inaccessible, room on a phone.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{Browser, browser::Scripts};

impl Browser {
    /// No error in the console since the last check, nothing wider than a screen of 320 px, and no serious or critical
    /// finding of axe-core on a wide screen or on that one: what scrolls only there must scroll by keyboard too.
    pub async fn check_page(&self) -> Result<()> {
        self.check_console().await?;
        self.check_accessibility().await?;
        self.check_narrow().await
    }

    /// On a screen of 320 px, with every fold open: no serious or critical finding of axe-core, and nothing wider than the
    /// screen.
    pub async fn check_on_a_phone(&self) -> Result<()> {
        let phone = json!({ "width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": false });
        let cdp = self.cdp();
        cdp.send_raw("Emulation.setDeviceMetricsOverride", phone).await?;
        self.execute(OPEN_FOLDS, vec![]).await?;
        let fits = self.too_wide().await;
        let accessible = self.check_accessibility().await;
        cdp.send_raw("Emulation.clearDeviceMetricsOverride", json!({}))
            .await?;
        fits.and(accessible)
    }

    /// At 320 px an element is seen whole, without scrolling sideways.
    pub async fn is_within_a_phone(&self, css: &str) -> Result<()> {
        const INSIDE: &str = "const at = document.querySelector(arguments[0]).getBoundingClientRect();\
            return at.width > 0 && at.left >= 0 && at.right <= innerWidth;";
        let phone = json!({ "width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": false });
        let cdp = self.cdp();
        cdp.send_raw("Emulation.setDeviceMetricsOverride", phone).await?;
        let inside = self.execute(INSIDE, vec![json!(css)]).await;
        cdp.send_raw("Emulation.clearDeviceMetricsOverride", json!({}))
            .await?;
        ensure!(inside?.json() == true, "{css} is not within 320 px");
        Ok(())
    }

    /// Shows pages in dark colours, or in light ones, whatever the system prefers.
    pub async fn prefer_dark(&self, dark: bool) -> Result<()> {
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.cdp().send_raw("Emulation.setEmulatedMedia", media).await?;
        Ok(())
    }

    /// At 320 px the page does not scroll sideways, and axe-core finds nothing either.
    pub async fn check_narrow(&self) -> Result<()> {
        if self.scripts == Scripts::Off {
            return Ok(());
        }
        let phone = json!({ "width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": false });
        let cdp = self.cdp();
        cdp.send_raw("Emulation.setDeviceMetricsOverride", phone).await?;
        let fits = self.too_wide().await;
        let accessible = self.check_accessibility().await.context("at 320 px");
        cdp.send_raw("Emulation.clearDeviceMetricsOverride", json!({}))
            .await?;
        fits.and(accessible)
    }

    async fn too_wide(&self) -> Result<()> {
        let wide: Vec<String> = self.execute(TOO_WIDE, vec![]).await?.convert()?;
        ensure!(
            wide.is_empty(),
            "{} does not fit on 320 px:\n{}",
            self.path().await?,
            wide.join("\n")
        );
        Ok(())
    }

    /// No error in the console since the last check.
    pub async fn check_console(&self) -> Result<()> {
        let errors: Vec<String> = self
            .browser_log()
            .await?
            .into_iter()
            .filter(|e| e.level == "SEVERE")
            .map(|e| e.message)
            .collect();
        ensure!(
            errors.is_empty(),
            "the console of {} has errors:\n{}",
            self.path().await?,
            errors.join("\n")
        );
        Ok(())
    }

    /// axe-core finds nothing serious or critical; it is a script itself and looks at nothing without them.
    pub async fn check_accessibility(&self) -> Result<()> {
        if self.scripts == Scripts::Off {
            return Ok(());
        }
        let Some(axe) = &self.programs.axe else {
            eprintln!("SKIPPED: TOUCHSTONE_AXE names no axe.min.js; accessibility is not checked");
            return Ok(());
        };
        self.execute(&std::fs::read_to_string(axe)?, vec![]).await?;
        let found = self.execute_async(RUN_AXE, vec![]).await?;
        let violations: Vec<String> = found
            .json()
            .as_array()
            .into_iter()
            .flatten()
            .map(describe)
            .collect();
        ensure!(
            violations.is_empty(),
            "axe-core on {}:\n{}",
            self.path().await?,
            violations.join("\n")
        );
        Ok(())
    }
}

/// Menus stay closed: what they show lies over the page.
const OPEN_FOLDS: &str =
    "document.querySelectorAll('details:not(.menu)').forEach(fold => { fold.open = true; })";

/// What reaches over the right or left edge, if the page scrolls sideways.
const TOO_WIDE: &str = "const width = document.documentElement.clientWidth;\
    if (document.documentElement.scrollWidth <= width) return [];\
    return ['scrollWidth ' + document.documentElement.scrollWidth].concat(\
      [...document.body.querySelectorAll('*')].filter(e => {\
        const box = e.getBoundingClientRect(); return box.right > width + 1 || box.left < -1;\
      }).slice(0, 20).map(e => e.outerHTML.slice(0, 160)))";

const RUN_AXE: &str = "const done = arguments[arguments.length - 1];\
    axe.run(document).then(\
      r => done(r.violations.filter(v => v.impact === 'serious' || v.impact === 'critical')),\
      e => done([{id: 'axe failed', help: String(e), nodes: []}]))";

fn describe(violation: &Value) -> String {
    let nodes: Vec<&str> = violation["nodes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|n| n["html"].as_str())
        .collect();
    format!(
        "{}: {}\n    {}",
        violation["id"],
        violation["help"],
        nodes.join("\n    ")
    )
}
