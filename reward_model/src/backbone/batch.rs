//! Several texts, one after the other, and what those of them that begin alike share.

use std::ops::Range;
use std::sync::Arc;

use candle_core::Tensor;

use super::dropout::{Dropout, Site};
use super::ops::{Offsets, Segment};

/// Token ids of several texts, packed without padding. They lie in pieces: a beginning that texts share, or the rest of a text,
/// which is the whole of it where it shares nothing.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    ids: Vec<u32>,
    /// Piece i has rows `offsets[i]..offsets[i + 1]`.
    offsets: Offsets,
    /// The rows that come before each piece in its texts; none before a beginning and before a whole text.
    before: Vec<Range<usize>>,
    /// The piece that each text ends with.
    ends: Vec<usize>,
    dropout: Option<Dropout>,
}

/// Which of the last layer's rows are needed; leaving the others out saves most of that layer's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Every token's.
    All,
    /// Each text's first.
    First,
    /// Each text's last.
    Last,
}

impl Batch {
    /// Texts that share nothing.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a [u32]>) -> Self {
        let mut batch = Self::empty();
        texts.into_iter().for_each(|text| batch.end(text, 0..0));
        batch
    }

    /// Neighbours that begin with the same tokens have these once, which is right only for a model that reads forwards: what
    /// it makes of a beginning does not depend on how the text goes on.
    pub fn sharing<'a>(texts: impl IntoIterator<Item = &'a [u32]>) -> Self {
        let texts: Vec<&[u32]> = texts.into_iter().collect();
        let mut batch = Self::empty();
        for alike in beginning_alike(&texts) {
            let shared = texts[alike.clone()]
                .windows(2)
                .map(|w| shared_tokens(w[0], w[1]))
                .min()
                .unwrap_or(0);
            let first = batch.ids.len();
            if shared > 0 {
                batch.piece(&texts[alike.start][..shared], 0..0);
            }
            for text in &texts[alike] {
                batch.end(&text[shared..], first..first + shared);
            }
        }
        batch
    }

    /// [`Batch::sharing`] or [`Batch::new`].
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a [u32]>, reads_forwards: bool) -> Self {
        match reads_forwards {
            true => Self::sharing(texts),
            false => Self::new(texts),
        }
    }

    fn empty() -> Self {
        Self {
            ids: Vec::new(),
            offsets: Arc::new(vec![0]),
            before: Vec::new(),
            ends: Vec::new(),
            dropout: None,
        }
    }

    fn piece(&mut self, ids: &[u32], before: Range<usize>) {
        self.ids.extend_from_slice(ids);
        Arc::make_mut(&mut self.offsets).push(self.ids.len());
        self.before.push(before);
    }

    fn end(&mut self, ids: &[u32], before: Range<usize>) {
        self.ends.push(self.before.len());
        self.piece(ids, before);
    }

    /// The same texts with parts dropped on their way through the model.
    pub fn dropping(self, dropout: Option<Dropout>) -> Self {
        Self { dropout, ..self }
    }

    /// What is dropped; nothing outside of training.
    pub fn dropout(&self) -> Option<Dropout> {
        self.dropout
    }

    /// A contiguous tensor with what is dropped at a place.
    pub fn drop(&self, site: Site, x: Tensor) -> candle_core::Result<Tensor> {
        let Some(dropout) = self.dropout else { return Ok(x) };
        let mut mask = vec![1.0f32; x.elem_count()];
        dropout.at(site).apply(&mut mask);
        &x * Tensor::from_vec(mask, x.shape(), x.device())?
    }

    /// Token ids, all pieces.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Where pieces lie: for a model that reads both ways, where texts do.
    pub fn offsets(&self) -> &Offsets {
        &self.offsets
    }

    /// How many texts there are.
    pub fn texts(&self) -> usize {
        self.ends.len()
    }

    /// The rows of a text: those that it may share, and its own.
    pub fn rows_of(&self, text: usize) -> [Range<usize>; 2] {
        let end = self.ends[text];
        [self.before[end].clone(), self.rows(end)]
    }

    fn rows(&self, piece: usize) -> Range<usize> {
        self.offsets[piece]..self.offsets[piece + 1]
    }

    /// Tokens of the longest text.
    pub fn longest(&self) -> usize {
        let pieces = 0..self.before.len();
        pieces
            .map(|piece| self.before[piece].len() + self.rows(piece).len())
            .max()
            .unwrap_or(0)
    }

    /// Each row's position in its texts.
    pub fn positions(&self) -> Vec<usize> {
        let piece = |(piece, before): (usize, &Range<usize>)| {
            let first = before.len();
            first..first + self.rows(piece).len()
        };
        self.before.iter().enumerate().flat_map(piece).collect()
    }

    /// The rows that are read, or nothing for all of them.
    pub fn read(&self, reads: Reads) -> Option<Vec<usize>> {
        let first = |[shared, own]: [Range<usize>; 2]| {
            if shared.is_empty() {
                own.start
            } else {
                shared.start
            }
        };
        let texts = (0..self.texts()).map(|text| self.rows_of(text));
        match reads {
            Reads::All => None,
            Reads::First => Some(texts.map(first).collect()),
            Reads::Last => Some(texts.map(|[_, own]| own.end - 1).collect()),
        }
    }

    /// Which keys each query can meet: a piece's those before it and its own, or where only some rows are read, the one of
    /// each text all of its text's.
    pub fn segments(&self, reads: Reads) -> Arc<Vec<Segment>> {
        let segments = match reads {
            Reads::All => (0..self.before.len())
                .map(|piece| Segment {
                    queries: self.rows(piece),
                    keys: [self.before[piece].clone(), self.rows(piece)],
                })
                .collect(),
            Reads::First | Reads::Last => (0..self.texts())
                .map(|text| Segment {
                    queries: text..text + 1,
                    keys: self.rows_of(text),
                })
                .collect(),
        };
        Arc::new(segments)
    }
}

