//! What came out of a run, and shares as bars.

use domain::run::{Metrics, Run};
use leptos::prelude::*;
use recipe::Truncation;

use crate::{
    components::Scrolling,
    measures::{alike_sentence, better_sentence, measure_rows},
    text,
};

/// What came out, against the simplest rival.
pub fn outcome(run: &Run, metrics: &Metrics) -> impl IntoView + use<> {
    let settings = &run.settings;
    let left_out = left_out(settings.truncation);
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
    let rows = (
        bar("This model", metrics.held_out),
        bar("Baseline: choose the longer", metrics.longest),
    );
    view! {
        <section class="card">
            <h2>"What came out"</h2>
            <p>{verdict}</p>
            <Scrolling label="On held-out pairs" class="table-scroll">
                <table class="table plain">
                    <thead>
                        <tr>
                            <th scope="col">"On held-out pairs"</th>
                            <th scope="col" class="num">"Agrees"</th>
                            <th scope="col" class="num">"95 % interval"</th>
                            <th scope="col"><span class="sr-only">"As a bar"</span></th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </Scrolling>
            {measures(metrics)}
            {better_sentence(metrics, settings).map(|sentence| view! { <p class="alert note">{sentence}</p> })}
            {alike_sentence(metrics).map(|sentence| view! { <p class="alert note">{sentence}</p> })}
            <p class="soft small">
                {format!(
                    "{} steps in {}. {} responses scored. {} of {} texts were too long for the model: {left_out} were left out.",
                    text::number(metrics.steps),
                    text::duration(metrics.seconds),
                    text::number(metrics.scored),
                    text::number(metrics.cut.cut_texts),
                    text::number(metrics.cut.texts),
                )}
            </p>
            {metrics.held_out.map(|_| view! {
                <p>
                    <a href=format!("/runs/{}/predictions.jsonl", run.id) download>
                        "Each held-out pair with its two rewards (JSON lines)"
                    </a>
                </p>
            })}
        </section>
    }
    .into_any()
}

/// Measures of the held-out pairs beside accuracy, and how far the model's sureness can be relied on.
fn measures(metrics: &Metrics) -> impl IntoView + use<> {
    let rows = measure_rows(metrics);
    if rows.is_empty() {
        return ().into_any();
    }
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(name, value)| view! { <div><dt>{name}</dt><dd>{value}</dd></div> })
        .collect();
    view! {
        <dl class="pairs-list">{rows}</dl>
        {reliability(metrics)}
    }
    .into_any()
}

/// For each stretch of sureness, how often the model was right.
fn reliability(metrics: &Metrics) -> impl IntoView + use<> {
    let measures = metrics.measures.as_ref()?;
    let rows: Vec<_> = measures
        .reliability
        .iter()
        .zip(0_u8..)
        .filter_map(|(bin, n)| {
            let low = 50 + 5 * n;
            Some(view! {
                <tr>
                    <th scope="row">{format!("{low} to {} %", low + 5)}</th>
                    <td class="num">{text::number(bin.correct.of)}</td>
                    <td class="num">{format!("{:.1} %", 100.0 * bin.confidence)}</td>
                    <td class="num">{format!("{:.1} %", 100.0 * bin.correct.share()?)}</td>
                    <td class="num soft">{interval(bin.correct)}</td>
                </tr>
            })
        })
        .collect();
    if rows.is_empty() {
        return None;
    }
    Some(view! {
        <details>
            <summary>"How sure the model is, and how often it is right"</summary>
            <Scrolling label="How sure the model is, and how often it is right" class="table-scroll">
                <table class="table plain">
                    <thead>
                        <tr>
                            <th scope="col">"As sure as"</th>
                            <th scope="col" class="num">"Pairs"</th>
                            <th scope="col" class="num">"Expected"</th>
                            <th scope="col" class="num">"Right"</th>
                            <th scope="col" class="num">"95 % interval"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </Scrolling>
            <p class="soft small">
                "ECE is the mean distance of expected and right over these stretches, weighted by their pairs."
            </p>
        </details>
    })
}

/// What is left out of texts that are too long.
pub fn left_out(truncation: Truncation) -> &'static str {
    match truncation {
        Truncation::Beginning => "their beginnings",
        Truncation::Middle => "their middles",
        Truncation::End => "their ends",
    }
}

/// `56.1 to 65.0`, in percent.
pub fn interval(proportion: domain::stats::Proportion) -> String {
    proportion.interval().map_or_else(String::new, |interval| {
        format!("{:.1} to {:.1}", 100.0 * interval.low, 100.0 * interval.high)
    })
}

/// A share as a bar with its interval; half way is marked.
pub fn share_bar(proportion: domain::stats::Proportion) -> impl IntoView + use<> {
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
