//! Nothing is judged unseen: a double click, a key pressed twice or held, a click followed by Space or Enter give one
//! judgement, whatever is pressed; and by keyboard alone everything can still be done.

use anyhow::{Context, Result, ensure};
use e2e::{Browser, Programs, Site, browser::Scripts, people::OWNER};

const GRADE: &str = "button.step[value='2']";
const UNDO: &str = "button.undo";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_press_never_judges_the_next_comparison() -> Result<()> {
    let Some(programs) = Programs::from_env() else {
        return Ok(());
    };
    let site = Site::start(&programs).await?;
    let browser = Browser::open(&programs, &site, Scripts::On).await?;
    browser.set_up(OWNER).await?;
    let project = browser.make_demo_project().await?;
    browser.visit(&format!("{project}/judge")).await?;
    browser.hydrated().await?;

    let grade = browser.element(GRADE).await?;
    browser
        .action_chain()
        .double_click_element(&grade)
        .perform()
        .await?;
    is_judged(&browser, 1, "a double click").await?;
    browser.press("22").await?;
    is_judged(&browser, 2, "the same key twice at once").await?;
    browser.hold_key("2", "Digit2", 30).await?;
    is_judged(&browser, 3, "a held key").await?;
    browser.press("s1").await?;
    browser.press("1").await?;
    is_judged(&browser, 4, "a reason to skip, twice").await?;
    browser.press("uu").await?;
    is_judged(&browser, 3, "undo, twice").await?;
    browser.press("3").await?;
    is_judged(&browser, 4, "a grade after that").await?;
    let undo = browser.element(UNDO).await?;
    browser
        .action_chain()
        .double_click_element(&undo)
        .perform()
        .await?;
    is_judged(&browser, 3, "a double click on undo").await?;

    browser.visit(&format!("{project}/judge?kind=ranking")).await?;
    browser.hydrated().await?;
    browser.press("abcd").await?;
    browser.press("\u{e007}\u{e007}").await?;
    is_judged(&browser, 1, "Enter twice").await?;
    browser.press("abcd").await?;
    let keep = browser.button("Keep this order").await?;
    browser
        .action_chain()
        .double_click_element(&keep)
        .perform()
        .await?;
    is_judged(&browser, 2, "a double click on an order").await?;
    browser.check_console().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_click_and_then_space_or_enter_is_one_judgement() -> Result<()> {
    let Some(programs) = Programs::from_env() else {
        return Ok(());
    };
    let site = Site::start(&programs).await?;
    let browser = Browser::open(&programs, &site, Scripts::On).await?;
    browser.set_up(OWNER).await?;
    let project = browser.make_demo_project().await?;
    browser.visit(&format!("{project}/judge")).await?;
    browser.hydrated().await?;
    for (done, (key, name)) in [(" ", "Space"), ("Enter", "Enter")].into_iter().enumerate() {
        let done = done as u64 + 1;
        browser.element(GRADE).await?.click().await?;
        // At once, when the next pair can have been read, and a minute later by the page's own clock.
        browser.press_key(key, name).await?;
        is_judged(&browser, done, "a click and a key at once").await?;
        ensure!(!browser.focus_is_on("button").await?, "the grade keeps the focus");
        let before = browser.read(".judge-task").await?;
        browser.press_key(key, name).await?;
        is_judged(&browser, done, "a click and a key half a second later").await?;
        browser.execute(A_MINUTE_PASSES, vec![]).await?;
        browser.press_key(key, name).await?;
        is_judged(&browser, done, "a click and a key a minute later").await?;
        ensure!(
            browser.read(".judge-task").await? == before,
            "another pair is there"
        );
    }
    browser.element(UNDO).await?.click().await?;
    is_judged(&browser, 1, "undo").await?;
    browser.press_key(" ", "Space").await?;
    is_judged(&browser, 1, "undo and Space").await?;
    browser.check_page().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pair_is_judged_by_tab_and_enter_alone() -> Result<()> {
    let Some(programs) = Programs::from_env() else {
        return Ok(());
    };
    let site = Site::start(&programs).await?;
    let browser = Browser::open(&programs, &site, Scripts::On).await?;
    browser.set_up(OWNER).await?;
    let project = browser.make_demo_project().await?;
    browser.visit(&format!("{project}/judge")).await?;
    browser.hydrated().await?;
    for (done, (key, name)) in [("Enter", "Enter"), (" ", "Space")].into_iter().enumerate() {
        browser.tab_to(GRADE).await?;
        browser.press_key(key, name).await?;
        is_judged(&browser, done as u64 + 1, name).await?;
        ensure!(
            browser.focus_is_on(".judge-prompt").await?,
            "the focus is not where the next pair begins"
        );
    }
    browser.tab_to("summary").await?;
    browser.tab_to(".menu.skip > summary").await?;
    browser.press_key("Enter", "Enter").await?;
    browser.tab_to("button[value='skip:language']").await?;
    browser.press_key("Enter", "Enter").await?;
    is_judged(&browser, 3, "a reason to skip").await?;
    ensure!(browser.focus_is_on(".judge-prompt").await?, "the focus is lost");
    browser.tab_to(UNDO).await?;
    browser.press_key("Enter", "Enter").await?;
    is_judged(&browser, 2, "undo").await?;

    browser.visit(&format!("{project}/judge?kind=ranking")).await?;
    browser.hydrated().await?;
    for index in 0..4 {
        browser
            .tab_to(&format!("input[name='form[place_{index}]']"))
            .await?;
        browser.press(" ").await?;
        for _ in 0..index {
            browser.press("\u{e014}").await?;
        }
    }
    browser.tab_to("button.rank").await?;
    browser.press_key("Enter", "Enter").await?;
    is_judged(&browser, 1, "an order").await?;
    browser.check_console().await
}

/// So many, no more once the next can have been read, and all of them kept.
async fn is_judged(browser: &Browser, wanted: u64, what: &str) -> Result<()> {
    let saved = browser.judged_and_saved(wanted).await;
    saved.with_context(|| what.to_owned())?;
    let judged = browser.judged().await?;
    ensure!(judged == wanted, "{what}: {judged} judged, not {wanted}");
    Ok(())
}

const A_MINUTE_PASSES: &str = "const now = Date.now, since = performance.now.bind(performance);\
    Date.now = () => now() + 60000; performance.now = () => since() + 60000;";
