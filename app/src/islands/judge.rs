//! The place where people judge. Without scripts it is a form whose buttons give grades; with them one key grades,
//! the next comparison is there already, and what was said is sent in the background (`outbox`).

mod clock;
mod hold;
mod keys;
mod outbox;
mod parts;
mod state;

use domain::{
    comparison::ComparisonKind,
    task::{Progress, Task},
};
use leptos::{html, prelude::*};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use self::{
    parts::{controls, keys_help, prompt_and_responses, status_line},
    state::Desk,
};
use super::mark_hydrated;

/// What the server hands over: the first comparison, and where the person stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeskStart {
    pub project: Uuid,
    pub user: Uuid,
    /// What this page holds is held for it alone, not for another page of the same person.
    pub seat: Uuid,
    pub kind: ComparisonKind,
    pub task: Option<Task>,
    pub progress: Progress,
    /// The identifier of the judgement that the plain form would make.
    pub id: Uuid,
    /// The identifier of the withdrawal that the plain undo would make.
    pub undo_id: Uuid,
    /// The person's last judgement of this kind and its comparison, to be undone.
    pub last: Option<(Uuid, Uuid)>,
}

/// The whole of the judging page under its title.
#[island]
pub fn JudgeDesk(start: DeskStart) -> impl IntoView {
    let node = NodeRef::<html::Section>::new();
    mark_hydrated(node);
    let desk = Desk::new(&start);
    Effect::new(move |_| desk.wake(node));
    let kind = start.kind.as_str();
    let form = NodeRef::<html::Form>::new();
    view! {
        <section class="judge" data-kind=kind node_ref=node>
            {status_line(desk, start.kind)}
            <form
                class="judge-form"
                method="post"
                action="/fn/judge/form"
                node_ref=form
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
                {start.task.as_ref().map(hidden_fields)}
                {move || match desk.task.get() {
                    Some(task) => prompt_and_responses(desk, &task).into_any(),
                    None => nothing_left(desk).into_any(),
                }}
                {controls(desk, start.kind)}
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
fn nothing_left(desk: Desk) -> impl IntoView {
    let project = desk.project;
    view! {
        <div class="empty judge-empty">
            <p>
                {move || match (desk.exhausted.get(), desk.progress.get().elsewhere) {
                    (false, _) => "Waiting for the next comparison…".to_owned(),
                    (true, 0) => "Nothing is left for you to judge here. Thank you.".to_owned(),
                    (true, 1) => {
                        "Somebody else has the last one in hand. If it is given back, it comes here by itself.".to_owned()
                    }
                    (true, others) => {
                        format!(
                            "Others have the last {others} in hand. What is given back comes here by itself.",
                        )
                    }
                }}
            </p>
            <a class="button" href=format!("/projects/{project}/corrections")>
                "Look at what you said"
            </a>
        </div>
    }
}

/// Undo stands outside the form of grades: it is a form of its own.
fn undo_form(desk: Desk, start: &DeskStart) -> impl IntoView + use<> {
    let [old, comparison] = match start.last {
        Some((judgement, comparison)) => [judgement, comparison].map(|id| id.to_string()),
        None => [String::new(), String::new()],
    };
    view! {
        <form
            class="judge-undo"
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
            <button class="quiet small" disabled=move || !desk.can_undo.get()>
                <kbd>"u"</kbd>
                "Undo the last"
            </button>
        </form>
    }
}
