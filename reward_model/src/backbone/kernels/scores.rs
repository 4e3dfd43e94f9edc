//! From attention's scores to probabilities and back.

use super::elementwise::{LANES, exp, sum_of_products};
use super::vector::{Fusing, vectorised, vectorised_fusing};

#[inline(always)]
pub(super) fn highest(row: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = row.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] = if chunk[lane] > lanes[lane] {
                chunk[lane]
            } else {
                lanes[lane]
            };
        }
    }
    lanes
        .iter()
        .chain(rest)
        .copied()
        .fold(f32::NEG_INFINITY, f32::max)
}

/// Each element x becomes `exp((x − highest) · scale)`; their sum.
#[inline(always)]
pub(super) fn powers(f: Fusing, row: &mut [f32], highest: f32, scale: f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let mut chunks = row.chunks_exact_mut(LANES);
    for chunk in &mut chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *x = exp(f, (*x - highest) * scale);
            *lane += *x;
        }
    }
    let mut total: f32 = lanes.iter().sum();
    for x in chunks.into_remainder() {
        *x = exp(f, (*x - highest) * scale);
        total += *x;
    }
    total
}

/// Turns each row of scores into `exp((score − highest) · scale)`, which `each` is shown while it is in the first-level cache;
/// `sums` gets each row's sum, `logs` (a row's entry `apart` from the last one's) the logarithm of the sum of
/// `exp(score · scale)`. Rows have `columns` elements and are `stride` apart.
pub(crate) fn exponentials(
    x: &mut [f32],
    [columns, stride]: [usize; 2],
    scale: f32,
    (sums, logs, apart): (&mut [f32], &mut [f32], usize),
    mut each: impl FnMut(usize, &[f32]),
) {
    vectorised_fusing(
        #[inline(always)]
        |f| {
            for (i, row) in x.chunks_mut(stride).enumerate() {
                let row = &mut row[..columns];
                let highest = highest(row);
                sums[i] = powers(f, row, highest, scale);
                logs[i * apart] = highest * scale + sums[i].ln();
                each(i, row);
            }
        },
    );
}

/// From scores and gradients of probabilities to probabilities, `exp(score · scale − log)`, and gradients of scores,
/// `scale · p · (dp − dot)`, both in place; `dots` has each row's Σ p · dp. `each` is shown every row of gradients.
pub(crate) fn score_gradients(
    scores: &mut [f32],
    slopes: &mut [f32],
    [columns, stride]: [usize; 2],
    scale: f32,
    (dots, logs, apart): (&[f32], &[f32], usize),
    mut each: impl FnMut(usize, &[f32]),
) {
    vectorised_fusing(
        #[inline(always)]
        |f| {
            let rows = scores.chunks_mut(stride).zip(slopes.chunks_mut(stride));
            for (i, (p, d)) in rows.enumerate() {
                let (log, dot, d) = (logs[i * apart], dots[i], &mut d[..columns]);
                for (p, d) in p[..columns].iter_mut().zip(d.iter_mut()) {
                    *p = exp(f, f.mul_add(*p, scale, -log));
                    *d = scale * *p * (*d - dot);
                }
                each(i, d);
            }
        },
    );
}

/// Σ a · b of each row of `columns` elements; rows are `stride` apart.
pub(crate) fn row_dots(a: &[f32], b: &[f32], [columns, stride]: [usize; 2], dots: &mut [f32]) {
    vectorised(
        #[inline(always)]
        || {
            let rows = a.chunks(stride).zip(b.chunks(stride));
            for (dot, (a, b)) in dots.iter_mut().zip(rows) {
                *dot = sum_of_products(&a[..columns], &b[..columns]);
            }
        },
    );
}
