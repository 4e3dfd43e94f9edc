//! What is learnt from and what is held out: all pairs of one prompt are on the same side.

use std::{collections::HashSet, ops::ControlFlow, path::PathBuf};

use domain::{import::OnError, run::data::is_in_share};
use reward_model::{Pair, PairSource, Take, TrainError};

use super::{
    preference_files::{self, FilePair, LeftOut},
    refused::{Reads, Refused},
};

/// Two sides that share no prompt.
#[derive(Debug)]
pub struct Split {
    pub train: TrainSide,
    pub held_out: Vec<Pair>,
    /// Pairs not learnt from because their prompt is held out in a file of its own.
    pub overlapping: usize,
    /// Of the files that are learnt from.
    pub left_out: LeftOut,
    /// Pairs of either side that the model cannot read.
    pub refused: Refused,
}

/// What is not held out of some files, read anew each time that it is gone through: it is never all in memory.
#[derive(Debug)]
pub struct TrainSide {
    files: Vec<PathBuf>,
    on_error: OnError,
    rule: Rule,
    reads: Reads,
}

/// Which prompts are held out.
#[derive(Debug)]
enum Rule {
    /// About that share of them, drawn by a hash of the prompt with a seed: a prompt stays there as the data grow.
    Share(f64, u64),
    /// Those with these hashes.
    Those(HashSet<String>),
}

impl Rule {
    fn holds_out(&self, prompt_hash: &str) -> bool {
        match self {
            Rule::Share(share, seed) => is_in_share(prompt_hash, *share, *seed),
            Rule::Those(prompts) => prompts.contains(prompt_hash),
        }
    }
}

impl PairSource for TrainSide {
    fn each(&self, take: &mut Take) -> Result<(), TrainError> {
        // The engine's own errors come back as they were.
        let mut failed = None;
        let read = preference_files::each(&self.files, self.on_error, &mut |one| {
            if self.rule.holds_out(&one.prompt_hash) || self.reads.refusal(&one.pair).is_some() {
                return Ok(ControlFlow::Continue(()));
            }
            Ok(take(&one.pair).unwrap_or_else(|error| {
                failed = Some(error);
                ControlFlow::Break(())
            }))
        });
        match (failed, read) {
            (Some(error), _) => Err(error),
            (None, Err(error)) => Err(TrainError::Source(format!("{error:#}"))),
            (None, Ok(_)) => Ok(()),
        }
    }
}

/// Files to learn from, and what the model can read of them.
#[derive(Debug)]
pub struct Source<'a> {
    pub files: &'a [PathBuf],
    pub on_error: OnError,
    pub reads: Reads,
}

