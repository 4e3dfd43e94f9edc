//! Keys as a browser gets them from a keyboard: by layout, held down, one by one.

use anyhow::{Result, bail};
use serde_json::json;

use crate::Browser;

impl Browser {
    /// One key of a layout: what it writes (`ы`) and where it lies (`KeyS`).
    pub async fn press_key(&self, writes: &str, lies: &str) -> Result<()> {
        self.key_down(writes, lies, false).await?;
        self.key_up(writes, lies).await
    }

    /// A key that is held until it has repeated itself so often.
    pub async fn hold_key(&self, writes: &str, lies: &str, repeats: usize) -> Result<()> {
        for turn in 0..=repeats {
            self.key_down(writes, lies, turn > 0).await?;
        }
        self.key_up(writes, lies).await
    }

    /// Presses Tab until what has the focus matches; a person without a mouse has no other way.
    pub async fn tab_to(&self, css: &str) -> Result<()> {
        for _ in 0..80 {
            if self.focus_is_on(css).await? {
                return Ok(());
            }
            self.press("\u{e004}").await?;
        }
        bail!("80 times Tab does not lead to {css}")
    }

    /// Whether what has the focus matches.
    pub async fn focus_is_on(&self, css: &str) -> Result<bool> {
        let script = "return document.activeElement.matches(arguments[0])";
        let found = self.execute(script, vec![json!(css)]).await?;
        Ok(found.json().as_bool() == Some(true))
    }

    async fn key_down(&self, writes: &str, lies: &str, again: bool) -> Result<()> {
        let event = json!({
            "type": "keyDown", "key": writes, "code": lies, "text": text(writes), "autoRepeat": again,
            "windowsVirtualKeyCode": code_of(writes),
        });
        self.cdp().send_raw("Input.dispatchKeyEvent", event).await?;
        Ok(())
    }

    async fn key_up(&self, writes: &str, lies: &str) -> Result<()> {
        let event = json!({
            "type": "keyUp", "key": writes, "code": lies, "windowsVirtualKeyCode": code_of(writes),
        });
        self.cdp().send_raw("Input.dispatchKeyEvent", event).await?;
        Ok(())
    }
}

/// What a text field would get.
fn text(writes: &str) -> &str {
    match writes {
        "Enter" => "\r",
        other => other,
    }
}

/// The number that Chromium acts upon: without it Enter and Space press no button.
fn code_of(writes: &str) -> u32 {
    match writes {
        "Enter" => 13,
        other => other.chars().next().map_or(0, u32::from),
    }
}
