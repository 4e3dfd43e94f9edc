//! Softmax over the last dimension.

use candle_core::{CpuStorage, CustomOp1, D, Layout, Result, Shape, Tensor};

use super::super::kernels;
use super::{Floats, floats, plain, tensor};

struct Softmax;

/// Softmax over the last dimension of a contiguous tensor.
pub(crate) fn softmax(x: &Tensor) -> Result<Tensor> {
    if plain::is_for(x.device()) {
        return plain_softmax(x);
    }
    x.apply_op1(Softmax)
}

/// The same made of candle's own operations. The highest is taken off first, so that no power overflows; the result does not
/// depend on it, and no gradient goes there.
pub(super) fn plain_softmax(x: &Tensor) -> Result<Tensor> {
    let powers = x.broadcast_sub(&x.detach().max_keepdim(D::Minus1)?)?.exp()?;
    powers.broadcast_div(&powers.sum_keepdim(D::Minus1)?)
}

impl CustomOp1 for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut y = floats(x, layout)?.to_vec();
        let columns = layout.dims().last().copied().unwrap_or(1);
        kernels::softmax_rows(&mut y, columns, columns, 1.0);
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, _x: &Tensor, y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let mut dx = Floats::of(&dy.contiguous()?)?.to_vec();
        let columns = y.dims().last().copied().unwrap_or(1);
        kernels::softmax_backward_rows(&Floats::of(y)?, &mut dx, columns, columns, 1.0);
        Ok(Some(tensor(dx, y.shape())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbone::ops::testing::{compare, random};

    #[test]
    fn softmax_matches_candle() {
        let v = [random((3, 5, 21), 1)];
        compare(
            &v,
            || softmax(v[0].as_tensor()).unwrap(),
            || plain_softmax(v[0].as_tensor()).unwrap(),
        );
    }

    #[test]
    fn large_scores_do_not_overflow() {
        let x = tensor(vec![1000.0, 1000.0, -1e30], (1, 3)).unwrap();
        for y in [softmax(&x), plain_softmax(&x)] {
            let y = y.unwrap().to_vec2::<f32>().unwrap();
            assert!(y[0][..2] == [0.5, 0.5] && y[0][2] < 1e-30, "{y:?}");
        }
    }
}
