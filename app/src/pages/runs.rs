//! A run, and the list of a project's runs.

mod train;

use domain::{
    permission::Permission,
    project::Project,
    run::{Metrics, Run, State, data::HeldOut, progress::Progress},
};
use leptos::{prelude::*, server_fn::ServerFn};

pub use train::TrainPage;

use crate::{
    components::{Page, Tab, page_with, path_id},
    context,
    islands::runs::LiveRun,
    server_fns::runs::{CancelRun, describe},
    text,
    viewer::require,
};

/// Events that a page folds at most; a run tells far fewer.
const EVENTS: u64 = 100_000;

/// A run: where it stands, its curves, what came out.
#[component]
pub fn RunPage() -> impl IntoView {
    let id = path_id();
    let data = async move {
        let viewer = require(Permission::Review)?;
        let store = context::store();
        let run = store.find_run(id?).await?;
        let project = store.find_project(run.project_id).await?;
        let events = store.list_run_events(run.id, 0, EVENTS).await?;
        let against = match run.data.choice.held_out {
            HeldOut::Project { id } => Some(store.find_project(id).await?.name),
            HeldOut::Share { .. } => None,
        };
        Ok(Watched {
            may_cancel: viewer.role.may(Permission::Train) && !run.state.is_final(),
            progress: Progress::from_events(&events),
            run,
            project,
            against,
        })
    };
    page_with(data, run_page)
}

/// What the page of a run shows.
struct Watched {
    run: Run,
    project: Project,
    progress: Progress,
    /// The project that the run is held against.
    against: Option<String>,
    may_cancel: bool,
}

fn run_page(
    Watched {
        run,
        project,
        progress,
        against,
        may_cancel,
    }: Watched,
) -> impl IntoView {
    let id = run.id;
    let over = run.state.is_final();
    let done = run.state == State::Done;
    let reload = (!over).then(|| {
        view! {
            <noscript>
                <p class="alert note">"Without scripts this page stands still: load it again to see how far the run is."</p>
            </noscript>
        }
    });
    view! {
        <Page title=run.name.clone() project=project tab=Tab::Train>
            <div class="page-head">
                <div>
                    <h1 dir="auto">{run.name.clone()} " " {state_badge(run.state)}</h1>
                    <p>{started(&run)}</p>
                </div>
                <div class="cluster">
                    {done
                        .then(|| {
                            view! {
                                <a class="button primary" href=format!("/runs/{id}/scores")>
                                    "See the scores"
                                </a>
                            }
                        })}
                    {may_cancel
                        .then(|| {
                            view! {
                                <form method="post" action=CancelRun::url()>
                                    <input type="hidden" name="id" value=id.to_string() />
                                    <button class="danger">"Cancel the run"</button>
                                </form>
                            }
                        })}
                </div>
            </div>
            {run.error.clone().map(|error| view! { <p class="alert bad" role="alert">{error}</p> })}
            {run.metrics.as_ref().map(outcome)}
            {reload}
            <LiveRun run=id start=progress over=over />
            {asked(&run, against)}
        </Page>
    }
}

/// A word for where a run stands.
pub(super) fn state_badge(state: State) -> impl IntoView {
    let (class, word) = match state {
        State::Queued => ("badge", "waiting"),
        State::Running => ("badge note", "running"),
        State::Done => ("badge good", "done"),
        State::Failed => ("badge bad", "failed"),
        State::Cancelled => ("badge", "cancelled"),
    };
    view! { <span class=class>{word}</span> }
}

fn started(run: &Run) -> String {
    let mut sentence = format!("Asked for {}", text::date_time(run.created_at));
    if let (Some(started), Some(finished)) = (run.started_at, run.finished_at) {
        let seconds = (finished - started) as f64 / 1000.0;
        sentence.push_str(&format!(", over after {}", text::duration(seconds)));
    }
    sentence.push('.');
    sentence
}

/// What came out, against the simplest rival.
fn outcome(metrics: &Metrics) -> impl IntoView + use<> {
    let bar = |label: &'static str, proportion: Option<domain::stats::Proportion>| {
        let proportion = proportion?;
        let share = proportion.share()?;
        Some(view! {
            <tr>
                <th scope="row">{label}</th>
                <td class="num">{format!("{:.1} %", 100.0 * share)}</td>
                <td class="num soft">{interval(proportion)}</td>
                <td class="bar-cell">{share_bar(proportion)}</td>
            </tr>
        })
    };
    let verdict = match (metrics.held_out, metrics.longest) {
        (Some(model), Some(longest)) => {
            let (Some(model), Some(longest)) = (model.interval(), longest.share()) else {
                return ().into_any();
            };
            if model.low > longest.max(0.5) {
                "The model is better than chance and than always choosing the longer response."
            } else if model.low > 0.5 {
                "The model is better than chance, but not surely better than always choosing the longer response."
            } else {
                "The model is not surely better than chance: it may need more judgements."
            }
        }
        _ => "Nothing was held out, so it is unknown how well the model agrees with people.",
    };
    view! {
        <section class="card">
            <h2>"What came out"</h2>
            <p>{verdict}</p>
            <div class="table-scroll">
                <table class="table plain">
                    <thead>
                        <tr>
                            <th scope="col">"On held-out pairs"</th>
                            <th scope="col" class="num">"Agrees"</th>
                            <th scope="col" class="num">"95 % interval"</th>
                            <th scope="col"><span class="sr-only">"As a bar"</span></th>
                        </tr>
                    </thead>
                    <tbody>{bar("This model", metrics.held_out)} {bar("Longest wins", metrics.longest)}</tbody>
                </table>
            </div>
            <p class="soft small">
                {format!(
                    "{} steps in {}. {} responses scored. {} of {} texts were too long for the model; it read their ends.",
                    text::number(metrics.steps),
                    text::duration(metrics.seconds),
                    text::number(metrics.scored),
                    text::number(metrics.cut.cut_texts),
                    text::number(metrics.cut.texts),
                )}
            </p>
        </section>
    }
    .into_any()
}

