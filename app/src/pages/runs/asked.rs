//! What a run was asked to do.

use domain::run::{Run, data::HeldOut};
use leptos::prelude::*;
use recipe::{SETTINGS, shown};

use crate::server_fns::runs::describe;

/// Data and settings as a list that folds.
pub fn asked(run: &Run, against: Option<String>) -> impl IntoView + use<> {
    let rows: Vec<_> = data_rows(run, against)
        .into_iter()
        .chain(setting_rows(run))
        .map(|(name, value)| view! { <div><dt>{name}</dt><dd dir="auto">{value}</dd></div> })
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

/// The choice of data by names; `against` is the name of the project that is held out.
pub fn data_rows(run: &Run, against: Option<String>) -> Vec<(&'static str, String)> {
    let choice = &run.data.choice;
    let yes = |holds: bool| if holds { "yes" } else { "no" }.to_owned();
    let held_out = match (&choice.held_out, against) {
        (_, Some(project)) => format!("all pairs of “{project}”"),
        (HeldOut::Share { percent, seed }, _) => format!("{percent} % of the prompts, seed {seed}"),
        (HeldOut::Project { .. }, None) => "another project".into(),
    };
    let annotators = match choice.annotators.len() {
        0 => "all".to_owned(),
        some => format!("{some} chosen ones"),
    };
    vec![
        ("Judgements", choice.source.as_str().to_owned()),
        ("Annotators", annotators),
        ("Held out", held_out),
        ("Flagged ones left out", yes(choice.exclude_flagged)),
        ("Corrections", yes(choice.corrections)),
        ("Rankings", yes(choice.rankings)),
        ("Whole rankings", yes(choice.rankings && choice.whole_rankings)),
        ("Margins", yes(choice.margins)),
        ("Ties as pairs", yes(choice.ties)),
    ]
}

/// The method and every setting that it has.
pub fn setting_rows(run: &Run) -> Vec<(&'static str, String)> {
    let settings = &run.settings;
    let method = ("Method", settings.method.as_str().to_owned());
    let of_method = SETTINGS.iter().filter(|setting| setting.is_of(settings.method));
    let others = of_method.map(|setting| {
        let value = match shown(settings, setting.name) {
            none if none.is_empty() && setting.name == "base_model" => "this installation’s own".to_owned(),
            none if none.is_empty() => "–".to_owned(),
            value => value,
        };
        (setting.label, value)
    });
    std::iter::once(method).chain(others).collect()
}
