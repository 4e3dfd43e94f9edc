//! Right sides of products over units.

use std::ops::Range;

use super::unit_left::STRIP;
use super::unit_tile::NR;
use super::unit_write::interleave;
use recipe::Precision;

use super::units::InUnits;

/// Units of the inner dimension that are multiplied before the result is touched: a panel of so many fills 24 kB.
pub(super) const KC: usize = 192;

/// The right side of a product: blocks of [`KC`] units, in a block panels of 32 columns, in a panel unit after unit.
#[derive(Default)]
pub(crate) struct Panels {
    pub(super) data: Vec<u32>,
    pub(super) units: usize,
    pub(super) columns: usize,
    pub(super) precision: Precision,
    /// Room for a few rows.
    rows: Vec<f32>,
}

/// Some of a right side.
#[derive(Clone)]
pub(crate) struct Part<'a> {
    pub(super) panels: &'a Panels,
    /// Along the inner dimension.
    pub(super) units: Range<usize>,
    pub(super) columns: Range<usize>,
}

impl Part<'_> {
    /// Units from `from` to `to`, which one block holds, of one of its panels.
    pub(super) fn panel(&self, from: usize, to: usize, panel: usize) -> &[u32] {
        let (all, block) = (self.panels, from / KC * KC);
        let depth = KC.min(all.units - block);
        let before = block * all.columns.div_ceil(NR) + (self.columns.start / NR + panel) * depth;
        &all.data[(before + from - block) * NR..(before + to - block) * NR]
    }
}

impl Panels {
    /// All of it.
    pub fn whole(&self) -> Part<'_> {
        Part {
            panels: self,
            units: 0..self.units,
            columns: 0..self.columns,
        }
    }

    /// Some elements along the inner dimension, from an even one on, of some columns from a panel's first on.
    pub fn part(&self, inner: Range<usize>, columns: Range<usize>) -> Part<'_> {
        let units = self.precision.units(inner.start)..self.precision.units(inner.end);
        assert!(
            inner.start.is_multiple_of(2)
                && columns.start.is_multiple_of(NR)
                && units.end <= self.units
                && columns.end <= self.columns,
            "a part of a right side"
        );
        Part {
            panels: self,
            units,
            columns,
        }
    }

    /// The first column of the panel that holds this one.
    pub fn first_of_panel(column: usize) -> usize {
        column - column % NR
    }

    pub fn columns(&self) -> usize {
        self.columns
    }

    fn reshape(&mut self, precision: Precision, inner: usize, columns: usize) {
        self.precision = precision;
        (self.units, self.columns) = (precision.units(inner), columns);
        self.data.resize(self.units * columns.next_multiple_of(NR), 0);
    }

    /// Some units of all panels, as many as [`STRIP`], then the next ones: their first, how many, and a panel's first column.
    fn each(&mut self, mut f: impl FnMut(usize, usize, usize, &mut [u32])) {
        let panels = self.columns.div_ceil(NR);
        let units = self.units;
        for (block, to) in self.data.chunks_mut((KC * panels * NR).max(1)).enumerate() {
            let depth = KC.min(units - block * KC);
            for first in (0..depth).step_by(STRIP) {
                let strip = STRIP.min(depth - first);
                for (panel, to) in to.chunks_exact_mut(depth * NR).enumerate() {
                    let to = &mut to[first * NR..][..strip * NR];
                    f(block * KC + first, strip, panel * NR, to);
                }
            }
        }
    }

    /// Takes in `inner` rows of `columns` that are `stride` apart.
    pub fn fill(&mut self, precision: Precision, from: &[f32], [inner, columns]: [usize; 2], stride: usize) {
        self.reshape(precision, inner, columns);
        self.each(|first, strip, column, to| {
            let row = precision.rows(first);
            let rows = precision.rows(strip).min(inner - row);
            let own = column..columns.min(column + NR);
            interleave::<NR>(precision, &from[row * stride..], [rows, stride], own, to);
        });
    }

    /// Takes in `inner` rows of `columns` that `rows` writes, a few at a time: it is given the first's index and room for them.
    pub fn fill_with(
        &mut self,
        precision: Precision,
        [inner, columns]: [usize; 2],
        mut rows: impl FnMut(usize, &mut [f32]),
    ) {
        self.reshape(precision, inner, columns);
        let mut some = std::mem::take(&mut self.rows);
        self.each(|first, strip, column, to| {
            let row = precision.rows(first);
            let count = precision.rows(strip).min(inner - row);
            if column == 0 {
                some.resize(count * columns, 0.0);
                rows(row, &mut some);
            }
            let own = column..columns.min(column + NR);
            interleave::<NR>(precision, &some, [count, columns], own, to);
        });
        self.rows = some;
    }

    /// Takes in the transpose of rows of units: `columns` of them, each of `inner` elements, `stride` units apart.
    pub fn fill_turned(
        &mut self,
        precision: Precision,
        from: &[u32],
        [inner, columns]: [usize; 2],
        stride: usize,
    ) {
        self.reshape(precision, inner, columns);
        self.each(|first, strip, column, to| {
            let count = NR.min(columns - column);
            if count < NR {
                to.fill(0);
            }
            for j in 0..count {
                let row = &from[(column + j) * stride + first..][..strip];
                for (unit, &value) in row.iter().enumerate() {
                    to[unit * NR + j] = value;
                }
            }
        });
    }
}
