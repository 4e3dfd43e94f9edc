//! Loops that are compiled for every kind of vector and chosen at run time.

use pulp::{Arch, Simd, WithSimd};

struct Call<F>(F);

impl<R, F: FnMut() -> R> WithSimd for Call<F> {
    type Output = R;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) -> R {
        (self.0)()
    }
}

/// Runs a closure, which must be `#[inline(always)]`, with the widest vectors that this processor has.
///
/// [`Arch::dispatch`] takes closures too, but as `FnOnce`, whose adapter the compiler does not inline: the loop in it then stays
/// with the vectors that every processor has, a quarter as wide.
#[inline]
pub(crate) fn vectorised<R>(f: impl FnMut() -> R) -> R {
    Arch::new().dispatch(Call(f))
}
