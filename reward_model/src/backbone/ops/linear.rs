//! Matrix products with weights.

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};

use super::super::kernels::{self, Matrix, product};
use super::{Floats, floats, tensor};

/// `y ← keep · y + x · wᵀ` for x \[n, inner\], w \[outer, inner\].
fn forward(y: &mut [f32], x: &[f32], w: &[f32], [n, inner, outer]: [usize; 3], keep: bool) {
    let w = Matrix::new(w, outer, inner, inner).transposed();
    product(y, outer, Matrix::new(x, n, inner, inner), w, keep);
}

/// Gradients of `x · wᵀ` by x and w, each only where something learns from it.
fn backward(x: &Tensor, w: &Tensor, dy: &Tensor) -> Result<[Option<Tensor>; 2]> {
    let ((n, inner), (outer, _)) = (x.dims2()?, w.dims2()?);
    let (xs, ws, dys) = (Floats::of(x)?, Floats::of(w)?, Floats::of(dy)?);
    let dym = Matrix::new(&dys, n, outer, outer);
    let dx = x.track_op().then(|| {
        let mut dx = vec![0.0; n * inner];
        product(&mut dx, inner, dym, Matrix::new(&ws, outer, inner, inner), false);
        tensor(dx, (n, inner))
    });
    let dw = w.track_op().then(|| {
        let (mut dw, xm) = (vec![0.0; outer * inner], Matrix::new(&xs, n, inner, inner));
        product(&mut dw, inner, dym.transposed(), xm, false);
        tensor(dw, (outer, inner))
    });
    Ok([dx.transpose()?, dw.transpose()?])
}

struct Linear;

/// `x · wᵀ + b`: x \[n, in\], w \[out, in\], b \[out\] → \[n, out\].
pub(crate) fn linear(x: &Tensor, w: &Tensor, b: &Tensor) -> Result<Tensor> {
    x.apply_op3(w, b, Linear)
}

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        w: &CpuStorage,
        wl: &Layout,
        b: &CpuStorage,
        bl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let ((n, inner), (outer, _)) = (xl.shape().dims2()?, wl.shape().dims2()?);
        let (x, w, b) = (floats(x, xl)?, floats(w, wl)?, floats(b, bl)?);
        let mut y = Vec::with_capacity(n * outer);
        (0..n).for_each(|_| y.extend_from_slice(b));
        forward(&mut y, x, w, [n, inner, outer], true);
        Ok((CpuStorage::F32(y), (n, outer).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        b: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        let [dx, dw] = backward(x, w, &dy)?;
        if !b.track_op() {
            return Ok((dx, dw, None));
        }
        let outer = w.dim(0)?;
        let mut db = vec![0.0; outer];
        Floats::of(&dy)?
            .chunks_exact(outer)
            .for_each(|row| kernels::add_scaled(&mut db, row, 1.0));
        Ok((dx, dw, Some(tensor(db, outer)?)))
    }
}

struct Project;

/// `x · wᵀ`: x \[n, in\], w \[out, in\] → \[n, out\].
pub(crate) fn project(x: &Tensor, w: &Tensor) -> Result<Tensor> {
    x.apply_op2(w, Project)
}

impl CustomOp2 for Project {
    fn name(&self) -> &'static str {
        "project"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        w: &CpuStorage,
        wl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let ((n, inner), (outer, _)) = (xl.shape().dims2()?, wl.shape().dims2()?);
        let mut y = vec![0.0; n * outer];
        forward(&mut y, floats(x, xl)?, floats(w, wl)?, [n, inner, outer], false);
        Ok((CpuStorage::F32(y), (n, outer).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [dx, dw] = backward(x, w, &dy.contiguous()?)?;
        Ok((dx, dw))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbone::ops::testing::{compare, random};

    #[test]
    fn linear_matches_candle() {
        let v = [random((7, 5), 1), random((3, 5), 2), random(3, 3)];
        compare(
            &v,
            || linear(&v[0], &v[1], &v[2]).unwrap(),
            || {
                v[0].matmul(&v[1].t().unwrap())
                    .unwrap()
                    .broadcast_add(&v[2])
                    .unwrap()
            },
        );
    }

    #[test]
    fn project_matches_candle() {
        let v = [random((7, 5), 1), random((3, 5), 2)];
        compare(
            &v,
            || project(&v[0], &v[1]).unwrap(),
            || v[0].matmul(&v[1].t().unwrap()).unwrap(),
        );
    }
}
