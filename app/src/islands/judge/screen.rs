//! Where eye and focus go when another comparison is shown, and the folds that keys open.

use leptos::{html, prelude::*};
use wasm_bindgen::JsCast;

use super::state::Desk;

/// Takes the focus from whatever control has it: what was used for one comparison must not act on the next one. Whether
/// a control had it.
pub fn leave_controls(desk: Desk) -> bool {
    let Some(root) = root(desk) else { return false };
    let active = document().active_element();
    let Some(active) = active.filter(|active| root.contains(Some(active))) else {
        return false;
    };
    if !matches!(
        active.tag_name().as_str(),
        "BUTTON" | "INPUT" | "SUMMARY" | "TEXTAREA" | "A"
    ) {
        return false;
    }
    drop(active.unchecked_ref::<web_sys::HtmlElement>().blur());
    true
}

/// Responses from their beginning, the prompt so that its last turn is in view. With `focus` the prompt gets it, so that
/// whoever works by keyboard alone goes on from there.
pub fn to_the_beginning(desk: Desk, focus: bool) {
    request_animation_frame(move || {
        let Some(root) = root(desk) else { return };
        let find = |css: &str| root.query_selector(css).ok().flatten();
        let mut response = find(".judge-responses").and_then(|all| all.first_element_child());
        while let Some(shown) = response {
            if let Ok(Some(text)) = shown.query_selector(".response-text") {
                text.set_scroll_top(0);
            }
            response = shown.next_element_sibling();
        }
        let prompt = find(".judge-prompt");
        if focus && let Some(prompt) = &prompt {
            drop(prompt.unchecked_ref::<web_sys::HtmlElement>().focus());
        }
        if let (Some(prompt), Some(turn)) = (prompt, find(".judge-prompt .turn:last-child")) {
            // The box is laid out from its end: 0 is the end, less than that is above it.
            prompt.set_scroll_top((prompt.client_height() - turn.client_height() - 24).min(0));
        }
        let scrolled = window().page_y_offset().unwrap_or(0.0);
        if scrolled > f64::from(root.offset_top()) {
            root.scroll_into_view();
        }
    });
}

fn root(desk: Desk) -> Option<web_sys::HtmlElement> {
    let root = desk.root.get_untracked()?;
    Some(root.unchecked_ref::<web_sys::HtmlElement>().clone())
}

/// Whether a fold is open.
pub fn is_open(fold: NodeRef<html::Details>) -> bool {
    fold.get_untracked().is_some_and(|fold| fold.open())
}

/// Opens or closes a fold; when it closes, a focus inside goes to its summary.
pub fn set_open(fold: NodeRef<html::Details>, open: bool) {
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

/// Opens the box of the reason, with the cursor behind what stands there.
pub fn write_on(desk: Desk) {
    set_open(desk.reason_menu, true);
    if let Some(text) = desk.reason_text.get_untracked() {
        drop(text.focus());
        let end = text.value().encode_utf16().count() as u32;
        drop(text.set_selection_range(end, end));
    }
}

/// Closes a fold that floats when something beside it is pressed.
pub fn close_unless_inside(fold: NodeRef<html::Details>, pressed: Option<web_sys::Node>) {
    if is_open(fold)
        && let Some(details) = fold.get_untracked()
        && !details.contains(pressed.as_ref())
    {
        details.set_open(false);
    }
}
