//! Comparisons: two or more responses to one prompt, and the order in which one person sees them.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The most responses that one comparison can have: what a person can put into order on one page.
pub const MAX_RESPONSES: usize = 9;

/// What is asked about a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComparisonKind {
    /// Two responses, graded on a seven-step scale.
    Pair,
    /// Three to [`MAX_RESPONSES`] responses, put into order, ties allowed.
    Ranking,
}

impl ComparisonKind {
    /// The spelling in the database, in URLs and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            ComparisonKind::Pair => "pair",
            ComparisonKind::Ranking => "ranking",
        }
    }

    /// The one of the two that this is not.
    pub fn other(self) -> ComparisonKind {
        match self {
            ComparisonKind::Pair => ComparisonKind::Ranking,
            ComparisonKind::Ranking => ComparisonKind::Pair,
        }
    }
}

/// The order in which `user` sees the responses of `comparison`: random across people and comparisons, always
/// the same for one person and one comparison, without anything to store. A Fisher–Yates shuffle driven by
/// SHA-256 of both identifiers.
pub fn presented_order(comparison: Uuid, user: Uuid, responses: &[Uuid]) -> Vec<Uuid> {
    let mut order = responses.to_vec();
    let seed = Sha256::new()
        .chain_update(comparison)
        .chain_update(user)
        .finalize();
    for last in (1..order.len()).rev() {
        let word = u32::from_le_bytes(std::array::from_fn(|i| seed[(last * 4 + i) % seed.len()]));
        order.swap(last, word as usize % (last + 1));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_always_sees_the_same_order() {
        let responses: Vec<_> = (0..4).map(Uuid::from_u128).collect();
        let (comparison, user) = (Uuid::from_u128(7), Uuid::from_u128(8));
        let order = presented_order(comparison, user, &responses);
        assert_eq!(order, presented_order(comparison, user, &responses));
        let mut sorted = order.clone();
        sorted.sort();
        assert_eq!(sorted, responses);
    }

    #[test]
    fn sides_are_balanced_over_many_comparisons() {
        let responses: Vec<_> = (0..2).map(Uuid::from_u128).collect();
        let swapped = (0..2000)
            .filter(|&c| {
                presented_order(Uuid::from_u128(c), Uuid::from_u128(99), &responses)[0] != responses[0]
            })
            .count();
        assert!((900..1100).contains(&swapped), "{swapped} of 2000 swapped");
    }
}
