//! BERT's encoder and those like it with forward and backward written by hand: no graph, no tensor per operation. One thread
//! takes a few texts from their words to the last hidden states and back, in buffers that it keeps; products are in f32 or
//! bf16 over weights that are packed once a step. What it computes is what [`super::post_norm`] computes with candle, which is
//! its reference in tests.

mod attention;
mod backbone;
mod backward;
mod embeddings;
mod forward;
mod learns;
mod lora;
mod packed;
mod places;
mod shared;

use super::batch::{Batch, Reads};
use super::dropout::{Mask, Site};
use super::kernels;
use super::kernels::units::{Panels, Rows, Transposed};
use super::post_norm::{Names, Sizes};
use super::weights::Weights;
use attention::HeadScratch;
pub(crate) use backbone::FusedBackbone;
use learns::Learns;
use lora::BranchScratch;
pub(crate) use packed::Packed;
use places::Places;
use recipe::Precision;

/// An encoder whose weights are in a [`Weights`] beside it.
pub(crate) struct Fused {
    places: Places,
    sizes: Sizes,
    precision: Precision,
    learns: Learns,
}

/// What an encoder of this kind looks like in a model's file.
pub(crate) struct Layout {
    pub names: Names,
    /// What stands before its names.
    pub prefix: &'static str,
    pub sizes: Sizes,
    /// Positions that are left out at the beginning.
    pub skipped: usize,
}

/// What the backward pass needs of one layer; the numbers of rows are the batch's, in the last layer those that are read.
#[derive(Default)]
struct LayerTape {
    /// Input, \[tokens, hidden\]; what was kept of the layer before has it, where there is one.
    x: Vec<f32>,
    /// Queries, keys and values side by side, \[tokens, 3 · hidden\].
    qkv: Vec<f32>,
    after: AfterTape,
}

/// What comes after the projections, row by row.
#[derive(Default)]
struct AfterTape {
    /// Logarithm of each query's sum of exponentials, \[rows, heads\].
    log_sums: Vec<f32>,
    /// What attention gives, \[rows, hidden\].
    context: Vec<f32>,
    /// Before the first norm.
    sum: Vec<f32>,
    /// Before the activation, \[rows, inner\].
    wide: Vec<f32>,
    /// Before the second norm.
    wide_sum: Vec<f32>,
}

/// What a thread keeps from batch to batch.
#[derive(Default)]
pub(crate) struct Scratch {
    layers: Vec<LayerTape>,
    /// Embeddings before their norm.
    embedded: Vec<f32>,
    /// Behind a layer's first norm.
    y: Vec<f32>,
    left: Rows,
    panels: Panels,
    transposed: Transposed,
    rows: Vec<f32>,
    /// Gradients, for the backward pass.
    wide: Vec<f32>,
    dcontext: Vec<f32>,
    dqkv: Vec<f32>,
    head: HeadScratch,
    branch: BranchScratch,
    /// What the layer at hand drops: of attention, and of the dense part.
    masks: [Option<Mask>; 2],
}

/// Gradients by the weights, as a thread adds them up: by place, the words' apart.
pub(crate) struct Gradients {
    /// By the weights' places; that of the words is empty, and so are those of weights that stay.
    pub weights: Vec<Vec<f32>>,
    /// By the looked-up words of each text in turn, if words learn.
    pub words: WordGradients,
}

/// Rows by word, one after the other; a word may have several.
#[derive(Default)]
pub(crate) struct WordGradients {
    pub ids: Vec<u32>,
    pub rows: Vec<f32>,
}

impl WordGradients {
    /// Adds the rows in turn to those of all words, and forgets them.
    pub fn add_to(&mut self, all: &mut [f32]) {
        let width = self.rows.len() / self.ids.len().max(1);
        for (row, id) in self.rows.chunks_exact(width.max(1)).zip(&self.ids) {
            kernels::add_scaled(&mut all[*id as usize * width..][..width], row, 1.0);
        }
        self.ids.clear();
        self.rows.clear();
    }
}

impl Fused {
    /// The encoder that `layout` describes, whose weights have been loaded; nothing where some are missing or the activation
    /// is one that is not computed here.
    pub fn of(layout: Layout, weights: &Weights, precision: Precision) -> Option<Self> {
        let Layout {
            names,
            prefix,
            sizes,
            skipped,
        } = layout;
        let places = Places::find(&names, prefix, sizes.layers, skipped, weights)?;
        sizes.activation.is_smooth().then_some(Self {
            places,
            sizes,
            precision,
            learns: Learns::all(sizes.layers),
        })
    }

    /// What a layer drops of a batch.
    fn masks(batch: &Batch, layer: usize) -> [Option<Mask>; 2] {
        let at = |site| batch.dropout().map(|dropout| dropout.at(site));
        [at(Site::Attention(layer)), at(Site::Dense(layer))]
    }

    /// The rows of the last layer that are read, or nothing for all.
    fn read(batch: &Batch, reads: Reads, last: bool) -> Option<Vec<usize>> {
        if last { batch.read(reads) } else { None }
    }
}
