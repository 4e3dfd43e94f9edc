//! What the server makes of text before it is shown: the app itself makes no markup of anybody's text.

use crate::scoring::Answer;

/// Makes Markdown of models and people safe HTML, off the threads that answer requests.
pub trait Rendering: Send + Sync {
    /// The HTML of each text, in their order.
    fn render(&self, texts: Vec<String>) -> Answer<Vec<String>>;
}
