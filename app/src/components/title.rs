//! The window's title: the only place where a `<Title>` is written, because Leptos does not escape it.

use leptos::prelude::*;
use leptos_meta::Title;

use crate::escape::escape;

/// The page's name, then ours.
#[component]
pub fn PageTitle(#[prop(into)] text: String) -> impl IntoView {
    view! { <Title text=escape(&format!("{text} · Touchstone")) /> }
}
