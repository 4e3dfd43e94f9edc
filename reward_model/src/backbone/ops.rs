//! candle operations with a backward pass. candle-nn's fused softmax and layer norm have none and drop the gradient
//! without a word, and its plain ones keep every intermediate; these keep their inputs and compute the rest again.

use std::ops::{Deref, Range};
use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, CustomOp3, Device, Layout, Result, Shape, Storage, Tensor, bail};

use super::kernels::{self, Matrix, product};

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

fn floats<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(data), Some((from, to))) => Ok(&data[from..to]),
        _ => bail!("a contiguous f32 tensor is needed"),
    }
}

fn tensor(data: Vec<f32>, shape: impl Into<Shape>) -> Result<Tensor> {
    Tensor::from_vec(data, shape, &Device::Cpu)
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
        let w = Matrix::new(w, outer, inner, inner).transposed();
        product(&mut y, outer, Matrix::new(x, n, inner, inner), w, true, 1.0);
        Ok((CpuStorage::F32(y), (n, outer).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _b: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let ((n, inner), (outer, _)) = (x.dims2()?, w.dims2()?);
        let dy = dy.contiguous()?;
        let (xs, ws, dys) = (Floats::of(x)?, Floats::of(w)?, Floats::of(&dy)?);
        let dym = Matrix::new(&dys, n, outer, outer);
        let mut dx = vec![0.0; n * inner];
        product(
            &mut dx,
            inner,
            dym,
            Matrix::new(&ws, outer, inner, inner),
            false,
            1.0,
        );
        let mut dw = vec![0.0; outer * inner];
        product(
            &mut dw,
            inner,
            dym.transposed(),
            Matrix::new(&xs, n, inner, inner),
            false,
            1.0,
        );
        let mut db = vec![0.0; outer];
        dys.chunks_exact(outer)
            .for_each(|row| kernels::add_scaled(&mut db, row, 1.0));
        Ok((
            Some(tensor(dx, (n, inner))?),
            Some(tensor(dw, (outer, inner))?),
            Some(tensor(db, outer)?),
        ))
    }
}

struct Gelu;

/// Exact GELU of every element.
pub(crate) fn gelu(x: &Tensor) -> Result<Tensor> {
    x.apply_op1(Gelu)
}

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut y = Vec::new();
        kernels::gelu(floats(x, layout)?, &mut y);
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let dy = dy.contiguous()?;
        let mut dx = Vec::new();
        kernels::gelu_backward(&Floats::of(x)?, &Floats::of(&dy)?, &mut dx);
        Ok(Some(tensor(dx, x.shape())?))
    }
}

struct LayerNorm {
    epsilon: f32,
}

/// Layer norm over the last dimension: x \[n, h\], gain and bias \[h\].
pub(crate) fn layer_norm(x: &Tensor, gain: &Tensor, bias: &Tensor, epsilon: f32) -> Result<Tensor> {
    x.apply_op3(gain, bias, LayerNorm { epsilon })
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
        let mut y = Vec::new();
        kernels::layer_norm(
            floats(x, xl)?,
            floats(g, gl)?,
            floats(b, bl)?,
            self.epsilon,
            &mut y,
        );
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
        let [dx, dgain, dbias] = kernels::layer_norm_backward(
            &Floats::of(x)?,
            &Floats::of(gain)?,
            self.epsilon,
            &Floats::of(&dy)?,
        );
        Ok((
            Some(tensor(dx, x.shape())?),
            Some(tensor(dgain, gain.shape())?),
            Some(tensor(dbias, gain.shape())?),
        ))
    }
}

/// Where each text's rows lie in packed tensors: text i has rows `offsets[i]..offsets[i + 1]`.
pub(crate) type Offsets = Arc<Vec<usize>>;

struct Attention {
    heads: usize,
    queries: Offsets,
    keys: Offsets,
}

/// Multi-head attention within each text (Vaswani et al. 2017, eq. 1): q \[m, h\], k and v \[n, h\] → \[m, h\].
/// Texts are packed without padding; `queries` and `keys` say where each begins.
pub(crate) fn attention(
    [q, k, v]: [&Tensor; 3],
    heads: usize,
    queries: &Offsets,
    keys: &Offsets,
) -> Result<Tensor> {
    q.apply_op3(
        k,
        v,
        Attention {
            heads,
            queries: queries.clone(),
            keys: keys.clone(),
        },
    )
}

