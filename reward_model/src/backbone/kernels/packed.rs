//! The right side of a product, in the order in which the innermost loop reads it.

use std::ops::Range;

use super::matrix::Matrix;
use super::product::panel_width;

/// Inner elements that are multiplied before the result is touched: a panel of so many stays in the first-level cache.
pub(super) const DEPTH: usize = 384;

/// A matrix cut into panels, each as wide as two vectors: blocks of [`DEPTH`] rows, in a block its panels, in a panel row
/// after row. Beyond the last column there are zeros.
#[derive(Default)]
pub(crate) struct Packed {
    data: Vec<f32>,
    rows: usize,
    columns: usize,
    width: usize,
}

impl Packed {
    /// Takes a matrix in, in the memory that is there already.
    pub fn pack(&mut self, from: Matrix) {
        self.width = panel_width();
        (self.rows, self.columns) = (from.rows(), from.columns());
        let panels = self.columns.div_ceil(self.width);
        self.data.resize(self.rows * panels * self.width, 0.0);
        let blocks = self.data.chunks_mut((DEPTH * panels * self.width).max(1));
        for (block, to) in blocks.enumerate() {
            let first = block * DEPTH;
            let depth = DEPTH.min(self.rows - first);
            for (panel, to) in to.chunks_exact_mut(self.width * depth).enumerate() {
                let start = panel * self.width;
                let columns = self.width.min(self.columns - start);
                if columns < self.width {
                    to.fill(0.0);
                }
                let part = from.part(first..first + depth, start..start + columns);
                part.copy_rows(to, self.width);
            }
        }
    }

    /// All of it.
    pub fn whole(&self) -> PackedPart<'_> {
        self.part(0..self.rows, 0..self.columns)
    }

    /// Some rows of it, and some columns from the beginning of a panel on: see [`Packed::panel_start`].
    pub fn part(&self, rows: Range<usize>, columns: Range<usize>) -> PackedPart<'_> {
        assert!(
            rows.end <= self.rows && columns.end <= self.columns && columns.start.is_multiple_of(self.width),
            "a part of a packed matrix"
        );
        PackedPart {
            packed: self,
            rows,
            columns,
        }
    }

    /// The first column of the panel that holds this one.
    pub fn panel_start(&self, column: usize) -> usize {
        column - column % self.width
    }
}

/// Some rows and columns of a packed matrix.
pub(crate) struct PackedPart<'a> {
    packed: &'a Packed,
    pub(super) rows: Range<usize>,
    pub(super) columns: Range<usize>,
}

impl PackedPart<'_> {
    /// The blocks that its rows are in, and which of each.
    pub(super) fn blocks(&self) -> impl Iterator<Item = (usize, Range<usize>)> {
        let rows = self.rows.clone();
        (rows.start / DEPTH..rows.end.div_ceil(DEPTH)).map(move |block| {
            let (from, to) = (block * DEPTH, (block + 1) * DEPTH);
            (block, rows.start.max(from)..rows.end.min(to))
        })
    }

    /// The rows from `first` on of one block, in one of the part's panels.
    pub(super) fn panel(&self, block: usize, first: usize, panel: usize) -> &[f32] {
        let Packed {
            data,
            rows,
            columns,
            width,
        } = self.packed;
        let panels = columns.div_ceil(*width);
        let depth = DEPTH.min(rows - block * DEPTH);
        let start = (block * DEPTH * panels + (self.columns.start / width + panel) * depth) * width;
        &data[start + (first - block * DEPTH) * width..start + depth * width]
    }
}
