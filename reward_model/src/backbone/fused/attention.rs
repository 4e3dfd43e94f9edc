//! Attention of one head of one text, block of queries by block, the scores computed again on the way back (Dao et al. 2022,
//! "FlashAttention", without the tiling of keys: a block's scores stay in the second-level cache).

use super::super::kernels::units::{Left, Panels, Rows, Transposed, Write, multiply};
use super::super::kernels::{exponentials, row_dots, score_gradients};
use recipe::Precision;

/// Query rows worked on at once; a multiple of a tile's height.
const BLOCK: usize = 96;

/// What a thread keeps from head to head.
#[derive(Default)]
pub(super) struct HeadScratch {
    scores: Vec<f32>,
    slopes: Vec<f32>,
    queries: Rows,
    keys: Rows,
    values: Rows,
    douts: Rows,
    left: Rows,
    transposed: Transposed,
    keys_as_columns: Panels,
    values_as_rows: Panels,
    values_as_columns: Panels,
    keys_as_rows: Panels,
    block_rows: Panels,
    out: Vec<f32>,
    dots: Vec<f32>,
}

/// One head of one text in tensors of all heads and texts: queries, keys and values begin at these elements and their rows
/// are `stride` apart; results begin at `context` and are `context_stride` apart; sums of rows at `sums`, `heads` apart.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub precision: Precision,
    pub scale: f32,
    pub size: usize,
    pub rows: usize,
    pub keys: usize,
    pub places: [usize; 3],
    pub stride: usize,
    pub context: usize,
    pub context_stride: usize,
    pub sums: usize,
    pub heads: usize,
}

impl Head {
    fn width(&self) -> usize {
        (self.keys.div_ceil(16) | 1) * 16
    }

    fn blocks(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let rows = self.rows;
        (0..rows)
            .step_by(BLOCK)
            .map(move |from| (from, BLOCK.min(rows - from)))
    }

    /// Takes in queries and keys.
    fn load(&self, qkv: &[f32], scratch: &mut HeadScratch) {
        let [q, k, _] = self.places;
        let HeadScratch {
            queries,
            keys,
            keys_as_columns,
            ..
        } = scratch;
        queries.fill_part(self.precision, &qkv[q..], [self.rows, self.size], self.stride);
        keys.fill_part(self.precision, &qkv[k..], [self.keys, self.size], self.stride);
        keys_as_columns.fill_turned(self.precision, &keys.data, [self.size, self.keys], keys.units);
    }

    /// Scores of a block of queries.
    fn scores(&self, (from, rows): (usize, usize), scratch: &mut HeadScratch) {
        let (width, part) = (self.width(), scratch.queries.left().part(from, rows));
        scratch.scores.resize(BLOCK * width, 0.0);
        multiply(
            &mut scratch.scores,
            width,
            part,
            &scratch.keys_as_columns,
            Write::Over,
        );
    }

    pub fn forward(&self, qkv: &[f32], context: &mut [f32], log_sums: &mut [f32], scratch: &mut HeadScratch) {
        self.load(qkv, scratch);
        let values = &qkv[self.places[2]..];
        scratch
            .values_as_rows
            .fill(self.precision, values, [self.keys, self.size], self.stride);
        let width = self.width();
        for (from, rows) in self.blocks() {
            self.scores((from, rows), scratch);
            let HeadScratch {
                scores,
                left,
                out,
                values_as_rows,
                dots,
                ..
            } = scratch;
            dots.resize(BLOCK, 0.0);
            let logs = &mut log_sums[self.sums + from * self.heads..];
            left.expect(self.precision, [rows, self.keys]);
            let (shape, sums) = ([self.keys, width], (&mut dots[..], logs, self.heads));
            exponentials(&mut scores[..rows * width], shape, self.scale, sums, |i, row| {
                left.round(i, row)
            });
            let left = left.expected(self.precision, scores, [rows, self.keys], width);
            out.resize(BLOCK * self.size, 0.0);
            multiply(out, self.size, left, values_as_rows, Write::Over);
            for i in 0..rows {
                let inverse = 1.0 / dots[i];
                let to = &mut context[self.context + (from + i) * self.context_stride..][..self.size];
                let own = &out[i * self.size..][..self.size];
                to.iter_mut().zip(own).for_each(|(to, own)| *to = own * inverse);
            }
        }
    }

    /// Gradients by queries, keys and values, where those are in `qkv`, over what is there.
    pub fn backward(
        &self,
        qkv: &[f32],
        [context, dcontext, log_sums]: [&[f32]; 3],
        dqkv: &mut [f32],
        scratch: &mut HeadScratch,
    ) {
        self.load(qkv, scratch);
        let ([q, k, v], shape) = (self.places, [self.keys, self.size]);
        scratch
            .keys_as_rows
            .fill(self.precision, &qkv[k..], shape, self.stride);
        scratch
            .values
            .fill_part(self.precision, &qkv[v..], shape, self.stride);
        let (values, units) = (&scratch.values.data, scratch.values.units);
        scratch
            .values_as_columns
            .fill_turned(self.precision, values, [self.size, self.keys], units);
        let own = [self.rows, self.size];
        scratch.douts.fill_part(
            self.precision,
            &dcontext[self.context..],
            own,
            self.context_stride,
        );
        let width = self.width();
        for (from, rows) in self.blocks() {
            self.scores((from, rows), scratch);
            let HeadScratch {
                scores,
                slopes,
                left,
                transposed,
                block_rows,
                dots,
                douts,
                ..
            } = scratch;
            slopes.resize(BLOCK * width, 0.0);
            let part: Left = douts.left().part(from, rows);
            multiply(slopes, width, part, &scratch.values_as_columns, Write::Over);
            dots.resize(rows, 0.0);
            let at = self.context + from * self.context_stride;
            let shape = [self.size, self.context_stride];
            row_dots(&context[at..], &dcontext[at..], shape, &mut dots[..rows]);
            let logs = &log_sums[self.sums + from * self.heads..];
            let count = rows * width;
            left.expect(self.precision, [rows, self.keys]);
            score_gradients(
                &mut scores[..count],
                &mut slopes[..count],
                [self.keys, width],
                self.scale,
                (dots, logs, self.heads),
                |i, row| left.round(i, row),
            );
            let block = [rows, self.size];
            transposed.fill(self.precision, scores, [rows, self.keys], width);
            block_rows.fill(self.precision, &dcontext[at..], block, self.context_stride);
            // The first block finds whatever was there before.
            let write = if from == 0 { Write::Over } else { Write::Add };
            multiply(&mut dqkv[v..], self.stride, transposed.left(), block_rows, write);
            transposed.fill(self.precision, slopes, [rows, self.keys], width);
            block_rows.fill(self.precision, &qkv[q + from * self.stride..], block, self.stride);
            multiply(&mut dqkv[k..], self.stride, transposed.left(), block_rows, write);
            let left = left.expected(self.precision, slopes, [rows, self.keys], width);
            let to = &mut dqkv[q + from * self.stride..];
            multiply(to, self.stride, left, &scratch.keys_as_rows, Write::Over);
        }
    }
}
