//! Runs of a project side by side: one chart per measure, what came out, and the settings that differ.

use domain::{
    permission::Permission,
    project::Project,
    run::{Run, data::HeldOut, progress::Progress},
};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use uuid::Uuid;

use super::{EVENTS, asked, state_badge, table::percent};
use crate::{
    charts::{
        Chart, drawing, figures, keys,
        run::{MAX_COMPARED, compared},
    },
    components::{Page, Scrolling, Tab, page_with, path_id},
    context,
    error::AppError,
    text,
    viewer::require,
};

/// A run, its course, and the name of the project that it is held against.
struct Side {
    run: Run,
    progress: Progress,
    against: Option<String>,
}

/// The runs that the query names (`run`, several times). Needs `Review`.
#[component]
pub fn ComparePage() -> impl IntoView {
    let id = path_id();
    let query = use_query_map().get_untracked();
    let data = async move {
        require(Permission::Review)?;
        let project = context::store().find_project(id?).await?;
        let chosen = chosen(query.get_all("run").unwrap_or_default())?;
        let mut sides = Vec::new();
        for run in chosen {
            sides.push(side(project.id, run).await?);
        }
        Ok((project, sides))
    };
    page_with(data, |(project, sides)| compare_page(project, &sides))
}

fn chosen(ids: Vec<String>) -> Result<Vec<Uuid>, AppError> {
    let mut chosen: Vec<Uuid> = Vec::new();
    for id in ids {
        let missing = |_| AppError::NotFound("There is no such run.".into());
        let id = id.parse().map_err(missing)?;
        if !chosen.contains(&id) {
            chosen.push(id);
        }
    }
    match chosen.len() {
        2..=MAX_COMPARED => Ok(chosen),
        _ => Err(AppError::Invalid(format!(
            "Choose 2 to {MAX_COMPARED} runs on the page Train to compare them."
        ))),
    }
}

async fn side(project: Uuid, id: Uuid) -> Result<Side, AppError> {
    let store = context::store();
    let run = store.find_run(id).await?;
    if run.project_id != project {
        return Err(AppError::NotFound("There is no such run in this project.".into()));
    }
    let events = store.list_run_events(id, 0, EVENTS).await?;
    let against = match run.data.choice.held_out {
        HeldOut::Project { id } => Some(store.find_project(id).await?.name),
        HeldOut::Share { .. } => None,
    };
    Ok(Side {
        progress: Progress::from_events(&events),
        run,
        against,
    })
}

fn compare_page(project: Project, sides: &[Side]) -> impl IntoView + use<> {
    let runs: Vec<(String, Progress)> = sides
        .iter()
        .map(|side| (side.run.name.clone(), side.progress.clone()))
        .collect();
    let charts: Vec<_> = compared(&runs).iter().map(chart_view).collect();
    let table = comparison(sides);
    let train = format!("/projects/{}/train", project.id);
    view! {
        <Page title="Compare runs" project=project tab=Tab::Train>
            <div class="page-head">
                <div>
                    <h1>"Runs side by side"</h1>
                    <p>
                        <a href=train>"Back to the runs"</a>
                    </p>
                </div>
            </div>
            {table}
            <section class="stack tight">
                <h2>"Curves"</h2>
                <div class="curves">{charts}</div>
            </section>
        </Page>
    }
}

fn chart_view(chart: &Chart) -> impl IntoView + use<> {
    view! {
        <figure class="curve">
            <figcaption>{chart.title} {keys(chart)}</figcaption>
            {drawing(chart)}
            <details class="figures">
                <summary>"Figures" <span class="sr-only">{format!(" of {}", chart.title)}</span></summary>
                {figures(chart)}
            </details>
        </figure>
    }
}

