//! Attention's products in f32, on candle's graph.
//!
//! After Goto and van de Geijn 2008: the right side is packed into panels that stay in the first-level cache, the left side
//! passes by in blocks that stay in the second. Beside the crate `gemm` because the right side can be packed once for many
//! products here, as attention needs it.

use std::cell::RefCell;

use pulp::{Arch, Simd, WithSimd};

use super::matrix::{Matrix, fits};
use super::packed::PackedPart;
use super::tile::Tile;

/// Rows of the left side that pass by together: with `DEPTH` a block of 74 kB. A multiple of both tile heights.
const ROWS: usize = 48;
/// From so many columns on it pays to copy a left side whose rows are not in one piece.
const WORTH_PACKING: usize = 128;

thread_local! {
    static LEFT: RefCell<Vec<f32>> = RefCell::default();
}

struct PanelWidth;

impl WithSimd for PanelWidth {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        2 * S::F32_LANES
    }
}

/// Columns of a panel on this processor.
pub(super) fn panel_width() -> usize {
    Arch::new().dispatch(PanelWidth)
}

/// Where a result goes.
#[derive(Clone, Copy)]
struct Out {
    start: *mut f32,
    stride: usize,
}

/// `out ← keep · out + left · right`, with `out` holding rows `stride` elements apart.
pub(crate) fn packed_product(out: &mut [f32], stride: usize, left: Matrix, right: PackedPart, keep: bool) {
    let sizes = [right.rows.len(), right.columns.len()];
    check(out, stride, [left.rows(), left.columns()], sizes);
    let out = Out {
        start: out.as_mut_ptr(),
        stride,
    };
    multiply(out, left, right, keep);
}

fn check(out: &[f32], stride: usize, [rows, inner]: [usize; 2], [depth, columns]: [usize; 2]) {
    assert_eq!(inner, depth, "inner sizes of a product");
    assert!(
        fits(out.len(), rows, columns, stride),
        "{rows}×{columns} by {stride} in {}",
        out.len()
    );
}

fn multiply(out: Out, left: Matrix, right: PackedPart, keep: bool) {
    if left.rows() == 0 || right.columns.is_empty() {
        return;
    }
    if right.rows.is_empty() {
        if !keep {
            // SAFETY: as `check` found.
            (0..left.rows()).for_each(|i| unsafe {
                out.start.add(i * out.stride).write_bytes(0, right.columns.len());
            });
        }
        return;
    }
    LEFT.with_borrow_mut(|copy| {
        Arch::new().dispatch(Multiply {
            out,
            left,
            right,
            keep,
            copy,
        });
    });
}

struct Multiply<'a> {
    out: Out,
    left: Matrix<'a>,
    right: PackedPart<'a>,
    keep: bool,
    /// Room for a block of the left side.
    copy: &'a mut Vec<f32>,
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // So many rows of two sums each, and what they are made of, fill the registers.
        if S::REGISTER_COUNT >= 32 {
            self.blocks::<S, 12>(simd);
        } else {
            self.blocks::<S, 6>(simd);
        }
    }
}

impl Multiply<'_> {
    #[inline(always)]
    fn blocks<S: Simd, const TALL: usize>(self, simd: S) {
        let copies = self.left.strides()[1] != 1 && self.right.columns.len() >= WORTH_PACKING;
        for (block, inner) in self.right.blocks() {
            let (first, depth) = (inner.start - self.right.rows.start, inner.len());
            for row in (0..self.left.rows()).step_by(ROWS) {
                let rows = ROWS.min(self.left.rows() - row);
                let part = self.left.part(row..row + rows, first..first + depth);
                let left = if copies {
                    Left::copied::<TALL>(part, self.copy)
                } else {
                    Left::in_place::<TALL>(part)
                };
                let block_of_rows = Block {
                    // SAFETY: the row is one of the result's.
                    out: unsafe { self.out.start.add(row * self.out.stride) },
                    stride: self.out.stride,
                    left,
                    size: [rows, depth],
                    keep: self.keep || first > 0,
                };
                block_of_rows.panels::<S, TALL>(simd, &self.right, block, inner.start);
            }
        }
    }
}

/// Some rows of the left side, tile by tile.
#[derive(Clone, Copy)]
struct Left {
    start: *const f32,
    /// Elements from one tile to the next.
    tile_stride: usize,
    row_stride: usize,
    column_stride: usize,
}

impl Left {
    fn in_place<const TALL: usize>(from: Matrix) -> Self {
        let [row_stride, column_stride] = from.strides();
        Self {
            start: from.place(0, 0),
            tile_stride: TALL * row_stride,
            row_stride,
            column_stride,
        }
    }

