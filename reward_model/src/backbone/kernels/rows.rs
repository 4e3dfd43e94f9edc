//! Functions of whole rows: softmax and norms, with their gradients.

use super::vector::vectorised;

use super::elementwise::{LANES, exp, sum};

/// Softmax of the first `columns` elements of each row after multiplying by `scale`, in place; rows are `stride` elements apart.
pub(crate) fn softmax_rows(x: &mut [f32], columns: usize, stride: usize, scale: f32) {
    vectorised(
        #[inline(always)]
        || {
            for row in x.chunks_mut(stride) {
                let row = &mut row[..columns];
                let highest = highest(row);
                let inverse = 1.0 / powers(row, highest, scale);
                row.iter_mut().for_each(|x| *x *= inverse);
            }
        },
    );
}

#[inline(always)]
fn highest(row: &[f32]) -> f32 {
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
fn powers(row: &mut [f32], highest: f32, scale: f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let mut chunks = row.chunks_exact_mut(LANES);
    for chunk in &mut chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *x = exp((*x - highest) * scale);
            *lane += *x;
        }
    }
    let mut total: f32 = lanes.iter().sum();
    for x in chunks.into_remainder() {
        *x = exp((*x - highest) * scale);
        total += *x;
    }
    total
}

/// Gradient of softmax, in place of `dp`: `scale · p · (dp − Σ p · dp)` row by row, of rows as in [`softmax_rows`].
pub(crate) fn softmax_backward_rows(p: &[f32], dp: &mut [f32], columns: usize, stride: usize, scale: f32) {
    vectorised(
        #[inline(always)]
        || {
            for (p, dp) in p.chunks(stride).zip(dp.chunks_mut(stride)) {
                let (p, dp) = (&p[..columns], &mut dp[..columns]);
                let mean = sum(
                    p,
                    #[inline(always)]
                    |i, p| p * dp[i],
                );
                dp.iter_mut()
                    .zip(p)
                    .for_each(|(d, &p)| *d = scale * p * (*d - mean));
            }
        },
    );
}

/// Turns each row of scores into `exp((score − highest) · scale)`; `sums` gets each row's sum, `logs` (a row's entry `apart` from
/// the last one's) the logarithm of the sum of `exp(score · scale)`. Rows have `columns` elements and are `stride` apart.
pub(crate) fn exponentials(
    x: &mut [f32],
    [columns, stride]: [usize; 2],
    scale: f32,
    sums: &mut [f32],
    logs: &mut [f32],
    apart: usize,
) {
    vectorised(
        #[inline(always)]
        || {
            for (i, row) in x.chunks_mut(stride).enumerate() {
                let row = &mut row[..columns];
                let highest = highest(row);
                sums[i] = powers(row, highest, scale);
                logs[i * apart] = highest * scale + sums[i].ln();
            }
        },
    );
}

/// From scores and gradients of probabilities to probabilities, `exp(score · scale − log)`, and gradients of scores,
/// `scale · p · (dp − dot)`, both in place; `dots` has each row's Σ p · dp.
pub(crate) fn score_gradients(
    scores: &mut [f32],
    slopes: &mut [f32],
    [columns, stride]: [usize; 2],
    scale: f32,
    dots: &[f32],
    logs: &[f32],
    apart: usize,
) {
    vectorised(
        #[inline(always)]
        || {
            let rows = scores.chunks_mut(stride).zip(slopes.chunks_mut(stride));
            for (i, (p, d)) in rows.enumerate() {
                let (log, dot) = (logs[i * apart], dots[i]);
                for (p, d) in p[..columns].iter_mut().zip(&mut d[..columns]) {
                    *p = exp(*p * scale - log);
                    *d = scale * *p * (*d - dot);
                }
            }
        },
    );
}

#[inline(always)]
fn moments(row: &[f32], epsilon: f32) -> (f32, f32) {
    let n = row.len() as f32;
    let mean = sum(
        row,
        #[inline(always)]
        |_, x| x,
    ) / n;
    let variance = sum(
        row,
        #[inline(always)]
        |_, x| (x - mean) * (x - mean),
    ) / n;
    (mean, 1.0 / (variance + epsilon).sqrt())
}

