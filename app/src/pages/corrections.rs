//! Corrections: write one for a comparison, and look back at one's own work.

use domain::{
    comparison::ComparisonKind,
    correction::Correction,
    permission::Permission,
    project::Project,
    prompt::{Message, Response, Speaker},
    task::{Task, describe, letter},
};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use store::judgement::OwnJudgement;
use uuid::Uuid;

use crate::{
    components::{Conversation, Page, Tab, page_with, path_id},
    context,
    error::AppError,
    islands::{
        corrections::{CorrectionEditor, EditorStart},
        written::WrittenToggle,
    },
    judging::Desk,
    viewer::require,
};

/// How many judgements and corrections one looks back at.
const LOOK_BACK: u64 = 50;

/// `?comparison=ID` (and `&response=ID`, or `none` to write from nothing) opens the editor; else one's own work.
#[component]
pub fn CorrectionsPage() -> impl IntoView {
    let id = path_id();
    let (comparison, response) =
        use_query_map().with_untracked(|query| (query.get("comparison"), query.get("response")));
    let data = async move {
        let project = id?;
        match comparison {
            Some(comparison) => edit(project, &comparison, response.as_deref())
                .await
                .map(Shown::Editing),
            None => own_work(project).await.map(Shown::OwnWork),
        }
    };
    page_with(data, |shown| match shown {
        Shown::Editing(editing) => editing_view(*editing).into_any(),
        Shown::OwnWork(work) => own_work_view(work).into_any(),
    })
}

enum Shown {
    Editing(Box<Editing>),
    OwnWork(OwnWork),
}

struct Editing {
    project: Project,
    task: Task,
    editor: EditorStart,
    saved: bool,
}

struct OwnWork {
    project: Project,
    judgements: Vec<(OwnJudgement, String)>,
    corrections: Vec<(Correction, String)>,
}

async fn edit(project: Uuid, comparison: &str, response: Option<&str>) -> Result<Box<Editing>, AppError> {
    let user = require(Permission::Judge)?;
    let missing = |what: &str| AppError::NotFound(format!("There is no such {what}."));
    let comparison: Uuid = comparison.parse().map_err(|_| missing("comparison"))?;
    let desk = Desk::open(project, &user).await?;
    let task = desk.task(comparison).await?;
    let store = context::store();
    let loaded = store.load_comparison(project, comparison).await?;
    let own = store.current_corrections(user.id, &[comparison]).await?.pop();
    let origin: Option<Uuid> = match (response, &own) {
        (Some("none"), _) => None,
        (Some(id), _) => Some(id.parse().map_err(|_| missing("response"))?),
        (None, Some(own)) => own.response_id,
        (None, None) => task.responses.first().map(|response| response.id),
    };
    let origin: Option<&Response> = match origin {
        Some(id) => Some(
            loaded
                .responses
                .iter()
                .find(|response| response.id == id)
                .ok_or_else(|| missing("response"))?,
        ),
        None => None,
    };
    // Another response chosen: its text to start from, not the correction of the first.
    let kept = own
        .as_ref()
        .filter(|own| own.response_id == origin.map(|response| response.id));
    let content = match (kept, origin) {
        (Some(own), _) => own.content.clone(),
        (None, Some(response)) => response.content.clone(),
        (None, None) => String::new(),
    };
    let editor = EditorStart {
        project,
        comparison,
        user: user.id,
        id: Uuid::new_v4(),
        response: origin.map(|response| (response.id, response.content.clone())),
        content,
        supersedes: own.as_ref().map(|own| own.id),
        language: task.language.clone(),
    };
    Ok(Box::new(Editing {
        saved: kept.is_some(),
        project: desk.project,
        task,
        editor,
    }))
}

fn editing_view(editing: Editing) -> impl IntoView {
    let Editing {
        project,
        task,
        editor,
        saved,
    } = editing;
    let base = format!(
        "/projects/{}/corrections?comparison={}",
        project.id, task.comparison_id
    );
    let origin = editor.response.as_ref().map(|(id, _)| *id);
    let sources = task.responses.iter().enumerate().map(|(index, response)| {
        (
            format!("Response {}", letter(index)),
            response.id.to_string(),
            origin == Some(response.id),
        )
    });
    let nothing = (
        "Write from nothing".to_owned(),
        "none".to_owned(),
        origin.is_none(),
    );
    let sources = sources
        .chain([nothing])
        .map(|(label, value, current)| {
            view! {
                <a class="button small" href=format!("{base}&response={value}") aria-current=current.then_some("true")>
                    {label}
                </a>
            }
        })
        .collect_view();
    let tab = match task.kind {
        ComparisonKind::Pair => Tab::Judge,
        ComparisonKind::Ranking => Tab::Rank,
    };
    view! {
        <Page title="Correct" project=project tab=tab wide=true>
            <div class="page-head">
                <div>
                    <h1>"Correct a response"</h1>
                    <p>
                        {if saved {
                            "You have corrected this one; saving again replaces your correction."
                        } else {
                            "Write the answer that should have been given. It counts as better than every response shown."
                        }}
                    </p>
                </div>
                <nav class="cluster" aria-label="Start from">
                    <span class="soft small">"Start from"</span>
                    {sources}
                    <WrittenToggle />
                </nav>
            </div>
            <section class="judge-prompt" aria-label="Prompt" tabindex="0" lang=task.language.clone()>
                <Conversation turns=task.turns.clone() />
            </section>
            <CorrectionEditor start=editor />
        </Page>
    }
}

