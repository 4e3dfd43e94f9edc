//! What is learnt from and what is held out: all pairs of one prompt are on the same side.

use std::collections::HashSet;

use domain::run::data::is_in_share;
use reward_model::Pair;

use super::preference_files::FilePair;

/// Two sides that share no prompt.
#[derive(Debug, Default)]
pub struct Split {
    pub train: Vec<Pair>,
    pub held_out: Vec<Pair>,
    /// Pairs not learnt from because their prompt is held out in a file of its own.
    pub overlapping: usize,
}

/// About that share of the prompts is held out, drawn by a hash of the prompt: it stays there as the data grow.
pub fn by_share(pairs: Vec<FilePair>, share: f64, seed: u64) -> Split {
    let (held_out, train): (Vec<_>, Vec<_>) = pairs
        .into_iter()
        .partition(|one| is_in_share(&one.prompt_hash, share, seed));
    Split {
        train: train.into_iter().map(|one| one.pair).collect(),
        held_out: held_out.into_iter().map(|one| one.pair).collect(),
        overlapping: 0,
    }
}

/// Held out is what is given; what shares a prompt with it is not learnt from.
pub fn against(pairs: Vec<FilePair>, held_out: Vec<FilePair>) -> Split {
    let prompts: HashSet<&str> = held_out.iter().map(|one| one.prompt_hash.as_str()).collect();
    let all = pairs.len();
    let train: Vec<Pair> = pairs
        .into_iter()
        .filter(|one| !prompts.contains(one.prompt_hash.as_str()))
        .map(|one| one.pair)
        .collect();
    Split {
        overlapping: all - train.len(),
        train,
        held_out: held_out.into_iter().map(|one| one.pair).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(prompts: std::ops::Range<usize>) -> Vec<FilePair> {
        prompts
            .flat_map(|prompt| (0..3).map(move |n| (prompt, n)))
            .map(|(prompt, n)| FilePair {
                pair: Pair {
                    id: format!("{prompt}"),
                    prompt: Vec::new(),
                    chosen: format!("{n}"),
                    rejected: String::new(),
                    margin: 0.0,
                    weight: 1.0,
                    belief: 1.0,
                    tied: false,
                    lower: Vec::new(),
                },
                prompt_hash: format!("{prompt:064x}"),
            })
            .collect()
    }

    fn prompts(pairs: &[Pair]) -> HashSet<&str> {
        pairs.iter().map(|pair| pair.id.as_str()).collect()
    }

    #[test]
    fn a_prompt_is_on_one_side_and_the_seed_moves_it() {
        let split = by_share(pairs(0..500), 0.2, 1);
        assert!(prompts(&split.train).is_disjoint(&prompts(&split.held_out)));
        assert_eq!(split.train.len() + split.held_out.len(), 1500);
        assert!(
            (200..400).contains(&split.held_out.len()),
            "{}",
            split.held_out.len()
        );
        let other = by_share(pairs(0..500), 0.2, 2);
        assert_ne!(prompts(&split.held_out), prompts(&other.held_out));
        assert!(by_share(pairs(0..500), 0.0, 1).held_out.is_empty());
    }

    #[test]
    fn what_shares_a_prompt_with_the_held_out_file_is_not_learnt_from() {
        let split = against(pairs(0..10), pairs(8..12));
        assert_eq!(
            (split.train.len(), split.held_out.len(), split.overlapping),
            (24, 12, 6)
        );
    }
}
