//! The editor of a correction, with the difference to the response it was made from. Without scripts it is a form, and
//! the difference is that of what was saved.

mod draft;

use std::time::Duration;

use domain::diff::{Change, diff_words};
use leptos::{ev, html, prelude::*};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use self::draft::{Draft, Found};
use super::{mark_hydrated, only_single_clicks};
use crate::text_area::TextArea;

/// What the server hands over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EditorStart {
    pub project: Uuid,
    pub comparison: Uuid,
    pub user: Uuid,
    /// The identifier of the correction that this form would make.
    pub id: Uuid,
    /// The response that is corrected, and its text; None if it is written from nothing.
    pub response: Option<(Uuid, String)>,
    /// What is started from: `response B`, `nothing`.
    pub name: String,
    /// What stands in the editor at first.
    pub content: String,
    pub supersedes: Option<Uuid>,
    /// BCP 47 tag.
    pub language: Option<String>,
    /// The query of the list that this was chosen from, to go back there when it has been saved.
    pub from: Option<String>,
}

/// A text box and, beside it, what was taken out and put in.
#[island]
pub fn CorrectionEditor(start: EditorStart) -> impl IntoView {
    let node = NodeRef::<html::Form>::new();
    mark_hydrated(node);
    let text = RwSignal::new(start.content.clone());
    let base = start
        .response
        .as_ref()
        .map(|(_, text)| text.clone())
        .unwrap_or_default();
    let from_nothing = start.response.is_none();
    let changes = RwSignal::new(diff_words(&base, &start.content));
    let found = RwSignal::new(Found::Nothing);
    let origin = start
        .response
        .as_ref()
        .map(|(id, _)| id.to_string())
        .unwrap_or_default();
    let draft = Draft::new(&start);
    let base = StoredValue::new(base);
    let later = StoredValue::new(0u32);
    let compare = move || {
        base.with_value(|base| changes.set(text.with_untracked(|text| diff_words(base, text))));
    };
    let unkept = StoredValue::new(false);
    let keep = move || {
        if unkept.get_value() {
            unkept.set_value(false);
            text.with_untracked(|text| draft.keep(text));
        }
    };
    let edited = move |value: String| {
        text.set(value);
        unkept.set_value(true);
        // Draft and difference follow when the typing pauses: both may be long.
        later.update_value(|later| *later += 1);
        let turn = later.get_value();
        set_timeout(
            move || {
                if later.get_value() == turn {
                    keep();
                    compare();
                }
            },
            Duration::from_millis(120),
        );
    };
    Effect::new(move |_| {
        drop(window_event_listener_untyped("pagehide", move |_| keep()));
        let (kept, how) = draft.find();
        if let Some(kept) = kept {
            text.set(kept);
            found.set(how);
            compare();
        }
    });
    let start_anew = move |_| {
        text.set(base.get_value());
        text.with_untracked(|text| draft.keep(text));
        found.set(Found::Nothing);
        compare();
    };
    let submit_by_key = move |event: ev::KeyboardEvent| {
        if event.key() == "Enter" && (event.ctrl_key() || event.meta_key()) && !event.repeat() {
            event.prevent_default();
            if let Some(form) = node.get_untracked() {
                drop(form.request_submit());
            }
        }
    };
    let supersedes = start.supersedes.map(|id| id.to_string()).unwrap_or_default();
    let (back, back_name) = match &start.from {
        Some(from) => (
            format!("/projects/{}/judgements?{from}", start.project),
            "Back to my judgements",
        ),
        None => (
            format!(
                "/projects/{}/judge?comparison={}",
                start.project, start.comparison
            ),
            "Back to judging",
        ),
    };
    let from = start.from.clone();
    let name = start.name.clone();
    view! {
        <form
            class="editor"
            method="post"
            action="/fn/corrections/save"
            node_ref=node
            on:click=move |event| only_single_clicks(&event)
            on:keydown=submit_by_key
            on:submit=move |_| {
                unkept.set_value(false);
                text.with_untracked(|text| draft.send(text));
            }
        >
            <input type="hidden" name="project" value=start.project.to_string() />
            <input type="hidden" name="comparison" value=start.comparison.to_string() />
            <input type="hidden" name="id" value=start.id.to_string() />
            <input type="hidden" name="response" value=origin />
            <input type="hidden" name="supersedes" value=supersedes />
            {from.map(|from| view! { <input type="hidden" name="from" value=from /> })}
            <div class="editor-sides">
                <div class="field">
                    <label for="correction">"The answer as it should be (Markdown)"</label>
                    <TextArea
                        id="correction"
                        name="content"
                        required=true
                        lang=start.language.clone()
                        text=start.content.clone()
                        value=text
                        on_input=edited
                    />
                </div>
                <section class="editor-diff" aria-label="Difference" tabindex="0">
                    <h2>{if from_nothing { "Your answer" } else { "What you changed" }}</h2>
                    <div class="diff" dir="auto" lang=start.language.clone()>
                        {move || changes.get().into_iter().map(change).collect_view()}
                    </div>
                </section>
            </div>
            <div class="cluster">
                <button class="primary">"Save the correction"</button>
                <a class="button quiet" href=back>
                    {back_name}
                </a>
                <span class="soft small" role="status">
                    {move || match found.get() {
                        Found::Nothing => "",
                        Found::Here => "Restored from a draft in this browser.",
                        Found::Elsewhere => "What you had written is kept.",
                    }}
                </span>
                <button
                    type="button"
                    class="small"
                    hidden=move || found.get() == Found::Nothing
                    on:click=start_anew
                >
                    {match from_nothing {
                        true => "Write from nothing instead".to_owned(),
                        false => format!("Take the text of {name} instead"),
                    }}
                </button>
            </div>
        </form>
    }
}

fn change(change: Change) -> impl IntoView {
    match change {
        Change::Kept(text) => view! { <span>{text}</span> }.into_any(),
        Change::Removed(text) => view! { <del>{text}</del> }.into_any(),
        Change::Added(text) => view! { <ins>{text}</ins> }.into_any(),
    }
}