async fn own_work(project: Uuid) -> Result<OwnWork, AppError> {
    let user = require(Permission::Judge)?;
    let store = context::store();
    let project = store.find_project(project).await?;
    let judgements = store
        .list_own_judgements(&project, user.id, None, LOOK_BACK)
        .await?;
    let corrections = store.list_own_corrections(&project, user.id, LOOK_BACK).await?;
    let mut ids: Vec<Uuid> = judgements.iter().map(|own| own.judgement.comparison_id).collect();
    ids.extend(corrections.iter().map(|own| own.comparison_id));
    ids.sort_unstable();
    ids.dedup();
    let loaded = store.load_comparisons(project.id, &ids).await?;
    let asked = |id: Uuid| {
        let found = loaded.iter().find(|comparison| comparison.id == id);
        found
            .map(|comparison| beginning(&comparison.prompt.messages))
            .unwrap_or_default()
    };
    Ok(OwnWork {
        judgements: judgements
            .into_iter()
            .map(|own| (asked(own.judgement.comparison_id), own))
            .map(swap)
            .collect(),
        corrections: corrections
            .into_iter()
            .map(|own| (asked(own.comparison_id), own))
            .map(swap)
            .collect(),
        project,
    })
}

fn swap<A, B>((a, b): (A, B)) -> (B, A) {
    (b, a)
}

/// How the last thing that was asked begins.
fn beginning(messages: &[Message]) -> String {
    let last = messages
        .iter()
        .rfind(|message| message.role == Speaker::User)
        .or(messages.last());
    let text = last.map_or("", |message| message.content.as_str());
    let mut line: String = text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(120)
        .collect();
    if line.chars().count() == 120 {
        line.push('…');
    }
    line
}

fn own_work_view(work: OwnWork) -> impl IntoView {
    let OwnWork {
        project,
        judgements,
        corrections,
    } = work;
    let base = format!("/projects/{}", project.id);
    let corrected = corrections.iter().map(|(own, asked)| {
        let link = format!("{base}/corrections?comparison={}", own.comparison_id);
        let text: String = own.content.chars().take(160).collect();
        (asked.clone(), text, link)
    });
    let judged = judgements.iter().map(|(own, asked)| {
        let judgement = &own.judgement;
        let said = describe(judgement.verdict, &judgement.ranking, &judgement.presented);
        let link = format!("{base}/judge?comparison={}", judgement.comparison_id);
        let flag = if judgement.flagged { " · flagged" } else { "" };
        (asked.clone(), format!("{said}{flag}"), link)
    });
    let corrected = table("Correction", corrected.collect());
    let judged = table("What you said", judged.collect());
    view! {
        <Page title="Corrections" project=project tab=Tab::Corrections>
            <div class="page-head">
                <div>
                    <h1>"Your work"</h1>
                    <p>"Your last corrections and judgements here. A change replaces what you said; the history stays."</p>
                </div>
                <a class="button primary" href=format!("{base}/judge")>
                    "Go on judging"
                </a>
            </div>
            <h2>"Corrections"</h2>
            {corrected
                .unwrap_or_else(|| {
                    view! {
                        <p class="empty">
                            "None yet. While you judge, press e or follow “Correct” beside a response."
                        </p>
                    }
                        .into_any()
                })}
            <h2>"Judgements"</h2>
            {judged.unwrap_or_else(|| view! { <p class="empty">"None yet."</p> }.into_any())}
        </Page>
    }
}

/// Rows of (prompt, what was said, where to change it); None if there are none.
fn table(heading: &'static str, rows: Vec<(String, String, String)>) -> Option<AnyView> {
    if rows.is_empty() {
        return None;
    }
    let rows = rows
        .into_iter()
        .map(|(asked, said, link)| {
            let label = format!("Change: {asked}");
            view! {
                <tr>
                    <th scope="row" dir="auto">
                        {asked}
                    </th>
                    <td dir="auto">{said}</td>
                    <td>
                        <a href=link aria-label=label>
                            "Change"
                        </a>
                    </td>
                </tr>
            }
        })
        .collect_view();
    let table = view! {
        <div class="table-wrap">
            <table class="table work-table">
                <thead>
                    <tr>
                        <th scope="col">"Prompt"</th>
                        <th scope="col">{heading}</th>
                        <th scope="col">"Change"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    };
    Some(table.into_any())
}
