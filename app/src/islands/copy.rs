//! A button that copies what stands beside it.

use leptos::{html, prelude::*};
use wasm_bindgen::JsCast;

use super::mark_hydrated;

/// Wraps something of the class `secret`. Without scripts one click selects that whole (`user-select: all`).
#[island]
pub fn Copied(children: Children) -> impl IntoView {
    let node = NodeRef::<html::Span>::new();
    mark_hydrated(node);
    let (alive, set_alive) = signal(false);
    Effect::new(move |_| set_alive.set(true));
    let (outcome, set_outcome) = signal("");
    let copy = move |_| {
        let done = node.get_untracked().is_some_and(|node| copy_secret(&node));
        set_outcome.set(if done {
            "Copied"
        } else {
            "Select the text and copy it"
        });
    };
    view! {
        <span class="secret-row" node_ref=node>
            {children()}
            <button type="button" class="small" hidden=move || !alive.get() on:click=copy>
                "Copy"
            </button>
            <span role="status" class="small">
                {move || outcome.get()}
            </span>
        </span>
    }
}

/// By selection and command: the clipboard's own interface is missing where the page comes over plain http.
fn copy_secret(around: &web_sys::HtmlElement) -> bool {
    let (Ok(Some(secret)), Ok(Some(selection))) =
        (around.query_selector(".secret"), window().get_selection())
    else {
        return false;
    };
    let selected = selection.select_all_children(&secret).is_ok();
    let document = document().unchecked_into::<web_sys::HtmlDocument>();
    selected && document.exec_command("copy").unwrap_or(false)
}
