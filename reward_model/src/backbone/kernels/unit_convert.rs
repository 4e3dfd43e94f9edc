//! From f32 to pairs of bf16 with AVX-512's own instructions, on processors that have them. They take numbers below 1e-38 for
//! zero, as the products do.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m512, __m512i, _mm_storeu_si128, _mm256_storeu_si256, _mm512_castsi512_si256, _mm512_cvtne2ps_pbh,
    _mm512_extracti32x4_epi32, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mask_storeu_epi16,
    _mm512_mask_storeu_epi32, _mm512_maskz_loadu_ps, _mm512_permutexvar_epi16, _mm512_setzero_ps,
    _mm512_storeu_si512,
};

/// Whether this processor has them.
#[cfg(target_arch = "x86_64")]
pub(super) fn is_here() -> bool {
    is_x86_feature_detected!("avx512bf16")
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn write_row(_: &[f32], _: &mut [u32]) -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn interleave<const N: usize>(_: &[f32], _: [usize; 2], _: usize, _: &mut [u32]) -> bool {
    false
}

/// As [`super::unit_write::write_row`] does for bf16; false where it cannot.
#[cfg(target_arch = "x86_64")]
pub(super) fn write_row(from: &[f32], to: &mut [u32]) -> bool {
    let possible = is_here() && to.len() == from.len().div_ceil(2);
    if possible {
        // SAFETY: the instructions are there, and the units that are written.
        unsafe { write_row_512(from, to) };
    }
    possible
}

/// Some columns of pairs of rows, as [`super::unit_write::interleave`] puts them, from the first one's first element on; false
/// where it cannot.
#[cfg(target_arch = "x86_64")]
pub(super) fn interleave<const N: usize>(
    from: &[f32],
    [inner, stride]: [usize; 2],
    count: usize,
    to: &mut [u32],
) -> bool {
    let possible = is_here()
        && count <= N
        && (inner == 0 || (inner - 1) * stride + count <= from.len())
        && to.len() >= N * inner.div_ceil(2);
    if possible {
        // SAFETY: the instructions are there, the elements that are read, and the units that are written.
        unsafe { interleave_512::<N>(from.as_ptr(), [inner, stride], count, to.as_mut_ptr()) };
    }
    possible
}

/// The first of `count` lanes, of 16 at most.
#[cfg(target_arch = "x86_64")]
fn lanes(count: usize) -> u16 {
    ((1u32 << count.min(16)) - 1) as u16
}

/// Sixteen bf16 of `low` and then of `high`.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn converted(low: __m512, high: __m512) -> __m512i {
    // SAFETY: as many bits that may have any value.
    unsafe { std::mem::transmute(_mm512_cvtne2ps_pbh(high, low)) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn write_row_512(from: &[f32], to: &mut [u32]) {
    let (chunks, whole) = (from.chunks_exact(32), from.len() / 32);
    let rest = chunks.remainder();
    for (chunk, to) in chunks.zip(to.chunks_exact_mut(16)) {
        // SAFETY: 32 elements and 16 units.
        unsafe {
            let (low, high) = (
                _mm512_loadu_ps(chunk.as_ptr()),
                _mm512_loadu_ps(chunk.as_ptr().add(16)),
            );
            _mm512_storeu_si512(to.as_mut_ptr().cast(), converted(low, high));
        }
    }
    if !rest.is_empty() {
        let to = to[whole * 16..].as_mut_ptr();
        let units = rest.len().div_ceil(2);
        // SAFETY: the masks leave out what is beyond the ends.
        unsafe {
            let low = _mm512_maskz_loadu_ps(lanes(rest.len()), rest.as_ptr());
            let more = rest.len().saturating_sub(16);
            let high = _mm512_maskz_loadu_ps(lanes(more), rest.as_ptr().wrapping_add(16));
            let halves = ((1u64 << (2 * units)) - 1) as u32;
            _mm512_mask_storeu_epi16(to.cast(), halves, converted(low, high));
        }
    }
}

/// Where each half of a unit comes from: the first row's element, then the second's.
#[cfg(target_arch = "x86_64")]
static SIDE_BY_SIDE: [u16; 32] = {
    let mut order = [0; 32];
    let mut i = 0;
    while i < 16 {
        order[2 * i] = i as u16;
        order[2 * i + 1] = i as u16 + 16;
        i += 1;
    }
    order
};

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn interleave_512<const N: usize>(
    from: *const f32,
    [inner, stride]: [usize; 2],
    count: usize,
    to: *mut u32,
) {
    // SAFETY: 32 numbers of 16 bits.
    let order = unsafe { _mm512_loadu_si512(SIDE_BY_SIDE.as_ptr().cast()) };
    for unit in 0..inner.div_ceil(2) {
        for part in (0..N).step_by(16) {
            let there = lanes(count.saturating_sub(part));
            // SAFETY: the mask leaves out what is beyond the columns; `to` has `N` units for each two rows.
            unsafe {
                let row = from.add(2 * unit * stride).wrapping_add(part);
                let low = _mm512_maskz_loadu_ps(there, row);
                let high = if 2 * unit + 1 < inner {
                    _mm512_maskz_loadu_ps(there, row.add(stride))
                } else {
                    _mm512_setzero_ps()
                };
                let units = _mm512_permutexvar_epi16(order, converted(low, high));
                store(to.add(unit * N + part), units, N - part);
            }
        }
    }
}

/// The first `count` units: all, those of a tile of twelve rows, or others.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn store(to: *mut u32, units: __m512i, count: usize) {
    // SAFETY: the caller's.
    unsafe {
        match count {
            16.. => _mm512_storeu_si512(to.cast(), units),
            12 => {
                _mm256_storeu_si256(to.cast(), _mm512_castsi512_si256(units));
                _mm_storeu_si128(to.add(8).cast(), _mm512_extracti32x4_epi32::<2>(units));
            }
            _ => _mm512_mask_storeu_epi32(to.cast(), lanes(count), units),
        }
    }
}
