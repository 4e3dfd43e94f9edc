//! The editor of a correction, with the difference to the response it was made from. Without scripts it is a form, and
//! the difference is that of what was saved.

use std::time::Duration;

use domain::diff::{Change, diff_words};
use leptos::{ev, html, prelude::*};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{mark_hydrated, storage};
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
    /// What stands in the editor at first.
    pub content: String,
    pub supersedes: Option<Uuid>,
    /// BCP 47 tag.
    pub language: Option<String>,
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
    let restored = RwSignal::new(false);
    let origin = start
        .response
        .as_ref()
        .map(|(id, _)| id.to_string())
        .unwrap_or_default();
    let draft_key = format!("touchstone.draft.{}.{}.{origin}", start.user, start.comparison);
    let stored = StoredValue::new((draft_key, start.content.clone(), base));
    let later = StoredValue::new(0u32);
    let compare = move || {
        stored.with_value(|(_, _, base)| changes.set(text.with_untracked(|text| diff_words(base, text))));
    };
    let keep_draft = move || {
        stored.with_value(|(key, saved, _)| {
            text.with_untracked(|text| match text == saved {
                true => storage::remove(key),
                false => storage::set(key, text),
            });
        });
    };
    let edited = move |value: String| {
        text.set(value);
        // The difference follows when the typing pauses.
        later.update_value(|later| *later += 1);
        let turn = later.get_value();
        set_timeout(
            move || {
                if later.get_value() == turn {
                    keep_draft();
                    compare();
                }
            },
            Duration::from_millis(120),
        );
    };
    Effect::new(move |_| {
        let draft = stored.with_value(|(key, saved, _)| storage::get(key).filter(|draft| draft != saved));
        if let Some(draft) = draft {
            text.set(draft);
            restored.set(true);
            compare();
        }
    });
    let submit_by_key = move |event: ev::KeyboardEvent| {
        if event.key() == "Enter" && (event.ctrl_key() || event.meta_key()) {
            event.prevent_default();
            if let Some(form) = node.get_untracked() {
                drop(form.request_submit());
            }
        }
    };
    let supersedes = start.supersedes.map(|id| id.to_string()).unwrap_or_default();
    let cancel = format!(
        "/projects/{}/judge?comparison={}",
        start.project, start.comparison
    );
    view! {
        <form
            class="editor"
            method="post"
            action="/fn/corrections/save"
            node_ref=node
            on:submit=move |_| keep_draft()
            on:keydown=submit_by_key
        >
            <input type="hidden" name="project" value=start.project.to_string() />
            <input type="hidden" name="comparison" value=start.comparison.to_string() />
            <input type="hidden" name="id" value=start.id.to_string() />
            <input type="hidden" name="response" value=origin />
            <input type="hidden" name="supersedes" value=supersedes />
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
                <a class="button quiet" href=cancel>
                    "Back to judging"
                </a>
                <span class="soft small" role="status">
                    {move || restored.get().then_some("Restored from a draft in this browser.")}
                </span>
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
