//! What must hold on every page: a quiet console, nothing seriously inaccessible.

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::{Browser, browser::Scripts};

impl Browser {
    /// No error in the console since the last check, and no serious or critical finding of axe-core.
    pub async fn check_page(&self) -> Result<()> {
        self.check_console().await?;
        self.check_accessibility().await
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
