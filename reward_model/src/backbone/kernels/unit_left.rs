//! Left sides of products over units.

use super::unit_tile::MR;
use super::unit_write::{bits, floats, interleave, write_row};
use recipe::Precision;

use super::units::InUnits;

/// Units along the inner dimension that are written of all tiles, before the next ones: their rows stay in the first-level
/// cache, and so do the lines that they share, also where rows are half a page apart.
pub(super) const STRIP: usize = 8;

/// Rows of units, `stride` units apart: a left side as it is, or the source of a right side.
#[derive(Default, Clone)]
pub(crate) struct Rows {
    pub data: Vec<u32>,
    pub units: usize,
    /// Room for a row before it is rounded.
    row: Vec<f32>,
}

impl Rows {
    /// Takes in rows of `columns` elements that follow one another.
    pub fn fill(&mut self, precision: Precision, from: &[f32], columns: usize) {
        self.fill_part(precision, from, [from.len() / columns.max(1), columns], columns);
    }

    /// Takes in `rows` of `columns` elements that are `stride` apart.
    pub fn fill_part(
        &mut self,
        precision: Precision,
        from: &[f32],
        [rows, columns]: [usize; 2],
        stride: usize,
    ) {
        self.reshape(precision, [rows, columns]);
        let units = self.units.max(1);
        for (to, from) in self.data.chunks_exact_mut(units).zip(from.chunks(stride.max(1))) {
            write_row(precision, &from[..columns], to);
        }
    }

    /// Takes in `rows` of `columns` elements that `row` writes, given an index: in bf16 they need not leave the first-level cache.
    pub fn fill_with(
        &mut self,
        precision: Precision,
        [rows, columns]: [usize; 2],
        mut row: impl FnMut(usize, &mut [f32]),
    ) {
        self.reshape(precision, [rows, columns]);
        self.row.resize(columns, 0.0);
        for (i, to) in self.data.chunks_exact_mut(self.units.max(1)).enumerate() {
            if precision == Precision::F32 {
                row(i, floats(to));
            } else {
                row(i, &mut self.row);
                write_row(precision, &self.row, to);
            }
        }
    }

    fn reshape(&mut self, precision: Precision, [rows, columns]: [usize; 2]) {
        self.units = precision.units(columns);
        self.data.resize(rows * self.units, 0);
    }

    /// Makes room for rows that [`Rows::round`] writes; in f32, where they stay where they are, for none.
    pub fn expect(&mut self, precision: Precision, [rows, columns]: [usize; 2]) {
        let rows = if precision == Precision::F32 { 0 } else { rows };
        self.reshape(precision, [rows, columns]);
    }

    /// Takes in a row that is expected.
    #[inline]
    pub fn round(&mut self, i: usize, row: &[f32]) {
        if !self.data.is_empty() {
            write_row(
                Precision::Bf16,
                row,
                &mut self.data[i * self.units..][..self.units],
            );
        }
    }

    /// The rows that were expected, which are these, as a left side.
    pub fn expected<'a>(
        &'a self,
        precision: Precision,
        from: &'a [f32],
        shape: [usize; 2],
        stride: usize,
    ) -> Left<'a> {
        match precision {
            Precision::F32 => Left::rows(bits(from), shape[0], shape[1], stride),
            Precision::Bf16 => self.left(),
        }
    }

    /// Rows of elements as a left side: in f32 as they lie, in bf16 taken in.
    pub fn view<'a>(
        &'a mut self,
        precision: Precision,
        from: &'a [f32],
        [rows, columns]: [usize; 2],
        stride: usize,
    ) -> Left<'a> {
        if precision != Precision::F32 {
            self.fill_part(precision, from, [rows, columns], stride);
        }
        self.expected(precision, from, [rows, columns], stride)
    }

    /// All rows, as a left side.
    pub fn left(&self) -> Left<'_> {
        let rows = self.data.len() / self.units.max(1);
        Left::rows(&self.data, rows, self.units, self.units)
    }
}

/// The left side of a product: unit u of row i at `tile(i) · tile_stride + in_tile(i) · row_stride + u · unit_stride`.
#[derive(Clone, Copy)]
pub(crate) struct Left<'a> {
    pub(super) data: &'a [u32],
    pub(super) rows: usize,
    pub(super) units: usize,
    pub(super) tile_stride: usize,
    pub(super) row_stride: usize,
    pub(super) unit_stride: usize,
}

impl<'a> Left<'a> {
    /// Rows that each lie in one piece, `stride` units apart.
    pub fn rows(data: &'a [u32], rows: usize, units: usize, stride: usize) -> Self {
        assert!(
            rows == 0 || units == 0 || (rows - 1) * stride + units <= data.len(),
            "{rows}×{units} by {stride} in {}",
            data.len()
        );
        Self {
            data,
            rows,
            units,
            tile_stride: MR * stride,
            row_stride: stride,
            unit_stride: 1,
        }
    }

    /// Some of its rows; `from` is a multiple of a tile's height where tiles lie apart.
    pub fn part(self, from: usize, rows: usize) -> Self {
        assert!(from + rows <= self.rows, "rows of a left side");
        let start = from / MR * self.tile_stride + from % MR * self.row_stride;
        Self {
            data: self.data.get(start..).unwrap_or_default(),
            rows,
            ..self
        }
    }
}

/// A left side that is the transpose of rows in memory: its tiles' units lie one after the other.
#[derive(Default)]
pub(crate) struct Transposed {
    data: Vec<u32>,
    rows: usize,
    units: usize,
}

impl Transposed {
    /// Takes in the transpose of `from`, `inner` rows of `columns` that are `stride` apart.
    pub fn fill(&mut self, precision: Precision, from: &[f32], [inner, columns]: [usize; 2], stride: usize) {
        (self.rows, self.units) = (columns, precision.units(inner));
        let units = self.units;
        self.data.resize(columns.next_multiple_of(MR) * units, 0);
        let rows = precision.rows(STRIP);
        for (first, from) in (0..inner).step_by(rows).zip(from.chunks((rows * stride).max(1))) {
            let strip = rows.min(inner - first);
            let at = MR * precision.units(first);
            for (tile, to) in self.data.chunks_exact_mut((MR * units).max(1)).enumerate() {
                let column = tile * MR;
                let to = &mut to[at..][..MR * precision.units(strip)];
                let own = column..columns.min(column + MR);
                interleave::<MR>(precision, from, [strip, stride], own, to);
            }
        }
    }

    pub fn left(&self) -> Left<'_> {
        Left {
            data: &self.data,
            rows: self.rows,
            units: self.units,
            tile_stride: MR * self.units,
            row_stride: 1,
            unit_stride: MR,
        }
    }
}
