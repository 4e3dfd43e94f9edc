//! A run that is watched live, and the counts of a choice of data that follow the form.

mod chart;
mod log;

use domain::{
    Millis,
    run::{
        State,
        event::{RunEvent, SeqEvent},
        progress::{Progress, Stage},
    },
};
use leptos::{html, prelude::*};
use uuid::Uuid;
use wasm_bindgen::{JsCast, closure::Closure};

use self::{chart::LiveChart, log::Log};
use super::mark_hydrated;
use crate::{
    charts::run::OF_A_RUN,
    server_fns::runs::{SETTINGS_OF_DATA, TrainForm, count_data, describe},
    text,
};

/// Where a run stands, with its curves. Rendered by the server from what is stored; in the browser it follows the
/// run's events and loads the page anew when the run has ended. `left_out` says which part of texts is, where they are
/// too long; `log` are the newest lines of its log, before which there are `earlier` ones.
#[island]
pub fn LiveRun(
    run: Uuid,
    start: Progress,
    over: bool,
    left_out: String,
    log: Vec<String>,
    earlier: usize,
) -> impl IntoView {
    let node = NodeRef::<html::Section>::new();
    mark_hydrated(node);
    let (progress, set_progress) = signal(start);
    let told = RwSignal::new(Vec::<(Millis, RunEvent)>::new());
    Effect::new(move |_| {
        if !over {
            follow(run, progress.read_untracked().seq, move |event| {
                set_progress.update(|progress| progress.apply(event));
                told.update(|told| told.push((time_here(), event.event.clone())));
            });
        }
    });
    view! {
        <section class="run-live" node_ref=node aria-label="Course of the run">
            <div class="run-stage">
                <p role="status">{move || progress.with(stage_text)}</p>
                {move || {
                    let (share, waiting) = progress.with(|p| (p.share(), p.stage == Stage::Waiting));
                    (!over && !waiting)
                        .then(|| view! { <progress max="1" value=share.map(|s| s.to_string()) aria-label="Done" /> })
                }}
                {move || progress.with(|p| p.note.clone()).map(|note| view! { <p class="hint">{note}</p> })}
            </div>
            <dl class="facts">
                {move || progress.with(|p| figures(p, over, &left_out)).into_iter().map(figure).collect_view()}
            </dl>
            <div class="curves">{charts(progress, over)}</div>
            <Log run=run lines=log earlier=earlier told=told.read_only() />
        </section>
    }
}

/// All of a run that may still tell more; of one that is over, those with something in them.
fn charts(progress: ReadSignal<Progress>, over: bool) -> impl IntoView {
    OF_A_RUN
        .into_iter()
        .filter(|make| !over || progress.with_untracked(|progress| !make(progress).is_empty()))
        .map(|make| view! { <LiveChart make=make progress=progress /> })
        .collect_view()
}