/// Layer norm over rows as long as `gain` (Ba, Kiros and Hinton 2016; biased variance, as in torch).
pub(crate) fn layer_norm(x: &[f32], gain: &[f32], bias: &[f32], epsilon: f32, out: &mut Vec<f32>) {
    out.resize(x.len(), 0.0);
    let columns = gain.len();
    vectorised(
        #[inline(always)]
        || {
            for (row, out) in x.chunks_exact(columns).zip(out.chunks_exact_mut(columns)) {
                let (mean, inverse) = moments(row, epsilon);
                for (((y, &x), &g), &b) in out.iter_mut().zip(row).zip(gain).zip(bias) {
                    *y = (x - mean) * inverse * g + b;
                }
            }
        },
    );
}

/// Gradients of [`layer_norm`] by input, gain and bias; the statistics are computed again.
pub(crate) fn layer_norm_backward(x: &[f32], gain: &[f32], epsilon: f32, dy: &[f32]) -> [Vec<f32>; 3] {
    let columns = gain.len();
    let (mut dx, mut dgain, mut dbias) = (vec![0.0; x.len()], vec![0.0; columns], vec![0.0; columns]);
    vectorised(
        #[inline(always)]
        || {
            let rows = x.chunks_exact(columns).zip(dy.chunks_exact(columns));
            for ((row, dy), dx) in rows.zip(dx.chunks_exact_mut(columns)) {
                let (mean, inverse) = moments(row, epsilon);
                let n = columns as f32;
                let along = sum(
                    dy,
                    #[inline(always)]
                    |i, d| d * gain[i],
                ) / n;
                let across = sum(
                    dy,
                    #[inline(always)]
                    |i, d| d * gain[i] * (row[i] - mean) * inverse,
                ) / n;
                for i in 0..columns {
                    let unit = (row[i] - mean) * inverse;
                    dgain[i] += dy[i] * unit;
                    dbias[i] += dy[i];
                    dx[i] = inverse * (dy[i] * gain[i] - along - unit * across);
                }
            }
        },
    );
    [dx, dgain, dbias]
}

/// Root-mean-square norm over rows as long as `gain`.
pub(crate) fn rms_norm(x: &[f32], gain: &[f32], epsilon: f32) -> Vec<f32> {
    let (columns, mut out) = (gain.len(), vec![0.0; x.len()]);
    vectorised(
        #[inline(always)]
        || {
            for (row, out) in x.chunks_exact(columns).zip(out.chunks_exact_mut(columns)) {
                let inverse = inverse_root_mean_square(row, epsilon);
                for ((y, &x), &g) in out.iter_mut().zip(row).zip(gain) {
                    *y = x * inverse * g;
                }
            }
        },
    );
    out
}

#[inline(always)]
fn inverse_root_mean_square(row: &[f32], epsilon: f32) -> f32 {
    let squares = sum(
        row,
        #[inline(always)]
        |_, x| x * x,
    );
    1.0 / (squares / row.len() as f32 + epsilon).sqrt()
}

/// Gradients of [`rms_norm`] by input and gain.
pub(crate) fn rms_norm_backward(x: &[f32], gain: &[f32], epsilon: f32, dy: &[f32]) -> [Vec<f32>; 2] {
    let columns = gain.len();
    let (mut dx, mut dgain) = (vec![0.0; x.len()], vec![0.0; columns]);
    vectorised(
        #[inline(always)]
        || {
            let rows = x.chunks_exact(columns).zip(dy.chunks_exact(columns));
            for ((row, dy), dx) in rows.zip(dx.chunks_exact_mut(columns)) {
                let inverse = inverse_root_mean_square(row, epsilon);
                let across = sum(
                    dy,
                    #[inline(always)]
                    |i, d| d * gain[i] * row[i],
                );
                let pull = across * inverse * inverse * inverse / columns as f32;
                for i in 0..columns {
                    dgain[i] += dy[i] * row[i] * inverse;
                    dx[i] = inverse * dy[i] * gain[i] - row[i] * pull;
                }
            }
        },
    );
    [dx, dgain]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_rows_sum_to_one_even_for_large_inputs() {
        let mut x: Vec<f32> = (0..37).map(|i| 1e4 + i as f32).collect();
        softmax_rows(&mut x, 37, 37, 0.5);
        assert!((x.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }
}
