//! Functions of single elements.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};

use super::super::kernels;
use super::{Floats, floats, plain, tensor};

/// What stands between two layers, by transformers' names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    /// `x · Φ(x)`: "gelu".
    Gelu,
    /// Its approximation by a hyperbolic tangent: "gelu_new", "gelu_pytorch_tanh".
    GeluTanh,
    /// `x · σ(x)`: "silu", "swish".
    Silu,
    /// `max(x, 0)`: "relu".
    Relu,
    /// "tanh".
    Tanh,
}

impl Activation {
    /// The one of this name in `config.json`, if it is known.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "gelu" | "gelu_python" => Self::Gelu,
            "gelu_new" | "gelu_pytorch_tanh" => Self::GeluTanh,
            "silu" | "swish" => Self::Silu,
            "relu" => Self::Relu,
            "tanh" => Self::Tanh,
            _ => return None,
        })
    }

    /// Of every element of a contiguous tensor.
    pub fn apply(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Tanh | Self::Relu => self.plain(x),
            _ if plain::is_for(x.device()) => self.plain(x),
            _ => x.apply_op1(self),
        }
    }

    /// The same by candle's own operations.
    fn plain(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Gelu => x.gelu_erf(),
            Self::GeluTanh => x.gelu(),
            Self::Silu => x.silu(),
            Self::Relu => x.relu(),
            Self::Tanh => x.tanh(),
        }
    }

    /// Of every element of `gate`, times `x`'s (Shazeer 2020, "GLU Variants Improve Transformer"), both contiguous.
    pub fn gate(self, gate: &Tensor, x: &Tensor) -> Result<Tensor> {
        if self.is_smooth() && !plain::is_for(x.device()) {
            gate.apply_op2(x, Gated(self))
        } else {
            self.apply(gate)? * x
        }
    }
}

impl Activation {
    /// Whether [`Activation::forward`] computes it.
    pub fn is_smooth(self) -> bool {
        matches!(self, Self::Gelu | Self::GeluTanh | Self::Silu)
    }

    /// Of every element of a slice.
    pub fn forward(self, x: &[f32], y: &mut [f32]) {
        match self {
            Self::GeluTanh => kernels::gelu_tanh(x, y),
            Self::Silu => kernels::silu(x, y),
            _ => kernels::gelu(x, y),
        }
    }

    /// From gradients of the result to those of `x`, in place, and the result.
    pub fn backward(self, x: &[f32], dy: &mut [f32], y: &mut [f32]) {
        match self {
            Self::GeluTanh => kernels::gelu_tanh_slope(x, dy, y),
            Self::Silu => kernels::silu_slope(x, dy, y),
            _ => kernels::gelu_slope(x, dy, y),
        }
    }
}

impl CustomOp1 for Activation {
    fn name(&self) -> &'static str {
        "activation"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = floats(x, layout)?;
        let mut y = vec![0.0; x.len()];
        self.forward(x, &mut y);
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let dy = dy.contiguous()?;
        let mut dx = Floats::of(&dy)?.to_vec();
        let mut y = vec![0.0; dx.len()];
        self.backward(&Floats::of(x)?, &mut dx, &mut y);
        Ok(Some(tensor(dx, x.shape())?))
    }
}

/// In one pass, which keeps nothing but its inputs.
struct Gated(Activation);

impl CustomOp2 for Gated {
    fn name(&self) -> &'static str {
        "gated"
    }

    fn cpu_fwd(
        &self,
        gate: &CpuStorage,
        gl: &Layout,
        x: &CpuStorage,
        xl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (gate, x) = (floats(gate, gl)?, floats(x, xl)?);
        let mut y = vec![0.0; gate.len()];
        self.0.forward(gate, &mut y);
        kernels::multiply_by(&mut y, x);
        Ok((CpuStorage::F32(y), gl.shape().clone()))
    }

    fn bwd(
        &self,
        gate: &Tensor,
        x: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        let dy = Floats::of(&dy)?;
        let mut dgate = dy.to_vec();
        kernels::multiply_by(&mut dgate, &Floats::of(x)?);
        let mut dx = vec![0.0; dgate.len()];
        self.0.backward(&Floats::of(gate)?, &mut dgate, &mut dx);
        kernels::multiply_by(&mut dx, &dy);
        Ok((Some(tensor(dgate, gate.shape())?), Some(tensor(dx, x.shape())?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbone::ops::testing::{compare, random};

    #[test]
    fn activations_match_candle() {
        let v = [random((9, 20), 1)];
        for activation in [Activation::Gelu, Activation::GeluTanh, Activation::Silu] {
            compare(
                &v,
                || activation.apply(v[0].as_tensor()).unwrap(),
                || activation.plain(v[0].as_tensor()).unwrap(),
            );
        }
    }

    #[test]
    fn gates_match_candle() {
        let v = [random((9, 20), 1), random((9, 20), 2)];
        for activation in [Activation::Silu, Activation::GeluTanh, Activation::Relu] {
            compare(
                &v,
                || activation.gate(&v[0], &v[1]).unwrap(),
                || (activation.plain(&v[0]).unwrap() * v[1].as_tensor()).unwrap(),
            );
        }
    }
}