/// Metrics and differing settings, a column for each run.
fn comparison(sides: &[Side]) -> impl IntoView + use<> {
    let heads: Vec<_> = sides
        .iter()
        .map(|side| {
            let (place, name) = (format!("/runs/{}", side.run.id), side.run.name.clone());
            view! {
                <th scope="col">
                    <a href=place dir="auto">{name}</a>
                    " "
                    {state_badge(side.run.state)}
                </th>
            }
        })
        .collect();
    let metrics = rows(metric_rows(sides));
    let differing = differing(sides);
    let settings = if differing.is_empty() {
        let columns = sides.len() + 1;
        view! { <tr><td colspan=columns class="soft">"Data and settings are the same."</td></tr> }.into_any()
    } else {
        rows(differing).into_any()
    };
    let columns = sides.len() + 1;
    view! {
        <Scrolling label="Results and settings of the runs">
            <table class="table">
                <thead>
                    <tr>
                        <td></td>
                        {heads}
                    </tr>
                </thead>
                <tbody>
                    <tr><th scope="rowgroup" colspan=columns>"What came out"</th></tr>
                    {metrics}
                </tbody>
                <tbody>
                    <tr><th scope="rowgroup" colspan=columns>"Data and settings that differ"</th></tr>
                    {settings}
                </tbody>
            </table>
        </Scrolling>
    }
}

type Row = (&'static str, Vec<String>);

fn rows(rows: Vec<Row>) -> Vec<impl IntoView> {
    let cells = |values: Vec<String>| {
        let cell = |value: String| view! { <td dir="auto">{value}</td> };
        values.into_iter().map(cell).collect::<Vec<_>>()
    };
    rows.into_iter()
        .map(|(name, values)| view! { <tr><th scope="row">{name}</th>{cells(values)}</tr> })
        .collect()
}

fn metric_rows(sides: &[Side]) -> Vec<Row> {
    let row = |name: &'static str, value: fn(&Run) -> Option<String>| {
        let values = sides
            .iter()
            .map(|side| value(&side.run).unwrap_or_else(|| "–".to_owned()));
        (name, values.collect())
    };
    vec![
        row("Pairs to learn from", |run| {
            Some(text::number(run.data.counts?.train))
        }),
        row("Held-out pairs", |run| {
            Some(text::number(run.data.counts?.held_out))
        }),
        row("Held-out accuracy", |run| {
            Some(percent(run.metrics.as_ref()?.held_out))
        }),
        row("Baseline: choose the longer", |run| {
            Some(percent(run.metrics.as_ref()?.longest))
        }),
        row("Held-out loss", |run| {
            Some(format!("{:.4}", run.metrics.as_ref()?.held_out_loss?))
        }),
        row("Training loss", |run| {
            Some(format!("{:.4}", run.metrics.as_ref()?.train_loss?))
        }),
        row("Steps", |run| Some(text::number(run.metrics.as_ref()?.steps))),
        row("Time", |run| Some(text::duration(run.metrics.as_ref()?.seconds))),
    ]
}

/// What was asked of the runs, where it is not the same for all.
fn differing(sides: &[Side]) -> Vec<Row> {
    let asked: Vec<Vec<(&'static str, String)>> = sides
        .iter()
        .map(|side| {
            let mut rows = asked::data_rows(&side.run, side.against.clone());
            rows.extend(asked::setting_rows(&side.run));
            rows
        })
        .collect();
    let mut names: Vec<&'static str> = Vec::new();
    for (name, _) in asked.iter().flatten() {
        if !names.contains(name) {
            names.push(name);
        }
    }
    let values = |name: &str| -> Vec<String> {
        let of_run = |rows: &Vec<(&'static str, String)>| {
            let found = rows.iter().find(|(known, _)| *known == name);
            found.map_or_else(|| "–".to_owned(), |(_, value)| value.clone())
        };
        asked.iter().map(of_run).collect()
    };
    names
        .into_iter()
        .map(|name| (name, values(name)))
        .filter(|(_, values)| values.iter().any(|value| *value != values[0]))
        .collect()
}