/// Query rows worked on at once: their scores against 512 keys stay in the second-level cache.
const BLOCK: usize = 64;

/// One text, one head, one block of queries: where its rows begin, counted in elements.
struct Tile {
    q: usize,
    k: usize,
    rows: usize,
    keys: usize,
}

impl Attention {
    /// Calls `f` for each tile; every element of q, k and v belongs to the tiles of one text and head.
    fn tiles(&self, width: usize, mut f: impl FnMut(Tile)) {
        let size = width / self.heads;
        for (q, k) in self.queries.windows(2).zip(self.keys.windows(2)) {
            for head in 0..self.heads {
                for row in (q[0]..q[1]).step_by(BLOCK) {
                    f(Tile {
                        q: row * width + head * size,
                        k: k[0] * width + head * size,
                        rows: BLOCK.min(q[1] - row),
                        keys: k[1] - k[0],
                    });
                }
            }
        }
    }

    fn scale(&self, width: usize) -> f32 {
        1.0 / ((width / self.heads) as f32).sqrt()
    }

    /// Probabilities of a tile, [rows, keys], into `p`.
    fn probabilities(&self, tile: &Tile, width: usize, q: &[f32], k: &[f32], p: &mut Vec<f32>) {
        let size = width / self.heads;
        p.resize(tile.rows * tile.keys, 0.0);
        let q = Matrix::new(&q[tile.q..], tile.rows, size, width);
        let k = Matrix::new(&k[tile.k..], tile.keys, size, width);
        product(p, tile.keys, q, k.transposed(), false, 1.0);
        kernels::softmax_rows(p, tile.keys, self.scale(width));
    }
}

