//! Matrix products over units of 32 bits: one f32, or two bf16 that stand one after the other along the inner dimension.
//!
//! Both precisions so share one way of lying in memory and one loop; only the multiplication differs: a fused multiply-add, or
//! `vdpbf16ps`, which multiplies pairs of bf16 and adds them up in f32. After Goto and van de Geijn 2008: the right side lies
//! in panels of 32 columns that stay in the first-level cache while rows of the left pass by.

use recipe::Precision;

use super::unit_panels::KC;
use super::unit_tile::{MR, NR, Out, Start, Step, step_tile};

pub(crate) use super::unit_left::{Left, Rows, Transposed};
pub(crate) use super::unit_panels::{Panels, Part};

/// How the numbers of a precision lie in units.
pub(crate) trait InUnits: Copy {
    /// Units that `count` elements take.
    fn units(self, count: usize) -> usize;

    /// Elements along the inner dimension that make so many units.
    fn rows(self, units: usize) -> usize;
}

impl InUnits for Precision {
    fn units(self, count: usize) -> usize {
        match self {
            Self::F32 => count,
            Self::Bf16 => count.div_ceil(2),
        }
    }

    fn rows(self, units: usize) -> usize {
        match self {
            Self::F32 => units,
            Self::Bf16 => 2 * units,
        }
    }
}

/// Rows of the left side that pass by a panel together.
const ROWS: usize = 8 * MR;

/// What is done with a product.
#[derive(Clone, Copy)]
pub(crate) enum Write<'a> {
    /// It replaces what is there.
    Over,
    /// It is added to what is there.
    Add,
    /// It and this row in each of its rows replace what is there.
    Onto(&'a [f32]),
}

impl<'a> Write<'a> {
    /// The same for some of the columns.
    pub fn of_columns(self, columns: std::ops::Range<usize>) -> Self {
        match self {
            Self::Onto(row) => Self::Onto(&row[columns]),
            other => other,
        }
    }

    /// What the product's first units are added to.
    fn start(self, columns: usize, there: Start) -> Option<Start> {
        match self {
            Self::Over => None,
            Self::Add => Some(there),
            Self::Onto(row) => {
                assert_eq!(row.len(), columns, "a row to add to a product");
                Some(Start {
                    from: row.as_ptr(),
                    stride: 0,
                })
            }
        }
    }
}

/// `out ← left · right`, and what `write` adds; rows of `out` are `stride` apart.
pub(crate) fn multiply(out: &mut [f32], stride: usize, left: Left, right: &Panels, write: Write) {
    multiply_part(out, stride, left, right.whole(), write);
}

/// The same with a part of a right side.
pub(crate) fn multiply_part(out: &mut [f32], stride: usize, left: Left, right: Part, write: Write) {
    let (rows, columns) = (left.rows, right.columns.len());
    assert!(
        columns <= stride && (rows == 0 || (rows - 1) * stride + columns <= out.len()),
        "{rows}×{columns} by {stride} in {}",
        out.len()
    );
    // SAFETY: as just checked.
    unsafe { multiply_columns(out.as_mut_ptr(), stride, left, right, write) }
}

/// [`multiply_part`] for a result of which others may be writing other columns meanwhile.
///
/// # Safety
/// As many columns as the right side has, of as many rows as the left side has, can be written at `to`, rows `stride` apart.
pub(super) unsafe fn multiply_columns(to: *mut f32, stride: usize, left: Left, right: Part, write: Write) {
    let (rows, columns) = (left.rows, right.columns.len());
    assert_eq!(left.units, right.units.len(), "inner sizes of a product");
    if left.units == 0 {
        for i in 0..rows {
            // SAFETY: a row of the result.
            let row = unsafe { std::slice::from_raw_parts_mut(to.add(i * stride), columns) };
            nothing(row, write);
        }
        return;
    }
    let there = Start {
        from: to.cast_const(),
        stride,
    };
    let step = Step::of(right.panels.precision);
    let mut first = right.units.start;
    while first < right.units.end {
        let end = right.units.end.min((first / KC + 1) * KC);
        let done = first - right.units.start;
        let start = if done > 0 {
            Some(there)
        } else {
            write.start(columns, there)
        };
        let out = Out { to, stride, start };
        for from in (0..rows).step_by(ROWS) {
            let part = left.part(from, ROWS.min(rows - from));
            for p in 0..columns.div_ceil(NR) {
                let panel = right.panel(first, end, p);
                let sizes = [part.rows, end - first, NR.min(columns - p * NR)];
                let strides = [part.tile_stride, part.row_stride, part.unit_stride];
                // SAFETY: `part` and `out` were checked to hold these rows; a panel has 32 elements for each unit.
                unsafe {
                    let left = part.data.as_ptr().add(done * part.unit_stride);
                    step_tile(step, left, strides, sizes, panel, out.at(from, p * NR));
                }
            }
        }
        first = end;
    }
}

