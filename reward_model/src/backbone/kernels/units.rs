//! Matrix products over units of 32 bits: one f32, or two bf16 that stand one after the other along the inner dimension.
//!
//! Both precisions so share one way of lying in memory and one loop; only the multiplication differs: a fused multiply-add, or
//! `vdpbf16ps`, which multiplies pairs of bf16 and adds them up in f32. After Goto and van de Geijn 2008: the right side lies
//! in panels of 32 columns that stay in the first-level cache while rows of the left pass by.

use serde::{Deserialize, Serialize};

use super::unit_tile::{Step, TALL, WIDE, step_tile};
use super::vector::vectorised;

/// In which numbers products are computed; sums, norms and the optimizer are in f32 either way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// Single precision.
    #[default]
    F32,
    /// Factors rounded to bfloat16 (8 bits of mantissa), sums in f32: fast on processors with AVX-512 BF16.
    Bf16,
}

impl Precision {
    /// Units that `count` elements take.
    pub(crate) fn units(self, count: usize) -> usize {
        match self {
            Self::F32 => count,
            Self::Bf16 => count.div_ceil(2),
        }
    }
}

/// Units of the inner dimension that are multiplied before the result is touched: a panel of so many fills 24 kB.
const DEPTH: usize = 192;
/// Rows of the left side that pass by a panel together.
const ROWS: usize = 8 * TALL;

/// The upper half of an f32, rounded to nearest even: a bf16.
#[inline(always)]
fn rounded(x: f32) -> u32 {
    let bits = x.to_bits();
    bits.wrapping_add(0x7fff + ((bits >> 16) & 1))
}

/// Writes a row of f32 as units; an odd last bf16 has a zero beside it.
#[inline(always)]
pub(crate) fn write_row(precision: Precision, from: &[f32], to: &mut [u32]) {
    match precision {
        Precision::F32 => to
            .iter_mut()
            .zip(from)
            .for_each(|(to, from)| *to = from.to_bits()),
        Precision::Bf16 => {
            let pairs = from.chunks_exact(2);
            if let ([last], Some(to)) = (pairs.remainder(), to.get_mut(from.len() / 2)) {
                *to = rounded(*last) >> 16;
            }
            for (to, pair) in to.iter_mut().zip(pairs) {
                *to = (rounded(pair[0]) >> 16) | (rounded(pair[1]) & 0xffff_0000);
            }
        }
    }
}

/// Rows of units, `stride` units apart: a left side as it is, or the source of a right side.
#[derive(Default, Clone)]
pub(crate) struct Rows {
    pub data: Vec<u32>,
    pub units: usize,
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
        self.units = precision.units(columns);
        self.data.resize(rows * self.units, 0);
        let units = self.units.max(1);
        vectorised(
            #[inline(always)]
            || {
                for (to, from) in self.data.chunks_exact_mut(units).zip(from.chunks(stride)) {
                    write_row(precision, &from[..columns], to);
                }
            },
        );
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
    data: &'a [u32],
    rows: usize,
    units: usize,
    tile_stride: usize,
    row_stride: usize,
    unit_stride: usize,
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
            tile_stride: TALL * stride,
            row_stride: stride,
            unit_stride: 1,
        }
    }

    /// Some of its rows; `from` is a multiple of a tile's height where tiles lie apart.
    pub fn part(self, from: usize, rows: usize) -> Self {
        assert!(from + rows <= self.rows, "rows of a left side");
        let start = from / TALL * self.tile_stride + from % TALL * self.row_stride;
        Self {
            data: self.data.get(start..).unwrap_or_default(),
            rows,
            ..self
        }
    }
}

/// A left side that is the transpose of rows in memory: its tiles' units lie one after the other.
#[derive(Default)]
pub(crate) struct Turned {
    data: Vec<u32>,
    rows: usize,
    units: usize,
}

impl Turned {
    /// Takes in the transpose of `from`, `inner` rows of `columns` that are `stride` apart.
    pub fn fill(&mut self, precision: Precision, from: &[f32], [inner, columns]: [usize; 2], stride: usize) {
        (self.rows, self.units) = (columns, precision.units(inner));
        let units = self.units;
        self.data.resize(columns.next_multiple_of(TALL) * units, 0);
        vectorised(
            #[inline(always)]
            || {
                for (tile, to) in self.data.chunks_exact_mut((TALL * units).max(1)).enumerate() {
                    let column = tile * TALL;
                    interleave::<TALL>(
                        precision,
                        from,
                        [inner, stride],
                        column..columns.min(column + TALL),
                        to,
                    );
                }
            },
        );
    }

