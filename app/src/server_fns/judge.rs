//! Judging: what comes next, what was said of it, and taking it back.

use domain::{
    comparison::ComparisonKind,
    task::{Progress, Submission, Task},
};
use leptos::{prelude::*, server_fn::codec::Json};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::AppError;

/// The next comparisons for the one who asks, none of `without`; at most four. They are held for the page of this seat,
/// an identifier that each page has. Needs `Judge`.
#[server(prefix = "/fn", endpoint = "judge/next", input = Json)]
pub async fn next_tasks(
    project: Uuid,
    kind: ComparisonKind,
    without: Vec<Uuid>,
    #[server(default)] seat: Uuid,
) -> Result<Vec<Task>, AppError> {
    use domain::permission::Permission;

    let user = crate::viewer::require(Permission::Judge)?;
    check_length(&without)?;
    let desk = crate::judging::Desk::open(project, &user).await?;
    desk.next(kind, seat, &without).await
}

/// Goes on holding what the page of this seat shows or has yet to send, and what it fetched ahead, next first. Gives
/// those that it holds now; others have the rest. Needs `Judge`.
#[server(prefix = "/fn", endpoint = "judge/hold", input = Json)]
pub async fn hold_tasks(
    project: Uuid,
    kind: ComparisonKind,
    seat: Uuid,
    shown: Vec<Uuid>,
    ahead: Vec<Uuid>,
) -> Result<Vec<Uuid>, AppError> {
    use domain::permission::Permission;

    let user = crate::viewer::require(Permission::Judge)?;
    check_length(&shown)?;
    check_length(&ahead)?;
    let desk = crate::judging::Desk::open(project, &user).await?;
    desk.hold(kind, seat, &shown, &ahead).await
}

/// Gives back what the page of this seat held and will not judge: it goes. Needs `Judge`.
#[server(prefix = "/fn", endpoint = "judge/give-back", input = Json)]
pub async fn give_back_tasks(seat: Uuid, comparisons: Vec<Uuid>) -> Result<(), AppError> {
    use domain::permission::Permission;

    let user = crate::viewer::require(Permission::Judge)?;
    check_length(&comparisons)?;
    let store = crate::context::store();
    Ok(store.give_back_comparisons(user.id, seat, &comparisons).await?)
}

/// How far the one who asks is, and the project. Needs `Judge`.
#[server(prefix = "/fn", endpoint = "judge/progress", input = Json)]
pub async fn load_progress(project: Uuid, kind: ComparisonKind) -> Result<Progress, AppError> {
    use domain::permission::Permission;

    let user = crate::viewer::require(Permission::Judge)?;
    let desk = crate::judging::Desk::open(project, &user).await?;
    desk.progress(kind).await
}

/// One comparison as the one who asks sees it. Needs `Judge`.
#[server(prefix = "/fn", endpoint = "judge/task", input = Json)]
pub async fn load_task(project: Uuid, comparison: Uuid) -> Result<Task, AppError> {
    use domain::permission::Permission;

    let user = crate::viewer::require(Permission::Judge)?;
    crate::judging::Desk::open(project, &user)
        .await?
        .task(comparison)
        .await
}

/// Keeps a judgement; on the disk before this answers. Sending the same again is fine. Needs `Judge`.
#[server(prefix = "/fn", endpoint = "judge/submit", input = Json)]
pub async fn submit_judgement(project: Uuid, submission: Submission) -> Result<(), AppError> {
    use domain::permission::Permission;

    let user = crate::viewer::require(Permission::Judge)?;
    crate::judging::keep(project, &user, submission).await
}

