//! One head of one segment: block of queries by block, the scores computed again on the way back (Dao et al. 2022,
//! "FlashAttention", without the tiling of keys: a block's scores stay in the second-level cache).

use std::ops::Range;

use super::super::kernels;
use super::super::kernels::units::{Panels, Rows, Transposed, Write, multiply, multiply_part};
use super::meeting::Span;
use recipe::Precision;

/// Query rows worked on at once: their scores against 512 keys stay in the second-level cache.
const BLOCK: usize = 48;

/// Rows of one length, `stride` elements apart.
#[derive(Clone, Copy)]
pub(super) struct Lines<'a> {
    data: &'a [f32],
    rows: usize,
    stride: usize,
}

impl<'a> Lines<'a> {
    /// Those of one head of some rows in a tensor of `heads` heads.
    pub fn of(data: &'a [f32], rows: &Range<usize>, [head, heads, size]: [usize; 3]) -> Self {
        let start = (rows.start * heads + head) * size;
        Self {
            data: data.get(start..).unwrap_or_default(),
            rows: rows.len(),
            stride: heads * size,
        }
    }

    /// The same of two ranges of rows, copied together only where both are there.
    pub fn of_both(
        data: &'a [f32],
        [shared, own]: &[Range<usize>; 2],
        head: [usize; 3],
        gathered: &'a mut Vec<f32>,
    ) -> Self {
        if shared.is_empty() || own.is_empty() {
            return Self::of(data, if shared.is_empty() { own } else { shared }, head);
        }
        let size = head[2];
        gathered.clear();
        for rows in [shared, own] {
            let lines = Self::of(data, rows, head);
            (0..lines.rows).for_each(|row| gathered.extend_from_slice(&lines.from(row)[..size]));
        }
        Self {
            data: gathered,
            rows: shared.len() + own.len(),
            stride: size,
        }
    }

    fn from(&self, row: usize) -> &'a [f32] {
        &self.data[row * self.stride..]
    }
}

/// Queries \[queries, size\], keys and values \[keys, size\] of a head, and how they meet.
pub(super) struct Head<'a> {
    pub precision: Precision,
    pub span: Span,
    pub scale: f32,
    pub cap: Option<f32>,
    pub size: usize,
    pub q: Lines<'a>,
    pub k: Lines<'a>,
    pub v: Lines<'a>,
}

/// Gradients by a head's queries, keys and values.
pub(super) struct HeadGradients {
    pub q: Vec<f32>,
    pub k: Vec<f32>,
    pub v: Vec<f32>,
}

/// Some queries, and the keys that any of them sees.
struct Block {
    rows: Range<usize>,
    keys: Range<usize>,
    /// Of these keys, those that each row sees; nothing where every row sees all.
    visible: Option<Vec<Range<usize>>>,
    /// Elements from one row of scores to the next: never a power of two, which would put a column into few places of the cache.
    stride: usize,
}

/// What a thread keeps from head to head.
#[derive(Default)]
pub(super) struct Scratch {
    /// Probabilities of a block, and their gradients.
    p: Vec<f32>,
    ds: Vec<f32>,
    /// `tanh(score / cap)`, with a cap.
    bent: Vec<f32>,
    queries: Rows,
    keys: Rows,
    values: Rows,
    douts: Rows,
    left: Rows,
    transposed: Transposed,
    keys_as_columns: Panels,
    keys_as_rows: Panels,
    values_as_columns: Panels,
    values_as_rows: Panels,
    block_rows: Panels,
    /// Keys and values that lie apart, gathered.
    pub gathered: [Vec<f32>; 2],
}

