//! Which pairs a run learns from, and which are held out.

use domain::{project::Project, run::data::JudgementSource};
use leptos::prelude::*;
use store::pair::Annotator;

use crate::{
    server_fns::runs::{TrainForm, field},
    text,
};

/// Whose judgements, and which of them.
pub fn data_part(form: &TrainForm, annotators: Vec<Annotator>) -> impl IntoView + use<> {
    let sources = [
        (JudgementSource::All, "Everybody’s"),
        (JudgementSource::People, "People’s, given here"),
        (JudgementSource::Imported, "Imported with a dataset"),
    ];
    let options: Vec<_> = sources
        .map(|(source, label)| {
            let selected = form.source == source.as_str();
            view! { <option value=source.as_str() selected=selected>{label}</option> }
        })
        .into_iter()
        .collect();
    let several = annotators.len() > 1;
    let chosen = form.annotators.clone();
    let who = several.then(|| {
        let boxes: Vec<_> = annotators
            .into_iter()
            .map(|annotator| {
                let ticked = chosen.contains(&annotator.id);
                view! {
                    <label>
                        <input type="checkbox" name="form[annotators][]" value=annotator.id.to_string() checked=ticked />
                        <span dir="auto">{annotator.name}</span>
                        <span class="soft">{text::number(annotator.judgements)}</span>
                    </label>
                }
            })
            .collect();
        view! {
            <details open=!chosen.is_empty()>
                <summary>"Only some annotators"</summary>
                <fieldset class="choices">
                    <legend class="sr-only">"Annotators; none ticked means all"</legend>
                    {boxes}
                </fieldset>
            </details>
        }
    });
    view! {
        <fieldset class="card">
            <legend class="sr-only">"Data"</legend>
            <h2>"Data"</h2>
            <div class="field">
                <label for="train-source">"Judgements"</label>
                <select id="train-source" name=field("source")>
                    {options}
                </select>
            </div>
            {who}
            {check("corrections", "Corrections, preferred over every response of their comparison", form.corrections, "")}
            {check("rankings", "Rankings, as pairs", form.rankings, "")}
            {check(
                "whole_rankings",
                "Keep rankings without ties whole",
                form.whole_rankings,
                "One lesson each instead of one for each pair (Plackett–Luce).",
            )}
            {check(
                "margins",
                "Learn more from clear preferences",
                form.margins,
                "Where people said “clearly” or “much”, the better response’s reward must be higher by more.",
            )}
            {check("include_flagged", "Judgements marked for review, too", form.include_flagged, "")}
        </fieldset>
    }
}

/// What the model is held against.
pub fn held_out_part(form: &TrainForm, others: Vec<Project>) -> impl IntoView + use<> {
    let chosen = form.held_out.clone();
    let options: Vec<_> = others
        .into_iter()
        .map(|other| {
            let id = other.id.to_string();
            let selected = id == chosen;
            view! { <option value=id selected=selected>{format!("All of “{}”", other.name)}</option> }
        })
        .collect();
    view! {
        <fieldset class="card">
            <legend class="sr-only">"Held out"</legend>
            <h2>"Held out"</h2>
            <p class="soft small">
                "The model never learns from these pairs, so they tell how well it agrees with people."
            </p>
            <div class="field">
                <label for="train-held-out">"Which"</label>
                <select id="train-held-out" name=field("held_out")>
                    <option value="share">"A share of the prompts"</option>
                    {options}
                </select>
            </div>
            <div class="field">
                <label for="train-percent">"Share in percent"</label>
                <input
                    id="train-percent"
                    name=field("percent")
                    type="number"
                    min="0"
                    max="50"
                    value=form.percent.clone()
                    aria-describedby="train-percent-hint"
                />
                <small id="train-percent-hint">"Whole prompts, drawn by their content: the same ones every time."</small>
            </div>
            <div class="field">
                <label for="train-split-seed">"Seed of the split"</label>
                <input
                    id="train-split-seed"
                    name=field("split_seed")
                    inputmode="numeric"
                    value=form.split_seed.clone()
                    aria-describedby="train-split-seed-hint"
                />
                <small id="train-split-seed-hint">
                    "Decides which prompts are drawn. Change it to see how much depends on them. Default: 0."
                </small>
            </div>
        </fieldset>
    }
}

fn check(name: &'static str, label: &'static str, ticked: bool, hint: &'static str) -> impl IntoView {
    let id = format!("train-{name}");
    let hint_id = format!("{id}-hint");
    let described = (!hint.is_empty()).then(|| hint_id.clone());
    view! {
        <div class="field check">
            <input id=id.clone() type="checkbox" name=field(name) value="true" checked=ticked aria-describedby=described />
            <label for=id>{label}</label>
            {(!hint.is_empty()).then(|| view! { <small id=hint_id>{hint}</small> })}
        </div>
    }
}