impl Source<'_> {
    /// About that share of the prompts is held out. Goes through the files once, so that what is broken in them is told before any
    /// work.
    ///
    /// # Errors
    /// Files that cannot be read, and broken lines unless they are to be skipped.
    pub fn by_share(self, share: f64, seed: u64) -> anyhow::Result<Split> {
        let (rule, mut held_out) = (Rule::Share(share, seed), Vec::new());
        let mut refused = Refused::default();
        let left_out = preference_files::each(self.files, self.on_error, &mut |one| {
            match self.reads.refusal(&one.pair) {
                Some(reason) => refused.note(&one.pair, &reason),
                None if rule.holds_out(&one.prompt_hash) => held_out.push(one.pair),
                None => {}
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(Split {
            train: self.side(rule),
            held_out,
            overlapping: 0,
            left_out,
            refused,
        })
    }

    /// Held out is what is given; what shares a prompt with it is not learnt from.
    ///
    /// # Errors
    /// As [`Source::by_share`].
    pub fn against(self, given: Vec<FilePair>) -> anyhow::Result<Split> {
        let (mut prompts, mut held_out, mut refused) = (HashSet::new(), Vec::new(), Refused::default());
        for FilePair { pair, prompt_hash } in given {
            prompts.insert(prompt_hash);
            match self.reads.refusal(&pair) {
                Some(reason) => refused.note(&pair, &reason),
                None => held_out.push(pair),
            }
        }
        let (rule, mut overlapping) = (Rule::Those(prompts), 0);
        let left_out = preference_files::each(self.files, self.on_error, &mut |one| {
            match self.reads.refusal(&one.pair) {
                Some(reason) => refused.note(&one.pair, &reason),
                None => overlapping += usize::from(rule.holds_out(&one.prompt_hash)),
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(Split {
            train: self.side(rule),
            held_out,
            overlapping,
            left_out,
            refused,
        })
    }

    fn side(self, rule: Rule) -> TrainSide {
        TrainSide {
            files: self.files.to_vec(),
            on_error: self.on_error,
            rule,
            reads: self.reads,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of three pairs for each of these prompts, gone when dropped.
    struct Lines(PathBuf);

    impl Lines {
        fn new(prompts: std::ops::Range<usize>) -> Lines {
            let path = std::env::temp_dir().join(format!("touchstone-{}.jsonl", uuid::Uuid::new_v4()));
            let line = |prompt, n| serde_json::json!({"prompt": format!("{prompt}"), "chosen": format!("{n}"), "rejected": ""});
            let lines = prompts.flat_map(|prompt| (0..3).map(move |n| format!("{}\n", line(prompt, n))));
            std::fs::write(&path, lines.collect::<String>()).unwrap();
            Lines(path)
        }

        fn read(&self) -> Vec<FilePair> {
            preference_files::read(std::slice::from_ref(&self.0), OnError::Stop)
                .unwrap()
                .pairs
        }
    }

    impl Drop for Lines {
        fn drop(&mut self) {
            drop(std::fs::remove_file(&self.0));
        }
    }

    /// A file for a model that reads everything.
    fn source(lines: &Lines) -> Source<'_> {
        Source {
            files: std::slice::from_ref(&lines.0),
            on_error: OnError::Stop,
            reads: Reads::ALL,
        }
    }

    fn learnt(split: &Split) -> Vec<Pair> {
        let mut pairs = Vec::new();
        let mut take = |pair: &Pair| {
            pairs.push(pair.clone());
            Ok(ControlFlow::Continue(()))
        };
        split.train.each(&mut take).unwrap();
        pairs
    }

    fn prompts(pairs: &[Pair]) -> HashSet<&str> {
        pairs.iter().map(|pair| pair.prompt[0].content.as_str()).collect()
    }

    #[test]
    fn a_prompt_is_on_one_side_and_the_seed_moves_it() {
        let lines = Lines::new(0..500);
        let split = |share, seed| source(&lines).by_share(share, seed).unwrap();
        let one = split(0.2, 1);
        let train = learnt(&one);
        assert!(prompts(&train).is_disjoint(&prompts(&one.held_out)));
        assert_eq!(train.len() + one.held_out.len(), 1500);
        assert!((200..400).contains(&one.held_out.len()), "{}", one.held_out.len());
        assert_eq!(train, learnt(&one), "each time the same");
        let other = split(0.2, 2);
        assert_ne!(prompts(&one.held_out), prompts(&other.held_out));
        assert!(split(0.0, 1).held_out.is_empty());
    }

    #[test]
    fn what_shares_a_prompt_with_the_held_out_file_is_not_learnt_from() {
        let (lines, held_out) = (Lines::new(0..10), Lines::new(8..12));
        let split = source(&lines).against(held_out.read()).unwrap();
        let train = learnt(&split);
        assert_eq!(
            (train.len(), split.held_out.len(), split.overlapping),
            (24, 12, 6)
        );
    }

    #[test]
    fn a_file_that_breaks_later_is_named() {
        let lines = Lines::new(0..2);
        let split = source(&lines).by_share(0.0, 1).unwrap();
        std::fs::write(&lines.0, "{}\n").unwrap();
        let mut take = |_: &Pair| Ok(ControlFlow::Continue(()));
        let error = split.train.each(&mut take).unwrap_err().to_string();
        assert!(error.contains(".jsonl:1: "), "{error}");
        std::fs::remove_file(&lines.0).unwrap();
        let error = split.train.each(&mut take).unwrap_err().to_string();
        assert!(
            error.contains("cannot read") && error.contains("There is no such file"),
            "{error}"
        );
    }
}