impl Head<'_> {
    /// The blocks of the queries; key ranges begin where a panel of packed keys does.
    fn blocks(&self) -> Vec<Block> {
        let (queries, keys) = (self.q.rows, self.k.rows);
        let block = |row: usize| {
            let rows = row..queries.min(row + BLOCK);
            let each = |row: usize| self.span.of_query(row, queries, keys);
            let seen = Panels::first_of_panel(each(rows.start).start)..each(rows.end - 1).end;
            let within = |range: Range<usize>| range.start - seen.start..range.end - seen.start;
            let visible =
                (self.span != Span::Text).then(|| rows.clone().map(|row| within(each(row))).collect());
            Block {
                stride: (seen.len().div_ceil(16) | 1) * 16,
                keys: seen,
                rows,
                visible,
            }
        };
        (0..queries).step_by(BLOCK).map(block).collect()
    }

    /// Takes in queries, and keys to multiply them with.
    fn load(&self, scratch: &mut Scratch) {
        let (Lines { rows, .. }, size) = (self.k, self.size);
        let Scratch { queries, keys, .. } = scratch;
        queries.fill_part(self.precision, self.q.data, [self.q.rows, size], self.q.stride);
        keys.fill_part(self.precision, self.k.data, [rows, size], self.k.stride);
        let columns = &mut scratch.keys_as_columns;
        columns.fill_turned(self.precision, &keys.data, [size, rows], keys.units);
    }

    /// Probabilities of a block into the scratch.
    fn probabilities(&self, block: &Block, scratch: &mut Scratch) {
        let (p, columns) = (&mut scratch.p, block.keys.len());
        p.resize(block.rows.len() * block.stride, 0.0);
        let queries = scratch.queries.left().part(block.rows.start, block.rows.len());
        let keys = scratch.keys_as_columns.part(0..self.size, block.keys.clone());
        multiply_part(p, block.stride, queries, keys, Write::Over);
        let scale = match self.cap {
            Some(cap) => {
                p.iter_mut().for_each(|x| *x = (*x * self.scale / cap).tanh());
                scratch.bent.clone_from(p);
                cap
            }
            None => self.scale,
        };
        for (row, visible) in p
            .chunks_exact_mut(block.stride)
            .zip(block.visible.iter().flatten())
        {
            row[..visible.start].fill(f32::NEG_INFINITY);
            row[visible.end..columns].fill(f32::NEG_INFINITY);
        }
        kernels::softmax_rows(p, columns, block.stride, scale);
    }

    /// What the head gives, \[queries, size\].
    pub fn forward(&self, scratch: &mut Scratch) -> Vec<f32> {
        let (size, precision) = (self.size, self.precision);
        self.load(scratch);
        let shape = [self.v.rows, size];
        scratch
            .values_as_rows
            .fill(precision, self.v.data, shape, self.v.stride);
        let mut out = vec![0.0; self.q.rows * size];
        for block in self.blocks() {
            self.probabilities(&block, scratch);
            let shape = [block.rows.len(), block.keys.len()];
            let p = scratch.left.view(precision, &scratch.p, shape, block.stride);
            let values = scratch.values_as_rows.part(block.keys.clone(), 0..size);
            let out = &mut out[block.rows.start * size..];
            multiply_part(out, size, p, values, Write::Over);
        }
        out
    }

    /// Gradients from those of what the head gave. The probabilities are computed again: keeping them would take more memory
    /// than all else.
    pub fn backward(&self, dout: Lines, scratch: &mut Scratch) -> HeadGradients {
        let (size, precision) = (self.size, self.precision);
        let (queries, shape) = (self.q.rows, [self.k.rows, self.size]);
        self.load(scratch);
        scratch
            .keys_as_rows
            .fill(precision, self.k.data, shape, self.k.stride);
        let values = &mut scratch.values;
        values.fill_part(precision, self.v.data, shape, self.v.stride);
        let columns = &mut scratch.values_as_columns;
        columns.fill_turned(precision, &values.data, [size, shape[0]], values.units);
        scratch
            .douts
            .fill_part(precision, dout.data, [queries, size], dout.stride);
        let mut gradients = HeadGradients {
            q: vec![0.0; queries * size],
            k: vec![0.0; shape[0] * size],
            v: vec![0.0; shape[0] * size],
        };
        for block in self.blocks() {
            self.probabilities(&block, scratch);
            self.score_gradients(&block, scratch);
            self.block_gradients(&block, dout, scratch, &mut gradients);
        }
        gradients
    }

    /// Gradients of the products of a block's queries with keys.
    fn score_gradients(&self, block: &Block, scratch: &mut Scratch) {
        let Scratch { p, ds, bent, .. } = scratch;
        ds.resize(p.len(), 0.0);
        let douts = scratch.douts.left().part(block.rows.start, block.rows.len());
        let values = scratch.values_as_columns.part(0..self.size, block.keys.clone());
        multiply_part(ds, block.stride, douts, values, Write::Over);
        kernels::softmax_backward_rows(p, ds, block.keys.len(), block.stride, self.scale);
        if self.cap.is_some() {
            ds.iter_mut().zip(bent).for_each(|(ds, t)| *ds *= 1.0 - *t * *t);
        }
    }

    /// A block's part of the gradients.
    fn block_gradients(&self, block: &Block, dout: Lines, scratch: &mut Scratch, to: &mut HeadGradients) {
        let (size, precision) = (self.size, self.precision);
        let (rows, seen) = (&block.rows, block.keys.start * size);
        let (own, met) = ([rows.len(), size], [rows.len(), block.keys.len()]);
        let Scratch {
            p,
            ds,
            left,
            transposed,
            block_rows,
            keys_as_rows,
            ..
        } = scratch;
        transposed.fill(precision, p, met, block.stride);
        block_rows.fill(precision, dout.from(rows.start), own, dout.stride);
        multiply(&mut to.v[seen..], size, transposed.left(), block_rows, Write::Add);
        transposed.fill(precision, ds, met, block.stride);
        block_rows.fill(precision, self.q.from(rows.start), own, self.q.stride);
        multiply(&mut to.k[seen..], size, transposed.left(), block_rows, Write::Add);
        let ds = left.view(precision, ds, met, block.stride);
        let keys = keys_as_rows.part(block.keys.clone(), 0..size);
        multiply_part(&mut to.q[rows.start * size..], size, ds, keys, Write::Over);
    }
}
