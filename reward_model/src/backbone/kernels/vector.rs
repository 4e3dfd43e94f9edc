//! Loops that are compiled for every kind of vector and chosen at run time.

use pulp::{Arch, Simd, WithSimd};

struct Call<F>(F);

/// Whether the vectors of a loop have `x · y + z` in one operation.
#[derive(Clone, Copy)]
pub(crate) struct Fusing(bool);

impl Fusing {
    /// `x · y + z`, in one operation or in two: a library's function where there is none would take twenty times as long.
    #[inline(always)]
    pub fn mul_add(self, x: f32, y: f32, z: f32) -> f32 {
        if self.0 { x.mul_add(y, z) } else { x * y + z }
    }
}

impl<R, F: FnMut(Fusing) -> R> WithSimd for Call<F> {
    type Output = R;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) -> R {
        // pulp's vectors of eight lanes and more come with FMA.
        (self.0)(Fusing(S::F32_LANES >= 8 || cfg!(target_arch = "aarch64")))
    }
}

/// Runs a closure, which must be `#[inline(always)]`, with the widest vectors that this processor has.
///
/// [`Arch::dispatch`] takes closures too, but as `FnOnce`, whose adapter the compiler does not inline: the loop in it then stays
/// with the vectors that every processor has, a quarter as wide.
#[inline]
pub(crate) fn vectorised<R>(mut f: impl FnMut() -> R) -> R {
    vectorised_fusing(
        #[inline(always)]
        |_| f(),
    )
}

/// The same for a closure that multiplies and adds. Its loops are `for` loops: what `for_each` takes may stay outside, where
/// each `mul_add` is a call.
#[inline]
pub(crate) fn vectorised_fusing<R>(f: impl FnMut(Fusing) -> R) -> R {
    Arch::new().dispatch(Call(f))
}
