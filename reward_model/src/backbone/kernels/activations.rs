//! Smooth activations of every element, with their gradients.

use super::elementwise::exp;
use super::vector::{Fusing, vectorised_fusing};

/// Φ(x) and e^(−x²/2), with erf from Abramowitz and Stegun 7.1.26 (absolute error below 1.5e-7).
#[inline(always)]
fn normal(f: Fusing, x: f32) -> (f32, f32) {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / f.mul_add(0.327_591_1, z, 1.0);
    let bell = exp(f, -z * z);
    let p = f.mul_add(1.061_405_4, t, -1.453_152);
    let p = f.mul_add(p, t, 1.421_413_7);
    let p = f.mul_add(p, t, -0.284_496_74);
    let half = 0.5 * f.mul_add(p, t, 0.254_829_6) * t * bell;
    (if x < 0.0 { half } else { 1.0 - half }, bell)
}

/// Exact GELU, `x · Φ(x)` (Hendrycks and Gimpel 2016; transformers' "gelu").
pub(crate) fn gelu(x: &[f32], out: &mut [f32]) {
    vectorised_fusing(
        #[inline(always)]
        |f| {
            for (y, &x) in out.iter_mut().zip(x) {
                *y = x * normal(f, x).0;
            }
        },
    );
}

/// [`gelu`] and its gradient, in place of `dy`: `dy · (Φ(x) + x · φ(x))`.
pub(crate) fn gelu_slope(x: &[f32], dy: &mut [f32], out: &mut [f32]) {
    vectorised_fusing(
        #[inline(always)]
        |f| {
            for ((d, y), &x) in dy.iter_mut().zip(out.iter_mut()).zip(x) {
                let (area, bell) = normal(f, x);
                *y = x * area;
                *d *= f.mul_add(x * bell, 0.398_942_3, area);
            }
        },
    );
}

const SQRT_2_OVER_PI: f32 = 0.797_884_6;
const CUBIC: f32 = 0.044_715;

/// `1 / (1 + e⁻ˣ)`.
#[inline(always)]
fn logistic(f: Fusing, x: f32) -> f32 {
    1.0 / (1.0 + exp(f, -x))
}

/// What [`gelu_tanh`] multiplies x by.
#[inline(always)]
fn area_tanh(f: Fusing, x: f32) -> f32 {
    logistic(f, 2.0 * SQRT_2_OVER_PI * f.mul_add(CUBIC * x * x, x, x))
}

/// GELU's approximation `x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))` (Hendrycks and Gimpel 2016), and `(1 + tanh u)/2` is
/// the logistic of 2u.
pub(crate) fn gelu_tanh(x: &[f32], out: &mut [f32]) {
    vectorised_fusing(
        #[inline(always)]
        |f| {
            for (y, &x) in out.iter_mut().zip(x) {
                *y = x * area_tanh(f, x);
            }
        },
    );
}

/// [`gelu_tanh`] and its gradient, in place of `dy`.
pub(crate) fn gelu_tanh_slope(x: &[f32], dy: &mut [f32], out: &mut [f32]) {
    vectorised_fusing(
        #[inline(always)]
        |f| {
            for ((d, y), &x) in dy.iter_mut().zip(out.iter_mut()).zip(x) {
                let area = area_tanh(f, x);
                let slope = 2.0 * SQRT_2_OVER_PI * (1.0 + 3.0 * CUBIC * x * x);
                *y = x * area;
                *d *= area + x * area * (1.0 - area) * slope;
            }
        },
    );
}

/// `x · σ(x)` (Elfwing, Uchibe and Doya 2017).
pub(crate) fn silu(x: &[f32], out: &mut [f32]) {
    vectorised_fusing(
        #[inline(always)]
        |f| {
            for (y, &x) in out.iter_mut().zip(x) {
                *y = x * logistic(f, x);
            }
        },
    );
}

/// [`silu`] and its gradient, in place of `dy`.
pub(crate) fn silu_slope(x: &[f32], dy: &mut [f32], out: &mut [f32]) {
    vectorised_fusing(
        #[inline(always)]
        |f| {
            for ((d, y), &x) in dy.iter_mut().zip(out.iter_mut()).zip(x) {
                let area = logistic(f, x);
                *y = x * area;
                *d *= area * (1.0 + x * (1.0 - area));
            }
        },
    );
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
        let mut out = [0.0; 8];
        gelu(&x, &mut out);
        for (got, want) in out.iter().zip(y) {
            assert!((got - want).abs() < 1e-6, "{got} {want}");
        }
    }
}
