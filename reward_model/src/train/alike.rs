//! Pairs whose responses are one text to the model: cut to equality, or equal once they are tokens. They say nothing, and a model
//! would be measured by a coin on them.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};

use super::pairs::Pairs;
use super::token_store::TokenStore;
use crate::data::Encoder;
use crate::embed::Embeddings;
use crate::error::{ModelError, TrainError};

/// How far vectors of one text may lie apart, as a share of their length: it may have been embedded in other company, and rounded
/// otherwise.
const APART: f32 = 1e-2;

/// Places of the pairs all of whose responses have the same tokens.
pub(super) fn by_tokens(pairs: &Pairs, tokens: &TokenStore) -> Result<Vec<usize>, ModelError> {
    let is_alike = |pair: usize| {
        let texts = pairs.texts_of(pair);
        if !all_equal(texts.clone().map(|text| tokens.len(text))) {
            return Ok(false);
        }
        Ok(all_equal(tokens.read(texts)?.into_iter()))
    };
    places(pairs, is_alike)
}

/// The same where embeddings are there and tokens are not: whose embeddings are nearly the same is looked at again, by tokens.
pub(super) fn by_embeddings(
    pairs: &Pairs,
    embeddings: &Embeddings,
    encoder: &Encoder,
) -> Result<Vec<usize>, TrainError> {
    let mut buffer = Vec::new();
    let suspects = places(pairs, |pair| {
        let texts = pairs.texts_of(pair);
        if !all_equal(texts.clone().map(|text| embeddings.counts(text)[0])) {
            return Ok(false);
        }
        nearly_equal(embeddings, texts, &mut buffer)
    })?;
    let mut alike = Vec::new();
    for (place, texts) in texts_of(pairs, &suspects, encoder)? {
        let tokens: Result<Vec<_>, _> = texts.iter().map(|text| encoder.encode(text)).collect();
        if all_equal(tokens?.into_iter().map(|text| text.ids)) {
            alike.push(place);
        }
    }
    Ok(alike)
}

fn places(
    pairs: &Pairs,
    mut holds: impl FnMut(usize) -> Result<bool, ModelError>,
) -> Result<Vec<usize>, ModelError> {
    let mut places = Vec::new();
    for pair in 0..pairs.len() {
        if holds(pair)? {
            places.push(pair);
        }
    }
    Ok(places)
}

fn all_equal<T: PartialEq>(mut all: impl Iterator<Item = T>) -> bool {
    let first = all.next();
    all.all(|one| Some(one) == first)
}

fn nearly_equal(
    embeddings: &Embeddings,
    texts: Range<usize>,
    buffer: &mut Vec<f32>,
) -> Result<bool, ModelError> {
    let count = texts.len();
    let vectors = embeddings.vectors(texts, buffer)?;
    let (first, others) = vectors.split_at(vectors.len() / count.max(1));
    let length: f32 = first.iter().map(|x| x * x).sum();
    let is_near = |other: &[f32]| {
        let apart: f32 = first.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum();
        apart <= APART * APART * length
    };
    Ok(others.chunks_exact(first.len().max(1)).all(is_near))
}

/// The texts of the pairs at these places, in the order of the places.
fn texts_of(
    pairs: &Pairs,
    places: &[usize],
    encoder: &Encoder,
) -> Result<BTreeMap<usize, Vec<String>>, TrainError> {
    let mut found = BTreeMap::new();
    let Some(&last) = places.last() else {
        return Ok(found);
    };
    let mut place = 0;
    pairs.each(&mut |pair| {
        if places.binary_search(&place).is_ok() {
            let texts: Result<Vec<String>, TrainError> = encoder.texts(pair).collect();
            found.insert(place, texts?);
        }
        place += 1;
        Ok(if place > last {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    })?;
    Ok(found)
}
