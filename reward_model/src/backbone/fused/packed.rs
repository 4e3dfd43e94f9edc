//! The layers' weights in the order in which products read them; made anew when the weights have moved.

use rayon::prelude::*;

use super::super::Floats;
use super::super::kernels::units::{Panels, Rows};
use super::super::weights::Weights;
use super::Fused;
use super::lora::Branch;
use super::places::{Both, LayerPlaces};
use recipe::Precision;

/// A dense layer, `x · wᵀ + b`.
#[derive(Default)]
pub(super) struct Dense {
    /// wᵀ, \[inner, outer\].
    pub forward: Panels,
    /// w, \[outer, inner\], for the gradient by x; empty where none is asked for.
    pub backward: Panels,
    pub bias: Vec<f32>,
}

#[derive(Default)]
pub(super) struct Norm {
    pub gain: Vec<f32>,
    pub bias: Vec<f32>,
}

#[derive(Default)]
pub(super) struct Layer {
    /// Query, key, value, output.
    pub attention: [Dense; 4],
    pub attention_norm: Norm,
    pub widen: Dense,
    pub narrow: Dense,
    pub dense_norm: Norm,
    /// Beside query, key, value, output, the layer that widens and the one that narrows.
    pub branches: [Option<Branch>; 6],
}

/// The weights of all layers, packed.
#[derive(Default)]
pub(crate) struct Packed {
    pub(super) layers: Vec<Layer>,
}

#[derive(Clone, Copy)]
struct Packer<'a> {
    weights: &'a Weights,
    precision: Precision,
    gradients: bool,
}

impl Packer<'_> {
    fn copy(&self, place: usize, to: &mut Vec<f32>) -> candle_core::Result<()> {
        to.clear();
        to.extend_from_slice(&Floats::of(self.weights.vars[place].as_tensor())?);
        Ok(())
    }

    fn dense(&self, [weight, bias]: Both, to: &mut Dense, rows: &mut Rows) -> candle_core::Result<()> {
        let var = &self.weights.vars[weight];
        let (outer, inner) = var.dims2()?;
        let w = Floats::of(var.as_tensor())?;
        rows.fill(self.precision, &w, inner);
        to.forward
            .fill_turned(self.precision, &rows.data, [inner, outer], rows.units);
        if self.gradients {
            to.backward.fill(self.precision, &w, [outer, inner], inner);
        }
        self.copy(bias, &mut to.bias)
    }

    fn norm(&self, [gain, bias]: Both, to: &mut Norm) -> candle_core::Result<()> {
        self.copy(gain, &mut to.gain)?;
        self.copy(bias, &mut to.bias)
    }

    fn layer(&self, places: &LayerPlaces, to: &mut Layer) -> candle_core::Result<()> {
        let mut rows = Rows::default();
        for (place, to) in places.attention.iter().zip(&mut to.attention) {
            self.dense(*place, to, &mut rows)?;
        }
        self.dense(places.widen, &mut to.widen, &mut rows)?;
        self.dense(places.narrow, &mut to.narrow, &mut rows)?;
        self.norm(places.attention_norm, &mut to.attention_norm)?;
        self.norm(places.dense_norm, &mut to.dense_norm)
    }
}

impl Fused {
    /// Packs the weights as they are now, layer by layer on the pool that this runs in, for the forward pass and, with
    /// `gradients`, for the backward one.
    pub fn pack(&self, weights: &Weights, gradients: bool, to: &mut Packed) -> candle_core::Result<()> {
        let packer = Packer {
            weights,
            precision: self.precision,
            gradients,
        };
        let first = to.layers.is_empty();
        to.layers.resize_with(self.places.layers.len(), Layer::default);
        to.layers
            .par_iter_mut()
            .zip(&self.places.layers)
            .enumerate()
            .try_for_each(|(i, (to, places))| {
                // Nothing is asked of what lies below all that learns, and what stays is packed once.
                let gradients = gradients && i >= self.learns.lowest;
                if first || !self.learns.still[i] {
                    Packer { gradients, ..packer }.layer(places, to)?;
                }
                self.pack_branches(weights, i, to)
            })
    }
}
