//! The loops under the tensor operations: one thread each, so that several texts run side by side.
//!
//! Element-wise loops are written plainly and compiled for AVX2 and AVX-512 by [`pulp`]; sums run in sixteen
//! lanes, because a plain float sum may not be reordered by the compiler and so would not vectorise.

use super::vector::vectorised;

pub(super) const LANES: usize = 16;

/// eˣ to 2 ulp for x in −87..88 (clamped outside), after Cephes' `expf`; branch-free, so that it vectorises.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.3, 88.3);
    // Adding and taking away 1.5·2²³ rounds to the nearest integer and leaves it in the low bits.
    let shifted = x * std::f32::consts::LOG2_E + 12_582_912.0;
    let n = shifted - 12_582_912.0;
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let y = p * r * r + r + 1.0;
    y * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
}

/// Φ(x) and e^(−x²/2), with erf from Abramowitz and Stegun 7.1.26 (absolute error below 1.5e-7).
#[inline(always)]
fn normal(x: f32) -> (f32, f32) {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let bell = exp(-z * z);
    let tail =
        ((((1.061_405_4 * t - 1.453_152) * t + 1.421_413_7) * t - 0.284_496_74) * t + 0.254_829_6) * t * bell;
    let half = 0.5 * tail;
    (if x < 0.0 { half } else { 1.0 - half }, bell)
}

/// Exact GELU, `x · Φ(x)` (Hendrycks and Gimpel 2016; transformers' "gelu").
pub(crate) fn gelu(x: &[f32], out: &mut Vec<f32>) {
    out.resize(x.len(), 0.0);
    vectorised(
        #[inline(always)]
        || out.iter_mut().zip(x).for_each(|(y, &x)| *y = x * normal(x).0),
    );
}

/// Gradient of [`gelu`], in place of `dy`: `dy · (Φ(x) + x · φ(x))`.
pub(crate) fn gelu_slope(x: &[f32], dy: &mut [f32]) {
    vectorised(
        #[inline(always)]
        || {
            for (d, &x) in dy.iter_mut().zip(x) {
                let (area, bell) = normal(x);
                *d *= area + x * bell * 0.398_942_3;
            }
        },
    );
}

const SQRT_2_OVER_PI: f32 = 0.797_884_6;
const CUBIC: f32 = 0.044_715;

/// `1 / (1 + e⁻ˣ)`.
#[inline(always)]
fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// GELU's approximation `x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))` (Hendrycks and Gimpel 2016), and `(1 + tanh u)/2` is
/// the logistic of 2u.
pub(crate) fn gelu_tanh(x: &[f32], out: &mut Vec<f32>) {
    out.resize(x.len(), 0.0);
    vectorised(
        #[inline(always)]
        || {
            for (y, &x) in out.iter_mut().zip(x) {
                *y = x * logistic(2.0 * SQRT_2_OVER_PI * (x + CUBIC * x * x * x));
            }
        },
    );
}

/// Gradient of [`gelu_tanh`], in place of `dy`.
pub(crate) fn gelu_tanh_slope(x: &[f32], dy: &mut [f32]) {
    vectorised(
        #[inline(always)]
        || {
            for (d, &x) in dy.iter_mut().zip(x) {
                let area = logistic(2.0 * SQRT_2_OVER_PI * (x + CUBIC * x * x * x));
                let slope = 2.0 * SQRT_2_OVER_PI * (1.0 + 3.0 * CUBIC * x * x);
                *d *= area + x * area * (1.0 - area) * slope;
            }
        },
    );
}

/// `x · σ(x)` (Elfwing, Uchibe and Doya 2017).
pub(crate) fn silu(x: &[f32], out: &mut Vec<f32>) {
    out.resize(x.len(), 0.0);
    vectorised(
        #[inline(always)]
        || out.iter_mut().zip(x).for_each(|(y, &x)| *y = x * logistic(x)),
    );
}

/// Gradient of [`silu`], in place of `dy`.
pub(crate) fn silu_slope(x: &[f32], dy: &mut [f32]) {
    vectorised(
        #[inline(always)]
        || {
            for (d, &x) in dy.iter_mut().zip(x) {
                let area = logistic(x);
                *d *= area * (1.0 + x * (1.0 - area));
            }
        },
    );
}

#[inline(always)]
pub(super) fn sum(x: &[f32], f: impl Fn(usize, f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let whole = x.len() - x.len() % LANES;
    for (block, chunk) in x[..whole].chunks_exact(LANES).enumerate() {
        for lane in 0..LANES {
            lanes[lane] += f(block * LANES + lane, chunk[lane]);
        }
    }
    let mut total: f32 = lanes.iter().sum();
    for (i, &value) in x.iter().enumerate().skip(whole) {
        total += f(i, value);
    }
    total
}

/// Sum of products of two slices of one length.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let b = &b[..a.len()];
    vectorised(
        #[inline(always)]
        || {
            sum(
                a,
                #[inline(always)]
                |i, a| a * b[i],
            )
        },
    )
}

/// `to += scale · from`.
pub(crate) fn add_scaled(to: &mut [f32], from: &[f32], scale: f32) {
    vectorised(
        #[inline(always)]
        || {
            to.iter_mut()
                .zip(from)
                .for_each(|(to, &from)| *to += scale * from)
        },
    );
}

/// Sum of squares in double precision, in a fixed order.
pub(crate) fn squares(x: &[f32]) -> f64 {
    x.chunks(4096)
        .map(|chunk| {
            f64::from(vectorised(
                #[inline(always)]
                || {
                    sum(
                        chunk,
                        #[inline(always)]
                        |_, x| x * x,
                    )
                },
            ))
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PyTorch 2.15, float64: `torch.nn.functional.gelu(x)`.
    #[test]
    fn gelu_equals_reference() {
        let x = [-3.0f32, -1.0, -0.1, 0.0, 0.5, 2.0, 10.0, -40.0];
        let y = [
            -0.004_049_694,
            -0.158_655_25,
            -0.046_017_22,
            0.0,
            0.345_731_23,
            1.954_499_7,
            10.0,
            0.0,
        ];
        let mut out = Vec::new();
        gelu(&x, &mut out);
        for (got, want) in out.iter().zip(y) {
            assert!((got - want).abs() < 1e-6, "{got} {want}");
        }
    }

    #[test]
    fn exp_is_close_over_its_range() {
        for i in -8700..=8800 {
            let x = i as f32 / 100.0;
            let (got, want) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((got / want - 1.0).abs() < 5e-7, "{x}: {got} {want}");
        }
    }
}
