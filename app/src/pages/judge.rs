//! Where pairs are graded and rankings made.

use axum::{
    extract::Query,
    http::{header::SET_COOKIE, request::Parts},
};
use domain::{comparison::ComparisonKind, permission::Permission, project::Project, prompt::text_hash};
use leptos::prelude::*;
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    components::{Page, Tab, page_with, path_id},
    context,
    error::AppError,
    islands::judge::{DeskStart, JudgeDesk},
    judging::Desk,
    own_list::OwnList,
    prose::Prose,
    viewer::require,
};

/// What the address asks for.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    /// `ranking` for rankings.
    kind: String,
    /// One comparison again.
    comparison: Option<String>,
}

/// The next comparison to judge: `?kind=ranking` for rankings, `?comparison=ID` for one of them again.
#[component]
pub fn JudgePage() -> impl IntoView {
    let id = path_id();
    let asked = use_context::<Parts>()
        .and_then(|parts| Query::<Asked>::try_from_uri(&parts.uri).ok())
        .map_or_else(Asked::default, |Query(asked)| asked);
    let from = OwnList::of_request_from();
    let data = async move { start(id?, asked, from).await };
    page_with(
        data,
        |Started {
             project,
             instructions,
             start,
         }| {
            let (title, tab) = match start.kind {
                ComparisonKind::Pair => ("Judge", Tab::Judge),
                ComparisonKind::Ranking => ("Rank", Tab::Rank),
            };
            view! {
                <Page title=title project=project tab=tab wide=true>
                    {instructions
                        .map(|Instructions { html, new }| {
                            view! {
                                <details class="judge-instructions" open=new>
                                    <summary>"Instructions"</summary>
                                    <div class="instructions-text" role="region" aria-label="Instructions" tabindex="0">
                                    <Prose html=html />
                                </div>
                                </details>
                            }
                        })}
                    <JudgeDesk start=start />
                </Page>
            }
        },
    )
}

struct Started {
    project: Project,
    instructions: Option<Instructions>,
    start: DeskStart,
}

struct Instructions {
    html: String,
    /// This person has not been shown them in this browser, as they read now.
    new: bool,
}

async fn start(project: Uuid, asked: Asked, from: Option<OwnList>) -> Result<Started, AppError> {
    let user = require(Permission::Judge)?;
    let desk = Desk::open(project, &user).await?;
    let task = match &asked.comparison {
        Some(id) => {
            let missing = |_| AppError::NotFound("There is no such comparison.".into());
            Some(desk.task(id.parse().map_err(missing)?).await?)
        }
        None => None,
    };
    let kind = match (&task, asked.kind.as_str()) {
        (Some(task), _) => task.kind,
        (None, "ranking") => ComparisonKind::Ranking,
        (None, _) => ComparisonKind::Pair,
    };
    let seat = Uuid::new_v4();
    let task = match task {
        Some(task) => {
            desk.hold(kind, seat, &[task.comparison_id], &[]).await?;
            Some(task)
        }
        None => desk.first(kind, seat).await?,
    };
    let store = context::store();
    let last = store
        .list_own_judgements(&desk.project, user.id, Some(kind), 1)
        .await?;
    let start = DeskStart {
        project,
        user: user.id,
        seat,
        named: asked.comparison.is_some(),
        kind,
        task,
        progress: desk.progress(kind).await?,
        other_left: desk.progress(kind.other()).await?.remaining,
        id: Uuid::new_v4(),
        undo_id: Uuid::new_v4(),
        last: last
            .first()
            .map(|own| (own.judgement.id, own.judgement.comparison_id)),
        shown_at: store::now(),
        // Read and written again: what an address says goes no further as it stands.
        from: from.map(|list| list.query()),
    };
    Ok(Started {
        instructions: instructions(&desk.project, user.id).await,
        project: desk.project,
        start,
    })
}

/// The instructions, and whether they are new to this person: a cookie remembers which were shown last.
async fn instructions(project: &Project, user: Uuid) -> Option<Instructions> {
    let text = project.instructions.trim();
    if text.is_empty() {
        return None;
    }
    let shown: String = text_hash(&format!("{user} {text}")).chars().take(16).collect();
    let name = format!("read-{}", project.id.simple());
    let new = context::cookie(&name).as_deref() != Some(&shown);
    if new {
        let secure = match context::services().public_url.starts_with("https:") {
            true => "; Secure",
            false => "",
        };
        let cookie = format!(
            "{name}={shown}; Path=/projects/{}; Max-Age=31536000; HttpOnly; SameSite=Lax{secure}",
            project.id
        );
        context::answer_header(SET_COOKIE, &cookie);
    }
    Some(Instructions {
        html: context::render(text).await,
        new,
    })
}
