//! The loops under the tensor operations.

mod activations;
mod dense;
mod elementwise;
mod rows;
mod scores;
pub(crate) mod share;
mod unit_convert;
mod unit_left;
mod unit_panels;
mod unit_tile;
mod unit_write;
pub(crate) mod units;
mod vector;

pub(crate) use activations::*;
pub(crate) use dense::{by_rows, by_transposed, transposed_by_rows};
pub(crate) use elementwise::*;
pub(crate) use rows::*;
pub(crate) use scores::*;
pub(crate) use vector::vectorised;