impl CustomOp3 for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        ql: &Layout,
        k: &CpuStorage,
        kl: &Layout,
        v: &CpuStorage,
        vl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (rows, width) = ql.shape().dims2()?;
        let (q, k, v) = (floats(q, ql)?, floats(k, kl)?, floats(v, vl)?);
        let size = width / self.heads;
        let (mut out, mut p) = (vec![0.0; rows * width], Vec::new());
        self.tiles(width, |tile| {
            self.probabilities(&tile, width, q, k, &mut p);
            let p = Matrix::new(&p, tile.rows, tile.keys, tile.keys);
            let v = Matrix::new(&v[tile.k..], tile.keys, size, width);
            product(&mut out[tile.q..], width, p, v, false, 1.0);
        });
        Ok((CpuStorage::F32(out), (rows, width).into()))
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        _out: &Tensor,
        dout: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let ((m, width), (n, _)) = (q.dims2()?, k.dims2()?);
        let (size, scale) = (width / self.heads, self.scale(width));
        let dout = dout.contiguous()?;
        let (qs, ks, vs, douts) = (Floats::of(q)?, Floats::of(k)?, Floats::of(v)?, Floats::of(&dout)?);
        let (mut dq, mut dk, mut dv) = (vec![0.0; m * width], vec![0.0; n * width], vec![0.0; n * width]);
        let (mut p, mut ds) = (Vec::new(), Vec::new());
        self.tiles(width, |tile| {
            self.probabilities(&tile, width, &qs, &ks, &mut p);
            let dout = Matrix::new(&douts[tile.q..], tile.rows, size, width);
            let probabilities = Matrix::new(&p, tile.rows, tile.keys, tile.keys);
            product(
                &mut dv[tile.k..],
                width,
                probabilities.transposed(),
                dout,
                true,
                1.0,
            );
            ds.resize(tile.rows * tile.keys, 0.0);
            let values = Matrix::new(&vs[tile.k..], tile.keys, size, width);
            product(&mut ds, tile.keys, dout, values.transposed(), false, 1.0);
            kernels::softmax_backward_rows(&p, &mut ds, tile.keys, scale);
            let scores = Matrix::new(&ds, tile.rows, tile.keys, tile.keys);
            product(
                &mut dq[tile.q..],
                width,
                scores,
                Matrix::new(&ks[tile.k..], tile.keys, size, width),
                false,
                1.0,
            );
            let queries = Matrix::new(&qs[tile.q..], tile.rows, size, width);
            product(&mut dk[tile.k..], width, scores.transposed(), queries, true, 1.0);
        });
        Ok((
            Some(tensor(dq, (m, width))?),
            Some(tensor(dk, (n, width))?),
            Some(tensor(dv, (n, width))?),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use candle_core::{D, Var};

    fn random(shape: impl Into<Shape>, seed: u64) -> Var {
        let (shape, mut random) = (shape.into(), Random::new(seed, 0));
        let data: Vec<f32> = (0..shape.elem_count())
            .map(|_| random.normal(1.0) as f32)
            .collect();
        Var::from_tensor(&tensor(data, shape).unwrap()).unwrap()
    }

    /// Values and gradients of `ours` against `plain`, which is made of candle's own operations.
    fn compare(inputs: &[Var], ours: impl Fn() -> Tensor, plain: impl Fn() -> Tensor) {
        let (a, b) = (ours(), plain());
        let mix = random(a.shape(), 99);
        let near = |a: &Tensor, b: &Tensor| {
            let difference = (a - b)
                .unwrap()
                .abs()
                .unwrap()
                .max_all()
                .unwrap()
                .to_scalar::<f32>()
                .unwrap();
            assert!(difference < 2e-5, "{difference}");
        };
        near(&a, &b);
        let gradients = |y: &Tensor| {
            (y * mix.as_tensor())
                .unwrap()
                .sum_all()
                .unwrap()
                .backward()
                .unwrap()
        };
        let (ga, gb) = (gradients(&a), gradients(&b));
        for input in inputs {
            near(ga.get(input).expect("a gradient"), gb.get(input).unwrap());
        }
    }

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
    fn gelu_matches_candle() {
        let v = [random((9, 20), 1)];
        compare(&v, || gelu(&v[0]).unwrap(), || v[0].gelu_erf().unwrap());
    }

    #[test]
    fn layer_norm_matches_candle() {
        let v = [random((6, 37), 1), random(37, 2), random(37, 3)];
        let plain = || {
            let centred = v[0]
                .broadcast_sub(&v[0].mean_keepdim(D::Minus1).unwrap())
                .unwrap();
            let variance = centred.sqr().unwrap().mean_keepdim(D::Minus1).unwrap();
            let unit = centred
                .broadcast_div(&(variance + 1e-12).unwrap().sqrt().unwrap())
                .unwrap();
            unit.broadcast_mul(&v[1]).unwrap().broadcast_add(&v[2]).unwrap()
        };
        compare(&v, || layer_norm(&v[0], &v[1], &v[2], 1e-12).unwrap(), plain);
    }

    /// Two texts of 3 and 70 tokens: the second spans two blocks of queries. Then their first tokens alone.
    #[test]
    fn attention_matches_candle() {
        let (heads, width) = (2, 8);
        let keys: Offsets = Arc::new(vec![0, 3, 73]);
        for queries in [keys.clone(), Arc::new(vec![0, 1, 2])] {
            let v = [
                random((queries[2], width), 1),
                random((73, width), 2),
                random((73, width), 3),
            ];
            let plain = || {
                let mut texts = Vec::new();
                for text in 0..2 {
                    let mut parts = Vec::new();
                    for head in 0..heads {
                        let part = |t: &Var, o: &Offsets| {
                            let rows = t.narrow(0, o[text], o[text + 1] - o[text]).unwrap();
                            rows.narrow(1, head * 4, 4).unwrap().contiguous().unwrap()
                        };
                        let (q, k, v) = (part(&v[0], &queries), part(&v[1], &keys), part(&v[2], &keys));
                        let scores = (q.matmul(&k.t().unwrap()).unwrap() * 0.5).unwrap().exp().unwrap();
                        let sums = scores.sum_keepdim(1).unwrap();
                        parts.push(scores.broadcast_div(&sums).unwrap().matmul(&v).unwrap());
                    }
                    texts.push(Tensor::cat(&parts, 1).unwrap());
                }
                Tensor::cat(&texts, 0).unwrap()
            };
            compare(
                &v,
                || attention([&v[0], &v[1], &v[2]], heads, &queries, &keys).unwrap(),
                plain,
            );
        }
    }
}
