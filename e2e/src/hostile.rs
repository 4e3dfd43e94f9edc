//! Text that would like to be markup, and whether it became any.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use serde_json::json;
use thirtyfour::By;

use crate::{Browser, browser::Scripts};

/// For fields of 80 characters: out of a title, out of a text area, then a page that leads away and a form.
pub const NAME: &str = "</title></textarea><meta data-hostile http-equiv=refresh><form data-hostile>";

/// For fields of 60 characters.
pub const SHORT_NAME: &str = "</title></textarea>\"'><form data-hostile>";

/// For fields of any length: out of everything that text may stand in, then all that must not be.
pub const TEXT: &str = "</textarea></title></style></noscript></script></option></pre></svg>--></math>\
    <form data-hostile action=/fn/projects/create method=post><input name=name value=x><button>Go on</button></form>\
    <meta data-hostile http-equiv=refresh content=\"0;url=/hostile\"><base data-hostile href=https://evil.example/>\
    <script data-hostile>window.hostile = 1</script><img data-hostile src=x onerror=\"window.hostile = 1\">\
    <iframe data-hostile srcdoc=x></iframe><svg data-hostile onload=\"window.hostile = 1\"></svg>\"'>";

impl Browser {
    /// No element of a payload stands on the page, nothing of it ran, and the page did not lead away.
    pub async fn nothing_injected(&self, path: &str) -> Result<()> {
        let injected = self
            .find_all(By::Css("[data-hostile], meta[http-equiv], base"))
            .await?;
        if let Some(first) = injected.first() {
            bail!("{path} has markup of a text: {}", first.outer_html().await?);
        }
        let here = self.path().await?;
        ensure!(!here.starts_with("/hostile"), "{path} led to {here}");
        if self.scripts == Scripts::On {
            let ran = self.execute("return window.hostile || 0", vec![]).await?;
            ensure!(ran.json().as_u64() == Some(0), "{path} ran a text");
        }
        Ok(())
    }

    /// Posts a plain form from the page that is open, and waits for the page that answers.
    pub async fn post_form(&self, action: &str, fields: &[(&str, &str)]) -> Result<()> {
        const POST: &str = "document.documentElement.dataset.before = 'yes';\
            const form = document.createElement('form'); form.method = 'post'; form.action = arguments[0];\
            for (const [name, value] of arguments[1]) {\
              const area = document.createElement('textarea'); area.name = name; area.value = value; form.append(area);\
            } document.body.append(form); form.submit();";
        self.execute(POST, vec![json!(action), json!(fields)]).await?;
        let deadline = Instant::now() + Duration::from_secs(30);
        // Neither the old page nor half of the new one.
        while !self.answered().await.unwrap_or(false) {
            ensure!(Instant::now() < deadline, "{action} was not answered within 30 s");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    async fn answered(&self) -> Result<bool> {
        const ANSWERED: &str =
            "return document.readyState === 'complete' && !document.documentElement.dataset.before";
        Ok(self.execute(ANSWERED, vec![]).await?.json().as_bool() == Some(true))
    }

    /// Chooses a file with this name and content in the page's file field.
    pub async fn choose_file(&self, css: &str, name: &str, content: &str) -> Result<()> {
        const CHOOSE: &str = "const files = new DataTransfer();\
            files.items.add(new File([arguments[2]], arguments[1]));\
            document.querySelector(arguments[0]).files = files.files;";
        self.execute(CHOOSE, vec![json!(css), json!(name), json!(content)])
            .await?;
        Ok(())
    }
}
