//! The scale or the button for rankings, and under it what else can be said.

use domain::{
    comparison::ComparisonKind,
    judgement::{Grade, SkipReason},
};
use leptos::prelude::*;

use super::extras::{justify, sure_choice};
use crate::islands::{
    judge::{keys, order, state::Desk},
    written::WrittenButton,
};

/// Everything that is pressed to judge.
pub fn bar(desk: Desk, kind: ComparisonKind) -> impl IntoView {
    let none = move || desk.task.with(Option::is_none);
    let main = match kind {
        ComparisonKind::Pair => Grade::ALL
            .into_iter()
            .map(|grade| step(grade, none))
            .collect_view()
            .into_any(),
        ComparisonKind::Ranking => rank(desk, none).into_any(),
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
            <p class="judge-hint" role="status" class:shown=move || desk.hint.with(|hint| !hint.is_empty())>
                {move || desk.hint.get()}
            </p>
            <div class="scale" role="group" aria-label=label>
                {main}
            </div>
            <div class="extras">
                <details class="menu skip" node_ref=desk.skip_menu>
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
                        checked=desk.draft.flagged.get_untracked()
                        prop:checked=move || desk.draft.flagged.get()
                        on:change=move |event| desk.draft.flagged.set(event_target_checked(&event))
                    />
                    <kbd>{move || keys::written(desk, "f")}</kbd>
                    "Flag"
                </label>
                {sure_choice(desk)}
                <WrittenButton />
                {justify(desk)}
                <button class="quiet undo" form="undo" disabled=move || !desk.can_undo.get()>
                    <kbd>"u"</kbd>
                    "Undo the last"
                </button>
            </div>
        </div>
    }
}

fn rank(desk: Desk, none: impl Fn() -> bool + Send + Sync + Copy + 'static) -> impl IntoView {
    // Without scripts the button cannot know what is missing, and the browser asks for it.
    let complete = move || !desk.awake.get() || order::is_complete(desk);
    view! {
        <button
            class="rank"
            class:primary=complete
            name="form[say]"
            value="rank"
            disabled=none
            aria-disabled=move || (!complete()).then_some("true")
        >
            <kbd>"Enter"</kbd>
            {move || {
                if desk.awake.get() { order::button_text(desk) } else { "Keep this order".to_owned() }
            }}
        </button>
        <p class="rank-order" aria-hidden="true">
            {move || order::so_far(desk)}
        </p>
    }
}

fn step(grade: Grade, none: impl Fn() -> bool + Send + Sync + Copy + 'static) -> impl IntoView {
    let (text, title) = match grade {
        Grade::LeftMuch => ("A much better", None),
        Grade::LeftClearly => ("A clearly better", None),
        Grade::LeftSlightly => ("A slightly better", None),
        Grade::Tie => ("Equal", Some("Both are as good")),
        Grade::RightSlightly => ("B slightly better", None),
        Grade::RightClearly => ("B clearly better", None),
        Grade::RightMuch => ("B much better", None),
        Grade::BothBad => ("Both bad", Some("Neither is acceptable")),
    };
    let key = grade.key();
    view! {
        <button
            class="step"
            class:both-bad=grade == Grade::BothBad
            name="form[say]"
            value=key.to_string()
            title=title
            disabled=none
        >
            <kbd>{key.to_string()}</kbd>
            <span>{text}</span>
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
        <button
            class="quiet"
            name="form[say]"
            value=format!("skip:{}", reason.as_str())
            disabled=none
            formnovalidate
        >
            <kbd>{(index + 1).to_string()}</kbd>
            {text}
        </button>
    }
}
