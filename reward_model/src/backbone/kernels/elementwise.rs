//! The loops under the tensor operations: one thread each, so that several texts run side by side.
//!
//! Element-wise loops are written plainly and compiled for AVX2 and AVX-512 by [`pulp`]; sums run in sixteen
//! lanes, because a plain float sum may not be reordered by the compiler and so would not vectorise.

use super::vector::{Fusing, vectorised};

pub(super) const LANES: usize = 16;

/// eˣ to 2 ulp for x in −87..88 (clamped outside), after Cephes' `expf`; branch-free, so that it vectorises.
#[inline(always)]
pub(super) fn exp(f: Fusing, x: f32) -> f32 {
    let x = x.clamp(-87.3, 88.3);
    // Adding and taking away 1.5·2²³ rounds to the nearest integer and leaves it in the low bits.
    let shifted = f.mul_add(x, std::f32::consts::LOG2_E, 12_582_912.0);
    let n = shifted - 12_582_912.0;
    let r = f.mul_add(n, 2.121_944_4e-4, f.mul_add(n, -0.693_359_4, x));
    let p = f.mul_add(1.987_569_1e-4, r, 1.398_199_9e-3);
    let p = f.mul_add(p, r, 8.333_452e-3);
    let p = f.mul_add(p, r, 4.166_579_6e-2);
    let p = f.mul_add(p, r, 1.666_666_5e-1);
    let p = f.mul_add(p, r, 0.5);
    let y = f.mul_add(p, r * r, r) + 1.0;
    y * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
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

/// Σ a · b in lanes, of two slices of one length.
#[inline(always)]
pub(super) fn sum_of_products(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a.remainder().iter().zip(b.remainder());
    for (a, b) in a.zip(b) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    let total: f32 = lanes.iter().sum();
    rest.fold(total, |total, (a, b)| total + a * b)
}

/// `y ← y · x`, element by element, of two slices of one length.
pub(crate) fn multiply_by(y: &mut [f32], x: &[f32]) {
    assert_eq!(y.len(), x.len(), "factors");
    vectorised(
        #[inline(always)]
        || {
            for (y, x) in y.iter_mut().zip(x) {
                *y *= x;
            }
        },
    );
}

/// Sum of products of two slices of one length.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let b = &b[..a.len()];
    vectorised(
        #[inline(always)]
        || sum_of_products(a, b),
    )
}

/// Adds rows of `to`'s length that are `stride` apart to it, one after the other.
pub(crate) fn add_rows(to: &mut [f32], from: &[f32], rows: usize, stride: usize) {
    let columns = to.len();
    vectorised(
        #[inline(always)]
        || {
            for row in from.chunks(stride.max(1)).take(rows) {
                for (to, x) in to.iter_mut().zip(&row[..columns]) {
                    *to += x;
                }
            }
        },
    );
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
    use super::super::vector::vectorised_fusing;
    use super::*;

    #[test]
    fn exp_is_close_over_its_range() {
        for i in -8700..=8800 {
            let x = i as f32 / 100.0;
            let (got, want) = (f64::from(vectorised_fusing(|f| exp(f, x))), f64::from(x).exp());
            assert!((got / want - 1.0).abs() < 5e-7, "{x}: {got} {want}");
        }
    }
}
