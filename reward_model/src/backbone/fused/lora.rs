//! The low-rank matrices beside an encoder's dense layers (see [`super::super::lora`]), forward and backward.

use super::super::Floats;
use super::super::kernels;
use super::super::kernels::units::{Panels, Rows, Transposed, Write, multiply};
use super::super::lora::{mask, names, scale};
use super::super::weights::Weights;
use super::Gradients;
use super::packed::Layer;
use recipe::Lora;
use recipe::Precision;

/// Where A and B of a layer are among the weights, and how they enter.
#[derive(Clone, Copy)]
pub(super) struct BranchPlaces {
    a: usize,
    b: usize,
    scale: f32,
}

impl BranchPlaces {
    /// Of the layer whose weight is at a place, if anything stands beside it.
    pub fn find(weights: &Weights, lora: &Lora, place: usize) -> Option<Self> {
        let [a, b] = names(weights.names[place].strip_suffix(".weight")?);
        let a = weights.place(&a).ok()?;
        Some(Self {
            a,
            b: weights.place(&b).ok()?,
            scale: scale(lora),
        })
    }

    /// Packs A and B as they are now.
    pub fn pack(self, weights: &Weights, precision: Precision) -> candle_core::Result<Branch> {
        let [a, b] = [self.a, self.b].map(|place| weights.vars[place].as_tensor());
        let ((rank, inner), outer) = (a.dims2()?, b.dim(0)?);
        let a = Floats::of(a)?;
        let b: Vec<f32> = Floats::of(b)?.iter().map(|x| self.scale * x).collect();
        let mut branch = Branch {
            places: self,
            sizes: [inner, rank, outer],
            down: Panels::default(),
            up: Panels::default(),
            up_back: Panels::default(),
            down_back: Panels::default(),
        };
        let mut rows = Rows::default();
        rows.fill(precision, &a, inner);
        branch
            .down
            .fill_turned(precision, &rows.data, [inner, rank], rows.units);
        rows.fill(precision, &b, rank);
        branch
            .up
            .fill_turned(precision, &rows.data, [rank, outer], rows.units);
        branch.up_back.fill(precision, &b, [outer, rank], rank);
        branch.down_back.fill(precision, &a, [rank, inner], inner);
        Ok(branch)
    }
}

/// A and B, B times the scale, in the order in which products read them.
pub(super) struct Branch {
    places: BranchPlaces,
    /// Inner, rank, outer.
    sizes: [usize; 3],
    /// Aᵀ and Bᵀ, for the forward pass.
    down: Panels,
    up: Panels,
    /// B and A, for the backward one.
    up_back: Panels,
    down_back: Panels,
}

/// What a thread keeps for branches.
#[derive(Default)]
pub(super) struct BranchScratch {
    left: Rows,
    transposed: Transposed,
    panels: Panels,
    dropped: Vec<f32>,
    low: Vec<f32>,
    dlow: Vec<f32>,
}

impl Branch {
    /// Adds `scale · B·A·drop(x)` to rows of `out`, which are `stride` apart.
    pub fn forward(
        &self,
        precision: Precision,
        x: &[f32],
        (out, stride): (&mut [f32], usize),
        scratch: &mut BranchScratch,
    ) {
        self.lower(precision, x, scratch);
        scratch.left.fill(precision, &scratch.low, self.sizes[1]);
        multiply(out, stride, scratch.left.left(), &self.up, Write::Add);
    }

    /// A·drop(x) into `low`; x as it was dropped stays in `dropped` where anything was.
    fn lower(&self, precision: Precision, x: &[f32], scratch: &mut BranchScratch) {
        let [inner, rank, _] = self.sizes;
        scratch.dropped.clear();
        if let Some(mask) = mask(self.places.a) {
            scratch.dropped.extend_from_slice(x);
            mask.apply(&mut scratch.dropped);
        }
        let x = if scratch.dropped.is_empty() {
            x
        } else {
            &scratch.dropped
        };
        scratch.left.fill(precision, x, inner);
        scratch.low.resize(x.len() / inner * rank, 0.0);
        multiply(
            &mut scratch.low,
            rank,
            scratch.left.left(),
            &self.down,
            Write::Over,
        );
    }

    /// Adds the gradients of A and B, given those of the result in rows that are `stride` apart, and with `dx` that of x.
    pub fn backward(
        &self,
        precision: Precision,
        (dy, stride): (&[f32], usize),
        (x, dx): (&[f32], Option<&mut [f32]>),
        scratch: &mut BranchScratch,
        to: &mut Gradients,
    ) {
        let [inner, rank, outer] = self.sizes;
        let rows = x.len() / inner;
        self.lower(precision, x, scratch);
        // B itself is not scaled, so its gradient is what the product is scaled by.
        scratch.low.iter_mut().for_each(|low| *low *= self.places.scale);
        scratch.transposed.fill(precision, dy, [rows, outer], stride);
        scratch.panels.fill(precision, &scratch.low, [rows, rank], rank);
        let db = &mut to.weights[self.places.b];
        multiply(db, rank, scratch.transposed.left(), &scratch.panels, Write::Add);

        scratch.left.fill_part(precision, dy, [rows, outer], stride);
        scratch.dlow.resize(rows * rank, 0.0);
        multiply(
            &mut scratch.dlow,
            rank,
            scratch.left.left(),
            &self.up_back,
            Write::Over,
        );
        let seen = if !scratch.dropped.is_empty() {
            &scratch.dropped
        } else {
            x
        };
        scratch
            .transposed
            .fill(precision, &scratch.dlow, [rows, rank], rank);
        scratch.panels.fill(precision, seen, [rows, inner], inner);
        let da = &mut to.weights[self.places.a];
        multiply(da, inner, scratch.transposed.left(), &scratch.panels, Write::Add);

        let Some(dx) = dx else { return };
        scratch.left.fill(precision, &scratch.dlow, rank);
        if let Some(mask) = mask(self.places.a) {
            let through = &mut scratch.dropped;
            multiply(through, inner, scratch.left.left(), &self.down_back, Write::Over);
            mask.apply(through);
            kernels::add_scaled(dx, through, 1.0);
        } else {
            multiply(dx, inner, scratch.left.left(), &self.down_back, Write::Add);
        }
    }
}

impl Layer {
    /// Adds what stands beside one of the dense layers (query, key, value, output, the one that widens, the one that narrows)
    /// to its result for x.
    pub fn beside(
        &self,
        part: usize,
        precision: Precision,
        x: &[f32],
        out: (&mut [f32], usize),
        scratch: &mut BranchScratch,
    ) {
        if let Some(branch) = &self.branches[part] {
            branch.forward(precision, x, out, scratch);
        }
    }
}
