//! The BERT encoder, in candle, trainable and without padding: the tokens of several texts lie one after the other in
//! one tensor, and only attention looks at where each text begins.

mod bert;
mod kernels;
mod ops;
mod weights;

pub(crate) use bert::{Batch, Bert, BertConfig, Reads};
pub(crate) use kernels::{add_scaled, dot, squares};
pub(crate) use ops::{Floats, linear};
pub(crate) use weights::{Source, Weights, save_slices};