    /// Each tile's elements in one piece, column after column: rows that are not would be read from far apart.
    fn copied<const TALL: usize>(from: Matrix, to: &mut Vec<f32>) -> Self {
        let depth = from.columns();
        to.resize(from.rows().next_multiple_of(TALL) * depth, 0.0);
        for (tile, to) in to.chunks_exact_mut(TALL * depth).enumerate() {
            let rows = tile * TALL..from.rows().min((tile + 1) * TALL);
            from.part(rows, 0..depth).transposed().copy_rows(to, TALL);
        }
        Self {
            start: to.as_ptr(),
            tile_stride: TALL * depth,
            row_stride: 1,
            column_stride: TALL,
        }
    }
}

/// Some rows of the left side and of the result.
struct Block {
    out: *mut f32,
    stride: usize,
    left: Left,
    /// Rows and inner elements.
    size: [usize; 2],
    keep: bool,
}

impl Block {
    #[inline(always)]
    fn panels<S: Simd, const TALL: usize>(&self, simd: S, right: &PackedPart, block: usize, first: usize) {
        let width = 2 * S::F32_LANES;
        for (index, column) in (0..right.columns.len()).step_by(width).enumerate() {
            let panel = right.panel(block, first, index);
            let columns = width.min(right.columns.len() - column);
            let mut row = 0;
            while row < self.size[0] {
                let at = row / TALL * self.left.tile_stride + row % TALL * self.left.row_stride;
                let tile = Tile {
                    depth: self.size[1],
                    // SAFETY: the row's first element, of those that the left side was made from.
                    left: unsafe { self.left.start.add(at) },
                    row_stride: self.left.row_stride,
                    column_stride: self.left.column_stride,
                    panel: panel.as_ptr(),
                    // SAFETY: an element of the result.
                    out: unsafe { self.out.add(row * self.stride + column) },
                    out_stride: self.stride,
                    columns,
                    keep: self.keep,
                };
                // SAFETY: the left side holds these rows and the panel as many elements for each; the result was checked to
                // hold these rows and columns, which are this thread's alone.
                row += unsafe { tile.compute_at_most::<S, TALL>(simd, self.size[0] - row) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbone::kernels::Packed;

    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let number = |i: usize| (i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed) >> 16;
        (0..count).map(|i| number(i) as f32 / 65_536.0 - 0.5).collect()
    }

    fn plain(left: Matrix, right: Matrix) -> Vec<f64> {
        let at = |m: &Matrix, i: usize, j: usize| {
            let mut row = vec![0.0; m.columns()];
            m.part(i..i + 1, 0..m.columns()).copy_rows(&mut row, m.columns());
            f64::from(row[j])
        };
        let mut out = Vec::new();
        for i in 0..left.rows() {
            for j in 0..right.columns() {
                out.push(
                    (0..right.rows())
                        .map(|k| at(&left, i, k) * at(&right, k, j))
                        .sum(),
                );
            }
        }
        out
    }

    /// Sizes with whole and partial tiles, panels and blocks, each side lying either way, kept and not.
    #[test]
    fn products_equal_plain_sums() {
        for [m, k, n] in [
            [1, 1, 1],
            [13, 5, 7],
            [50, 33, 40],
            [7, 400, 130],
            [5, 0, 3],
            [3, 2, 0],
        ] {
            let (l, r) = (numbers(m * k, 1), numbers(k * n, 2));
            for ways in 0..8 {
                let left = if ways & 1 == 0 {
                    Matrix::new(&l, m, k, k)
                } else {
                    Matrix::new(&l, k, m, m).transposed()
                };
                let right = if ways & 2 == 0 {
                    Matrix::new(&r, k, n, n)
                } else {
                    Matrix::new(&r, n, k, k).transposed()
                };
                let (stride, keep) = (n + 3, ways & 4 != 0);
                let mut out = vec![1.0; m * stride];
                let mut packed = Packed::default();
                packed.pack(right);
                packed_product(&mut out, stride, left, packed.whole(), keep);
                for (i, want) in plain(left, right).into_iter().enumerate() {
                    let got = f64::from(out[i / n * stride + i % n]) - f64::from(u8::from(keep));
                    assert!(
                        (got - want).abs() < 1e-5 * (1.0 + want.abs()),
                        "{m}×{k}×{n} {ways}: {got} {want}"
                    );
                }
                assert!(out.chunks(stride).all(|row| row[n..].iter().all(|&x| x == 1.0)));
            }
        }
    }
}
