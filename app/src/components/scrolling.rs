//! What may be wider than the screen.

use leptos::prelude::*;

/// Scrolls sideways where its contents do not fit, with the keyboard too; `label` says what it is.
#[component]
pub fn Scrolling(
    #[prop(into)] label: String,
    /// `table-wrap` for a table that stands for itself, `table-scroll` for one within a card.
    #[prop(default = "table-wrap")]
    class: &'static str,
    children: Children,
) -> impl IntoView {
    view! {
        <div class=class tabindex="0" role="group" aria-label=label>
            {children()}
        </div>
    }
}
