//! The innermost loop of a matrix product: a few rows by two vectors of columns, held in registers.

use pulp::Simd;

/// One tile: `depth` elements of `rows` rows on the left, a packed panel on the right, and where the result goes.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    pub depth: usize,
    /// Element (i, k) of the left at `left + i · row_stride + k · column_stride`.
    pub left: *const f32,
    pub row_stride: usize,
    pub column_stride: usize,
    /// Two vectors for each k, one after the other.
    pub panel: *const f32,
    /// Row i of the result at `out + i · out_stride`.
    pub out: *mut f32,
    pub out_stride: usize,
    /// Columns of the result that are there, at most two vectors.
    pub columns: usize,
    /// Whether the product is added to what the result holds.
    pub keep: bool,
}

impl Tile {
    /// Computes `ROWS` rows.
    ///
    /// # Safety
    /// The left's `ROWS × depth` elements and the panel's can be read, the result's `ROWS × columns` written, and nothing else
    /// uses those meanwhile.
    #[inline(always)]
    unsafe fn compute<S: Simd, const ROWS: usize>(self, simd: S) {
        // SAFETY: as demanded of the caller.
        unsafe {
            // A row that lies in one piece is read without multiplying by its stride.
            if self.column_stride == 1 {
                self.sums::<S, ROWS, true>(simd);
            } else {
                self.sums::<S, ROWS, false>(simd);
            }
        }
    }

    /// Computes as many as `TALL` of the rows that are left, and says how many.
    ///
    /// # Safety
    /// As [`Tile::compute`], for `rows` rows.
    #[inline(always)]
    pub unsafe fn compute_at_most<S: Simd, const TALL: usize>(self, simd: S, rows: usize) -> usize {
        // SAFETY: no more rows than there are.
        unsafe {
            if rows >= TALL {
                self.compute::<S, TALL>(simd);
                TALL
            } else if rows >= 4 {
                self.compute::<S, 4>(simd);
                4
            } else if rows >= 2 {
                self.compute::<S, 2>(simd);
                2
            } else {
                self.compute::<S, 1>(simd);
                1
            }
        }
    }

    #[inline(always)]
    unsafe fn sums<S: Simd, const ROWS: usize, const IN_ONE_PIECE: bool>(self, simd: S) {
        let column_stride = if IN_ONE_PIECE { 1 } else { self.column_stride };
        let mut sums = [[simd.splat_f32s(0.0); 2]; ROWS];
        let (mut left, mut panel) = (self.left, self.panel);
        for _ in 0..self.depth {
            // SAFETY: the caller's; both pointers have moved on by as many steps as `depth` allows.
            unsafe {
                let right = [
                    panel.cast::<S::f32s>().read_unaligned(),
                    panel.add(S::F32_LANES).cast::<S::f32s>().read_unaligned(),
                ];
                for (i, sums) in sums.iter_mut().enumerate() {
                    let x = simd.splat_f32s(*left.add(i * self.row_stride));
                    sums[0] = simd.mul_add_e_f32s(x, right[0], sums[0]);
                    sums[1] = simd.mul_add_e_f32s(x, right[1], sums[1]);
                }
                left = left.add(column_stride);
                panel = panel.add(2 * S::F32_LANES);
            }
        }
        // SAFETY: the caller's.
        unsafe { self.write(simd, &sums) };
    }

    #[inline(always)]
    unsafe fn write<S: Simd>(self, simd: S, sums: &[[S::f32s; 2]]) {
        let width = 2 * S::F32_LANES;
        for (i, sums) in sums.iter().enumerate() {
            // SAFETY: row i of the result, of `columns` elements, is the caller's to give; a row that is not whole goes through
            // a buffer of a whole row's size (a vector has at most 16 elements).
            unsafe {
                let out = self.out.add(i * self.out_stride);
                let mut part = [0.0f32; 32];
                let whole = self.columns == width;
                let to = if whole { out } else { part.as_mut_ptr() };
                if self.keep && !whole {
                    out.copy_to_nonoverlapping(to, self.columns);
                }
                for (j, &sum) in sums.iter().enumerate() {
                    let to = to.add(j * S::F32_LANES).cast::<S::f32s>();
                    to.write_unaligned(if self.keep {
                        simd.add_f32s(to.read_unaligned(), sum)
                    } else {
                        sum
                    });
                }
                if !whole {
                    to.copy_to_nonoverlapping(out, self.columns);
                }
            }
        }
    }
}
