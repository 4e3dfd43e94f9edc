//! What the judging page is made of.

use domain::{
    comparison::ComparisonKind,
    judgement::{Grade, SkipReason},
    prompt::Speaker,
    task::{Task, letter},
};
use leptos::prelude::*;

use super::state::Desk;
use crate::{islands::written::WrittenButton, prose::Prose, text_area::TextArea};

/// How far, whether all is saved, and what was refused.
pub fn status_line(desk: Desk, kind: ComparisonKind) -> impl IntoView {
    let title = match kind {
        ComparisonKind::Pair => "Which response is better?",
        ComparisonKind::Ranking => "Order the responses, best first",
    };
    let waiting = move || desk.outbox.waiting();
    view! {
        <header class="judge-head">
            <h1>{title}</h1>
            <p class="judge-progress">
                {move || {
                    let progress = desk.progress.get();
                    format!(
                        "{} done · {} left for you · {} of {} in the project",
                        progress.done,
                        progress.remaining,
                        progress.judged,
                        progress.wanted,
                    )
                }}
            </p>
            <p class="judge-saved" role="status" class:pending=move || waiting() != 0>
                {move || match (waiting(), desk.outbox.trouble.get()) {
                    (0, None) => "All saved".to_owned(),
                    (0, Some(trouble)) => trouble,
                    (n, None) => format!("Saving {n}…"),
                    (n, Some(trouble)) => format!("{n} waiting to be sent, kept in this browser. {trouble}"),
                }}
            </p>
        </header>
        {move || {
            let refused = desk.outbox.refused().into_iter();
            refused
                .map(|(id, sentence)| {
                    view! {
                        <p class="alert bad judge-refused" role="alert">
                            <span>"Not kept: " {sentence}</span>
                            <button type="button" class="small" on:click=move |_| desk.outbox.forget(id)>
                                "Understood"
                            </button>
                        </p>
                    }
                })
                .collect_view()
        }}
    }
}

