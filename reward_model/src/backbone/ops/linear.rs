//! Matrix products with weights.

use candle_core::{CpuStorage, CustomOp2, CustomOp3, DType, Layout, Result, Shape, Tensor};

use super::super::kernels::units::Write;
use super::super::kernels::{self, by_rows, by_transposed, transposed_by_rows};
use super::{Floats, floats, known, plain, tensor};
use recipe::Precision;

/// Gradients of `x · wᵀ` by x and w, each only where something learns from it.
fn backward(precision: Precision, x: &Tensor, w: &Tensor, dy: &Tensor) -> Result<[Option<Tensor>; 2]> {
    let ((n, inner), (outer, _)) = (x.dims2()?, w.dims2()?);
    let (xs, ws, dys) = (Floats::of(x)?, Floats::of(w)?, Floats::of(dy)?);
    let dx = x.track_op().then(|| {
        let mut dx = vec![0.0; n * inner];
        by_rows(precision, &mut dx, (&dys, &ws), [n, outer, inner], Write::Over);
        tensor(dx, (n, inner))
    });
    let dw = w.track_op().then(|| {
        let mut dw = vec![0.0; outer * inner];
        let shape = [outer, n, inner];
        transposed_by_rows(precision, &mut dw, (&dys, &xs), shape, Write::Over);
        tensor(dw, (outer, inner))
    });
    Ok([dx.transpose()?, dw.transpose()?])
}

struct Linear(Precision);

/// `x · wᵀ + b`: x \[n, in\], w \[out, in\], b \[out\] → \[n, out\].
pub(crate) fn linear(precision: Precision, x: &Tensor, w: &Tensor, b: &Tensor) -> Result<Tensor> {
    if plain::is_for(x.device()) {
        return plain_project(precision, x, w)?.broadcast_add(b);
    }
    x.apply_op3(w, b, Linear(precision))
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
        let (factors, b) = ((floats(x, xl)?, floats(w, wl)?), floats(b, bl)?);
        let mut y = vec![0.0; n * outer];
        by_transposed(self.0, &mut y, factors, [n, inner, outer], Write::Onto(b));
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
        let [dx, dw] = backward(self.0, x, w, &dy)?;
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

struct Project(Precision);

/// `x · wᵀ`: x \[n, in\], w \[out, in\] → \[n, out\].
pub(crate) fn project(precision: Precision, x: &Tensor, w: &Tensor) -> Result<Tensor> {
    if plain::is_for(x.device()) {
        return plain_project(precision, x, w);
    }
    x.apply_op2(w, Project(precision))
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
        let factors = (floats(x, xl)?, floats(w, wl)?);
        by_transposed(self.0, &mut y, factors, [n, inner, outer], Write::Over);
        Ok((CpuStorage::F32(y), (n, outer).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [dx, dw] = backward(self.0, x, w, &dy.contiguous()?)?;
        Ok((dx, dw))
    }
}

/// The product made of candle's own operations. In its graph weights that stay would each get a gradient, kept to the end.
fn plain_project(precision: Precision, x: &Tensor, w: &Tensor) -> Result<Tensor> {
    let y = multiply(precision, &x.detach(), &w.detach().t()?)?;
    known::known([x, w], y, move |[x, w], dy| {
        let dx = x.track_op().then(|| multiply(precision, dy, w));
        let dw = w.track_op().then(|| multiply(precision, &dy.t()?, x));
        Ok([dx.transpose()?, dw.transpose()?])
    })
}

/// `a · b` in some precision, from and to f32.
fn multiply(precision: Precision, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    match precision {
        Precision::F32 => a.matmul(b),
        Precision::Bf16 => {
            let [a, b] = [a, b].map(|x| x.to_dtype(DType::BF16));
            a?.matmul(&b?)?.to_dtype(DType::F32)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbone::ops::testing::{as_on_gpu, compare, random};

    #[test]
    fn linear_matches_candle() {
        let v = [random((7, 5), 1), random((3, 5), 2), random(3, 3)];
        let linear = || linear(Precision::F32, &v[0], &v[1], &v[2]).unwrap();
        let graph = || {
            let product = v[0].matmul(&v[1].t().unwrap()).unwrap();
            product.broadcast_add(&v[2]).unwrap()
        };
        compare(&v, linear, graph);
        compare(&v, || as_on_gpu(linear), graph);
    }

    #[test]
    fn project_matches_candle() {
        let v = [random((7, 5), 1), random((3, 5), 2)];
        let project = || project(Precision::F32, &v[0], &v[1]).unwrap();
        let graph = || v[0].matmul(&v[1].t().unwrap()).unwrap();
        compare(&v, project, graph);
        compare(&v, || as_on_gpu(project), graph);
    }

    /// What stays gets no gradient, also where candle would make one.
    #[test]
    fn what_stays_has_no_gradient() {
        let (x, w) = (random((7, 5), 1), random((3, 5), 2));
        let gradients = |x: &Tensor, w: &Tensor| {
            let y = as_on_gpu(|| project(Precision::F32, x, w)).unwrap();
            y.sum_all().unwrap().backward().unwrap()
        };
        let (stays, store) = (w.as_tensor().detach(), |x: &Tensor, w: &Tensor| gradients(x, w));
        let of = store(x.as_tensor(), &stays);
        assert!(of.get(&x).is_some() && of.get(&stays).is_none());
        assert_eq!(of.get_ids().count(), 1);
    }
}
