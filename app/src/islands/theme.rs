//! Light or dark, remembered in a cookie so that the server renders the next page right.

use leptos::prelude::*;

use super::mark_hydrated;

/// A button that turns the other theme on. Without scripts it is a form.
#[island]
pub fn ThemeToggle() -> impl IntoView {
    let node = NodeRef::<leptos::html::Form>::new();
    mark_hydrated(node);
    view! {
        <form
            class="theme-toggle"
            method="post"
            action="/theme"
            node_ref=node
            on:submit=move |event| {
                event.prevent_default();
                toggle();
            }
        >
            <button class="quiet" title="Light or dark" aria-label="Switch between light and dark">
                <span class="theme-icon" aria-hidden="true"></span>
            </button>
        </form>
    }
}

fn toggle() {
    let Some(root) = document().document_element() else {
        return;
    };
    let dark = match root.get_attribute("data-theme") {
        Some(theme) => theme == "dark",
        None => window()
            .match_media("(prefers-color-scheme: dark)")
            .ok()
            .flatten()
            .is_some_and(|query| query.matches()),
    };
    let next = if dark { "light" } else { "dark" };
    drop(root.set_attribute("data-theme", next));
    let cookie = format!("theme={next}; Path=/; Max-Age=31536000; SameSite=Lax");
    let name = wasm_bindgen::JsValue::from_str("cookie");
    drop(js_sys::Reflect::set(document().as_ref(), &name, &cookie.into()));
}