/// The conversation in a box of its own, and the responses side by side.
pub fn prompt_and_responses(desk: Desk, task: &Task) -> impl IntoView + use<> {
    let count = task.responses.len();
    let notes = [
        task.said
            .as_ref()
            .map(|said| format!("You said: {said}. A new answer replaces it.")),
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
            let (class, who) = match turn.role {
                Speaker::System => ("turn system", "System"),
                Speaker::User => ("turn user", "Person"),
                Speaker::Assistant => ("turn assistant", "Assistant"),
                Speaker::Tool => ("turn tool", "Tool"),
            };
            view! {
                <div class=class>
                    <p class="speaker">{who}</p>
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

fn response(desk: Desk, task: &Task, index: usize) -> impl IntoView + use<> {
    let Some(shown) = task.responses.get(index) else {
        return ().into_any();
    };
    let name = letter(index);
    let correct = format!(
        "/projects/{}/corrections?comparison={}&response={}",
        desk.project, task.comparison_id, shown.id
    );
    let places =
        (task.kind == ComparisonKind::Ranking).then(|| place_choice(desk, index, task.responses.len()));
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

/// A place from 1, the best; equal places tie.
fn place_choice(desk: Desk, index: usize, count: usize) -> impl IntoView {
    let options = (1..=u8::try_from(count).unwrap_or(4))
        .map(|place| {
            view! {
                <label>
                    <input
                        type="radio"
                        name=format!("form[place_{index}]")
                        value=place.to_string()
                        prop:checked=move || desk.places.with(|places| places.get(index) == Some(&Some(place)))
                        on:change=move |_| {
                            desk.places
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

/// The scale or the button for rankings, and what else can be said.
pub fn controls(desk: Desk, kind: ComparisonKind) -> impl IntoView {
    let none = move || desk.task.with(Option::is_none);
    let main = match kind {
        ComparisonKind::Pair => Grade::ALL
            .into_iter()
            .map(|grade| step(grade, none))
            .collect_view()
            .into_any(),
        ComparisonKind::Ranking => view! {
            <button class="primary rank" name="form[say]" value="rank" disabled=none>
                <kbd>"Enter"</kbd>
                "Keep this order"
            </button>
            <p class="rank-order" aria-hidden="true">
                {move || order_so_far(desk)}
            </p>
        }
        .into_any(),
    };
    let label = match kind {
        ComparisonKind::Pair => "Which is better?",
        ComparisonKind::Ranking => "Ranking",
    };
    let reasons = SkipReason::ALL
        .into_iter()
        .enumerate()
        .map(|(index, reason)| skip_button(index, reason, none));
    view! {
        <div class="judge-bar">
            <div class="scale" role="group" aria-label=label>
                {main}
            </div>
            <div class="extras">
                <details class="menu" node_ref=desk.skip_menu>
                    <summary>
                        <kbd>"s"</kbd>
                        "Skip"
                    </summary>
                    <div class="menu-box">{reasons.collect_view()}</div>
                </details>
                <label class="extra">
                    <input
                        type="checkbox"
                        name="form[flagged]"
                        value="yes"
                        prop:checked=move || desk.flagged.get()
                        on:change=move |event| desk.flagged.set(event_target_checked(&event))
                    />
                    <kbd>"f"</kbd>
                    "Flag"
                </label>
                <fieldset class="extra sure">
                    <legend>
                        <kbd>"h"</kbd>
                        "How sure"
                    </legend>
                    {[(1, "Unsure"), (2, "Fairly"), (3, "Certain")]
                        .map(|(value, label)| sure_choice(desk, value, label))
                        .into_iter()
                        .collect_view()}
                </fieldset>
                <WrittenButton />
                <details class="menu justify" node_ref=desk.reason_menu>
                    <summary>
                        <kbd>"j"</kbd>
                        "Justify"
                    </summary>
                    <div class="menu-box">
                        <label for="justification">"Why? For reviewers and for yourself."</label>
                        <TextArea
                            id="justification"
                            name="form[justification]"
                            maxlength=4000
                            node_ref=desk.reason_text
                            value=desk.justification
                            on_input=move |text| desk.justification.set(text)
                        />
                        <small class="soft">"Esc goes back to the keys; then give the grade."</small>
                    </div>
                </details>
            </div>
        </div>
    }
}

fn step(grade: Grade, none: impl Fn() -> bool + Send + Sync + Copy + 'static) -> impl IntoView {
    let (short, long) = match grade {
        Grade::LeftMuch => ("A much", "A much better"),
        Grade::LeftClearly => ("A clearly", "A clearly better"),
        Grade::LeftSlightly => ("A slightly", "A slightly better"),
        Grade::Tie => ("Equal", "Equal: both are as good"),
        Grade::RightSlightly => ("B slightly", "B slightly better"),
        Grade::RightClearly => ("B clearly", "B clearly better"),
        Grade::RightMuch => ("B much", "B much better"),
        Grade::BothBad => ("Both bad", "Both bad: neither is acceptable"),
    };
    let key = grade.key();
    view! {
        <button
            class="step"
            class:both-bad=grade == Grade::BothBad
            name="form[say]"
            value=key.to_string()
            title=long
            disabled=none
        >
            <kbd>{key.to_string()}</kbd>
            <span>{short}</span>
        </button>
    }
}

fn skip_button(
    index: usize,
    reason: SkipReason,
    none: impl Fn() -> bool + Send + Sync + Copy + 'static,
) -> impl IntoView {
    let text = match reason {
        SkipReason::NotMyField => "I do not know the field",
        SkipReason::Language => "I do not read the language",
        SkipReason::UnclearPrompt => "The prompt is unclear",
        SkipReason::Distressing => "I would rather not deal with this",
        SkipReason::Other => "Another reason",
    };
    view! {
        <button class="quiet" name="form[say]" value=format!("skip:{}", reason.as_str()) disabled=none>
            <kbd>{(index + 1).to_string()}</kbd>
            {text}
        </button>
    }
}

fn sure_choice(desk: Desk, value: i32, label: &'static str) -> impl IntoView {
    view! {
        <label>
            <input
                type="radio"
                name="form[confidence]"
                value=value.to_string()
                prop:checked=move || desk.confidence.get() == Some(value)
                on:change=move |_| desk.confidence.set(Some(value))
            />
            {label}
        </label>
    }
}

/// The order as typed so far: `B > A = C`.
fn order_so_far(desk: Desk) -> String {
    let mut placed: Vec<(u8, char)> = desk.places.with(|places| {
        let placed = places.iter().enumerate();
        placed
            .filter_map(|(index, place)| Some(((*place)?, letter(index))))
            .collect()
    });
    placed.sort_unstable();
    let groups = placed.chunk_by(|a, b| a.0 == b.0).map(|group| {
        let letters: Vec<String> = group.iter().map(|(_, letter)| letter.to_string()).collect();
        letters.join(" = ")
    });
    let mut order = groups.collect::<Vec<_>>().join(" > ");
    if desk.tie_next.get() {
        order.push_str(" = …");
    }
    order
}

/// All keys; also what there is to know without scripts, where only the buttons work.
pub fn keys_help(desk: Desk, kind: ComparisonKind) -> impl IntoView {
    let grading: &[(&str, &str)] = match kind {
        ComparisonKind::Pair => &[
            ("1 – 3", "A is better: much, clearly, slightly"),
            ("4", "Equal"),
            ("5 – 7", "B is better: slightly, clearly, much"),
            ("0", "Both bad"),
        ],
        ComparisonKind::Ranking => &[
            ("a b c d", "Best first, then the next best"),
            ("=", "The next letter ties"),
            ("Backspace", "Take the last place back"),
            ("Enter", "Keep this order"),
        ],
    };
    let others = [
        ("s", "Skip, then 1 – 5 for the reason"),
        ("f", "Flag for a reviewer"),
        ("j", "Justify"),
        ("h", "How sure you are"),
        ("w", "Texts as they were written, and back"),
        ("e", "Correct a response"),
        ("u", "Undo the last"),
        ("?", "These keys"),
    ];
    let rows = grading.iter().copied().chain(others);
    view! {
        <details class="menu judge-keys" node_ref=desk.help>
            <summary>
                <kbd>"?"</kbd>
                "Keys"
            </summary>
            <dl class="menu-box">
                {rows
                    .map(|(key, what)| {
                        view! {
                            <div>
                                <dt>
                                    <kbd>{key}</kbd>
                                </dt>
                                <dd>{what}</dd>
                            </div>
                        }
                    })
                    .collect_view()}
            </dl>
        </details>
    }
}
