//! Keys: one grades, letters rank, the others open what stands beside.

use domain::{comparison::ComparisonKind, judgement::SkipReason};
use leptos::{ev::KeyboardEvent, html, prelude::*};
use wasm_bindgen::JsCast;

use super::state::Desk;

/// A key went down somewhere on the page.
pub fn pressed(desk: Desk, event: &KeyboardEvent) {
    if event.default_prevented() || event.repeat() || event.is_composing() || event.key_code() == 229 {
        return;
    }
    let target = event
        .target()
        .and_then(|target| target.dyn_into::<web_sys::HtmlElement>().ok());
    let key = event.key();
    if let Some(target) = &target
        && takes_text(target)
    {
        if key == "Escape" || (key == "Enter" && (event.ctrl_key() || event.meta_key())) {
            drop(target.blur());
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
    if act(desk, &key.to_lowercase(), on_control) {
        event.prevent_default();
    }
}

/// Does what the key means here; false if it means nothing.
fn act(desk: Desk, key: &str, on_control: bool) -> bool {
    if is_open(desk.skip_menu) {
        if key == "escape" {
            set_open(desk.skip_menu, false);
            return true;
        }
        let reason = key
            .parse::<usize>()
            .ok()
            .and_then(|digit| SkipReason::ALL.get(digit.wrapping_sub(1)));
        if let Some(reason) = reason {
            desk.say(&format!("skip:{}", reason.as_str()));
            return true;
        }
    }
    match (key, desk.kind) {
        ("s", _) => set_open(desk.skip_menu, true),
        ("f", _) => desk.flagged.update(|flagged| *flagged = !*flagged),
        ("j", _) => {
            set_open(desk.reason_menu, true);
            if let Some(text) = desk.reason_text.get_untracked() {
                drop(text.focus());
            }
        }
        ("h", _) => desk.confidence.update(|confidence| {
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
        ("a" | "b" | "c" | "d", ComparisonKind::Ranking) => place(desk, key),
        ("=", ComparisonKind::Ranking) => desk.tie_next.set(true),
        ("backspace", ComparisonKind::Ranking) => unplace(desk),
        ("enter", ComparisonKind::Ranking) if !on_control => {
            place_the_last(desk);
            desk.say("rank");
        }
        _ => return false,
    }
    true
}

/// Letters come best first; after `=` a letter shares the place of the one before.
fn place(desk: Desk, letter: &str) {
    let count = desk
        .task
        .with_untracked(|task| task.as_ref().map_or(0, |task| task.responses.len()));
    let Some(index) = letter
        .bytes()
        .next()
        .map(|byte| usize::from(byte - b'a'))
        .filter(|&index| index < count)
    else {
        return;
    };
    let tie = desk.tie_next.get_untracked();
    desk.tie_next.set(false);
    desk.places.update(|places| {
        places[index] = None;
        let worst = places.iter().flatten().max().copied().unwrap_or(0);
        places[index] = Some(if tie { worst.max(1) } else { worst + 1 });
    });
}

/// Takes away the worst places.
fn unplace(desk: Desk) {
    desk.tie_next.set(false);
    desk.places.update(|places| {
        let worst = places.iter().flatten().max().copied();
        for place in places
            .iter_mut()
            .filter(|place| place.is_some() && **place == worst)
        {
            *place = None;
        }
    });
}

/// If one response alone has no place, it comes last.
fn place_the_last(desk: Desk) {
    let count = desk
        .task
        .with_untracked(|task| task.as_ref().map_or(0, |task| task.responses.len()))
        .min(4);
    desk.places.update(|places| {
        let worst = places.iter().flatten().max().copied().unwrap_or(0);
        let mut open = places[..count].iter_mut().filter(|place| place.is_none());
        if let (Some(place), None) = (open.next(), open.next()) {
            *place = Some(worst + 1);
        }
    });
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

fn is_open(fold: NodeRef<html::Details>) -> bool {
    fold.get_untracked().is_some_and(|fold| fold.open())
}

/// Opens or closes a fold; its first control gets the focus when it opens.
fn set_open(fold: NodeRef<html::Details>, open: bool) {
    let Some(fold) = fold.get_untracked() else { return };
    let inside = document()
        .active_element()
        .is_some_and(|active| fold.contains(Some(&active)));
    fold.set_open(open);
    if !open
        && inside
        && let Ok(Some(summary)) = fold.query_selector("summary")
    {
        drop(summary.unchecked_ref::<web_sys::HtmlElement>().focus());
    }
}
