//! Softmax over the last dimension.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::super::kernels;
use super::{Floats, floats, tensor};

struct Softmax;

/// Softmax over the last dimension of a contiguous tensor.
pub(crate) fn softmax(x: &Tensor) -> Result<Tensor> {
    x.apply_op1(Softmax)
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
    use candle_core::D;

    use super::*;
    use crate::backbone::ops::testing::{compare, random};

    #[test]
    fn softmax_matches_candle() {
        let v = [random((3, 5, 21), 1)];
        let plain = || {
            let powers = v[0].exp().unwrap();
            powers
                .broadcast_div(&powers.sum_keepdim(D::Minus1).unwrap())
                .unwrap()
        };
        compare(&v, || softmax(v[0].as_tensor()).unwrap(), plain);
    }
}
