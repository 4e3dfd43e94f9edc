//! candle operations with a backward pass. candle-nn's fused softmax and layer norm have none and drop the gradient
//! without a word, and its plain ones keep every intermediate; these keep their inputs and compute the rest again. They are
//! for tensors in main memory; on a GPU each is made of candle's own operations ([`plain`]).

mod activation;
mod attention;
mod heads;
mod known;
mod linear;
mod meeting;
mod norm;
mod padded;
pub(crate) mod plain;
mod rope;
mod softmax;

use std::ops::{Deref, Range};

use candle_core::{CpuStorage, Device, Layout, Result, Shape, Storage, Tensor, bail};

pub(crate) use activation::Activation;
pub(crate) use linear::{linear, project};
pub(crate) use meeting::{Attention, Offsets, Segment, Span};
pub(crate) use norm::{layer_norm, rms_norm};
pub(crate) use rope::{Rope, Rotation};
pub(crate) use softmax::softmax;

/// The elements of a contiguous f32 tensor in main memory, for as long as this lives.
pub(crate) struct Floats<'a> {
    storage: Box<dyn Deref<Target = Storage> + 'a>,
    range: Range<usize>,
}

impl<'a> Floats<'a> {
    pub fn of(tensor: &'a Tensor) -> Result<Self> {
        let (storage, layout) = tensor.storage_and_layout();
        let Some((from, to)) = layout.contiguous_offsets() else {
            bail!("a contiguous tensor is needed")
        };
        let Storage::Cpu(CpuStorage::F32(_)) = &*storage else {
            bail!("an f32 tensor on the CPU is needed")
        };
        Ok(Self {
            storage: Box::new(storage),
            range: from..to,
        })
    }
}

impl Deref for Floats<'_> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &**self.storage {
            Storage::Cpu(CpuStorage::F32(data)) => &data[self.range.clone()],
            // Checked when made.
            _ => &[],
        }
    }
}

/// A tensor's elements in main memory, contiguous; those that are there already stay where they are.
pub(crate) fn on_host(tensor: &Tensor) -> Result<Tensor> {
    tensor.detach().contiguous()?.to_device(&Device::Cpu)
}

fn floats<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(data), Some((from, to))) => Ok(&data[from..to]),
        _ => bail!("a contiguous f32 tensor is needed"),
    }
}

fn tensor(data: Vec<f32>, shape: impl Into<Shape>) -> Result<Tensor> {
    Tensor::from_vec(data, shape, &Device::Cpu)
}

#[cfg(test)]
pub(crate) mod testing;
