//! Texts as they were written instead of rendered, on the whole page: one button and the key `w`. Without scripts each text
//! has a tick of its own (`prose`).

use leptos::{ev, html, prelude::*};
use wasm_bindgen::JsCast;

use super::mark_hydrated;

/// What styles go by, on the document's root.
const ATTRIBUTE: &str = "data-written";

/// Where keys are text.
const TYPED_IN: &str = "textarea, select, [contenteditable], input:not([type=radio], [type=checkbox], [type=submit], [type=button])";

/// The button on pages that are no island.
#[island]
pub fn WrittenToggle() -> impl IntoView {
    view! { <WrittenButton /> }
}

/// The button within an island.
#[component]
pub fn WrittenButton() -> impl IntoView {
    let node = NodeRef::<html::Button>::new();
    mark_hydrated(node);
    let written = RwSignal::new(false);
    Effect::new(move |_| {
        if let Some(root) = document().document_element() {
            // Fails only for a malformed attribute name.
            drop(root.toggle_attribute_with_force(ATTRIBUTE, written.get()));
        }
    });
    Effect::new(move |_| {
        drop(window_event_listener(ev::keydown, move |event| {
            if is_for_this(&event) {
                event.prevent_default();
                written.update(|written| *written = !*written);
            }
        }));
    });
    view! {
        <button
            type="button"
            class="quiet small written-button"
            node_ref=node
            title="Show the texts as they were written"
            aria-pressed=move || written.get().to_string()
            on:click=move |_| written.update(|written| *written = !*written)
        >
            <kbd>"w"</kbd>
            "As written"
        </button>
    }
}

fn is_for_this(event: &ev::KeyboardEvent) -> bool {
    let key = event.key();
    // A keyboard of another script has the same place for it.
    let pressed = key.eq_ignore_ascii_case("w") || (!key.is_ascii() && event.code() == "KeyW");
    let held =
        event.repeat() || event.ctrl_key() || event.alt_key() || event.meta_key() || event.is_composing();
    let target = event
        .target()
        .and_then(|target| target.dyn_into::<web_sys::Element>().ok());
    let typing = target.is_some_and(|target| matches!(target.closest(TYPED_IN), Ok(Some(_))));
    pressed && !held && !typing && !event.default_prevented()
}
