//! The part for every page: the islands of leads' pages as well.

pub use frontend::hydrate;

/// Nothing at once: the page's script calls [`hydrate`].
fn main() {}
