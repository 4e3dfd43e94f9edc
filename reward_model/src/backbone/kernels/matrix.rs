//! Matrices in slices.

use std::ops::Range;

/// A matrix in a slice: element (i, j) at `i · row_stride + j · column_stride`.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// `rows × columns`, rows `stride` elements apart.
    pub fn new(data: &'a [f32], rows: usize, columns: usize, stride: usize) -> Self {
        assert!(
            fits(data.len(), rows, columns, stride),
            "{rows}×{columns} by {stride} in {}",
            data.len()
        );
        Self {
            data,
            rows,
            columns,
            row_stride: stride,
            column_stride: 1,
        }
    }

    /// The same elements with rows and columns exchanged.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Elements from one row to the next, and from one column to the next.
    pub fn strides(&self) -> [usize; 2] {
        [self.row_stride, self.column_stride]
    }

    /// Some rows and columns of it.
    pub fn part(self, rows: Range<usize>, columns: Range<usize>) -> Self {
        assert!(
            rows.end <= self.rows && columns.end <= self.columns,
            "a part of a matrix"
        );
        let start = rows.start * self.row_stride + columns.start * self.column_stride;
        Self {
            data: self.data.get(start..).unwrap_or_default(),
            rows: rows.len(),
            columns: columns.len(),
            ..self
        }
    }

    /// Where element (i, j) lies.
    pub fn place(&self, i: usize, j: usize) -> *const f32 {
        assert!(i < self.rows && j < self.columns, "an element of a matrix");
        self.data[i * self.row_stride + j * self.column_stride..].as_ptr()
    }

    /// Copies it, row after row, into rows that are `width` elements apart; both ways of lying are read in their own order.
    pub fn copy_rows(&self, to: &mut [f32], width: usize) {
        if self.column_stride == 1 {
            for (i, to) in to.chunks_mut(width).take(self.rows).enumerate() {
                let start = i * self.row_stride;
                to[..self.columns].copy_from_slice(&self.data[start..start + self.columns]);
            }
            return;
        }
        let columns: Vec<&[f32]> = (0..self.columns)
            .map(|j| &self.data[j * self.column_stride..])
            .collect();
        for (i, to) in to.chunks_mut(width).take(self.rows).enumerate() {
            let at = i * self.row_stride;
            for (to, column) in to.iter_mut().zip(&columns) {
                *to = column[at];
            }
        }
    }
}

/// Whether a matrix of this shape lies within `len` elements.
pub(super) fn fits(len: usize, rows: usize, columns: usize, stride: usize) -> bool {
    columns <= stride && (rows == 0 || columns == 0 || (rows - 1) * stride + columns <= len)
}
