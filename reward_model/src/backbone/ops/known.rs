//! Results that are computed outside of candle's graph and put into it with a gradient of their own. candle keeps every
//! intermediate, and multiplies out gradients that nobody asked for, which are kept to the end: where that would take the most
//! memory, this is used instead.

use std::sync::{Mutex, PoisonError};

use candle_core::backend::BackendStorage;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Storage, Tensor, Var, bail,
};

/// A result that is there already, as an operation whose gradients `backward` gives.
struct Known<B> {
    /// Taken when the graph gets its own copy.
    y: Mutex<Option<Tensor>>,
    backward: B,
}

impl<B> Known<B> {
    /// The result's elements, contiguous and from the first on.
    fn take<S>(&self, copy: impl FnOnce(&Storage, &Layout) -> Result<S>) -> Result<(S, Shape)> {
        let y = self.y.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(y) = y else {
            bail!("a result is taken once")
        };
        let (storage, layout) = y.storage_and_layout();
        Ok((copy(&storage, layout)?, layout.shape().clone()))
    }

    fn take_cpu(&self) -> Result<(CpuStorage, Shape)> {
        self.take(|storage, layout| match storage {
            Storage::Cpu(storage) => storage.try_clone(layout),
            _ => bail!("a result on the CPU is needed"),
        })
    }

    fn take_cuda(&self) -> Result<(CudaStorage, Shape)> {
        self.take(|storage, layout| match storage {
            Storage::Cuda(storage) => storage.try_clone(layout),
            _ => bail!("a result on the GPU is needed"),
        })
    }
}

/// Gradients of N tensors, each only where something learns from it, by that of a result.
type Backward<const N: usize> = dyn Fn([&Tensor; N], &Tensor) -> Result<[Option<Tensor>; N]> + Send + Sync;

impl CustomOp2 for Known<Box<Backward<2>>> {
    fn name(&self) -> &'static str {
        "known"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        self.take_cpu()
    }

    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        self.take_cuda()
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [da, db] = (self.backward)([a, b], dy)?;
        Ok((da, db))
    }
}

impl CustomOp3 for Known<Box<Backward<3>>> {
    fn name(&self) -> &'static str {
        "known"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.take_cpu()
    }

    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        self.take_cuda()
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        c: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [da, db, dc] = (self.backward)([a, b, c], dy)?;
        Ok((da, db, dc))
    }
}

/// `y`, freshly computed of detached `a` and `b`, as part of the graph.
pub(super) fn known(
    [a, b]: [&Tensor; 2],
    y: Tensor,
    backward: impl Fn([&Tensor; 2], &Tensor) -> Result<[Option<Tensor>; 2]> + Send + Sync + 'static,
) -> Result<Tensor> {
    if !a.track_op() && !b.track_op() {
        return Ok(y);
    }
    let backward: Box<Backward<2>> = Box::new(backward);
    let y = Mutex::new(Some(y));
    a.apply_op2(b, Known { y, backward })
}

/// `f` of three tensors. Of what it computes on the way nothing is kept: that is computed again for the gradients (Chen et al.
/// 2016, "Training Deep Nets with Sublinear Memory Cost").
pub(super) fn recomputed(
    [a, b, c]: [&Tensor; 3],
    f: impl Fn([&Tensor; 3]) -> Result<Tensor> + Send + Sync + 'static,
) -> Result<Tensor> {
    let y = f([&a.detach(), &b.detach(), &c.detach()])?;
    if ![a, b, c].iter().any(|x| x.track_op()) {
        return Ok(y);
    }
    let backward: Box<Backward<3>> = Box::new(move |inputs, dy| {
        let [a, b, c] = inputs.map(|x| Var::from_tensor(&x.detach()));
        let vars = [a?, b?, c?];
        let y = f([vars[0].as_tensor(), vars[1].as_tensor(), vars[2].as_tensor()])?;
        let mut store = (y * dy)?.sum_all()?.backward()?;
        Ok(vars.map(|var| store.remove(var.as_tensor())))
    });
    let y = Mutex::new(Some(y));
    a.apply_op3(b, c, Known { y, backward })
}
