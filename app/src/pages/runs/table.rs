//! A project's runs as a table, from which some can be chosen to be compared.

use domain::{
    run::{Run, State},
    stats::Proportion,
};
use leptos::prelude::*;
use uuid::Uuid;

use super::state_badge;
use crate::{components::Scrolling, text};

/// Nothing where there are no runs.
pub fn run_table(project: Uuid, runs: Vec<Run>) -> impl IntoView {
    if runs.is_empty() {
        return ().into_any();
    }
    let several = runs.len() > 1;
    let rows: Vec<_> = runs.into_iter().map(|run| run_row(run, several)).collect();
    let compare = several.then(|| {
        view! {
            <div class="cluster">
                <button>"Compare the chosen runs"</button>
                <span class="soft small">"2 to 8: their curves in one chart each, and the settings that differ."</span>
            </div>
        }
    });
    view! {
        <form class="stack tight" method="get" action=format!("/projects/{project}/runs/compare")>
            <h2>"Runs"</h2>
            <Scrolling label="Runs">
                <table class="table">
                    <thead>
                        <tr>
                            {several
                                .then(|| view! { <th scope="col"><span class="sr-only">"Compare"</span></th> })}
                            <th scope="col">"Run"</th>
                            <th scope="col">"State"</th>
                            <th scope="col">"Method"</th>
                            <th scope="col" class="num">"Pairs"</th>
                            <th scope="col" class="num">"Held-out accuracy"</th>
                            <th scope="col" class="num">"Baseline: longer"</th>
                            <th scope="col">"Started"</th>
                            <th scope="col"><span class="sr-only">"Scores"</span></th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </Scrolling>
            {compare}
        </form>
    }
    .into_any()
}

fn run_row(run: Run, several: bool) -> impl IntoView {
    let metrics = run.metrics.as_ref();
    let pairs = run
        .data
        .counts
        .map_or_else(|| "–".to_owned(), |counts| text::number(counts.train));
    let started = run.started_at.map_or_else(|| "–".to_owned(), text::date_time);
    let scores =
        (run.state == State::Done).then(|| view! { <a href=format!("/runs/{}/scores", run.id)>"Scores"</a> });
    let choose = several.then(|| {
        let label = format!("Compare {}", run.name);
        view! {
            <td>
                <input type="checkbox" name="run" value=run.id.to_string() aria-label=label />
            </td>
        }
    });
    view! {
        <tr>
            {choose}
            <th scope="row">
                <a href=format!("/runs/{}", run.id)>
                    <span dir="auto">{run.name.clone()}</span>
                </a>
            </th>
            <td>{state_badge(run.state)}</td>
            <td>{run.settings.method.as_str()}</td>
            <td class="num">{pairs}</td>
            <td class="num">{percent(metrics.and_then(|m| m.held_out))}</td>
            <td class="num">{percent(metrics.and_then(|m| m.longest))}</td>
            <td>{started}</td>
            <td>{scores}</td>
        </tr>
    }
}

/// A share in percent, or a dash.
pub fn percent(proportion: Option<Proportion>) -> String {
    proportion.map_or_else(|| "–".to_owned(), |proportion| proportion.to_string())
}
