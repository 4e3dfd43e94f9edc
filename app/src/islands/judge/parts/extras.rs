//! How sure, and why: what is said beside the grade.

use leptos::prelude::*;
use wasm_bindgen::JsCast;

use crate::{
    islands::judge::{keys, screen::set_open, state::Desk},
    text_area::TextArea,
};

/// Unsure, fairly, certain.
pub fn sure_choice(desk: Desk) -> impl IntoView {
    let choice = move |(value, label): (i32, &'static str)| {
        view! {
            <label>
                <input
                    type="radio"
                    name="form[confidence]"
                    value=value.to_string()
                    checked=desk.draft.confidence.get_untracked() == Some(value)
                    prop:checked=move || desk.draft.confidence.get() == Some(value)
                    on:change=move |_| desk.draft.confidence.set(Some(value))
                />
                {label}
            </label>
        }
    };
    view! {
        <fieldset class="extra sure">
            <legend>
                <kbd>{move || keys::written(desk, "h")}</kbd>
                "How sure"
            </legend>
            {[(1, "Unsure"), (2, "Fairly"), (3, "Certain")].map(choice).into_iter().collect_view()}
        </fieldset>
    }
}

fn is_text(event: &web_sys::FocusEvent) -> bool {
    event
        .target()
        .is_some_and(|target| target.has_type::<web_sys::HtmlTextAreaElement>())
}

/// A fold with a box for the reason; its name tells whether one is written.
pub fn justify(desk: Desk) -> impl IntoView {
    let written = move || desk.draft.justification.with(|text| !text.trim().is_empty());
    view! {
        <details class="menu justify" node_ref=desk.reason_menu>
            <summary class:written=written>
                <kbd>"j"</kbd>
                {move || if written() { "Justified ✓" } else { "Justify" }}
            </summary>
            <div
                class="menu-box"
                on:focusin=move |event| desk.draft.writing.set(is_text(&event))
                on:focusout=move |_| desk.draft.writing.set(false)
            >
                <label for="justification">"Why? For reviewers and for yourself."</label>
                <TextArea
                    id="justification"
                    name="form[justification]"
                    maxlength=4000
                    text=desk.draft.justification.get_untracked()
                    node_ref=desk.reason_text
                    value=desk.draft.justification
                    on_input=move |text| desk.draft.justification.set(text)
                />
                <div class="cluster">
                    <button type="button" class="done" on:click=move |_| set_open(desk.reason_menu, false)>
                        "Done"
                    </button>
                    <small class="soft with-keys">"Esc goes back to the keys; then give the grade."</small>
                </div>
            </div>
        </details>
    }
}
