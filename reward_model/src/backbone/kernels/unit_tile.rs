//! The innermost loop of [`super::units`]: a few rows by 32 columns, held in registers, for each kind of processor.

use recipe::Precision;

/// Rows of a tile where there are 32 vector registers.
pub(super) const MR: usize = 12;
/// Columns of a tile, and of a panel.
pub(super) const NR: usize = 32;

/// How a tile is computed on this processor.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    F32,
    Bf16,
    #[cfg(target_arch = "x86_64")]
    Avx2F32,
    #[cfg(target_arch = "x86_64")]
    Avx2Bf16,
    #[cfg(target_arch = "x86_64")]
    Avx512F32,
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
}

impl Step {
    /// The fastest that this processor has.
    pub fn of(precision: Precision) -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                if precision == Precision::F32 {
                    return Self::Avx512F32;
                }
                if is_x86_feature_detected!("avx512bf16") {
                    return Self::Avx512Bf16;
                }
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return match precision {
                    Precision::F32 => Self::Avx2F32,
                    Precision::Bf16 => Self::Avx2Bf16,
                };
            }
        }
        match precision {
            Precision::F32 => Self::F32,
            Precision::Bf16 => Self::Bf16,
        }
    }
}

/// Where a tile's result goes, and what it is added to, if anything.
#[derive(Clone, Copy)]
pub(super) struct Out {
    pub to: *mut f32,
    pub stride: usize,
    pub start: Option<Start>,
}

#[derive(Clone, Copy)]
pub(super) struct Start {
    pub from: *const f32,
    pub stride: usize,
}

impl Out {
    /// From some row and column on.
    ///
    /// # Safety
    /// They are the result's.
    pub unsafe fn at(self, row: usize, column: usize) -> Self {
        // SAFETY: the caller's; what is added to has as many rows and columns.
        unsafe {
            Self {
                to: self.to.add(row * self.stride + column),
                start: self.start.map(|start| Start {
                    from: start.from.add(row * start.stride + column),
                    ..start
                }),
                ..self
            }
        }
    }
}

/// Some rows by one panel: `[rows, depth, columns]`, the left's strides from tile to tile, row to row and unit to unit.
///
/// # Safety
/// The left's units can be read and the result's `rows × columns` written; a panel has 32 units for each of `depth`.
pub(super) unsafe fn step_tile(
    step: Step,
    left: *const u32,
    [tile_stride, row_stride, unit_stride]: [usize; 3],
    [rows, depth, columns]: [usize; 3],
    panel: &[u32],
    out: Out,
) {
    let mut row = 0;
    while row < rows {
        let at = Tile {
            // SAFETY: a row of the left side.
            left: unsafe { left.add(row / MR * tile_stride + row % MR * row_stride) },
            row_stride,
            unit_stride,
            panel: panel.as_ptr(),
            depth,
            // SAFETY: a row of the result.
            out: unsafe { out.at(row, 0) },
            columns,
        };
        // SAFETY: no more rows than there are, on a processor that was asked for what is used.
        row += unsafe { at.compute(step, (rows - row).min(MR - row % MR)) };
    }
}

#[derive(Clone, Copy)]
struct Tile {
    left: *const u32,
    row_stride: usize,
    unit_stride: usize,
    panel: *const u32,
    depth: usize,
    out: Out,
    columns: usize,
}

impl Tile {
    /// Computes as many of the rows as fit, and says how many.
    ///
    /// # Safety
    /// As [`step_tile`].
    #[inline(always)]
    unsafe fn compute(self, step: Step, rows: usize) -> usize {
        macro_rules! by_height {
            ($f:ident, $kind:literal, $($height:literal),+) => {{
                $(if rows >= $height {
                    // SAFETY: the caller's.
                    unsafe { $f::<$height, $kind>(self) };
                    return $height;
                })+
            }};
        }
        match step {
            Step::F32 => by_height!(portable, false, 3, 1),
            Step::Bf16 => by_height!(portable, true, 3, 1),
            #[cfg(target_arch = "x86_64")]
            Step::Avx2F32 => by_height!(avx2, false, 3, 1),
            #[cfg(target_arch = "x86_64")]
            Step::Avx2Bf16 => by_height!(avx2, true, 3, 1),
            #[cfg(target_arch = "x86_64")]
            Step::Avx512F32 => by_height!(avx512, false, 12, 8, 4, 2, 1),
            #[cfg(target_arch = "x86_64")]
            Step::Avx512Bf16 => by_height!(avx512_bf16, true, 12, 8, 4, 2, 1),
        }
        rows
    }
}

/// Arrays of lanes, for any processor.
///
/// # Safety
/// As [`step_tile`].
unsafe fn portable<const HEIGHT: usize, const PAIRS: bool>(tile: Tile) {
    let low = |unit: u32| f32::from_bits(unit << 16);
    let high = |unit: u32| f32::from_bits(unit & 0xffff_0000);
    let mut sums = [[0.0f32; NR]; HEIGHT];
    for u in 0..tile.depth {
        // SAFETY: the caller's.
        let right = unsafe { &*tile.panel.add(u * NR).cast::<[u32; NR]>() };
        for (i, sums) in sums.iter_mut().enumerate() {
            // SAFETY: the caller's.
            let x = unsafe { *tile.left.add(i * tile.row_stride + u * tile.unit_stride) };
            for (sum, &y) in sums.iter_mut().zip(right) {
                *sum = if PAIRS {
                    high(x) * high(y) + (low(x) * low(y) + *sum)
                } else {
                    f32::from_bits(x) * f32::from_bits(y) + *sum
                };
            }
        }
    }
    // SAFETY: the caller's.
    unsafe { write(tile, &sums) };
}

