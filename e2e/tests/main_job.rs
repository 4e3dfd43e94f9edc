//! The main job: from the owner's account over judging and training to scores and the export.

use anyhow::{Context, Result, ensure};
use e2e::{
    Browser, Programs, Site,
    browser::Scripts,
    people::{OWNER, TRAINER},
};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_a_demo_project_to_scores_and_an_export() -> Result<()> {
    let Some(programs) = Programs::from_env() else {
        return Ok(());
    };
    let site = Site::start(&programs).await?;
    let owner = Browser::open(&programs, &site, Scripts::On).await?;
    owner.set_up(OWNER).await?;
    owner.check_page().await?;
    let project = owner.make_demo_project().await?;
    owner.check_page().await?;
    let invitation = owner.invite_trainer().await?;
    owner.check_page().await?;

    let trainer = Browser::open(&programs, &site, Scripts::On).await?;
    trainer.join(&invitation, TRAINER).await?;
    judge_twelve_pairs(&trainer, &project).await?;
    rank_four_responses(&trainer, &project).await?;
    correct_one(&trainer, &project).await?;
    is_refused_the_owners_pages(&trainer, &project).await?;

    for page in ["/import", "/export", "/train", "/corrections"] {
        owner.visit(&format!("{project}{page}")).await?;
        owner.check_page().await?;
    }
    if programs.base_model.is_some() {
        let run = train_the_head(&owner, &project).await?;
        scores_agree_with_the_api(&owner, &run).await?;
        let changed = duplicate_with_changes(&owner, &run).await?;
        compare(&owner, &project, [&run, &changed]).await?;
    } else {
        eprintln!("SKIPPED: TOUCHSTONE_BASE_MODEL names no folder; nothing is trained");
    }
    export_has_all(&owner, &project).await
}

/// One key each; every grade of the scale at least once.
async fn judge_twelve_pairs(trainer: &Browser, project: &str) -> Result<()> {
    trainer.visit(&format!("{project}/judge")).await?;
    trainer.hydrated().await?;
    trainer.check_page().await?;
    for (done, key) in "123456701726".chars().enumerate() {
        let before = trainer.read(".judge-task").await?;
        trainer.press(&key.to_string()).await?;
        trainer.judged_and_saved(done as u64 + 1).await?;
        ensure!(
            trainer.read(".judge-task").await? != before,
            "the next pair is not there"
        );
    }
    trainer.press("u").await?;
    trainer.judged_and_saved(11).await?;
    trainer.press("2").await?;
    trainer.judged_and_saved(12).await?;
    trainer.visit(&format!("{project}/judge")).await?;
    ensure!(trainer.judged().await? == 12, "a reload lost judgements");
    trainer.check_page().await
}

/// Best first by letter, two of them tied.
async fn rank_four_responses(trainer: &Browser, project: &str) -> Result<()> {
    trainer.visit(&format!("{project}/judge?kind=ranking")).await?;
    trainer.hydrated().await?;
    trainer.check_page().await?;
    ensure!(
        trainer
            .find_all(thirtyfour::By::Css("article.response"))
            .await?
            .len()
            == 4,
        "not four responses"
    );
    trainer.press("ca=db").await?;
    trainer.press("\u{e007}").await?;
    trainer.judged_and_saved(1).await
}

async fn correct_one(trainer: &Browser, project: &str) -> Result<()> {
    trainer.visit(&format!("{project}/judge")).await?;
    trainer.hydrated().await?;
    trainer.press("e").await?;
    trainer.reads("Correct a response").await?;
    trainer.hydrated().await?;
    trainer.check_page().await?;
    trainer
        .element("#correction")
        .await?
        .send_keys(" And one sentence more.")
        .await?;
    trainer.element(".diff ins").await?;
    trainer.click_button("Save the correction").await?;
    trainer.reads("Saved. Your correction is preferred").await?;
    trainer.visit(&format!("{project}/corrections")).await?;
    trainer.check_page().await?;
    trainer.click_link("Change").await?;
    let saved = trainer.value("#correction").await?;
    ensure!(saved.ends_with("And one sentence more."), "{saved}");
    Ok(())
}

