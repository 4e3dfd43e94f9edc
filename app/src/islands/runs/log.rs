//! A run's log on its page: its end, which grows while the run goes on, and all of it for download.

use domain::{Millis, run::event::RunEvent};
use leptos::prelude::*;
use uuid::Uuid;

use crate::run_log;

/// The newest lines, folded away; `told` is what came since the server drew the page.
#[component]
pub fn Log(
    run: Uuid,
    lines: Vec<String>,
    earlier: usize,
    told: ReadSignal<Vec<(Millis, RunEvent)>>,
) -> impl IntoView {
    let first = lines.join("\n");
    let text = move || {
        let new = told.with(|told| run_log::lines(told)).join("\n");
        match new.is_empty() {
            true => first.clone(),
            false => format!("{first}\n{new}"),
        }
    };
    let earlier = (earlier > 0).then(|| {
        view! { <p class="soft small">{format!("{earlier} earlier lines are in the download.")}</p> }
    });
    view! {
        <section class="card">
            <h2>"Log"</h2>
            <details>
                <summary>"What it told, in order"</summary>
                {earlier}
                <pre class="run-log" tabindex="0" role="group" aria-label="Lines of the log">
                    {text}
                </pre>
            </details>
            <p>
                <a href=format!("/runs/{run}/log.txt") download=format!("run-{run}.txt")>
                    "Download the log"
                </a>
            </p>
        </section>
    }
}
