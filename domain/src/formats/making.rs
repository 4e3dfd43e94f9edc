//! What is made of responses that nobody has judged: which of them are compared.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{ComparedResponses, Fault, Format, Problem, Row};
use crate::{comparison::MAX_RESPONSES, prompt::conversation_hash};

/// Which comparisons are made of the responses to one prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "make", rename_all = "snake_case")]
pub enum Making {
    /// All of them put into one order; two are a pair.
    Ranking,
    /// Each of them beside each other one.
    AllPairs,
    /// So many of these pairs, drawn for each prompt; the same for the same prompt and seed.
    RandomPairs { per_prompt: u32, seed: u64 },
}

impl Making {
    /// The spellings on the command line and in forms.
    pub const NAMES: [&str; 3] = ["ranking", "all-pairs", "random-pairs"];

    /// The choice of that name; the numbers count for random pairs alone.
    pub fn named(name: &str, per_prompt: u32, seed: u64) -> Result<Making, UnknownMaking> {
        match name {
            "ranking" => Ok(Making::Ranking),
            "all-pairs" => Ok(Making::AllPairs),
            "random-pairs" => Ok(Making::RandomPairs { per_prompt, seed }),
            other => Err(UnknownMaking(other.to_owned())),
        }
    }

    /// How many comparisons so many responses make.
    pub fn count(self, responses: u64) -> u64 {
        let pairs = responses * responses.saturating_sub(1) / 2;
        match self {
            Making::Ranking => u64::from(responses > 1),
            Making::AllPairs => pairs,
            Making::RandomPairs { per_prompt, .. } => pairs.min(u64::from(per_prompt)),
        }
    }

    /// The comparisons of so many responses to the prompt of that hash, as indices.
    fn deal(self, prompt_hash: &str, responses: usize) -> Vec<Vec<usize>> {
        let mut pairs: Vec<Vec<usize>> = (0..responses)
            .flat_map(|one| (one + 1..responses).map(move |other| vec![one, other]))
            .collect();
        match self {
            Making::Ranking => vec![(0..responses).collect()],
            Making::AllPairs => pairs,
            Making::RandomPairs { per_prompt, seed } => {
                let draw = |pair: &Vec<usize>| {
                    Sha256::new()
                        .chain_update(seed.to_le_bytes())
                        .chain_update(prompt_hash)
                        .chain_update([pair[0] as u8, pair[1] as u8])
                        .finalize()
                };
                pairs.sort_by_cached_key(draw);
                pairs.truncate(per_prompt as usize);
                pairs
            }
        }
    }
}

impl Row {
    /// Whether it brings responses that nobody has judged.
    pub fn is_unjudged(&self) -> bool {
        self.notes.format == Some(Format::Unjudged)
    }

    /// Whether it can be imported: responses that nobody has judged must be two to nine different ones (equal ones count once),
    /// and no column may say which is better without being read.
    ///
    /// # Errors
    /// The fault of the line of that number.
    pub fn into_importable(mut self, number: u64) -> Result<Row, Fault> {
        if !self.is_unjudged() {
            return Ok(self);
        }
        if !self.notes.judgements.is_empty() {
            return Err(Problem::JudgedElsewhere(self.notes.judgements).on(number));
        }
        let mut known = std::collections::HashSet::new();
        self.responses
            .retain(|response| known.insert(crate::identity::response_hash(response)));
        match self.responses.len() {
            0 | 1 => Err(Problem::OneResponse.on(number)),
            2..=MAX_RESPONSES => Ok(self),
            found => Err(Problem::TooManyResponses {
                found,
                most: MAX_RESPONSES,
            }
            .on(number)),
        }
    }

    /// Whether it can be learnt from.
    ///
    /// # Errors
    /// The fault of the line of that number.
    pub fn into_judged(self, number: u64) -> Result<Row, Fault> {
        match (self.is_unjudged(), self.notes.judgements.is_empty()) {
            (false, _) => Ok(self),
            (true, true) => Err(Problem::Unjudged.on(number)),
            (true, false) => Err(Problem::JudgedElsewhere(self.notes.judgements).on(number)),
        }
    }

    /// Makes comparisons of responses that nobody has judged.
    pub fn make_comparisons(&mut self, making: Making) {
        let hash = conversation_hash(&self.prompt);
        let dealt = making.deal(&hash, self.responses.len()).into_iter();
        self.comparisons = dealt
            .map(|responses| ComparedResponses {
                responses,
                opinion: None,
            })
            .collect();
    }
}

/// The text names nothing that can be made of responses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("“{0}” is nothing that can be made of responses: use ranking, all-pairs or random-pairs")]
pub struct UnknownMaking(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_comparisons_are_dealt_as_are_counted() {
        for responses in 2..=MAX_RESPONSES {
            for making in [
                Making::Ranking,
                Making::AllPairs,
                Making::RandomPairs {
                    per_prompt: 3,
                    seed: 7,
                },
            ] {
                let dealt = making.deal("a prompt", responses);
                assert_eq!(dealt.len() as u64, making.count(responses as u64), "{making:?}");
            }
        }
        assert_eq!(Making::Ranking.deal("a prompt", 9), [(0..9).collect::<Vec<_>>()]);
        assert_eq!(Making::AllPairs.count(9), 36);
    }

    #[test]
    fn random_pairs_go_by_seed_and_prompt_and_fewer_are_among_more() {
        let deal = |prompt, per_prompt, seed| Making::RandomPairs { per_prompt, seed }.deal(prompt, 9);
        assert_eq!(deal("a", 5, 1), deal("a", 5, 1));
        assert_ne!(deal("a", 5, 1), deal("a", 5, 2));
        assert_ne!(deal("a", 5, 1), deal("b", 5, 1));
        assert_eq!(deal("a", 8, 1)[..5], deal("a", 5, 1));
    }
}