async fn is_refused_the_owners_pages(trainer: &Browser, project: &str) -> Result<()> {
    for page in [
        "/team",
        &format!("{project}/import"),
        &format!("{project}/train"),
        &format!("{project}/export"),
    ] {
        trainer.visit(page).await?;
        trainer.reads("Your role does not allow this").await?;
    }
    let status = trainer
        .fetch(&format!("{project}/export.jsonl"), Value::Null)
        .await?["status"]
        .as_u64();
    ensure!(
        status == Some(403),
        "the export answers a trainer with {status:?}"
    );
    trainer.browser_log().await?; // Chromium logs each 403 as an error; these were asked for.
    Ok(())
}

/// Presses Train and watches without a reload.
async fn train_the_head(owner: &Browser, project: &str) -> Result<String> {
    owner.visit(&format!("{project}/train")).await?;
    let run = owner.train_to_the_end().await?;
    owner.check_page().await?;
    owner.visit(&run).await?;
    owner.reads("What came out").await?;
    owner.check_page().await?;
    Ok(run)
}

/// The same form again, with one setting refused, then another: a run of its own.
async fn duplicate_with_changes(owner: &Browser, run: &str) -> Result<String> {
    owner.visit(run).await?;
    owner.hydrated().await?;
    owner.toggle_fold("Figures").await?;
    owner.reads("before it is limited").await?;
    owner.toggle_fold("What it told, in order").await?;
    owner.reads("Evaluation at step").await?;
    owner.check_page().await?;
    owner.click_link("Duplicate with changes").await?;
    owner.hydrated().await?;
    for group in [
        "What learns",
        "Steps and rates",
        "Loss",
        "Held-out pairs",
        "Checkpoints",
    ] {
        owner.toggle_fold(group).await?;
    }
    owner.check_page().await?;
    for (method, own, other) in [
        ("lora", "lora_rank", "ensemble"),
        ("layers", "last_layers", "lora_rank"),
        ("full", "from_scratch", "last_layers"),
        ("head", "ensemble", "layer_decay"),
    ] {
        owner.choose_method(method).await?;
        ensure!(owner.shows_setting(own).await?, "{own} is not there for {method}");
        ensure!(
            !owner.shows_setting(other).await?,
            "{other} is there for {method}"
        );
    }
    owner.fill("Learning rate", "7").await?;
    owner.fill("Passes over the pairs", "3").await?;
    owner.choose("Learning rate after the warm-up", "cosine").await?;
    owner
        .element("form button.primary")
        .await?
        .click_when_ready()
        .await?;
    owner
        .reads("Learning rate: must be above 0 and at most 1")
        .await?;
    owner.hydrated().await?;
    owner.check_page().await?;
    ensure!(
        owner.value("#train-epochs").await? == "3",
        "what was typed is lost"
    );
    owner.fill("Learning rate", "0.02").await?;
    // It goes on from the model of the first.
    let base = run.rsplit('/').next().unwrap_or_default();
    owner
        .reads("all-MiniLM-L6-v2: 91 MB, reads 512 tokens, English")
        .await?;
    owner.toggle_fold("What learns").await?;
    owner.fill("Base model", base).await?;
    let changed = owner.train_to_the_end().await?;
    owner.toggle_fold("Data and settings").await?;
    owner.reads(base).await?;
    ensure!(changed != run, "no run of its own");
    Ok(changed)
}

