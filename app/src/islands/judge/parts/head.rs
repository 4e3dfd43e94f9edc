//! How far, whether all is saved, and what was refused.

use domain::comparison::ComparisonKind;
use leptos::prelude::*;

use crate::islands::judge::state::Desk;

/// The line above the prompt, and under it what the server refused.
pub fn status_line(desk: Desk, kind: ComparisonKind) -> impl IntoView {
    let title = match kind {
        ComparisonKind::Pair => "Which response is better?",
        ComparisonKind::Ranking => "Order the responses, best first",
    };
    let waiting = move || desk.outbox.waiting();
    view! {
        <header class="judge-head">
            <h1>{title}</h1>
            <p class="judge-progress">
                {move || {
                    let progress = desk.progress.get();
                    format!(
                        "{} done · {} left for you · {} of {} in the project",
                        progress.done,
                        progress.remaining,
                        progress.judged,
                        progress.wanted,
                    )
                }}
            </p>
            <p class="judge-saved" role="status" class:pending=move || waiting() != 0>
                {move || match (waiting(), desk.outbox.trouble.get()) {
                    (0, None) => "All saved".to_owned(),
                    (0, Some(trouble)) => trouble,
                    (n, None) => format!("Saving {n}…"),
                    (n, Some(trouble)) => format!("{n} waiting to be sent, kept in this browser. {trouble}"),
                }}
            </p>
            {move || {
                (desk.outbox.signed_out.get())
                    .then(|| view! { <p class="alert bad"><a href="/sign-in" target="_blank">"Sign in"</a> " in another tab: what you judged is kept and then sent."</p> })
            }}
        </header>
        {move || {
            let refused = desk.outbox.refused().into_iter();
            refused
                .map(|(id, sentence)| {
                    view! {
                        <p class="alert bad judge-refused" role="alert">
                            <span>"Not kept: " {sentence}</span>
                            <button type="button" class="small" on:click=move |_| desk.outbox.forget(id)>
                                "Understood"
                            </button>
                        </p>
                    }
                })
                .collect_view()
        }}
    }
}
