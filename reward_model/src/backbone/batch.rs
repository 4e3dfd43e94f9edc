//! Several texts, one after the other.

use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::dropout::{Dropout, Site};
use super::ops::Offsets;

/// Token ids of several texts, packed without padding.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    ids: Vec<u32>,
    offsets: Offsets,
    dropout: Option<Dropout>,
}

/// Which of the last layer's rows are needed; leaving the others out saves most of that layer's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Every token's.
    All,
    /// Each text's first.
    First,
    /// Each text's last.
    Last,
}

impl Batch {
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a [u32]>) -> Self {
        let (mut ids, mut offsets) = (Vec::new(), vec![0]);
        for text in texts {
            ids.extend_from_slice(text);
            offsets.push(ids.len());
        }
        Self {
            ids,
            offsets: Arc::new(offsets),
            dropout: None,
        }
    }

    /// The same texts with parts dropped on their way through the model.
    pub fn dropping(self, dropout: Option<Dropout>) -> Self {
        Self { dropout, ..self }
    }

    /// What is dropped; nothing outside of training.
    pub fn dropout(&self) -> Option<Dropout> {
        self.dropout
    }

    /// A contiguous tensor with what is dropped at a place.
    pub fn drop(&self, site: Site, x: Tensor) -> candle_core::Result<Tensor> {
        let Some(dropout) = self.dropout else { return Ok(x) };
        let mut mask = vec![1.0f32; x.elem_count()];
        dropout.at(site).apply(&mut mask);
        &x * Tensor::from_vec(mask, x.shape(), &Device::Cpu)?
    }

    /// Token ids, all texts.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Text i has tokens `offsets[i]..offsets[i + 1]`.
    pub fn offsets(&self) -> &Offsets {
        &self.offsets
    }

    /// How many texts there are.
    pub fn texts(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Tokens of the longest text.
    pub fn longest(&self) -> usize {
        self.offsets.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0)
    }

    /// Each token's position in its text.
    pub fn positions(&self) -> Vec<usize> {
        self.offsets.windows(2).flat_map(|w| 0..w[1] - w[0]).collect()
    }

    /// The rows that are read, or nothing for all of them.
    pub fn read(&self, reads: Reads) -> Option<Vec<usize>> {
        match reads {
            Reads::All => None,
            Reads::First => Some(self.offsets[..self.texts()].to_vec()),
            Reads::Last => Some(self.offsets[1..].iter().map(|end| end - 1).collect()),
        }
    }
}

/// Rows of a tensor [n, h].
pub(crate) fn rows(x: &Tensor, rows: &[usize]) -> candle_core::Result<Tensor> {
    let rows: Vec<u32> = rows.iter().map(|&row| row as u32).collect();
    x.index_select(&Tensor::new(rows, &Device::Cpu)?, 0)
}

/// A last layer's input rows where only some are read, and where each text's queries then lie.
pub(crate) fn queries(x: &Tensor, batch: &Batch, reads: Reads) -> candle_core::Result<(Tensor, Offsets)> {
    Ok(match batch.read(reads) {
        None => (x.clone(), batch.offsets().clone()),
        Some(read) => (rows(x, &read)?, Arc::new((0..=batch.texts()).collect())),
    })
}
