//! A run: where it stands, its curves, what came out, and what can be done with it.

mod asked;
mod compare;
mod outcome;
mod table;
mod train;

use domain::{
    Millis,
    permission::Permission,
    project::Project,
    run::{Run, State, data::HeldOut, event::RunEvent, progress::Progress},
};
use leptos::{prelude::*, server_fn::ServerFn};
use uuid::Uuid;

pub use compare::ComparePage;
pub(super) use outcome::{interval, share_bar};
pub use train::TrainPage;

use self::{
    asked::asked,
    outcome::{left_out, outcome},
};

use crate::{
    components::{Page, Tab, page_with, path_id},
    context,
    islands::runs::LiveRun,
    run_log,
    server_fns::runs::{CancelRun, ResumeRun},
    text,
    viewer::require,
};

/// Events that a page folds at most; a run tells far fewer.
const EVENTS: u64 = 100_000;

/// The most lines of the log on the page.
const LOG_LINES: usize = 200;

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
            may_train: viewer.role.may(Permission::Train),
            log: store.list_run_log(run.id, EVENTS).await?,
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
    log: Vec<(Millis, RunEvent)>,
    may_train: bool,
}

fn run_page(
    Watched {
        run,
        project,
        progress,
        against,
        log,
        may_train,
    }: Watched,
) -> impl IntoView {
    let id = run.id;
    let over = run.state.is_final();
    let done = run.state == State::Done;
    let left_out = left_out(run.settings.truncation);
    let lines = run_log::lines(&log);
    let earlier = lines.len().saturating_sub(LOG_LINES);
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
                    <h1 dir="auto">{run.name.clone()} " " {over.then(|| state_badge(run.state))}</h1>
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
                    {may_train.then(|| actions(&run))}
                </div>
            </div>
            {run.error.clone().map(|error| view! { <p class="alert bad" role="alert">{error}</p> })}
            {run.metrics.as_ref().map(|metrics| outcome(&run, metrics))}
            {reload}
            <LiveRun
                run=id
                start=progress
                over=over
                left_out=left_out.to_owned()
                log=lines[earlier..].to_vec()
                earlier=earlier
            />
            {asked(&run, against)}
        </Page>
    }
}

/// What a lead may do with a run in its state.
fn actions(run: &Run) -> impl IntoView + use<> {
    let again = format!("/projects/{}/train?from={}", run.project_id, run.id);
    let step = match run.state {
        State::Queued | State::Running => {
            Some(step_form(run.id, CancelRun::url(), "danger", "Cancel the run"))
        }
        State::Failed | State::Cancelled => Some(step_form(run.id, ResumeRun::url(), "", "Resume the run")),
        State::Done => None,
    };
    view! {
        <a class="button" href=again>
            "Duplicate with changes"
        </a>
        {step}
    }
}

fn step_form(id: Uuid, action: &'static str, class: &'static str, label: &'static str) -> AnyView {
    view! {
        <form method="post" action=action>
            <input type="hidden" name="id" value=id.to_string() />
            <button class=class>{label}</button>
        </form>
    }
    .into_any()
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

/// Stays true while the page stands open: how far the run is now, its live part tells.
fn started(run: &Run) -> String {
    let Some(started) = run.started_at else {
        return format!("Asked for {}.", text::date_time(run.created_at));
    };
    let mut sentence = format!("Started {}", text::date_time(started));
    if let Some(finished) = run.finished_at {
        let seconds = (finished - started) as f64 / 1000.0;
        sentence.push_str(&format!(", took {}", text::duration(seconds)));
    }
    sentence.push('.');
    sentence
}
