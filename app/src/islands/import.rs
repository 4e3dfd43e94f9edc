//! An import that is watched while it runs.

use std::time::Duration;

use domain::{import::ImportPhase, run::State};
use leptos::{html, prelude::*, task::spawn_local};
use uuid::Uuid;

use super::mark_hydrated;
use crate::{
    server_fns::import::{ImportStatus, watch_import},
    text,
};

/// How often the server is asked.
const EVERY: Duration = Duration::from_millis(700);

/// How far an import is. In the browser it asks the server again and again, and loads the page anew at the end.
#[island]
pub fn ImportWatch(job: Uuid, start: ImportStatus) -> impl IntoView {
    let node = NodeRef::<html::Div>::new();
    mark_hydrated(node);
    let (status, set_status) = signal(start);
    Effect::new(move |_| ask_later(job, set_status));
    view! {
        <div class="import-watch" node_ref=node>
            <p role="status">{move || status.with(sentence)}</p>
            <progress max="100" value=move || status.with(|s| s.percent.to_string()) aria-label="Read"></progress>
        </div>
    }
}

fn ask_later(job: Uuid, set_status: WriteSignal<ImportStatus>) {
    set_timeout(
        move || {
            spawn_local(async move {
                match watch_import(job).await {
                    Ok(status) if status.state.is_final() => drop(window().location().reload()),
                    Ok(status) => {
                        set_status.set(status);
                        ask_later(job, set_status);
                    }
                    Err(error) if error.may_retry() => ask_later(job, set_status),
                    Err(_) => drop(window().location().reload()),
                }
            });
        },
        EVERY,
    );
}

fn sentence(status: &ImportStatus) -> String {
    let line = text::number(status.line);
    match (status.state, status.phase) {
        _ if status.cancelling => "Stopping …".into(),
        (State::Queued, _) => "Waits for a worker.".into(),
        (_, ImportPhase::Checking) => {
            format!("Checking every line first: {line} so far, {} %.", status.percent)
        }
        (_, ImportPhase::Importing) => {
            let imported = text::number(status.imported);
            format!(
                "Importing: line {line}, {} %, {imported} rows are new.",
                status.percent
            )
        }
    }
}
