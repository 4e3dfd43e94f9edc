//! (empty so far)

use leptos::prelude::*;

use crate::components::Page;

/// (empty so far)
#[component]
pub fn SignInPage() -> impl IntoView {
    view! { <Page title="Soon"><h1>"Soon"</h1></Page> }
}
