//! A project's prompts, to look through: a list that filters and searches, and a page for each.

mod filter;
mod record;
mod said;

use domain::{
    permission::Permission,
    project::Project,
    prompt::{Message, Response, Speaker},
};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use store::browse::{Counts, LOOKED_AT, Offered, PromptPage, PromptRow};

use self::filter::Wanted;
pub use self::record::PromptRecordPage;
use crate::{
    components::{Page, Tab, page_with, path_id},
    context, text,
    viewer::require,
};

/// Characters of a prompt and of a response that the list shows.
const BEGINNING: usize = 200;

/// The list. Shows models and what others said, so it is for reviewers.
#[component]
pub fn PromptsPage() -> impl IntoView {
    let id = path_id();
    let query = use_query_map().get_untracked();
    let data = async move {
        let viewer = require(Permission::Review)?;
        let store = context::store();
        let project = store.find_project(id?).await?;
        let wanted = Wanted::from_query(&query);
        Ok(Listed {
            page: store
                .list_prompts(project.id, &wanted.filter, wanted.turn)
                .await?,
            offered: store.offer_filters(project.id).await?,
            may_import: viewer.role.may(Permission::ManageProjects),
            project,
            wanted,
        })
    };
    page_with(data, list_page)
}

struct Listed {
    project: Project,
    wanted: Wanted,
    page: PromptPage,
    offered: Offered,
    may_import: bool,
}

fn list_page(listed: Listed) -> impl IntoView {
    let Listed {
        project,
        wanted,
        page,
        offered,
        may_import,
    } = listed;
    let base = format!("/projects/{}", project.id);
    let pager = pager(&wanted, &page);
    let rows: Vec<_> = page.rows.into_iter().map(|row| prompt_row(row, &base)).collect();
    let nothing = rows
        .is_empty()
        .then(|| match (wanted.filter.is_empty(), page.unfinished) {
            (true, _) => empty_project(&base, may_import).into_any(),
            (false, true) => {
                view! { <p class="empty">"None so far; there are more prompts to look at."</p> }.into_any()
            }
            (false, false) => view! { <p class="empty">"No prompt is like that."</p> }.into_any(),
        });
    let unfinished = (page.unfinished && nothing.is_none()).then(|| {
        let looked_at = text::number(LOOKED_AT.unsigned_abs());
        view! { <p class="soft small">{format!("{looked_at} prompts were looked at for this page; there are more.")}</p> }
    });
    view! {
        <Page title="Prompts" project=project tab=Tab::Prompts>
            <div class="page-head">
                <div>
                    <h1>"Prompts"</h1>
                    <p>"What was asked, what models answered, and what people said of it."</p>
                </div>
            </div>
            {filter::form(&wanted, &offered)}
            {nothing}
            <ol class="prompt-list">{rows}</ol>
            {unfinished}
            {pager}
        </Page>
    }
}

fn empty_project(base: &str, may_import: bool) -> impl IntoView + use<> {
    view! {
        <div class="empty">
            <p>"There is no prompt in this project yet."</p>
            {may_import
                .then(|| {
                    view! {
                        <a class="button primary" href=format!("{base}/import")>
                            "Import a file"
                        </a>
                    }
                })}
        </div>
    }
}

fn prompt_row(row: PromptRow, base: &str) -> impl IntoView + use<> {
    let asked = asked(&row.messages, BEGINNING);
    let turns = (row.messages.len() > 1).then(|| format!("{} turns", row.messages.len()));
    let known = named([row.category, row.language, turns]);
    let count = row.responses.len() as u64;
    let responses: Vec<_> = row.responses.into_iter().map(response_row).collect();
    let (number, noun) = text::count(count, "response", "responses");
    view! {
        <li class="card prompt-row">
            <a class="prompt-asked" dir="auto" href=format!("{base}/prompts/{}", row.place.id)>
                {asked}
            </a>
            <p class="cluster small soft">
                {known}
                {counts(row.counts)}
            </p>
            <details>
                <summary>{number} " " {noun}</summary>
                <ol class="stack tight">{responses}</ol>
            </details>
        </li>
    }
}

/// What is known of a prompt, each in a direction of its own.
fn named(known: impl IntoIterator<Item = Option<String>>) -> Vec<AnyView> {
    let known = known.into_iter().flatten();
    known.map(|name| view! { <bdi>{name}</bdi> }.into_any()).collect()
}

fn response_row(response: Response) -> impl IntoView {
    view! {
        <li>
            <span dir="auto">{text::shorten(&response.content, BEGINNING)}</span>
            {response.model.map(|model| view! { " " <span class="badge" dir="auto">{model}</span> })}
        </li>
    }
}

/// What was said of a prompt's comparisons, in words; what is nothing is not told.
fn counts(counts: Counts) -> impl IntoView {
    let judged = format!(
        "{} of {} judgements",
        text::number(counts.judgements),
        text::number(counts.wanted)
    );
    let badge = |number: u64, class: &'static str, word: &'static str| {
        (number > 0).then(|| view! { <span class=class>{format!("{} {word}", text::number(number))}</span> })
    };
    view! {
        <span>{judged}</span>
        {badge(counts.flagged, "badge bad", "flagged")}
        {badge(counts.skipped, "badge", "skipped")}
        {badge(counts.corrections, "badge good", "corrected")}
        {badge(counts.imported, "badge note", "imported")}
    }
}

/// How the last thing that was asked begins.
fn asked(messages: &[Message], characters: usize) -> String {
    let last = messages
        .iter()
        .rfind(|message| message.role == Speaker::User)
        .or(messages.last());
    let line = text::shorten(last.map_or("", |message| &message.content), characters);
    match line.is_empty() {
        true => "(an empty prompt)".to_owned(),
        false => line,
    }
}

fn pager(wanted: &Wanted, page: &PromptPage) -> impl IntoView + use<> {
    let link = |to: String, label: &'static str| view! { <a class="button small" href=to>{label}</a> };
    let before = page.before.map(|place| link(wanted.before(place), "Before"));
    let next = if page.unfinished { "Go on looking" } else { "Next" };
    let after = page.after.map(|place| link(wanted.after(place), next));
    (before.is_some() || after.is_some()).then(|| {
        view! {
            <nav class="pager" aria-label="Pages">
                {before}
                {after}
            </nav>
        }
    })
}
