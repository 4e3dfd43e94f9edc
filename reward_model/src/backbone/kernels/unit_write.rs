//! From f32 to units, row by row, or two rows at a time into a side of a product.

use std::ops::Range;

use super::unit_convert as fast;
use recipe::Precision;

use super::units::InUnits;

/// The upper half of an f32, rounded to nearest even: a bf16.
#[inline(always)]
pub(super) fn rounded(x: f32) -> u32 {
    let bits = x.to_bits();
    bits.wrapping_add(0x7fff + ((bits >> 16) & 1))
}

/// Two bf16 as one unit.
#[inline(always)]
fn pair(low: f32, high: f32) -> u32 {
    (rounded(low) >> 16) | (rounded(high) & 0xffff_0000)
}

/// f32 as units, without a copy.
pub(super) fn bits(x: &[f32]) -> &[u32] {
    // SAFETY: both are 32 bits that may have any value, with one alignment.
    unsafe { std::slice::from_raw_parts(x.as_ptr().cast(), x.len()) }
}

/// Units as f32.
pub(super) fn floats(x: &mut [u32]) -> &mut [f32] {
    // SAFETY: as above.
    unsafe { std::slice::from_raw_parts_mut(x.as_mut_ptr().cast(), x.len()) }
}

/// Writes a row of f32 as units; an odd last bf16 has a zero beside it.
pub(super) fn write_row(precision: Precision, from: &[f32], to: &mut [u32]) {
    match precision {
        Precision::F32 => to.copy_from_slice(bits(from)),
        Precision::Bf16 => {
            assert_eq!(to.len(), from.len().div_ceil(2), "units of a row");
            if !fast::write_row(from, to) {
                write_pairs(from, to);
            }
        }
    }
}

fn write_pairs(from: &[f32], to: &mut [u32]) {
    let pairs = from.chunks_exact(2);
    if let ([last], Some(to)) = (pairs.remainder(), to.last_mut()) {
        *to = pair(*last, 0.0);
    }
    to.iter_mut()
        .zip(pairs)
        .for_each(|(to, two)| *to = pair(two[0], two[1]));
}

/// Some columns of rows in memory, unit after unit along the rows, `N` columns side by side, zeros beyond the last.
pub(super) fn interleave<const N: usize>(
    precision: Precision,
    from: &[f32],
    [inner, stride]: [usize; 2],
    columns: Range<usize>,
    to: &mut [u32],
) {
    assert!(
        columns.len() <= N && (inner == 0 || (inner - 1) * stride + columns.end <= from.len()),
        "rows to interleave"
    );
    assert_eq!(to.len(), precision.units(inner) * N, "units to interleave into");
    let from = from.get(columns.start..).unwrap_or_default();
    match precision {
        Precision::F32 => copy_columns::<N>(from, stride, columns.len(), to),
        Precision::Bf16 => {
            if !fast::interleave::<N>(from, [inner, stride], columns.len(), to) {
                interleave_pairs::<N>(from, [inner, stride], columns.len(), to);
            }
        }
    }
}

fn copy_columns<const N: usize>(from: &[f32], stride: usize, count: usize, to: &mut [u32]) {
    let from = bits(from);
    for (i, to) in to.chunks_exact_mut(N).enumerate() {
        let row = &from[i * stride..];
        if let (true, Some(row)) = (count == N, row.first_chunk::<N>()) {
            to.copy_from_slice(row);
        } else {
            to[..count].copy_from_slice(&row[..count]);
            to[count..].fill(0);
        }
    }
}

fn interleave_pairs<const N: usize>(from: &[f32], [inner, stride]: [usize; 2], count: usize, to: &mut [u32]) {
    for (i, to) in to.chunks_exact_mut(N).enumerate() {
        let low = &from[2 * i * stride..][..count];
        let high = (2 * i + 1 < inner).then(|| &from[(2 * i + 1) * stride..][..count]);
        for (j, to) in to.iter_mut().enumerate() {
            *to = if j < count {
                pair(low[j], high.map_or(0.0, |high| high[j]))
            } else {
                0
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize) -> Vec<f32> {
        let number = |i: usize| (i as u32).wrapping_mul(2_654_435_761) as f32 / 1e9 - 2.0;
        (0..count).map(number).collect()
    }

    /// What this processor's own instructions write is what the plain loops write, which round as IEEE 754 says.
    #[test]
    fn every_way_writes_the_same_units() {
        assert_eq!(pair(1.0 + 1.0 / 256.0, -1.0 - 3.0 / 256.0), 0xbf82_3f80);
        for count in [1, 2, 15, 31, 32, 33, 100] {
            let (from, units) = (numbers(count), count.div_ceil(2));
            let (mut own, mut plain) = (vec![1; units], vec![2; units]);
            write_row(Precision::Bf16, &from, &mut own);
            write_pairs(&from, &mut plain);
            assert_eq!(own, plain, "{count}");
        }
        interleaved::<12>();
        interleaved::<32>();
    }

    fn interleaved<const N: usize>() {
        for inner in [1, 2, 7, 16] {
            for count in [1, N / 2 + 1, N] {
                let (from, units) = (numbers(inner * 40), N * inner.div_ceil(2));
                let (mut own, mut plain) = (vec![1; units], vec![2; units]);
                interleave::<N>(Precision::Bf16, &from, [inner, 40], 3..3 + count, &mut own);
                interleave_pairs::<N>(&from[3..], [inner, 40], count, &mut plain);
                assert_eq!(own, plain, "{N} {inner} {count}");
            }
        }
    }
}
