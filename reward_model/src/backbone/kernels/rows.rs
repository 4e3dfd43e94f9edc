//! Functions of whole rows: softmax and norms, with their gradients.

use super::elementwise::{sum, sum_of_products};
use super::scores::{highest, powers};
use super::vector::{vectorised, vectorised_fusing};

/// Softmax of the first `columns` elements of each row after multiplying by `scale`, in place; rows are `stride` elements apart.
pub(crate) fn softmax_rows(x: &mut [f32], columns: usize, stride: usize, scale: f32) {
    vectorised_fusing(
        #[inline(always)]
        |f| {
            for row in x.chunks_mut(stride) {
                let row = &mut row[..columns];
                let highest = highest(row);
                let inverse = 1.0 / powers(f, row, highest, scale);
                row.iter_mut().for_each(|x| *x *= inverse);
            }
        },
    );
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
pub(crate) fn layer_norm(x: &[f32], gain: &[f32], bias: &[f32], epsilon: f32, out: &mut [f32]) {
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

/// Gradients of [`layer_norm`]: by input in place of `dy`, by gain and bias as returned; the statistics are computed again.
pub(crate) fn layer_norm_backward(x: &[f32], gain: &[f32], epsilon: f32, dy: &mut [f32]) -> [Vec<f32>; 2] {
    let (columns, n) = (gain.len(), gain.len() as f32);
    let [mut dgain, mut dbias, mut units] = [0; 3].map(|_| vec![0.0; columns]);
    vectorised(
        #[inline(always)]
        || {
            for (row, dy) in x.chunks_exact(columns).zip(dy.chunks_exact_mut(columns)) {
                let (mean, inverse) = moments(row, epsilon);
                for (unit, x) in units.iter_mut().zip(row) {
                    *unit = (x - mean) * inverse;
                }
                let sums = dgain.iter_mut().zip(&mut dbias).zip(dy.iter_mut());
                for (((dgain, dbias), d), (unit, gain)) in sums.zip(units.iter().zip(gain)) {
                    *dgain += *d * unit;
                    *dbias += *d;
                    *d *= gain;
                }
                let along = sum(
                    dy,
                    #[inline(always)]
                    |_, d| d,
                ) / n;
                let across = sum_of_products(dy, &units) / n;
                for (d, unit) in dy.iter_mut().zip(&units) {
                    *d = inverse * (*d - along - unit * across);
                }
            }
        },
    );
    [dgain, dbias]
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
