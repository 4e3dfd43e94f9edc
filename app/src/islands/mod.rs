//! What wakes up in the browser. Each island sets `data-hydrated` on its root once it is alive.
//!
//! There are two browser parts: the small one, for whoever judges, and the one with the islands of leads' pages
//! (feature `lead`) as well. A page names the one it needs: `shell::part_of`.

pub mod copy;
pub mod corrections;
#[cfg(feature = "lead")]
pub mod import;
pub mod judge;
#[cfg(feature = "lead")]
pub mod runs;
#[cfg(feature = "lead")]
pub mod scores;
mod storage;
pub mod theme;
pub mod written;

use leptos::{ev::MouseEvent, html::ElementType, prelude::*};
use wasm_bindgen::JsCast;

/// Marks the element as alive, for styles and for tests that wait for it.
pub fn mark_hydrated<E>(node: NodeRef<E>)
where
    E: ElementType,
    E::Output: JsCast + Clone + 'static,
{
    Effect::new(move |_| {
        if let Some(element) = node.get() {
            // Fails only for a malformed attribute name.
            drop(
                element
                    .unchecked_ref::<web_sys::Element>()
                    .set_attribute("data-hydrated", "true"),
            );
        }
    });
}

/// The second and third click of a double or triple one press no button: what is there by then is not what they were
/// meant for.
pub(crate) fn only_single_clicks(event: &MouseEvent) {
    let on_button = event
        .target()
        .and_then(|target| target.dyn_into::<web_sys::Element>().ok())
        .is_some_and(|target| target.closest("button").is_ok_and(|button| button.is_some()));
    if on_button && event.detail() > 1 {
        event.prevent_default();
    }
}