/// Both runs in one chart per measure, with what differs.
async fn compare(owner: &Browser, project: &str, runs: [&str; 2]) -> Result<()> {
    owner.visit(&format!("{project}/train")).await?;
    owner.tick_runs(&runs).await?;
    owner.click_button("Compare the chosen runs").await?;
    owner.reads("Runs side by side").await?;
    let table = owner.read(".table-wrap").await?;
    for differs in ["Passes over the pairs", "Learning rate", "cosine"] {
        ensure!(table.contains(differs), "{differs} is not among\n{table}");
    }
    ensure!(
        !table.contains("Pairs in a batch"),
        "what is the same is in\n{table}"
    );
    let lines = owner
        .find_all(thirtyfour::By::Css(
            "figure:first-of-type path.line[class*=look-run]",
        ))
        .await?;
    ensure!(lines.len() == 2, "{} lines in the first chart", lines.len());
    owner.toggle_fold("Figures").await?;
    owner.check_page().await
}

/// The box on the page and the API give one and the same number.
async fn scores_agree_with_the_api(owner: &Browser, run: &str) -> Result<()> {
    owner.visit(&format!("{run}/scores?show=pairs")).await?;
    owner.check_page().await?;
    owner.visit(&format!("{run}/scores")).await?;
    owner.hydrated().await?;
    owner.check_page().await?;
    owner.fill("Prompt", "How do I boil an egg?").await?;
    owner
        .fill("Response 1", "Eight minutes in boiling water.")
        .await?;
    owner.click_button("Score").await?;
    let shown: f64 = owner
        .element(".try-results .mono")
        .await?
        .text()
        .await?
        .replace('−', "-")
        .parse()?;
    owner.check_page().await?;

    owner.visit("/account").await?;
    owner.fill("Name of a new token", "journey").await?;
    owner.click_button("Create a token").await?;
    let token = owner.element(".secret").await?.text().await?;
    owner.check_page().await?;
    let id = run.rsplit('/').next().context("no run in the path")?;
    let body = json!({ "run": id, "items": [{ "prompt": "How do I boil an egg?", "responses": ["Eight minutes in boiling water."] }] });
    let request = json!({
        "method": "POST", "credentials": "omit", "body": body.to_string(),
        "headers": { "Authorization": format!("Bearer {token}"), "Content-Type": "application/json" },
    });
    let answer = owner.fetch("/api/v1/score", request).await?;
    let body = answer["body"].as_str().unwrap_or_default();
    ensure!(answer["status"] == 200, "the API answers {answer}");
    let reward = first_number(&serde_json::from_str(body)?, "reward").with_context(|| body.to_owned())?;
    ensure!(
        (reward - shown).abs() < 6e-4,
        "the page says {shown}, the API {reward}"
    );
    Ok(())
}

/// Every line is a TRL preference; the correction is among the chosen.
async fn export_has_all(owner: &Browser, project: &str) -> Result<()> {
    let answer = owner
        .fetch(&format!("{project}/export.jsonl"), Value::Null)
        .await?;
    let lines: Vec<Value> = answer["body"]
        .as_str()
        .unwrap_or_default()
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    for line in &lines {
        for field in ["prompt", "chosen", "rejected"] {
            let content = &line[field][0]["content"];
            ensure!(content.is_string(), "{field} is no list of messages in {line}");
        }
    }
    // Ten graded pairs are not ties or both bad: the keys 4 and 0 gave none. Four ranked with one tie give five,
    // one correction beats two.
    let corrected = lines
        .iter()
        .filter(|line| {
            line["chosen"][0]["content"]
                .as_str()
                .is_some_and(|c| c.contains("And one sentence more."))
        })
        .count();
    ensure!(corrected >= 2, "the correction is chosen {corrected} times");
    ensure!(
        lines.len() == 10 + 5 + corrected,
        "{} lines, {corrected} of them corrections",
        lines.len()
    );
    Ok(())
}

/// The first number by this name anywhere inside.
fn first_number(value: &Value, name: &str) -> Option<f64> {
    match value {
        Value::Object(map) => map.iter().find_map(|(key, inner)| {
            let number = |inner: &Value| inner.as_f64().or_else(|| inner.as_array()?.first()?.as_f64());
            if key.starts_with(name) && number(inner).is_some() {
                number(inner)
            } else {
                first_number(inner, name)
            }
        }),
        Value::Array(items) => items.iter().find_map(|item| first_number(item, name)),
        _ => None,
    }
}
