//! Which pairs go together, and when.

use crate::random::Random;
use recipe::Recipe;

/// The batches of the epoch at hand, as many together as are summed into a step.
pub(super) struct Batches {
    /// Of the pairs that are learnt from.
    lengths: Vec<u32>,
    /// Where these are among all pairs; nothing where they are all.
    places: Option<Vec<u32>>,
    size: usize,
    accumulate: usize,
    seed: Option<u64>,
    epoch: Option<u64>,
    order: Order,
    /// Those of the step at hand.
    batch: Vec<usize>,
}

/// An epoch in eight bytes a pair: batch `i` is chunk `batches[i]` of `pairs`, of the batches' size.
#[derive(Debug, Default, PartialEq)]
struct Order {
    pairs: Vec<u32>,
    batches: Vec<u32>,
}

impl Order {
    fn batch(&self, i: usize, size: usize) -> impl Iterator<Item = usize> + '_ {
        let start = self.batches[i] as usize * size;
        let end = (start + size).min(self.pairs.len());
        self.pairs[start..end].iter().map(|&pair| pair as usize)
    }
}

impl Batches {
    /// For training pairs with texts of these lengths, but for those at the places `left_out`, which are sorted.
    pub fn new(mut lengths: Vec<u32>, left_out: &[usize], config: &Recipe) -> Self {
        let kept = |place: &u32| left_out.binary_search(&(*place as usize)).is_err();
        let places: Option<Vec<u32>> =
            (!left_out.is_empty()).then(|| places(lengths.len()).into_iter().filter(kept).collect());
        if let Some(places) = &places {
            lengths = places.iter().map(|&place| lengths[place as usize]).collect();
        }
        Self {
            lengths,
            places,
            size: config.batch_pairs,
            accumulate: config.accumulate,
            seed: config.shuffle.then_some(config.seed),
            epoch: None,
            order: Order::default(),
            batch: Vec::new(),
        }
    }

    /// Places of the pairs of one step of an epoch; both count from 0.
    pub fn of(&mut self, epoch: u64, step: u64) -> &[usize] {
        if self.epoch != Some(epoch) {
            self.order = match self.seed {
                Some(seed) => shuffled(&self.lengths, self.size, seed, epoch),
                None => as_given(self.lengths.len(), self.size),
            };
            self.epoch = Some(epoch);
        }
        let start = step as usize * self.accumulate;
        let end = (start + self.accumulate).min(self.order.batches.len());
        let batches = (start..end).flat_map(|i| self.order.batch(i, self.size));
        self.batch.clear();
        match &self.places {
            Some(places) => self.batch.extend(batches.map(|pair| places[pair] as usize)),
            None => self.batch.extend(batches),
        }
        &self.batch
    }
}

fn places(n: usize) -> Vec<u32> {
    (0..n as u32).collect()
}

/// Batches in the order of the pairs.
fn as_given(pairs: usize, size: usize) -> Order {
    Order {
        pairs: places(pairs),
        batches: places(pairs.div_ceil(size)),
    }
}

/// Batches of one epoch: pairs of like length together, so that the lanes finish together, in shuffled order. A pure
/// function of its arguments, so that a resumed run needs no saved order.
fn shuffled(lengths: &[u32], size: usize, seed: u64, epoch: u64) -> Order {
    let mut random = Random::new(seed, 1000 + epoch);
    // Up to a quarter on top of each length mixes the batches anew in each epoch.
    let mut order: Vec<(f64, u32)> = lengths
        .iter()
        .zip(0..)
        .map(|(&length, i)| (f64::from(length) * (1.0 + 0.25 * random.unit()), i))
        .collect();
    // No two are equal, and a stable sort would take half as much memory again.
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut batches = places(order.len().div_ceil(size));
    random.shuffle(&mut batches);
    Order {
        pairs: order.into_iter().map(|(_, i)| i).collect(),
        batches,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use recipe::Method;

    fn batches(order: &Order, size: usize) -> Vec<Vec<usize>> {
        let all = 0..order.batches.len();
        all.map(|i| order.batch(i, size).collect()).collect()
    }

    #[test]
    fn pairs_come_as_given_unless_shuffled() {
        assert_eq!(batches(&as_given(5, 2), 2), [vec![0, 1], vec![2, 3], vec![4]]);
    }

    #[test]
    fn a_step_takes_some_batches_together() {
        let config = Recipe {
            batch_pairs: 2,
            accumulate: 2,
            shuffle: false,
            ..Recipe::of(Method::Full)
        };
        let mut batches = Batches::new(vec![1; 5], &[], &config);
        assert_eq!(batches.of(0, 0), [0, 1, 2, 3]);
        assert_eq!(batches.of(0, 1), [4]);
        let mut batches = Batches::new(vec![1; 7], &[1, 4], &config);
        assert_eq!(batches.of(0, 0), [0, 2, 3, 5]);
        assert_eq!(batches.of(0, 1), [6]);
    }

    #[test]
    fn every_pair_once_and_the_seed_decides() {
        let lengths: Vec<u32> = (0..101).map(|i| (i * 37) % 90 + 5).collect();
        let epoch = |seed, epoch| batches(&shuffled(&lengths, 8, seed, epoch), 8);
        let one = epoch(3, 0);
        let mut all: Vec<usize> = one.iter().flatten().copied().collect();
        all.sort_unstable();
        assert_eq!(all, (0..101).collect::<Vec<_>>());
        assert_eq!(one, epoch(3, 0));
        assert_ne!(one, epoch(3, 1));
        assert_ne!(one, epoch(4, 0));
    }
}
