//! Where pairs are graded and rankings made.

use domain::{comparison::ComparisonKind, permission::Permission, project::Project};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use uuid::Uuid;

use crate::{
    components::{Page, Tab, page_with, path_id},
    context,
    error::AppError,
    islands::judge::{DeskStart, JudgeDesk},
    judging::Desk,
    prose::Prose,
    viewer::require,
};

/// The next comparison to judge: `?kind=ranking` for rankings, `?comparison=ID` for one of them again.
#[component]
pub fn JudgePage() -> impl IntoView {
    let id = path_id();
    let (kind, comparison) =
        use_query_map().with_untracked(|query| (query.get("kind"), query.get("comparison")));
    let data = async move { start(id?, kind.as_deref(), comparison.as_deref()).await };
    page_with(data, |(project, instructions, start)| {
        let (title, tab) = match start.kind {
            ComparisonKind::Pair => ("Judge", Tab::Judge),
            ComparisonKind::Ranking => ("Rank", Tab::Rank),
        };
        view! {
            <Page title=title project=project tab=tab wide=true>
                {instructions
                    .map(|html| {
                        view! {
                            <details class="judge-instructions">
                                <summary>"Instructions"</summary>
                                <Prose html=html />
                            </details>
                        }
                    })}
                <JudgeDesk start=start />
            </Page>
        }
    })
}

async fn start(
    project: Uuid,
    kind: Option<&str>,
    comparison: Option<&str>,
) -> Result<(Project, Option<String>, DeskStart), AppError> {
    let user = require(Permission::Judge)?;
    let desk = Desk::open(project, &user).await?;
    let task = match comparison {
        Some(id) => {
            let missing = |_| AppError::NotFound("There is no such comparison.".into());
            Some(desk.task(id.parse().map_err(missing)?).await?)
        }
        None => None,
    };
    let kind = match (&task, kind) {
        (Some(task), _) => task.kind,
        (None, Some("ranking")) => ComparisonKind::Ranking,
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
        kind,
        task,
        progress: desk.progress(kind).await?,
        id: Uuid::new_v4(),
        undo_id: Uuid::new_v4(),
        last: last
            .first()
            .map(|own| (own.judgement.id, own.judgement.comparison_id)),
    };
    let instructions = desk.project.instructions.trim();
    let instructions = match instructions {
        "" => None,
        text => Some(context::render(text).await),
    };
    Ok((desk.project, instructions, start))
}
