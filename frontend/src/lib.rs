//! What the browser loads: the islands of `app`, woken by the page's script.

// The types of pages nest as deep as their markup.
#![recursion_limit = "512"]

use wasm_bindgen::prelude::wasm_bindgen;

// Keeps the islands' exports in the module.
pub use app::islands;

/// Called once by the page's script, before the islands are woken one by one.
#[wasm_bindgen]
pub fn hydrate() {
    leptos::mount::hydrate_islands();
}