/// What the buttons of the form send, scripts or not.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct JudgeForm {
    pub project: Uuid,
    pub comparison: Uuid,
    /// Made by the server with the form, so that a form sent twice is one judgement.
    pub id: Uuid,
    /// A grade's spelling, `skip:REASON` or `rank`.
    pub say: String,
    pub place_0: Option<u8>,
    pub place_1: Option<u8>,
    pub place_2: Option<u8>,
    pub place_3: Option<u8>,
    pub place_4: Option<u8>,
    pub place_5: Option<u8>,
    pub place_6: Option<u8>,
    pub place_7: Option<u8>,
    pub place_8: Option<u8>,
    pub flagged: Option<String>,
    pub justification: String,
    pub confidence: Option<i32>,
    /// Empty if this is the first.
    pub supersedes: String,
    pub active_ms: Option<i64>,
    /// When the server made the page.
    pub shown_at: Option<domain::Millis>,
    /// The query of the list to go back to; empty to go on to the next.
    pub from: Option<String>,
}

#[cfg(feature = "ssr")]
impl JudgeForm {
    /// The places by response, in the order of the screen.
    pub fn places(&self) -> [Option<u8>; domain::comparison::MAX_RESPONSES] {
        [
            self.place_0,
            self.place_1,
            self.place_2,
            self.place_3,
            self.place_4,
            self.place_5,
            self.place_6,
            self.place_7,
            self.place_8,
        ]
    }
}

/// As [`submit_judgement`], from a plain form; the next page is the next comparison. Needs `Judge`.
#[server(prefix = "/fn", endpoint = "judge/form")]
pub async fn judge_by_form(form: JudgeForm) -> Result<(), AppError> {
    use domain::permission::Permission;

    use crate::{context, flash, flash::Flash, judging, own_list::OwnList};
    let user = crate::viewer::require(Permission::Judge)?;
    let project = form.project;
    let desk = judging::Desk::open(project, &user).await?;
    let task = desk.task(form.comparison).await?;
    let kind = task.kind;
    let from = form.from.clone().filter(|from| !from.is_empty());
    if form
        .shown_at
        .is_some_and(|at| judging::came_unseen(at, store::now()))
    {
        flash::show_next(Flash::failed(
            "That came before this one could be read, so nothing was kept. Read it, then judge it.",
        ));
        context::redirect(&judging::path_of(project, form.comparison, from.as_deref()));
        return Ok(());
    }
    let submission = judging::read_form(form, &task)?;
    let comparison = submission.comparison_id;
    let said = domain::task::describe(submission.verdict, &submission.ranking, &submission.presented);
    judging::keep(project, &user, submission).await?;
    match from {
        Some(from) => context::redirect(&OwnList::parse(&from).path_changed(project, comparison)),
        None => {
            flash::show_next(Flash::done(format!("Saved: {said}.")));
            context::redirect(&judging::path(project, kind));
        }
    }
    Ok(())
}

/// Takes the judgement `old` back and shows its comparison again. `id` names the withdrawal. Needs `Judge`.
#[server(prefix = "/fn", endpoint = "judge/undo")]
pub async fn undo_judgement(project: Uuid, comparison: Uuid, id: Uuid, old: Uuid) -> Result<(), AppError> {
    use domain::{judgement::Verdict, permission::Permission};

    use crate::{context, flash, flash::Flash, judging};
    let user = crate::viewer::require(Permission::Judge)?;
    let task = judging::Desk::open(project, &user)
        .await?
        .task(comparison)
        .await?;
    let submission = Submission {
        id,
        comparison_id: comparison,
        verdict: Verdict::Withdrawn,
        ranking: Vec::new(),
        presented: task.responses.iter().map(|response| response.id).collect(),
        flagged: false,
        justification: None,
        confidence: None,
        active_ms: None,
        supersedes: Some(old),
    };
    judging::keep(project, &user, submission).await?;
    flash::show_next(Flash::done("Taken back: judge it anew."));
    context::redirect(&judging::path_of(project, comparison, None));
    Ok(())
}

/// More than a browser ever holds.
#[cfg(feature = "ssr")]
const MAX_NAMED: usize = 500;

#[cfg(feature = "ssr")]
fn check_length(comparisons: &[Uuid]) -> Result<(), AppError> {
    if comparisons.len() > MAX_NAMED {
        return Err(AppError::Invalid(format!(
            "At most {MAX_NAMED} comparisons can be named at once."
        )));
    }
    Ok(())
}
