//! Which pairs go together, and when.

use crate::config::TrainConfig;
use crate::random::Random;

/// The batches of the epoch at hand, as many together as are summed into a step.
pub(super) struct Batches {
    lengths: Vec<usize>,
    size: usize,
    accumulate: usize,
    seed: Option<u64>,
    epoch: Option<u64>,
    batches: Vec<Vec<usize>>,
}

impl Batches {
    /// For training pairs with texts of these lengths.
    pub fn new(lengths: Vec<usize>, config: &TrainConfig) -> Self {
        Self {
            lengths,
            size: config.batch_pairs,
            accumulate: config.accumulate,
            seed: config.shuffle.then_some(config.seed),
            epoch: None,
            batches: Vec::new(),
        }
    }

    /// Places of the pairs of one step of an epoch; both count from 0.
    pub fn of(&mut self, epoch: u64, step: u64) -> &[usize] {
        if self.epoch != Some(epoch) {
            let batches = match self.seed {
                Some(seed) => batches(&self.lengths, self.size, seed, epoch),
                None => as_given(self.lengths.len(), self.size),
            };
            self.batches = batches.chunks(self.accumulate).map(<[_]>::concat).collect();
            self.epoch = Some(epoch);
        }
        &self.batches[step as usize]
    }
}

/// Batches in the order of the pairs.
fn as_given(pairs: usize, size: usize) -> Vec<Vec<usize>> {
    let all: Vec<usize> = (0..pairs).collect();
    all.chunks(size).map(<[usize]>::to_vec).collect()
}

/// Batches of one epoch: pairs of like length together, so that the lanes finish together, in shuffled order. A pure
/// function of its arguments, so that a resumed run needs no saved order.
fn batches(lengths: &[usize], size: usize, seed: u64, epoch: u64) -> Vec<Vec<usize>> {
    let mut random = Random::new(seed, 1000 + epoch);
    // Up to a quarter on top of each length mixes the batches anew in each epoch.
    let mut order: Vec<(f64, usize)> = lengths
        .iter()
        .enumerate()
        .map(|(i, &length)| (length as f64 * (1.0 + 0.25 * random.unit()), i))
        .collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut batches: Vec<Vec<usize>> = order
        .chunks(size)
        .map(|chunk| chunk.iter().map(|(_, i)| *i).collect())
        .collect();
    random.shuffle(&mut batches);
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_as_given_unless_shuffled() {
        assert_eq!(as_given(5, 2), [vec![0, 1], vec![2, 3], vec![4]]);
    }

    #[test]
    fn a_step_takes_some_batches_together() {
        let config = TrainConfig {
            batch_pairs: 2,
            accumulate: 2,
            shuffle: false,
            ..TrainConfig::full()
        };
        let mut batches = Batches::new(vec![1; 5], &config);
        assert_eq!(batches.of(0, 0), [0, 1, 2, 3]);
        assert_eq!(batches.of(0, 1), [4]);
    }

    #[test]
    fn every_pair_once_and_the_seed_decides() {
        let lengths: Vec<usize> = (0..101).map(|i| (i * 37) % 90 + 5).collect();
        let one = batches(&lengths, 8, 3, 0);
        let mut all: Vec<usize> = one.iter().flatten().copied().collect();
        all.sort_unstable();
        assert_eq!(all, (0..101).collect::<Vec<_>>());
        assert_eq!(one, batches(&lengths, 8, 3, 0));
        assert_ne!(one, batches(&lengths, 8, 3, 1));
        assert_ne!(one, batches(&lengths, 8, 4, 0));
    }
}
