//! (empty so far)

use leptos::prelude::*;

use crate::components::Page;

/// (empty so far)
#[component]
pub fn TrainPage() -> impl IntoView {
    view! { <Page title="Soon"><h1>"Soon"</h1></Page> }
}

/// (empty so far)
#[component]
pub fn RunPage() -> impl IntoView {
    view! { <Page title="Soon"><h1>"Soon"</h1></Page> }
}