/// By hand: of arrays of lanes the compiler made single multiplications here, a fifteenth of the speed.
///
/// # Safety
/// As [`step_tile`], on a processor with AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<const HEIGHT: usize, const PAIRS: bool>(tile: Tile) {
    let upper = _mm256_set1_epi32(0xffff_0000_u32.cast_signed());
    let low = |units: __m256i| _mm256_castsi256_ps(_mm256_slli_epi32::<16>(units));
    let high = |units: __m256i| _mm256_castsi256_ps(_mm256_and_si256(units, upper));
    let mut sums = [[_mm256_setzero_ps(); NR / 8]; HEIGHT];
    let (mut left, mut panel) = (tile.left, tile.panel);
    for _ in 0..tile.depth {
        for (i, sums) in sums.iter_mut().enumerate() {
            // SAFETY: the caller's.
            let x = _mm256_set1_epi32(unsafe { *left.add(i * tile.row_stride) }.cast_signed());
            for (j, sum) in sums.iter_mut().enumerate() {
                // SAFETY: a panel has 32 units for each step.
                let y = unsafe { _mm256_loadu_si256(panel.add(8 * j).cast()) };
                *sum = if PAIRS {
                    _mm256_fmadd_ps(high(x), high(y), _mm256_fmadd_ps(low(x), low(y), *sum))
                } else {
                    _mm256_fmadd_ps(_mm256_castsi256_ps(x), _mm256_castsi256_ps(y), *sum)
                };
            }
        }
        left = left.wrapping_add(tile.unit_stride);
        panel = panel.wrapping_add(NR);
    }
    let mut rows = [[0.0f32; NR]; HEIGHT];
    for (row, sums) in rows.iter_mut().zip(&sums) {
        for (part, sum) in row.chunks_exact_mut(8).zip(sums) {
            // SAFETY: eight lanes.
            unsafe { _mm256_storeu_ps(part.as_mut_ptr(), *sum) };
        }
    }
    // SAFETY: the caller's.
    unsafe { write(tile, &rows) };
}

/// Puts the sums where they go.
///
/// # Safety
/// As [`step_tile`].
unsafe fn write<const HEIGHT: usize>(tile: Tile, sums: &[[f32; NR]; HEIGHT]) {
    for (i, sums) in sums.iter().enumerate() {
        for (j, sum) in sums.iter().enumerate().take(tile.columns) {
            // SAFETY: row i of the result, and of what is added to, is the caller's.
            unsafe {
                let out = tile.out.at(i, j);
                *out.to = out.start.map_or(*sum, |start| *start.from + sum);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m256i, __m512, __m512bh, _mm256_and_si256, _mm256_castsi256_ps, _mm256_fmadd_ps, _mm256_loadu_si256,
    _mm256_set1_epi32, _mm256_setzero_ps, _mm256_slli_epi32, _mm256_storeu_ps, _mm512_add_ps,
    _mm512_dpbf16_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps,
    _mm512_set1_ps, _mm512_setzero_ps,
};

macro_rules! avx512_tile {
    ($name:ident, $features:literal, $multiply_add:expr) => {
        /// # Safety
        /// As [`step_tile`], on a processor with these features.
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = $features)]
        unsafe fn $name<const HEIGHT: usize, const PAIRS: bool>(tile: Tile) {
            let mut sums = [[_mm512_setzero_ps(); 2]; HEIGHT];
            let (mut left, mut panel) = (tile.left.cast::<f32>(), tile.panel.cast::<f32>());
            for _ in 0..tile.depth {
                // SAFETY: the caller's; both move on by as many steps as `depth` allows.
                unsafe {
                    let right = [_mm512_loadu_ps(panel), _mm512_loadu_ps(panel.add(16))];
                    for (i, sums) in sums.iter_mut().enumerate() {
                        let x = _mm512_set1_ps(*left.add(i * tile.row_stride));
                        sums[0] = $multiply_add(x, right[0], sums[0]);
                        sums[1] = $multiply_add(x, right[1], sums[1]);
                    }
                    left = left.add(tile.unit_stride);
                    panel = panel.add(NR);
                }
            }
            let masks = [0, 16].map(|from: usize| {
                let there = tile.columns.saturating_sub(from).min(16);
                ((1u32 << there) - 1) as u16
            });
            for (i, sums) in sums.iter().enumerate() {
                for j in 0..2 {
                    // SAFETY: the mask leaves out what is beyond the result's columns.
                    unsafe {
                        let out = tile.out.at(i, 0);
                        let sum = out.start.map_or(sums[j], |start| {
                            let from = start.from.wrapping_add(16 * j);
                            _mm512_add_ps(sums[j], _mm512_maskz_loadu_ps(masks[j], from))
                        });
                        _mm512_mask_storeu_ps(out.to.wrapping_add(16 * j), masks[j], sum);
                    }
                }
            }
        }
    };
}

avx512_tile!(avx512, "avx512f", |x, y, sum| _mm512_fmadd_ps(x, y, sum));
avx512_tile!(avx512_bf16, "avx512f,avx512bf16", |x, y, sum| _mm512_dpbf16_ps(
    sum,
    std::mem::transmute::<__m512, __m512bh>(x),
    std::mem::transmute::<__m512, __m512bh>(y)
));
