//! Layer norm and root-mean-square norm.

use candle_core::{CpuStorage, CustomOp2, CustomOp3, D, Layout, Result, Shape, Tensor};

use super::super::kernels;
use super::{Floats, floats, plain, tensor};

struct LayerNorm {
    epsilon: f32,
}

/// Layer norm over the last dimension: x \[n, h\], gain and bias \[h\].
pub(crate) fn layer_norm(x: &Tensor, gain: &Tensor, bias: &Tensor, epsilon: f32) -> Result<Tensor> {
    if plain::is_for(x.device()) {
        return plain_layer_norm(x, gain, bias, epsilon);
    }
    x.apply_op3(gain, bias, LayerNorm { epsilon })
}

/// The same made of candle's own operations.
fn plain_layer_norm(x: &Tensor, gain: &Tensor, bias: &Tensor, epsilon: f32) -> Result<Tensor> {
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
    let unit = centred.broadcast_div(&(variance + f64::from(epsilon))?.sqrt()?)?;
    unit.broadcast_mul(gain)?.broadcast_add(bias)
}

impl CustomOp3 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        g: &CpuStorage,
        gl: &Layout,
        b: &CpuStorage,
        bl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = floats(x, xl)?;
        let mut y = vec![0.0; x.len()];
        kernels::layer_norm(x, floats(g, gl)?, floats(b, bl)?, self.epsilon, &mut y);
        Ok((CpuStorage::F32(y), xl.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        gain: &Tensor,
        _bias: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        let mut dx = Floats::of(&dy)?.to_vec();
        let (x_floats, gains) = (Floats::of(x)?, Floats::of(gain)?);
        let [dgain, dbias] = kernels::layer_norm_backward(&x_floats, &gains, self.epsilon, &mut dx);
        Ok((
            Some(tensor(dx, x.shape())?),
            Some(tensor(dgain, gain.shape())?),
            Some(tensor(dbias, gain.shape())?),
        ))
    }
}

struct RmsNorm {
    epsilon: f32,
    offset: f32,
}

/// Root-mean-square norm over the last dimension (Zhang and Sennrich 2019): `x / √(mean x² + ε) · (offset + gain)`.
/// x \[n, h\], gain \[h\]; the offset is 1 in Gemma, whose gains are kept less one, and 0 elsewhere.
pub(crate) fn rms_norm(x: &Tensor, gain: &Tensor, epsilon: f32, offset: f32) -> Result<Tensor> {
    if plain::is_for(x.device()) {
        return plain_rms_norm(x, gain, epsilon, offset);
    }
    x.apply_op2(gain, RmsNorm { epsilon, offset })
}

/// The same made of candle's own operations.
fn plain_rms_norm(x: &Tensor, gain: &Tensor, epsilon: f32, offset: f32) -> Result<Tensor> {
    let mean = x.sqr()?.mean_keepdim(D::Minus1)?;
    let unit = x.broadcast_div(&(mean + f64::from(epsilon))?.sqrt()?)?;
    unit.broadcast_mul(&(gain + f64::from(offset))?)
}

impl CustomOp2 for RmsNorm {
    fn name(&self) -> &'static str {
        "rms_norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        g: &CpuStorage,
        gl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let gain: Vec<f32> = floats(g, gl)?.iter().map(|g| g + self.offset).collect();
        let y = kernels::rms_norm(floats(x, xl)?, &gain, self.epsilon);
        Ok((CpuStorage::F32(y), xl.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        gain: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        let gains: Vec<f32> = Floats::of(gain)?.iter().map(|g| g + self.offset).collect();
        let [dx, dgain] =
            kernels::rms_norm_backward(&Floats::of(x)?, &gains, self.epsilon, &Floats::of(&dy)?);
        Ok((Some(tensor(dx, x.shape())?), Some(tensor(dgain, gain.shape())?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbone::ops::testing::{compare, random};

    #[test]
    fn layer_norm_matches_candle() {
        let v = [random((6, 37), 1), random(37, 2), random(37, 3)];
        compare(
            &v,
            || layer_norm(&v[0], &v[1], &v[2], 1e-12).unwrap(),
            || plain_layer_norm(&v[0], &v[1], &v[2], 1e-12).unwrap(),
        );
    }

    #[test]
    fn rms_norm_matches_candle() {
        let v = [random((6, 37), 1), random(37, 2)];
        compare(
            &v,
            || rms_norm(&v[0], &v[1], 1e-6, 1.0).unwrap(),
            || plain_rms_norm(&v[0], &v[1], 1e-6, 1.0).unwrap(),
        );
    }
}