/// `56.1 to 65.0`, in percent.
pub(super) fn interval(proportion: domain::stats::Proportion) -> String {
    proportion.interval().map_or_else(String::new, |interval| {
        format!("{:.1} to {:.1}", 100.0 * interval.low, 100.0 * interval.high)
    })
}

/// A share as a bar with its interval; half way is marked.
pub(super) fn share_bar(proportion: domain::stats::Proportion) -> impl IntoView + use<> {
    let (share, interval) = (proportion.share()?, proportion.interval()?);
    let at = |value: f64| format!("{:.1}", 100.0 * value);
    Some(view! {
        <svg class="share-bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
            <rect class="well" width="100" height="8" />
            <rect class="fill" width=at(share) height="8" />
            <rect class="reach" x=at(interval.low) width=at(interval.high - interval.low) y="3" height="2" />
            <line class="half" x1="50" x2="50" y1="0" y2="8" />
        </svg>
    })
}

/// What the run was asked to do.
fn asked(run: &Run, against: Option<String>) -> impl IntoView + use<> {
    let settings = &run.settings;
    let choice = &run.data.choice;
    let yes = |holds: bool| if holds { "yes" } else { "no" }.to_owned();
    let held_out = match (&choice.held_out, against) {
        (_, Some(project)) => format!("all pairs of “{project}”"),
        (HeldOut::Share { percent, seed }, _) => format!("{percent} % of the prompts, seed {seed}"),
        (HeldOut::Project { .. }, None) => "another project".into(),
    };
    let rows = [
        ("Method", settings.method.as_str().to_owned()),
        ("Judgements", choice.source.as_str().to_owned()),
        ("Held out", held_out),
        ("Flagged ones left out", yes(choice.exclude_flagged)),
        ("Corrections", yes(choice.corrections)),
        ("Rankings", yes(choice.rankings)),
        ("Margins", yes(choice.margins)),
        ("Epochs", settings.epochs.to_string()),
        ("Pairs per step", settings.batch_pairs.to_string()),
        ("Learning rate", settings.learning_rate.to_string()),
        ("Weight decay", settings.weight_decay.to_string()),
        ("Warm-up share", settings.warmup_share.to_string()),
        ("Longest text in tokens", settings.max_tokens.to_string()),
        ("Evaluated every", format!("{} epochs", settings.evaluate_every)),
        ("Seed", settings.seed.to_string()),
    ];
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(name, value)| view! { <div><dt>{name}</dt><dd>{value}</dd></div> })
        .collect();
    view! {
        <section class="card">
            <h2>"What it learns from"</h2>
            {run.data.counts.as_ref().map(|counts| view! { <p>{describe(counts)}</p> })}
            <details>
                <summary>"Data and settings"</summary>
                <dl class="pairs-list">{rows}</dl>
            </details>
        </section>
    }
}

/// A project's runs as a table; nothing where there are none.
fn run_table(runs: Vec<Run>) -> impl IntoView {
    if runs.is_empty() {
        return ().into_any();
    }
    let rows: Vec<_> = runs.into_iter().map(run_row).collect();
    view! {
        <section class="stack tight">
            <h2>"Runs so far"</h2>
            <div class="table-wrap">
                <table class="table">
                    <thead>
                        <tr>
                            <th scope="col">"Run"</th>
                            <th scope="col">"State"</th>
                            <th scope="col" class="num">"Pairs"</th>
                            <th scope="col" class="num">"Held-out accuracy"</th>
                            <th scope="col" class="num">"Longest wins"</th>
                            <th scope="col">"Asked for"</th>
                            <th scope="col"><span class="sr-only">"Scores"</span></th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </section>
    }
    .into_any()
}

fn run_row(run: Run) -> impl IntoView {
    let percent = |proportion: Option<domain::stats::Proportion>| {
        proportion.map_or_else(|| "–".to_owned(), |proportion| proportion.to_string())
    };
    let metrics = run.metrics.as_ref();
    let pairs = run
        .data
        .counts
        .map_or_else(|| "–".to_owned(), |counts| text::number(counts.train));
    let scores =
        (run.state == State::Done).then(|| view! { <a href=format!("/runs/{}/scores", run.id)>"Scores"</a> });
    view! {
        <tr>
            <th scope="row">
                <a href=format!("/runs/{}", run.id)>
                    <span dir="auto">{run.name.clone()}</span>
                </a>
            </th>
            <td>{state_badge(run.state)}</td>
            <td class="num">{pairs}</td>
            <td class="num">{percent(metrics.and_then(|m| m.held_out))}</td>
            <td class="num">{percent(metrics.and_then(|m| m.longest))}</td>
            <td>{text::date_time(run.created_at)}</td>
            <td>{scores}</td>
        </tr>
    }
}