fn figure((label, value, detail): (&'static str, String, String)) -> impl IntoView {
    view! {
        <div>
            <dt>{label}</dt>
            <dd>{value} " " {(!detail.is_empty()).then(|| view! { <small>{detail}</small> })}</dd>
        </div>
    }
}

/// The browser's clock; the server, which never follows, has no need of one.
fn time_here() -> Millis {
    match cfg!(feature = "hydrate") {
        true => js_sys::Date::now() as Millis,
        false => 0,
    }
}

fn stage_text(progress: &Progress) -> String {
    let of = |done: u64, of: u64| format!("{} of {}", text::number(done), text::number(of));
    match (progress.state, progress.stage) {
        (Some(State::Queued) | None, _) => "Waits for a worker.".into(),
        (Some(State::Done), _) => "Done.".into(),
        (Some(State::Failed), _) => "Failed.".into(),
        (Some(State::Cancelled), _) => "Cancelled.".into(),
        (_, Stage::Waiting) => "Reads the data and the base model.".into(),
        (_, Stage::Embedding { done, of: all }) => format!("Reads the texts: {}.", of(done, all)),
        (_, Stage::Training) => format!("Learns: step {}.", of(progress.step, progress.steps)),
        (_, Stage::Scoring { done, of: all }) => format!("Scores the responses: {}.", of(done, all)),
    }
}

fn figures(progress: &Progress, over: bool, left_out: &str) -> Vec<(&'static str, String, String)> {
    let dash = || "–".to_owned();
    let loss = progress
        .points
        .last()
        .map_or_else(dash, |point| format!("{:.3}", point.loss));
    let best = progress.evaluations.last();
    let accuracy = best
        .and_then(|e| e.correct.share())
        .map_or_else(dash, |s| format!("{:.1} %", 100.0 * s));
    let interval = best
        .and_then(|e| e.correct.interval())
        .map_or_else(String::new, |interval| {
            format!("{:.1} to {:.1}", 100.0 * interval.low, 100.0 * interval.high)
        });
    let speed = progress.pairs_per_second.map_or_else(dash, text::rate);
    let left = progress.seconds_left.map_or_else(dash, text::duration);
    let cut = progress.cut;
    let resumed = match progress.resumed {
        0 => String::new(),
        1 => "resumed once".into(),
        times => format!("resumed {times} times"),
    };
    let mut figures = vec![
        ("Held-out accuracy", accuracy, interval),
        ("Loss", loss, "training; 0.693 is guessing".into()),
    ];
    // Of a run that is over, neither how fast it is nor how long it will take.
    if over {
        figures.push(("Steps", text::number(progress.step), resumed));
    } else {
        figures.push(("Pairs per second", speed, resumed));
        figures.push(("Time left", left, String::new()));
    }
    figures.push((
        "Texts cut",
        text::number(cut.cut_texts),
        format!("of {}, {left_out}", text::number(cut.texts)),
    ));
    figures
}

/// Hands on the run's events as they come. The browser reconnects by itself and says which event it saw last.
fn follow(run: Uuid, after: i64, take: impl Fn(&SeqEvent) + 'static) {
    let Ok(source) = web_sys::EventSource::new(&format!("/runs/{run}/events?after={after}")) else {
        return;
    };
    let stream = source.clone();
    let on_message =
        Closure::<dyn FnMut(web_sys::MessageEvent)>::new(move |message: web_sys::MessageEvent| {
            let Some(text) = message.data().as_string() else {
                return;
            };
            let Ok(event) = serde_json::from_str::<SeqEvent>(&text) else {
                return;
            };
            take(&event);
            if let RunEvent::State { state, .. } = event.event
                && state.is_final()
            {
                stream.close();
                drop(window().location().reload());
            }
        });
    source.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    // Lives as long as the page does.
    on_message.forget();
}

/// What the choice of data in the form around this comes to; counted anew whenever the form changes.
#[island]
pub fn DataCount(project: Uuid, start: String) -> impl IntoView {
    let node = NodeRef::<html::P>::new();
    let (sentence, set_sentence) = signal(start);
    let newest = StoredValue::new(0_u32);
    mark_hydrated(node);
    Effect::new(move |_| {
        let Some(form) = node.get().and_then(|p| p.closest("form").ok().flatten()) else {
            return;
        };
        let source = form.clone();
        let on_change = Closure::<dyn FnMut()>::new(move || {
            let Some(filled) = filled_in(project, &source) else {
                return;
            };
            newest.update_value(|n| *n += 1);
            let asked = newest.get_value();
            leptos::task::spawn_local(async move {
                let answer = count_data(filled).await;
                if newest.get_value() == asked {
                    set_sentence.set(match answer {
                        Ok(counts) => describe(&counts),
                        Err(error) => error.to_string(),
                    });
                }
            });
        });
        drop(form.add_event_listener_with_callback("change", on_change.as_ref().unchecked_ref()));
        on_change.forget();
    });
    view! {
        <p class="data-count" role="status" node_ref=node>
            {sentence}
        </p>
    }
}

fn filled_in(project: Uuid, form: &web_sys::Element) -> Option<TrainForm> {
    let data = web_sys::FormData::new_with_form(form.dyn_ref()?).ok()?;
    Some(TrainForm::from_fields(project, SETTINGS_OF_DATA, |name| {
        data.get_all(name)
            .iter()
            .filter_map(|value| value.as_string())
            .collect()
    }))
}
