//! Every page that there is, as each role sees it, on a screen of 320 px: nothing serious for axe-core, nothing wider than
//! the screen, every fold open; a project in English by light and one in Arabic by dark.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use e2e::{
    Browser, Programs, Site,
    browser::Scripts,
    people::{OWNER, Person},
};

/// Where the pages stand. A route that is not in [`pages`] fails the test.
const ROUTES: &str = include_str!("../../app/src/routes.rs");

/// From least to most; the place in this list is a role's rank.
const ROLES: [&str; 4] = ["trainer", "reviewer", "lead", "owner"];

/// The pages of one route.
struct Pages {
    route: &'static str,
    /// The least role that sees them, by its place in [`ROLES`].
    least: usize,
    paths: Vec<String>,
}

/// What there is to see in one project.
struct Place {
    project: String,
    prompt: String,
    /// Two, to be compared; none where there is no base model.
    runs: Vec<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_fits_on_a_phone_and_is_accessible_to_each_role() -> Result<()> {
    let Some(programs) = Programs::from_env() else {
        return Ok(());
    };
    let site = Site::start(&programs).await?;
    let browser = Browser::open(&programs, &site, Scripts::On).await?;
    browser.visit("/setup").await?;
    browser.check_on_a_phone().await?;
    browser.set_up(OWNER).await?;
    let invitation = browser.invite_trainer().await?;
    browser.check_on_a_phone().await?;
    let english = Place {
        project: browser.make_demo_project().await?,
        prompt: String::new(),
        runs: Vec::new(),
    };
    let english = Place {
        prompt: first_prompt(&browser, &english.project).await?,
        ..english
    };
    let arabic = arabic_place(&programs, &site, &browser).await?;

    let (all, entrances) = (pages(&english, &arabic), entrances(&invitation));
    ensure_every_route_is_visited(all.iter().chain(&entrances), !arabic.runs.is_empty())?;
    let mut wrong = Vec::new();
    for page in &entrances {
        browser.delete_all_cookies().await?;
        for path in &page.paths {
            browser.visit(path).await?;
            check(&browser, "nobody", &mut wrong).await?;
        }
    }
    for (rank, role) in ROLES.into_iter().enumerate() {
        let person = add_person(&programs, &site, role).await?;
        browser.delete_all_cookies().await?;
        browser.sign_in(person).await?;
        visit_all(&browser, &all, &english.project, rank, &mut wrong)
            .await
            .with_context(|| format!("as {role}"))?;
    }
    ensure!(
        wrong.is_empty(),
        "{} pages are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    Ok(())
}

/// For whoever is not signed in.
fn entrances(invitation: &str) -> [Pages; 3] {
    let page = |route, path: &str| Pages {
        route,
        least: 0,
        paths: vec![path.to_owned()],
    };
    [
        // Visited before the owner's account was made; now it says so.
        page("/setup", "/setup"),
        page("/sign-in", "/sign-in?next=/team"),
        page("/join/:token", invitation),
    ]
}

fn pages(english: &Place, arabic: &Place) -> Vec<Pages> {
    let both = |ways: &[&str]| -> Vec<String> {
        let of = |place: &Place| -> Vec<String> {
            ways.iter().map(|way| format!("{}{way}", place.project)).collect()
        };
        [of(english), of(arabic)].concat()
    };
    let of_run = |way: &str| -> Vec<String> {
        let first = arabic.runs.first();
        first.iter().map(|run| format!("{run}{way}")).collect()
    };
    let ids: Vec<String> = arabic
        .runs
        .iter()
        .map(|run| format!("run={}", run.rsplit('/').next().unwrap_or_default()))
        .collect();
    let compared = format!("{}/runs/compare?{}", arabic.project, ids.join("&"));
    let page = |route, least, paths| Pages { route, least, paths };
    vec![
        page("/", 0, vec!["/".into()]),
        page("/account", 0, vec!["/account".into()]),
        page("/team", 2, vec!["/team".into()]),
        page(
            "/confirm",
            2,
            vec!["/confirm?action=/account/tokens&f.name=laptop&f.scope=score".into()],
        ),
        page("/projects/:id", 0, both(&[""])),
        page("/projects/:id/judge", 0, both(&["/judge", "/judge?kind=ranking"])),
        page(
            "/projects/:id/judgements",
            0,
            both(&["/judgements", "/judgements?show=flagged&q=a"]),
        ),
        page("/projects/:id/corrections", 0, both(&["/corrections"])),
        page("/projects/:id/assignment", 2, both(&["/assignment"])),
        page(
            "/projects/:id/prompts",
            1,
            both(&["/prompts", "/prompts?q=a&state=unjudged&kind=pair"]),
        ),
        page(
            "/projects/:id/prompts/:prompt",
            1,
            vec![english.prompt.clone(), arabic.prompt.clone()],
        ),
        page("/projects/:id/import", 2, both(&["/import"])),
        page("/projects/:id/export", 2, both(&["/export"])),
        page("/projects/:id/train", 1, both(&["/train"])),
        page(
            "/projects/:id/runs/compare",
            1,
            arabic.runs.first().map(|_| compared).into_iter().collect(),
        ),
        page("/runs/:id", 1, of_run("")),
        page(
            "/runs/:id/scores",
            1,
            [of_run("/scores"), of_run("/scores?show=pairs")].concat(),
        ),
    ]
}

/// The routes of the program and those of this test are the same ones.
fn ensure_every_route_is_visited<'a>(visited: impl Iterator<Item = &'a Pages>, has_run: bool) -> Result<()> {
    let known: BTreeSet<&str> = ROUTES
        .split("path!(\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    ensure!(known.len() > 15, "the routes could not be read: {known:?}");
    let visited: Vec<&Pages> = visited.collect();
    let listed: BTreeSet<&str> = visited.iter().map(|page| page.route).collect();
    let forgotten: Vec<_> = known.symmetric_difference(&listed).collect();
    ensure!(forgotten.is_empty(), "visited in no test, or gone: {forgotten:?}");
    let empty = visited.iter().filter(|page| page.paths.is_empty());
    for page in empty {
        ensure!(!has_run, "{} has no page to visit", page.route);
        eprintln!("SKIPPED: {}: TOUCHSTONE_BASE_MODEL names no folder", page.route);
    }
    Ok(())
}

/// All pages as one role; the refusal, which is one page, once.
async fn visit_all(
    browser: &Browser,
    all: &[Pages],
    light: &str,
    rank: usize,
    wrong: &mut Vec<String>,
) -> Result<()> {
    let mut refusal_checked = false;
    for page in all {
        for path in &page.paths {
            browser.prefer_dark(!path.starts_with(light)).await?;
            browser.visit(path).await?;
            let refused = browser.has(".error-page").await?;
            ensure!(
                refused == (rank < page.least),
                "{path} is {} for a {}",
                if refused { "refused" } else { "shown" },
                ROLES[rank]
            );
            if refused && refusal_checked {
                continue;
            }
            refusal_checked |= refused;
            check(browser, ROLES[rank], wrong).await?;
        }
    }
    browser.prefer_dark(false).await?;
    browser.browser_log().await?; // Chromium logs each refusal as an error; these were asked for.
    Ok(())
}

/// Notes what is wrong with the page that is open, and goes on: one run tells of all pages.
async fn check(browser: &Browser, role: &str, wrong: &mut Vec<String>) -> Result<()> {
    browser.hydrated().await?;
    if let Err(found) = browser.check_on_a_phone().await {
        wrong.push(format!("as {role}: {found}"));
    }
    Ok(())
}

async fn add_person(programs: &Programs, site: &Site, role: &'static str) -> Result<Person> {
    let email = match role {
        "trainer" => "tara@example.org",
        "reviewer" => "rita@example.org",
        "lead" => "lea@example.org",
        _ => "otto@example.org",
    };
    let person = Person {
        name: "A name that is rather long for a phone",
        email,
        password: "nine tall birches",
    };
    let arguments = ["admin", "add-user", email, "--role", role, "--name", person.name];
    site.command(programs, &arguments, person.password).await?;
    Ok(person)
}

/// An Arabic project out of a file, with a head trained on it where there is a base model.
async fn arabic_place(programs: &Programs, site: &Site, browser: &Browser) -> Result<Place> {
    const NAME: &str = "مشروع تقييم الإجابات باللغة العربية الفصحى";
    let file = site.write_file("arabic.jsonl", &arabic_lines())?;
    site.command(programs, &["import", &file, "--project", NAME], "")
        .await?;
    browser.visit("/").await?;
    browser.click_link(NAME).await?;
    browser.reads("Judge").await?;
    let project = browser.path().await?;
    let mut runs = Vec::new();
    if programs.base_model.is_some() {
        for _ in 0..2 {
            browser.visit(&format!("{project}/train")).await?;
            runs.push(browser.train_to_the_end().await?);
        }
    }
    Ok(Place {
        prompt: first_prompt(browser, &project).await?,
        project,
        runs,
    })
}

async fn first_prompt(browser: &Browser, project: &str) -> Result<String> {
    browser.visit(&format!("{project}/prompts")).await?;
    browser.element(".prompt-row a").await?.click().await?;
    browser.reads("Conversation").await?;
    browser.path().await
}

/// Preferences in Arabic with what is hard to lay out: code, a table, a list, a word without end.
fn arabic_lines() -> String {
    let long = "كلمةطويلةجدا".repeat(12);
    let line = |n: usize| {
        let chosen = match n % 4 {
            0 => format!(
                "هكذا:\n\n```python\ndef add(a, b):\n    return a + b  # مجموع عددين {n}\n```\n\nواستعمل `add(1, 2)`."
            ),
            1 => format!(
                "| العمود | القيمة | الوحدة | ملاحظة طويلة بعض الشيء |\n|---|---|---|---|\n| الأول | {n} | كيلومتر | {long} |"
            ),
            2 => format!("1. أولا: افتح الملف.\n2. ثانيا: اقرأه سطرا سطرا ({n}).\n\n> اقتباس قصير."),
            _ => format!("{long} https://example.org/{}", "a".repeat(90)),
        };
        serde_json::json!({
            "prompt": format!("السؤال رقم {n}: كيف أجمع عددين في لغة بايثون؟"),
            "chosen": chosen,
            "rejected": "لا أعرف.",
            "category": "برمجة",
            "language": "ar",
            "chosen_model": "نموذج-أ",
            "rejected_model": "model-b",
        })
        .to_string()
    };
    (0..24).map(line).collect::<Vec<_>>().join("\n")
}
