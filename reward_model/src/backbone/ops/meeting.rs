//! Which queries meet which keys, and how.

use std::ops::Range;
use std::sync::Arc;

use recipe::Precision;

/// Where each text's rows lie in packed tensors: text i has rows `offsets[i]..offsets[i + 1]`.
pub(crate) type Offsets = Arc<Vec<usize>>;

/// Some queries, by their rows, and the rows of the keys and values that they meet: those of a beginning that several texts
/// share, and then those of one text alone. Either may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub queries: Range<usize>,
    pub keys: [Range<usize>; 2],
}

/// Which keys a query sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Span {
    /// All of its text's.
    Text,
    /// Those at most so far away, before or after.
    Near(usize),
    /// Itself and those before it.
    Past,
    /// Itself and those before it, so many in all.
    RecentPast(usize),
}

impl Span {
    /// The keys that the query at `position` sees, of a text of `keys`.
    fn visible(self, position: usize, keys: usize) -> Range<usize> {
        match self {
            Self::Text => 0..keys,
            Self::Near(distance) => position.saturating_sub(distance)..keys.min(position + distance + 1),
            Self::Past => 0..position + 1,
            Self::RecentPast(count) => (position + 1).saturating_sub(count)..position + 1,
        }
    }

    /// Where the first of `queries` stands: with fewer of them than keys, they are the last of a text that is read
    /// forwards, and the first of one that is read both ways.
    fn first_position(self, queries: usize, keys: usize) -> usize {
        match self {
            Self::Text | Self::Near(_) => 0,
            Self::Past | Self::RecentPast(_) => keys - queries,
        }
    }

    /// The keys, of so many, that one of some queries sees.
    pub(super) fn of_query(self, query: usize, queries: usize, keys: usize) -> Range<usize> {
        self.visible(self.first_position(queries, keys) + query, keys)
    }
}

/// Attention (Vaswani et al. 2017, eq. 1) with fewer key heads than query heads if need be (Ainslie et al. 2023).
#[derive(Clone)]
pub(crate) struct Attention {
    /// Heads of the queries.
    pub heads: usize,
    /// Heads of keys and values; each serves `heads / key_heads` query heads that stand side by side.
    pub key_heads: usize,
    /// What scores are multiplied by, usually 1 / √size.
    pub scale: f32,
    /// Scores are bent to stay below it: `cap · tanh(score / cap)` (Gemma 2).
    pub cap: Option<f32>,
    /// Which keys a query sees.
    pub span: Span,
    /// What products are computed in.
    pub precision: Precision,
    /// Which queries meet which keys.
    pub segments: Arc<Vec<Segment>>,
}
