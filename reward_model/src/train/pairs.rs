//! The pairs that a run learns from: gone through again and again, and never all in memory.

use std::collections::HashMap;
use std::ops::{ControlFlow, Range};

use super::check::check_pair;
use super::identity::PairHash;
use crate::data::{Encoder, Pair};
use crate::error::TrainError;
use recipe::Recipe;

/// Bytes of text that are worked on at a time, and how many texts.
const BLOCK_BYTES: usize = 4 << 20;
const BLOCK_TEXTS: usize = 1 << 14;

/// Takes a pair; a break ends the pass without an error.
pub type Take<'a> = dyn FnMut(&Pair) -> Result<ControlFlow<()>, TrainError> + 'a;

/// Takes some texts; a break ends the pass without an error.
pub(super) type TakeTexts<'a> = dyn FnMut(&[String]) -> Result<ControlFlow<()>, TrainError> + 'a;

/// Pairs that can be gone through again and again, the same ones in the same order each time: a list, or files.
pub trait PairSource: Sync {
    /// Hands over one pair after the other until `take` breaks or fails.
    ///
    /// # Errors
    /// Those of `take`, and [`TrainError::Source`] where the pairs cannot be read.
    fn each(&self, take: &mut Take) -> Result<(), TrainError>;
}

impl PairSource for &[Pair] {
    fn each(&self, take: &mut Take) -> Result<(), TrainError> {
        for pair in *self {
            if take(pair)?.is_break() {
                break;
            }
        }
        Ok(())
    }
}

impl PairSource for Vec<Pair> {
    fn each(&self, take: &mut Take) -> Result<(), TrainError> {
        self.as_slice().each(take)
    }
}

/// What the loss needs of a pair beside its rewards; as [`Pair`] has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Numbers {
    pub margin: f32,
    pub weight: f32,
    pub belief: f32,
    pub tied: bool,
}

impl Numbers {
    pub fn of(pair: &Pair) -> Self {
        Self {
            margin: pair.margin,
            weight: pair.weight,
            belief: pair.belief,
            tied: pair.tied,
        }
    }
}

/// All pairs of a source: their numbers, 20 bytes a pair, and the way to their texts.
pub(super) struct Pairs<'a> {
    source: &'a dyn PairSource,
    /// In the source's order.
    pub numbers: Vec<Numbers>,
    /// The responses of pair i are texts `first[i]..first[i + 1]`.
    first: Vec<u32>,
    /// Hash of all that the source holds.
    pub hash: String,
}

impl<'a> Pairs<'a> {
    /// Goes through the source once and checks each pair.
    ///
    /// # Errors
    /// The first pair that cannot be trained on, and the source's own.
    pub fn survey(source: &'a dyn PairSource, config: &Recipe) -> Result<Self, TrainError> {
        let (mut numbers, mut first, mut hash) = (Vec::new(), vec![0], PairHash::default());
        let mut texts = 0;
        source.each(&mut |pair| {
            check_pair(pair, config)?;
            hash.add(pair);
            texts += pair.responses().count() as u32;
            first.push(texts);
            numbers.push(Numbers::of(pair));
            Ok(ControlFlow::Continue(()))
        })?;
        numbers.shrink_to_fit();
        first.shrink_to_fit();
        Ok(Self {
            source,
            numbers,
            first,
            hash: hash.finish(),
        })
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// How many responses they have together.
    pub fn texts(&self) -> usize {
        self.first.last().map_or(0, |&texts| texts as usize)
    }

    /// Places of a pair's responses among all texts.
    pub fn texts_of(&self, pair: usize) -> Range<usize> {
        self.first[pair] as usize..self.first[pair + 1] as usize
    }

    /// Goes through the source again, pair by pair.
    pub fn each(&self, take: &mut Take) -> Result<(), TrainError> {
        self.source.each(take)
    }

    /// Goes through the source again and hands over the texts of all responses, written as the model reads them, some
    /// megabytes at a time, until `take` breaks.
    ///
    /// # Errors
    /// A conversation that the chat template refuses, a source that now holds other pairs, and those of `take`.
    pub fn each_text(&self, encoder: &Encoder, take: &mut TakeTexts) -> Result<(), TrainError> {
        let (mut block, mut bytes, mut stopped) = (Vec::new(), 0, false);
        let mut hash = PairHash::default();
        self.source.each(&mut |pair| {
            hash.add(pair);
            for text in encoder.texts(pair) {
                let text = text?;
                bytes += text.len();
                block.push(text);
            }
            if bytes >= BLOCK_BYTES || block.len() >= BLOCK_TEXTS {
                stopped = take(&block)?.is_break();
                block.clear();
                bytes = 0;
            }
            Ok(if stopped {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })?;
        if stopped || (!block.is_empty() && take(&block)?.is_break()) {
            return Ok(());
        }
        // A file that was written to meanwhile: places of one pass would be those of other texts.
        if hash.finish() != self.hash {
            let message = "they have changed since the run began to read them; start it again";
            return Err(TrainError::Source(message.to_owned()));
        }
        Ok(())
    }

    /// The ids of the pairs at these places, by another pass: they are told only where a run fails, and would be most of what
    /// is kept of a pair. A source that can no longer be read gives places in their stead, counted from 1.
    pub fn ids(&self, places: &[usize]) -> Vec<String> {
        let mut wanted: HashMap<usize, Option<String>> = places.iter().map(|&place| (place, None)).collect();
        let (mut place, mut missing) = (0, wanted.len());
        // The failure that asks for the names is the one to be told.
        let _ = self.source.each(&mut |pair| {
            if let Some(id) = wanted.get_mut(&place) {
                *id = Some(pair.id.clone());
                missing -= 1;
            }
            place += 1;
            Ok(if missing == 0 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        });
        let name = |place: &usize| {
            wanted[place]
                .clone()
                .unwrap_or_else(|| format!("pair {}", place + 1))
        };
        places.iter().map(name).collect()
    }
}