    pub fn left(&self) -> Left<'_> {
        Left {
            data: &self.data,
            rows: self.rows,
            units: self.units,
            tile_stride: TALL * self.units,
            row_stride: 1,
            unit_stride: TALL,
        }
    }
}

/// Some columns of rows in memory, unit after unit along the rows, `N` columns side by side, zeros beyond the last.
#[inline(always)]
fn interleave<const N: usize>(
    precision: Precision,
    from: &[f32],
    [inner, stride]: [usize; 2],
    columns: std::ops::Range<usize>,
    to: &mut [u32],
) {
    let count = columns.len();
    let row = |i: usize| &from[i * stride + columns.start..][..count];
    let write = |to: &mut [u32], unit: &dyn Fn(usize) -> u32| {
        to[..count]
            .iter_mut()
            .enumerate()
            .for_each(|(j, to)| *to = unit(j));
        to[count..].fill(0);
    };
    match precision {
        Precision::F32 => {
            for (i, to) in to.chunks_exact_mut(N).enumerate() {
                let a = row(i);
                if count == N {
                    (0..N).for_each(|j| to[j] = a[j].to_bits());
                } else {
                    write(to, &|j| a[j].to_bits());
                }
            }
        }
        Precision::Bf16 => {
            for (i, to) in to.chunks_exact_mut(N).enumerate() {
                let a = row(2 * i);
                if 2 * i + 1 == inner {
                    write(to, &|j| rounded(a[j]) >> 16);
                    continue;
                }
                let b = row(2 * i + 1);
                if count == N {
                    let (a, b) = (&a[..N], &b[..N]);
                    (0..N).for_each(|j| to[j] = (rounded(a[j]) >> 16) | (rounded(b[j]) & 0xffff_0000));
                } else {
                    write(to, &|j| (rounded(a[j]) >> 16) | (rounded(b[j]) & 0xffff_0000));
                }
            }
        }
    }
}

/// The right side of a product: blocks of [`DEPTH`] units, in a block panels of 32 columns, in a panel unit after unit.
#[derive(Default)]
pub(crate) struct Panels {
    data: Vec<u32>,
    units: usize,
    columns: usize,
    precision: Precision,
}

impl Panels {
    fn reshape(&mut self, precision: Precision, inner: usize, columns: usize) {
        self.precision = precision;
        (self.units, self.columns) = (precision.units(inner), columns);
        self.data.resize(self.units * columns.next_multiple_of(WIDE), 0);
    }

    /// The panels of each block, with the block's first unit and its depth.
    fn each(&mut self, mut f: impl FnMut(usize, usize, usize, &mut [u32])) {
        let panels = self.columns.div_ceil(WIDE);
        let units = self.units;
        for (block, to) in self.data.chunks_mut((DEPTH * panels * WIDE).max(1)).enumerate() {
            let first = block * DEPTH;
            let depth = DEPTH.min(units - first);
            for (panel, to) in to.chunks_exact_mut(depth * WIDE).enumerate() {
                f(first, depth, panel * WIDE, to);
            }
        }
    }

    /// Takes in `inner` rows of `columns` that are `stride` apart.
    pub fn fill(&mut self, precision: Precision, from: &[f32], [inner, columns]: [usize; 2], stride: usize) {
        self.reshape(precision, inner, columns);
        let a_unit = if precision == Precision::F32 { 1 } else { 2 };
        vectorised(
            #[inline(always)]
            || {
                self.each(
                    #[inline(always)]
                    |first, _, column, to| {
                        let rows = &from[(first * a_unit * stride).min(from.len())..];
                        let shape = [inner - first * a_unit, stride];
                        interleave::<WIDE>(precision, rows, shape, column..columns.min(column + WIDE), to);
                    },
                );
            },
        );
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
        self.each(|first, depth, column, to| {
            let count = WIDE.min(columns - column);
            if count < WIDE {
                to.fill(0);
            }
            for j in 0..count {
                let row = &from[(column + j) * stride + first..][..depth];
                for (unit, &value) in row.iter().enumerate() {
                    to[unit * WIDE + j] = value;
                }
            }
        });
    }
}

/// What is done with a tile of the product.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    /// It replaces what is there.
    Over,
    /// It is added to what is there.
    Add,
}

