//! Text of models and people as the server rendered it. The only place where HTML goes into a page as it is.

use leptos::prelude::*;

/// A block of safe HTML, made by the server (`rendering::Rendering`) and by nobody else.
#[component]
pub fn Prose(#[prop(into)] html: String) -> impl IntoView {
    view! { <div class="prose" dir="auto" inner_html=html></div> }
}
