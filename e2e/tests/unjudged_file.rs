//! Fifty prompts with two to nine responses that nobody has judged: imported, judged and ranked, learnt from, exported.

use anyhow::{Context, Result, ensure};
use e2e::{Browser, Programs, Site, browser::Scripts, people::OWNER};
use serde_json::{Value, json};
use thirtyfour::By;

/// Prompts with two responses among the fifty; one ranking of two is a pair.
const PAIRS: u64 = 7;

/// Rankings that the journey makes, of three to nine responses.
const RANKINGS: u64 = 14;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_unjudged_prompts_are_judged_ranked_learnt_from_and_exported() -> Result<()> {
    let Some(programs) = Programs::from_env() else {
        return Ok(());
    };
    let site = Site::start(&programs).await?;
    let browser = Browser::open(&programs, &site, Scripts::On).await?;
    browser.set_up(OWNER).await?;
    browser.fill("Name", "Fifty").await?;
    browser.click_button("Create the project").await?;
    browser.reads("Fifty").await?;
    let path = browser.path().await?;
    let project = path.split('?').next().context("a path")?;
    browser.upload_lines(project, &lines()).await?;
    browser.make_rankings().await?;
    browser.reads("50 of 50 rows").await?;

    judge_pairs(&browser, project).await?;
    let pairs_of_rankings = rank(&browser, project).await?;
    if programs.base_model.is_some() {
        browser.visit(&format!("{project}/train")).await?;
        let run = browser.train_to_the_end().await?;
        browser.visit(&run).await?;
        browser.reads("What came out").await?;
    }
    export_has(&browser, project, PAIRS + pairs_of_rankings).await
}

fn lines() -> Vec<String> {
    let prompt = |n: usize| {
        let kinds = [
            "a short",
            "a careful",
            "a long",
            "an odd",
            "a kind",
            "a dry",
            "a rude",
            "a plain",
            "a wrong",
        ];
        let responses: Vec<Value> = (0..2 + n % 8)
            .map(|r| match r % 2 {
                0 => json!(format!("This is {} answer about topic {n}.", kinds[r])),
                _ => json!({ "text": format!("Here is {} answer on {n}.", kinds[r]), "model": format!("m{r}") }),
            })
            .collect();
        json!({ "prompt": format!("What about topic {n}?"), "responses": responses }).to_string()
    };
    (0..50).map(prompt).collect()
}

/// The left one is better, clearly, until no pair is left.
async fn judge_pairs(browser: &Browser, project: &str) -> Result<()> {
    browser.visit(&format!("{project}/judge")).await?;
    browser.hydrated().await?;
    for done in 1..=PAIRS {
        browser.press("2").await?;
        browser.judged_and_saved(done).await?;
    }
    Ok(())
}

/// As they stand, the first one best; gives how many pairs these orders imply.
async fn rank(browser: &Browser, project: &str) -> Result<u64> {
    browser.visit(&format!("{project}/judge?kind=ranking")).await?;
    browser.hydrated().await?;
    let mut implied = 0;
    for done in 1..=RANKINGS {
        let responses = browser.find_all(By::Css("article.response")).await?.len();
        ensure!((3..=9).contains(&responses), "{responses} responses to rank");
        browser.press(&"abcdefghi"[..responses]).await?;
        browser.press("\u{e007}").await?;
        browser.judged_and_saved(done).await?;
        implied += responses as u64 * (responses as u64 - 1) / 2;
    }
    Ok(implied)
}

async fn export_has(browser: &Browser, project: &str, pairs: u64) -> Result<()> {
    let answer = browser
        .fetch(&format!("{project}/export.jsonl"), Value::Null)
        .await?;
    let lines: Vec<Value> = answer["body"]
        .as_str()
        .unwrap_or_default()
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    ensure!(lines.len() as u64 == pairs, "{} lines, not {pairs}", lines.len());
    for line in &lines {
        let prompt = line["prompt"][0]["content"].as_str().unwrap_or_default();
        ensure!(prompt.starts_with("What about topic"), "{line}");
    }
    Ok(())
}
