//! Every key works on keyboards that write no Latin letters.

use anyhow::{Result, ensure};
use e2e::{Browser, Programs, Site, browser::Scripts, people::OWNER};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cyrillic_a_greek_and_an_arabic_keyboard_judge() -> Result<()> {
    let Some(programs) = Programs::from_env() else {
        return Ok(());
    };
    let site = Site::start(&programs).await?;
    let browser = Browser::open(&programs, &site, Scripts::On).await?;
    browser.set_up(OWNER).await?;
    let project = browser.make_demo_project().await?;
    browser.visit(&format!("{project}/judge")).await?;
    browser.hydrated().await?;
    // Russian: s skips, f flags, u takes back.
    browser.press_key("ы", "KeyS").await?;
    browser.element(".menu.skip[open]").await?;
    browser.press_key("1", "Digit1").await?;
    browser.judged_and_saved(1).await?;
    browser.press_key("а", "KeyF").await?;
    browser.element("input[name='form[flagged]']:checked").await?;
    browser.press_key("г", "KeyU").await?;
    browser.judged_and_saved(0).await?;
    // Arabic digits, in the row and on the block.
    browser.press_key("٢", "Digit2").await?;
    browser.judged_and_saved(1).await?;
    browser.press_key("٦", "Numpad6").await?;
    browser.judged_and_saved(2).await?;
    // Greek: h says how sure, and j opens the reason.
    browser.press_key("η", "KeyH").await?;
    browser.element("input[name='form[confidence]']:checked").await?;
    browser.press_key("ξ", "KeyJ").await?;
    ensure!(
        browser.focus_is_on("#justification").await?,
        "j does not open the reason"
    );

    browser.visit(&format!("{project}/judge?kind=ranking")).await?;
    browser.hydrated().await?;
    for (writes, lies) in [("с", "KeyC"), ("ф", "KeyA"), ("и", "KeyB")] {
        browser.press_key(writes, lies).await?;
    }
    browser.reads("C > A > B").await?;
    browser.press_key("Enter", "Enter").await?;
    browser.judged_and_saved(1).await
}