/// `out ← left · right` or `out + left · right`; rows of `out` are `stride` apart.
pub(crate) fn multiply(out: &mut [f32], stride: usize, left: Left, right: &Panels, write: Write) {
    let (rows, columns) = (left.rows, right.columns);
    assert_eq!(left.units, right.units, "inner sizes of a product");
    assert!(
        columns <= stride && (rows == 0 || (rows - 1) * stride + columns <= out.len()),
        "{rows}×{columns} by {stride} in {}",
        out.len()
    );
    if left.units == 0 && write == Write::Over {
        out.chunks_mut(stride)
            .take(rows)
            .for_each(|row| row[..columns].fill(0.0));
    }
    let panels = columns.div_ceil(WIDE);
    let step = Step::of(right.precision);
    for (block, first) in (0..right.units).step_by(DEPTH).enumerate() {
        let depth = DEPTH.min(right.units - first);
        let panel =
            |panel: usize| &right.data[(block * DEPTH * panels + panel * depth) * WIDE..][..depth * WIDE];
        for from in (0..rows).step_by(ROWS) {
            let part = left.part(from, ROWS.min(rows - from));
            for p in 0..panels {
                let to = &mut out[from * stride + p * WIDE..];
                let keep = write == Write::Add || first > 0;
                // SAFETY: `part` and `out` were checked to hold these rows; a panel has `depth` units of 32.
                unsafe {
                    let left = part.data.as_ptr().add(first * part.unit_stride);
                    let strides = [part.tile_stride, part.row_stride, part.unit_stride];
                    let (panel, columns) = (panel(p), WIDE.min(columns - p * WIDE));
                    step_tile(
                        step,
                        left,
                        strides,
                        [part.rows, depth, columns],
                        panel,
                        to.as_mut_ptr(),
                        stride,
                        keep,
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let number = |i: usize| (i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed) >> 16;
        (0..count).map(|i| number(i) as f32 / 65_536.0 - 0.5).collect()
    }

    fn turned(x: &[f32], columns: usize) -> Vec<f32> {
        (0..columns)
            .flat_map(|j| x.iter().skip(j).step_by(columns).copied())
            .collect()
    }

    /// Every way of lying and writing, whole and partial tiles, odd depths, against sums in f64 of what was multiplied.
    #[test]
    fn products_equal_plain_sums() {
        for precision in [Precision::F32, Precision::Bf16] {
            for [m, k, n] in [[1, 1, 1], [13, 5, 7], [110, 33, 40], [7, 401, 130], [25, 64, 32]] {
                let (l, r) = (numbers(m * k, 1), numbers(k * n, 2));
                let plain = |x: f32| match precision {
                    Precision::F32 => f64::from(x),
                    Precision::Bf16 => f64::from(f32::from_bits(rounded(x) & 0xffff_0000)),
                };
                let (mut rows, mut turned_left, mut panels) =
                    (Rows::default(), Turned::default(), Panels::default());
                rows.fill(precision, &l, k);
                turned_left.fill(precision, &turned(&l, k), [k, m], m);
                for ways in 0..8 {
                    let left = if ways & 1 == 0 {
                        rows.left()
                    } else {
                        turned_left.left()
                    };
                    if ways & 2 == 0 {
                        panels.fill(precision, &r, [k, n], n);
                    } else {
                        let mut columns = Rows::default();
                        columns.fill(precision, &turned(&r, n), k);
                        panels.fill_turned(precision, &columns.data, [k, n], columns.units);
                    }
                    let (stride, add) = (n + 3, ways & 4 != 0);
                    let mut out = vec![1.0; m * stride];
                    multiply(
                        &mut out,
                        stride,
                        left,
                        &panels,
                        if add { Write::Add } else { Write::Over },
                    );
                    for i in 0..m {
                        for j in 0..n {
                            let want: f64 = (0..k).map(|u| plain(l[i * k + u]) * plain(r[u * n + j])).sum();
                            let got = f64::from(out[i * stride + j]) - f64::from(u8::from(add));
                            assert!(
                                (got - want).abs() < 1e-5 * (1.0 + want.abs()),
                                "{precision:?} {m}×{k}×{n} {ways} at {i},{j}: {got} {want}"
                            );
                        }
                        assert!(out[i * stride + n..(i + 1) * stride].iter().all(|&x| x == 1.0));
                    }
                }
            }
        }
    }
}