/// How many tokens two texts begin with alike, of which each keeps its last for itself.
pub(crate) fn shared_tokens(a: &[u32], b: &[u32]) -> usize {
    let most = a.len().min(b.len()).saturating_sub(1);
    let differs = a.iter().zip(b).take(most).position(|(a, b)| a != b);
    differs.unwrap_or(most)
}

/// Runs of neighbours that share so much that a beginning of their own is worth its while. A run shares what the least alike of
/// its neighbours do, so one that shares less than half of what the others do, before or after it, is not taken in.
fn beginning_alike(texts: &[&[u32]]) -> Vec<Range<usize>> {
    /// Fewer tokens than this are computed again.
    const WORTH: usize = 8;
    let link = |i: usize| match i {
        0 => 0,
        i if i < texts.len() => shared_tokens(texts[i - 1], texts[i]),
        _ => 0,
    };
    let mut runs: Vec<Range<usize>> = Vec::new();
    // What the last run shares; nothing while it is one text.
    let mut shared = None;
    let mut next = 0;
    for i in 0..texts.len() {
        let with_last = std::mem::replace(&mut next, link(i + 1));
        match runs.last_mut() {
            Some(run) if with_last >= WORTH && 2 * with_last > shared.unwrap_or(0).max(next) => {
                run.end = i + 1;
                shared = Some(shared.map_or(with_last, |least| with_last.min(least)));
            }
            _ => {
                runs.push(i..i + 1);
                shared = None;
            }
        }
    }
    runs
}

/// Rows of a tensor [n, h].
pub(crate) fn rows(x: &Tensor, rows: &[usize]) -> candle_core::Result<Tensor> {
    let rows: Vec<u32> = rows.iter().map(|&row| row as u32).collect();
    x.index_select(&Tensor::new(rows, x.device())?, 0)
}

/// A last layer's input rows that are read, all or some, and which keys these queries meet.
pub(crate) fn queries(
    x: &Tensor,
    batch: &Batch,
    reads: Reads,
) -> candle_core::Result<(Tensor, Arc<Vec<Segment>>)> {
    let read = match batch.read(reads) {
        None => x.clone(),
        Some(read) => rows(x, &read)?,
    };
    Ok((read, batch.segments(reads)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGINNING: [u32; 9] = [1, 2, 3, 4, 5, 6, 7, 8, 9];

    fn text(end: &[u32]) -> Vec<u32> {
        [BEGINNING.as_slice(), end].concat()
    }

    #[test]
    fn texts_that_begin_alike_have_the_beginning_once() {
        let texts = [text(&[20, 21]), text(&[20, 30, 31]), vec![40, 41]];
        let batch = Batch::sharing(texts.iter().map(Vec::as_slice));
        let ids = [text(&[20]), vec![21], vec![30, 31], vec![40, 41]].concat();
        assert_eq!(batch.ids(), ids);
        assert_eq!(batch.texts(), 3);
        assert_eq!(batch.longest(), 12);
        assert_eq!(batch.rows_of(0), [0..10, 10..11]);
        assert_eq!(batch.rows_of(1), [0..10, 11..13]);
        assert_eq!(batch.rows_of(2), [13..13, 13..15]);
        let positions: Vec<usize> = (0..10).chain([10, 10, 11, 0, 1]).collect();
        assert_eq!(batch.positions(), positions);
        assert_eq!(batch.read(Reads::Last), Some(vec![10, 12, 14]));
        assert_eq!(batch.read(Reads::First), Some(vec![0, 0, 13]));
    }

    /// The last token is each text's own, so that each has a row to be read.
    #[test]
    fn identical_texts_keep_a_token_each() {
        let batch = Batch::sharing([BEGINNING.as_slice(), &BEGINNING, &BEGINNING]);
        assert_eq!(batch.ids(), [&BEGINNING[..8], &[9, 9, 9]].concat());
        assert_eq!(batch.read(Reads::Last), Some(vec![8, 9, 10]));
    }

    #[test]
    fn short_beginnings_are_not_shared() {
        let texts = [[1u32, 2, 3, 4].as_slice(), &[1, 2, 3, 5], &[7]];
        let batch = Batch::sharing(texts);
        assert_eq!(batch.ids(), texts.concat());
        assert_eq!(batch.rows_of(1), [4..4, 4..8]);
    }

    /// Two comparisons whose prompts begin alike only a little: each keeps its own long beginning.
    #[test]
    fn a_text_that_shares_much_less_starts_anew() {
        let long: Vec<u32> = (0..40).collect();
        let with = |end: &[u32]| [long.as_slice(), end].concat();
        let other = [&long[..10], &[90, 91]].concat();
        let pairs = [with(&[50, 51]), with(&[60]), other.clone(), other.clone()];
        let batch = Batch::sharing(pairs.iter().map(Vec::as_slice));
        let shared = |batch: &Batch, text: usize| batch.rows_of(text)[0].len();
        assert_eq!([0, 2].map(|text| shared(&batch, text)), [40, 11]);
        let alone_first = [other, with(&[50, 51]), with(&[60])];
        let batch = Batch::sharing(alone_first.iter().map(Vec::as_slice));
        assert_eq!([0, 1].map(|text| shared(&batch, text)), [0, 40]);
    }
}
