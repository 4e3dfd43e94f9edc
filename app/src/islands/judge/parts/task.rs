//! The conversation in a box of its own, and the responses side by side.

use domain::{
    comparison::ComparisonKind,
    task::{Task, letter},
};
use leptos::prelude::*;

use crate::{islands::judge::state::Desk, prose::Prose};

/// What is judged.
pub fn prompt_and_responses(desk: Desk, task: &Task) -> impl IntoView + use<> {
    let count = task.responses.len();
    let notes = [
        task.said
            .as_ref()
            .map(|said| what_was_said(said, &task.written.justification)),
        task.corrected
            .then(|| "Your correction is preferred over these.".to_owned()),
    ];
    let notes = notes
        .into_iter()
        .flatten()
        .map(|note| view! { <p class="alert note">{note}</p> })
        .collect_view();
    let turns = task
        .turns
        .iter()
        .map(|turn| {
            view! {
                <div class=format!("turn {}", turn.role.as_str())>
                    <p class="speaker">{turn.role.name()}</p>
                    <Prose html=turn.html.clone() />
                </div>
            }
        })
        .collect_view();
    let responses = (0..count).map(|index| response(desk, task, index)).collect_view();
    view! {
        <div class="judge-task">
            {notes}
            <section class="judge-prompt" aria-label="Prompt" tabindex="0" lang=task.language.clone()>
                <div class="turns">{turns}</div>
            </section>
            <div class="judge-responses" data-count=count.to_string()>
                {responses}
            </div>
        </div>
    }
}

fn what_was_said(said: &str, justification: &str) -> String {
    match justification {
        "" => format!("You said: {said}. A new answer replaces it."),
        why => format!("You said: {said}, because: “{why}” A new answer replaces it."),
    }
}

fn response(desk: Desk, task: &Task, index: usize) -> impl IntoView + use<> {
    let Some(shown) = task.responses.get(index) else {
        return ().into_any();
    };
    let name = letter(index);
    let correct = format!(
        "/projects/{}/corrections?comparison={}&response={}",
        desk.project, task.comparison_id, shown.id
    );
    let begun = task.written.places.get(index).copied().flatten();
    let places = (task.kind == ComparisonKind::Ranking)
        .then(|| place_choice(desk, index, task.responses.len(), begun));
    view! {
        <article class="response">
            <header>
                <h2>
                    <span class="sr-only">"Response "</span>
                    {name.to_string()}
                </h2>
                {places}
                <a class="response-correct" href=correct aria-label=format!("Correct response {name}")>
                    "Correct"
                </a>
            </header>
            <div
                class="response-text"
                role="region"
                aria-label=format!("Response {name}")
                tabindex="0"
                lang=task.language.clone()
            >
                <Prose html=shown.html.clone() />
            </div>
        </article>
    }
    .into_any()
}

/// A place from 1, the best; equal places tie. Without scripts the browser itself asks for the missing ones.
fn place_choice(desk: Desk, index: usize, count: usize, begun: Option<u8>) -> impl IntoView {
    let options = (1..=u8::try_from(count).unwrap_or(u8::MAX))
        .map(|place| {
            view! {
                <label>
                    <input
                        type="radio"
                        name=format!("form[place_{index}]")
                        value=place.to_string()
                        required
                        checked=begun == Some(place)
                        prop:checked=move || {
                            desk.draft.places.with(|places| places.get(index) == Some(&Some(place)))
                        }
                        on:change=move |_| {
                            desk.draft
                                .places
                                .update(|places| {
                                    if let Some(slot) = places.get_mut(index) {
                                        *slot = Some(place);
                                    }
                                });
                        }
                    />
                    {place.to_string()}
                </label>
            }
        })
        .collect_view();
    view! {
        <fieldset class="places">
            <legend class="sr-only">{format!("Place of response {}", letter(index))}</legend>
            {options}
        </fieldset>
    }
}
