//! Keys: one grades, letters rank, the others open what stands beside. A letter that names a response of a ranking
//! places it; with shift a letter is always a command.

use domain::{comparison::ComparisonKind, judgement::SkipReason};
use leptos::{ev::KeyboardEvent, prelude::*};
use wasm_bindgen::JsCast;

use super::{
    key_names, order,
    screen::{is_open, set_open},
    state::Desk,
};

/// A key went down somewhere on the page.
pub fn pressed(desk: Desk, event: &KeyboardEvent) {
    if event.default_prevented() || event.repeat() || event.is_composing() || event.key_code() == 229 {
        return;
    }
    let target = event
        .target()
        .and_then(|target| target.dyn_into::<web_sys::HtmlElement>().ok());
    if let Some(target) = &target
        && takes_text(target)
    {
        let key = event.key();
        if key == "Escape" || (key == "Enter" && (event.ctrl_key() || event.meta_key())) {
            drop(target.blur());
            set_open(desk.reason_menu, false);
            event.prevent_default();
        }
        return;
    }
    if event.ctrl_key() || event.alt_key() || event.meta_key() {
        return;
    }
    // Enter and space on a button or a link are that button's or link's.
    let on_control = target
        .is_some_and(|target| matches!(target.tag_name().as_str(), "BUTTON" | "A" | "SUMMARY" | "INPUT"));
    let key = key_names::meaning(event);
    let placed = match (desk.kind, event.shift_key()) {
        (ComparisonKind::Ranking, false) => order::response_of(desk, &key),
        _ => None,
    };
    if let Some(index) = placed {
        if desk.has_been_seen() {
            order::place(desk, index);
        }
        event.prevent_default();
    } else if act(desk, &key, on_control) {
        event.prevent_default();
    }
}

/// A command's letter as it is written here: with shift where the letter alone places a response.
pub fn written(desk: Desk, letter: &str) -> String {
    let taken = desk.kind == ComparisonKind::Ranking
        && desk.task.with(Option::is_some)
        && order::response_of(desk, letter).is_some();
    match taken {
        true => format!("Shift {}", letter.to_uppercase()),
        false => letter.to_owned(),
    }
}

/// Does what the key means here; false if it means nothing.
fn act(desk: Desk, key: &str, on_control: bool) -> bool {
    if is_open(desk.skip_menu) {
        if key == "escape" {
            set_open(desk.skip_menu, false);
            return true;
        }
        if let Ok(digit) = key.parse::<usize>() {
            // One that names no reason must not give a grade instead.
            if let Some(reason) = SkipReason::ALL.get(digit.wrapping_sub(1)) {
                desk.say(&format!("skip:{}", reason.as_str()));
            }
            return true;
        }
    }
    match (key, desk.kind) {
        ("s", _) => set_open(desk.skip_menu, true),
        ("f" | "h" | "=" | "backspace", _) if !desk.has_been_seen() => {}
        ("f", _) => desk.draft.flagged.update(|flagged| *flagged = !*flagged),
        ("j", _) => {
            set_open(desk.reason_menu, true);
            if let Some(text) = desk.reason_text.get_untracked() {
                drop(text.focus());
            }
        }
        ("h", _) => desk.draft.confidence.update(|confidence| {
            *confidence = confidence.map_or(Some(1), |sure| (sure < 3).then_some(sure + 1))
        }),
        ("u", _) => desk.undo(),
        ("e", _) => correct(desk),
        ("?", _) => set_open(desk.help, !is_open(desk.help)),
        ("escape", _) => {
            for fold in [desk.help, desk.reason_menu] {
                set_open(fold, false);
            }
        }
        ("0" | "1" | "2" | "3" | "4" | "5" | "6" | "7", ComparisonKind::Pair) => desk.say(key),
        ("=", ComparisonKind::Ranking) => desk.tie_next.set(true),
        ("backspace", ComparisonKind::Ranking) => order::unplace(desk),
        ("enter", ComparisonKind::Ranking) if !on_control => desk.say("rank"),
        _ => return false,
    }
    true
}

fn correct(desk: Desk) {
    let comparison = desk
        .task
        .with_untracked(|task| task.as_ref().map(|task| task.comparison_id));
    if let Some(comparison) = comparison {
        let path = format!("/projects/{}/corrections?comparison={comparison}", desk.project);
        drop(window().location().set_href(&path));
    }
}

fn takes_text(target: &web_sys::HtmlElement) -> bool {
    match target.tag_name().as_str() {
        "TEXTAREA" | "SELECT" => true,
        "INPUT" => !matches!(
            target.get_attribute("type").as_deref(),
            Some("radio" | "checkbox" | "submit" | "button")
        ),
        _ => target.is_content_editable(),
    }
}
