//! What of an encoder learns: how far down the backward pass goes, and what is packed anew.

use super::super::weights::{Learning, Weights};
use super::Fused;
use super::lora::BranchPlaces;
use super::packed::Layer;

/// By layer, and below the layers.
pub(super) struct Learns {
    /// Whether any of the embeddings do.
    pub embeddings: bool,
    /// The lowest layer in which anything does, or beside which; 0 where the embeddings do.
    pub lowest: usize,
    /// Layers whose own weights all stay.
    pub still: Vec<bool>,
    /// What stands beside each layer's parts: see [`Layer::branches`].
    branches: Vec<[Option<BranchPlaces>; 6]>,
}

impl Learns {
    /// Everything, with nothing beside it.
    pub fn all(layers: usize) -> Self {
        Self {
            embeddings: true,
            lowest: 0,
            still: vec![false; layers],
            branches: vec![[None; 6]; layers],
        }
    }
}

impl Fused {
    /// The same encoder with gradients of some of its weights and of what stands beside its layers.
    pub fn learning(self, weights: &Weights, learning: &Learning) -> Self {
        let places = &self.places;
        let any = |places: &[usize]| places.iter().any(|&place| learning.learns(place));
        let embeddings = [places.words, places.positions, places.norm[0]];
        let embeddings = any(&embeddings) || places.kinds.is_some_and(|kinds| learning.learns(kinds));
        let (mut still, mut branches) = (Vec::new(), Vec::new());
        for layer in &places.layers {
            let [q, k, v, o] = layer.attention;
            let dense = [q, k, v, o, layer.widen, layer.narrow];
            let norms = [layer.attention_norm, layer.dense_norm];
            still.push(!dense.iter().chain(&norms).any(|both| any(both)));
            let lora = learning.lora.as_ref();
            branches.push(dense.map(|[weight, _]| BranchPlaces::find(weights, lora?, weight)));
        }
        let learns = |layer: usize| !still[layer] || branches[layer].iter().any(Option::is_some);
        let lowest = match embeddings {
            true => 0,
            false => (0..still.len())
                .find(|&layer| learns(layer))
                .unwrap_or(still.len()),
        };
        let learns = Learns {
            embeddings,
            lowest,
            still,
            branches,
        };
        Self { learns, ..self }
    }

    /// Packs what stands beside a layer's parts as it is now.
    pub(super) fn pack_branches(
        &self,
        weights: &Weights,
        layer: usize,
        to: &mut Layer,
    ) -> candle_core::Result<()> {
        for (places, to) in self.learns.branches[layer].iter().zip(&mut to.branches) {
            *to = places
                .map(|places| places.pack(weights, self.precision))
                .transpose()?;
        }
        Ok(())
    }
}
