//! Rotary positions (Su et al. 2021, "RoFormer"), in transformers' layout: element j of a head turns with element
//! j + size / 2.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::{Floats, floats, plain, tensor};

/// How fast each pair of elements turns from one position to the next, in radians: \[size / 2\].
#[derive(Debug, Clone)]
pub(crate) struct Rotation {
    pub frequencies: Vec<f64>,
}

impl Rotation {
    /// `theta^(−2j / size)`, and so unscaled.
    pub fn plain(theta: f64, size: usize) -> Self {
        let frequencies = (0..size / 2).map(|j| theta.powf(-2.0 * j as f64 / size as f64));
        Self {
            frequencies: frequencies.collect(),
        }
    }

    /// All turns `factor` times slower: longer texts than the model was made for (Chen et al. 2023, transformers' "linear").
    pub fn slowed(mut self, factor: f64) -> Self {
        self.frequencies.iter_mut().for_each(|f| *f /= factor);
        self
    }

    /// Only slow turns are slowed, those in between in part (transformers' "llama3"): `low_high` are the numbers of turns
    /// over a text of `original` tokens between which the change comes in.
    pub fn slowed_by_wavelength(mut self, factor: f64, [low, high]: [f64; 2], original: f64) -> Self {
        for frequency in &mut self.frequencies {
            let turns = original * *frequency / std::f64::consts::TAU;
            let kept = ((turns - low) / (high - low)).clamp(0.0, 1.0);
            *frequency *= kept + (1.0 - kept) / factor;
        }
        self
    }

    /// Cosines and sines of positions 0 to `positions` − 1. The angle is a product in single precision, as in
    /// transformers: at position 500 its rounding shows in the fourth decimal of a score.
    pub fn table(&self, positions: usize) -> Arc<Vec<[f32; 2]>> {
        let angles = (0..positions).flat_map(|p| self.frequencies.iter().map(move |f| p as f32 * *f as f32));
        Arc::new(angles.map(|angle| [angle.cos(), angle.sin()]).collect())
    }
}

/// Turns each head of each row by its row's position.
#[derive(Clone)]
pub(crate) struct Rope {
    /// From [`Rotation::table`].
    pub table: Arc<Vec<[f32; 2]>>,
    /// Each row's position in its text.
    pub positions: Arc<Vec<usize>>,
    /// Length of a head.
    pub size: usize,
}

impl Rope {
    /// x \[n, heads · size\], transposed.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        if plain::is_for(x.device()) {
            return self.plain(x);
        }
        x.apply_op1(self.clone())
    }

    /// The same made of candle's own operations.
    fn plain(&self, x: &Tensor) -> Result<Tensor> {
        let (n, width) = x.dims2()?;
        let (half, heads) = (self.size / 2, width / self.size);
        // Cosines or sines of the rows' positions, the same for every head.
        let turns = |which: usize| {
            let rows = self
                .positions
                .iter()
                .map(|position| &self.table[position * half..][..half]);
            let values: Vec<f32> = rows.flatten().map(|turn| turn[which]).collect();
            Tensor::from_vec(values, (n, 1, half), x.device())
        };
        let (cos, sin) = (turns(0)?, turns(1)?);
        let x = x.reshape((n, heads, self.size))?;
        let (a, b) = (x.narrow(2, 0, half)?, x.narrow(2, half, half)?);
        let left = (a.broadcast_mul(&cos)? - b.broadcast_mul(&sin)?)?;
        let right = (b.broadcast_mul(&cos)? + a.broadcast_mul(&sin)?)?;
        Tensor::cat(&[left, right], 2)?.reshape((n, width))
    }

    /// `direction` is 1 forwards; the transpose of a rotation, −1, is its gradient.
    fn turn(&self, x: &[f32], width: usize, direction: f32) -> Vec<f32> {
        let half = self.size / 2;
        let mut y = x.to_vec();
        for (row, &position) in y.chunks_exact_mut(width).zip(self.positions.iter()) {
            let turns = &self.table[position * half..][..half];
            for head in row.chunks_exact_mut(self.size) {
                let (left, right) = head.split_at_mut(half);
                for ((a, b), &[cos, sin]) in left.iter_mut().zip(right).zip(turns) {
                    let sin = sin * direction;
                    (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
                }
            }
        }
        y
    }
}

impl CustomOp1 for Rope {
    fn name(&self) -> &'static str {
        "rope"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, width) = layout.shape().dims2()?;
        let y = self.turn(floats(x, layout)?, width, 1.0);
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let dy = dy.contiguous()?;
        let dx = self.turn(&Floats::of(&dy)?, x.dim(1)?, -1.0);
        Ok(Some(tensor(dx, x.shape())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbone::ops::testing::{compare, random};

    #[test]
    fn rope_matches_candle() {
        let size = 6;
        let v = [random((5, 2 * size), 1)];
        let rope = Rope {
            table: Rotation::plain(100.0, size).table(3),
            positions: Arc::new(vec![0, 1, 2, 0, 1]),
            size,
        };
        compare(
            &v,
            || rope.apply(v[0].as_tensor()).unwrap(),
            || rope.plain(v[0].as_tensor()).unwrap(),
        );
    }
}
