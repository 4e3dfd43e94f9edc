//! The models that turn tokens into hidden states, in candle, trainable and without padding: the tokens of several texts lie
//! one after the other in one tensor, and only attention looks at where each text begins.

mod batch;
mod bert;
mod config;
mod deberta;
mod decoder;
mod distilbert;
mod dropout;
mod family;
mod fresh;
mod fused;
mod gemma;
mod kernels;
mod layers;
mod llama;
mod lora;
mod modernbert;
mod ops;
mod post_norm;
mod score_head;
mod tensor_file;
mod weights;

use candle_core::{Tensor, Var};

pub(crate) use batch::{Batch, Reads, shared_tokens};
pub(crate) use config::ModelConfig;
pub(crate) use dropout::Dropout;
pub(crate) use family::Family;
pub(crate) use fused::{Fused, Gradients, Packed, Scratch, WordGradients};
pub(crate) use kernels::share::shared;
pub(crate) use kernels::{add_scaled, dot, squares, vectorised};
pub(crate) use lora::{Module, attach, is_of_branch, merged, modules_of_branches, noisy, targets};
pub(crate) use ops::plain::is_for as computes_plainly;
#[cfg(test)]
pub(crate) use ops::testing::as_on_gpu;
pub(crate) use ops::{Floats, on_host};
pub(crate) use score_head::ScoreHead;
pub(crate) use weights::{Learning, Source, Weights, save_slices, weight_files};

/// The place of the word embeddings among the weights: every family registers them first.
pub(crate) const WORDS: usize = 0;

/// A model without its head. What it computes is what transformers computes in evaluation mode.
pub(crate) trait Backbone: Send + Sync {
    /// Word embeddings [vocabulary, hidden].
    fn words(&self) -> &Tensor;

    /// Whether a token's states depend on what comes before it alone, so that texts that begin alike can share their
    /// beginnings.
    fn reads_forwards(&self) -> bool {
        false
    }

    /// From looked-up words [tokens, hidden] to the last hidden states that are read: [tokens, hidden] or [texts, hidden].
    ///
    /// # Errors
    /// candle's, when shapes do not fit.
    fn forward(&self, batch: &Batch, words: &Tensor, reads: Reads) -> candle_core::Result<Tensor>;
}

/// The word embeddings of a batch's tokens, [tokens, hidden], outside the graph: see [`trainable`].
pub(crate) fn look_up(backbone: &dyn Backbone, batch: &Batch) -> candle_core::Result<Tensor> {
    let words = backbone.words().detach();
    words.index_select(&Tensor::new(batch.ids(), words.device())?, 0)
}

/// The looked-up rows as a variable of their own. Its gradient is added to the used rows of the word embeddings, where
/// going through them would make a dense gradient of the whole vocabulary for every few texts.
pub(crate) fn trainable(backbone: &dyn Backbone, batch: &Batch) -> candle_core::Result<Var> {
    Var::from_tensor(&look_up(backbone, batch)?)
}
