//! The place where people judge. Without scripts it is a form whose buttons give grades; with them one key grades,
//! the next comparison is there already, and what was said is sent in the background (`outbox`).

mod clock;
mod draft;
mod gate;
mod hold;
mod key_names;
mod keys;
mod order;
mod outbox;
mod parts;
mod saying;
mod screen;
mod state;

use domain::{
    Millis,
    comparison::ComparisonKind,
    task::{Progress, Task},
};
use leptos::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use self::{
    parts::{bar, keys_help, prompt_and_responses, status_line},
    state::Desk,
};
use super::{mark_hydrated, only_single_clicks};
use crate::text;

/// What the server hands over: the first comparison, and where the person stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeskStart {
    pub project: Uuid,
    pub user: Uuid,
    /// What this page holds is held for it alone, not for another page of the same person.
    pub seat: Uuid,
    /// Whether the address named the comparison.
    pub named: bool,
    pub kind: ComparisonKind,
    pub task: Option<Task>,
    pub progress: Progress,
    /// What was left of the other kind for this person when the page was made.
    pub other_left: u64,
    /// The identifier of the judgement that the plain form would make.
    pub id: Uuid,
    /// The identifier of the withdrawal that the plain undo would make.
    pub undo_id: Uuid,
    /// The person's last judgement of this kind and its comparison, to be undone.
    pub last: Option<(Uuid, Uuid)>,
    /// When this page was made, by the server's clock: the plain form tells it what nobody can have seen yet.
    pub shown_at: Millis,
    /// The query of the list that this comparison was chosen from, to go back there when it has been judged.
    pub from: Option<String>,
}

/// The whole of the judging page under its title.
#[island]
pub fn JudgeDesk(start: DeskStart) -> impl IntoView {
    let desk = Desk::new(&start);
    let node = desk.root;
    mark_hydrated(node);
    Effect::new(move |_| desk.wake());
    desk.follow();
    let kind = start.kind.as_str();
    view! {
        <section
            class="judge"
            data-kind=kind
            data-unseen=move || (desk.task.with(Option::is_some) && !desk.gate.follow()).then_some("true")
            node_ref=node
        >
            {status_line(desk, start.kind)}
            <form
                class="judge-form"
                method="post"
                action="/fn/judge/form"
                novalidate=move || desk.awake.get()
                on:click=move |event| only_single_clicks(&event)
                on:submit=move |event| {
                    event.prevent_default();
                    if let Some(say) = event.submitter().and_then(|button| button.get_attribute("value")) {
                        desk.say(&say);
                    }
                }
            >
                // Enter in a radio button must not give the first grade.
                <button type="submit" disabled hidden></button>
                <input type="hidden" name="form[project]" value=start.project.to_string() />
                <input type="hidden" name="form[id]" value=start.id.to_string() />
                <input type="hidden" name="form[shown_at]" value=start.shown_at.to_string() />
                <input type="hidden" name="form[from]" value=start.from.clone() />
                {start.task.as_ref().map(hidden_fields)}
                {move || match desk.task.get() {
                    Some(task) => prompt_and_responses(desk, &task).into_any(),
                    None => nothing_here(desk, start.other_left).into_any(),
                }}
                {bar(desk, start.kind)}
            </form>
            {undo_form(desk, &start)}
            {keys_help(desk, start.kind)}
            <p class="sr-only" aria-live="polite">
                {move || desk.announcement.get()}
            </p>
        </section>
    }
}

fn hidden_fields(task: &Task) -> impl IntoView + use<> {
    let supersedes = task.supersedes.map(|id| id.to_string()).unwrap_or_default();
    view! {
        <input type="hidden" name="form[comparison]" value=task.comparison_id.to_string() />
        <input type="hidden" name="form[supersedes]" value=supersedes />
    }
}

/// What stands there when no comparison does.
fn nothing_here(desk: Desk, other_left: u64) -> impl IntoView {
    let sentence = move || {
        let progress = desk.progress.get();
        match (desk.leaving.get(), desk.exhausted.get(), progress.elsewhere) {
            (Some(_), _, _) => {
                "Your change is kept in this browser and on its way; then your judgements are shown."
                    .to_owned()
            }
            (None, false, _) => "Waiting for the next comparison…".to_owned(),
            (None, true, 0) if progress.done == 0 => "Nothing is here for you to judge yet.".to_owned(),
            (None, true, 0) => "Nothing is left for you to judge here. Thank you.".to_owned(),
            (None, true, 1) => {
                "Somebody else has the last one in hand. If it is given back, it comes here by itself."
                    .to_owned()
            }
            (None, true, others) => {
                format!("Others have the last {others} in hand. What is given back comes here by itself.")
            }
        }
    };
    let own_work = format!("/projects/{}/judgements", desk.project);
    let other = (other_left > 0).then(|| other_kind(desk, other_left));
    view! {
        <div class="empty judge-empty">
            <p>{sentence}</p>
            {other}
            <a class="button" href=own_work>
                "My judgements"
            </a>
        </div>
    }
}

/// The way to what waits of the other kind.
fn other_kind(desk: Desk, left: u64) -> impl IntoView + use<> {
    let (kind, (number, noun), go) = match desk.kind {
        ComparisonKind::Pair => (
            "ranking",
            text::count(left, "ranking is", "rankings are"),
            "Rank responses",
        ),
        ComparisonKind::Ranking => ("pair", text::count(left, "pair is", "pairs are"), "Judge pairs"),
    };
    view! {
        <p>
            {format!("{number} {noun} left for you: ")}
            <a class="button primary" href=format!("/projects/{}/judge?kind={kind}", desk.project)>
                {go}
            </a>
        </p>
    }
}

/// Undo is a form of its own; its button stands among the others.
fn undo_form(desk: Desk, start: &DeskStart) -> impl IntoView + use<> {
    let [old, comparison] = match start.last {
        Some((judgement, comparison)) => [judgement, comparison].map(|id| id.to_string()),
        None => [String::new(), String::new()],
    };
    view! {
        <form
            id="undo"
            method="post"
            action="/fn/judge/undo"
            on:submit=move |event| {
                event.prevent_default();
                desk.undo();
            }
        >
            <input type="hidden" name="project" value=start.project.to_string() />
            <input type="hidden" name="comparison" value=comparison />
            <input type="hidden" name="id" value=start.undo_id.to_string() />
            <input type="hidden" name="old" value=old />
        </form>
    }
}
