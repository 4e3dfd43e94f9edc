//! A chart of a run that is watched: drawn by the server, redrawn by the browser as more is told.

use domain::run::progress::Progress;
use leptos::prelude::*;

use crate::charts::{Chart, drawing, figures, keys};

/// The chart that `make` makes of where the run stands. The fold of figures stays as it is while they change.
#[component]
pub fn LiveChart(make: fn(&Progress) -> Chart, progress: ReadSignal<Progress>) -> impl IntoView {
    let chart = Memo::new(move |_| progress.with(make));
    let title = chart.with_untracked(|chart| chart.title);
    view! {
        <figure class="curve">
            <figcaption>{title} {move || chart.with(keys)}</figcaption>
            {move || chart.with(drawing)}
            <details class="figures">
                <summary>"Figures" <span class="sr-only">{format!(" of {title}")}</span></summary>
                {move || chart.with(figures)}
            </details>
        </figure>
    }
}
