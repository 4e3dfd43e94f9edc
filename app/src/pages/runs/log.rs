//! A run's log on its page: its end, and all of it for download.

use domain::{Millis, run::event::RunEvent};
use leptos::prelude::*;
use uuid::Uuid;

use crate::run_log::lines;

/// The most lines on the page.
const LINES: usize = 200;

/// The newest lines, folded away.
pub fn log_part(run: Uuid, events: Vec<(Millis, RunEvent)>) -> impl IntoView {
    let lines = lines(&events);
    let left_out = lines.len().saturating_sub(LINES);
    let text = lines[left_out..].join("\n");
    let earlier = (left_out > 0).then(|| {
        view! { <p class="soft small">{format!("{left_out} earlier lines are in the download.")}</p> }
    });
    view! {
        <section class="card">
            <h2>"Log"</h2>
            <details>
                <summary>"What it told, in order"</summary>
                {earlier}
                <pre class="run-log" tabindex="0" role="group" aria-label="Lines of the log">{text}</pre>
            </details>
            <p>
                <a href=format!("/runs/{run}/log.txt") download=format!("run-{run}.txt")>
                    "Download the log"
                </a>
            </p>
        </section>
    }
}
