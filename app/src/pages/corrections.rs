//! Corrections: write one for a comparison.

use domain::{
    comparison::ComparisonKind,
    permission::Permission,
    project::Project,
    prompt::Response,
    task::{Task, letter},
};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
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
    own_list::OwnList,
    pages::judgements,
    text::encoded,
    viewer::require,
};

/// `?comparison=ID` (and `&response=ID`, or `none` to write from nothing) opens the editor; else one's own work.
#[component]
pub fn CorrectionsPage() -> impl IntoView {
    let id = path_id();
    let (comparison, response) =
        use_query_map().with_untracked(|query| (query.get("comparison"), query.get("response")));
    let asked = OwnList::of_request_from();
    let data = async move {
        let project = id?;
        match comparison {
            Some(comparison) => edit(project, &comparison, response.as_deref(), asked)
                .await
                .map(Shown::Editing),
            None => judgements::load(project, OwnList::of_request())
                .await
                .map(|listed| Shown::OwnWork(Box::new(listed))),
        }
    };
    page_with(data, |shown| match shown {
        Shown::Editing(editing) => editing_view(*editing).into_any(),
        Shown::OwnWork(listed) => judgements::view(*listed).into_any(),
    })
}

enum Shown {
    Editing(Box<Editing>),
    OwnWork(Box<judgements::Listed>),
}

struct Editing {
    project: Project,
    task: Task,
    editor: EditorStart,
    saved: bool,
}

async fn edit(
    project: Uuid,
    comparison: &str,
    response: Option<&str>,
    from: Option<OwnList>,
) -> Result<Box<Editing>, AppError> {
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
    let place = task
        .responses
        .iter()
        .position(|shown| Some(shown.id) == origin.map(|response| response.id));
    let editor = EditorStart {
        project,
        comparison,
        user: user.id,
        id: Uuid::new_v4(),
        response: origin.map(|response| (response.id, response.content.clone())),
        name: place.map_or_else(
            || "nothing".to_owned(),
            |place| format!("response {}", letter(place)),
        ),
        content,
        supersedes: own.as_ref().map(|own| own.id),
        language: task.language.clone(),
        from: from.map(|list| list.query()),
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
    let from = editor.from.as_deref();
    let from = from.map_or_else(String::new, |query| format!("&from={}", encoded(query)));
    let base = format!(
        "/projects/{}/corrections?comparison={}{from}",
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
