//! The part for the pages of whoever judges.

pub use frontend::hydrate;

/// Nothing at once: the page's script calls [`hydrate`].
fn main() {}
