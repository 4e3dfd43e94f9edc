//! What wakes up in the browser. Each island sets `data-hydrated` on its root once it is alive.

pub mod corrections;
pub mod import;
pub mod judge;
pub mod runs;
pub mod theme;

use leptos::{html::ElementType, prelude::*};
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