/// A row of a product without inner elements: zeros.
fn nothing(row: &mut [f32], write: Write) {
    match write {
        Write::Over => row.fill(0.0),
        Write::Add => {}
        Write::Onto(own) => row.copy_from_slice(own),
    }
}

#[cfg(test)]
mod tests {
    use super::super::unit_write::rounded;
    use super::*;

    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let number = |i: usize| (i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed) >> 16;
        (0..count).map(|i| number(i) as f32 / 65_536.0 - 0.5).collect()
    }

    fn transposed(x: &[f32], columns: usize) -> Vec<f32> {
        (0..columns)
            .flat_map(|j| x.iter().skip(j).step_by(columns).copied())
            .collect()
    }

    /// Parts that begin and end within blocks, between panels and at the edge.
    #[test]
    fn parts_equal_products_of_copies() {
        let (m, k, n) = (13, 900, 70);
        let (l, r) = (numbers(m * k, 1), numbers(k * n, 2));
        for precision in [Precision::F32, Precision::Bf16] {
            let mut panels = Panels::default();
            panels.fill(precision, &r, [k, n], n);
            for inner in [0..900, 32..33, 64..501, 384..900, 700..899] {
                for columns in [0..70, 32..64, 64..70, 32..33] {
                    let (depth, width) = (inner.len(), columns.len());
                    let left: Vec<f32> = l.chunks(k).flat_map(|row| &row[inner.clone()]).copied().collect();
                    let rows = r[inner.start * n..inner.end * n].chunks(n);
                    let own: Vec<f32> = rows.flat_map(|row| &row[columns.clone()]).copied().collect();
                    let (mut rows, mut copied) = (Rows::default(), Panels::default());
                    rows.fill(precision, &left, depth);
                    copied.fill(precision, &own, [depth, width], width);
                    let [mut part, mut whole] = [vec![0.0; m * width], vec![0.0; m * width]];
                    let right = panels.part(inner.clone(), columns);
                    multiply_part(&mut part, width, rows.left(), right, Write::Over);
                    multiply(&mut whole, width, rows.left(), &copied, Write::Over);
                    for (a, b) in part.iter().zip(&whole) {
                        assert!((a - b).abs() < 1e-4, "{precision:?} {inner:?}: {a} {b}");
                    }
                }
            }
        }
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
                    (Rows::default(), Transposed::default(), Panels::default());
                rows.fill(precision, &l, k);
                turned_left.fill(precision, &transposed(&l, k), [k, m], m);
                for ways in 0..12 {
                    let left = if ways & 1 == 0 {
                        rows.left()
                    } else {
                        turned_left.left()
                    };
                    if ways & 2 == 0 {
                        panels.fill(precision, &r, [k, n], n);
                    } else {
                        let mut columns = Rows::default();
                        columns.fill(precision, &transposed(&r, n), k);
                        panels.fill_turned(precision, &columns.data, [k, n], columns.units);
                    }
                    let (stride, added) = (n + 3, vec![1.0; n]);
                    let write = [Write::Over, Write::Add, Write::Onto(&added)][ways / 4];
                    let mut out = vec![1.0; m * stride];
                    multiply(&mut out, stride, left, &panels, write);
                    for i in 0..m {
                        for j in 0..n {
                            let want: f64 = (0..k).map(|u| plain(l[i * k + u]) * plain(r[u * n + j])).sum();
                            let got = f64::from(out[i * stride + j]) - f64::from(u8::from(ways >= 4));
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
