//! Which texts a lane computes together.

use std::cmp::Reverse;

use crate::backbone::shared_tokens;
use crate::lanes::groups;

/// Tokens that one lane embeds or scores at a time.
pub(crate) const BATCH_TOKENS: usize = 1024;

/// Batches that each lane gets at least, where there are texts enough: it is the last ones that are not done side by side.
const BATCHES_OF_A_LANE: usize = 4;

/// Fewer tokens than this are not worth a batch of their own.
const FEW_TOKENS: usize = 64;

/// The texts of each batch, by their places. A model that reads forwards gets those side by side that begin alike: what they
/// share is computed once ([`crate::backbone::Batch::sharing`]). Long batches come first, so that no lane is left with one at
/// the end.
pub(crate) fn jobs(texts: &[&[u32]], reads_forwards: bool, lanes: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..texts.len()).collect();
    if !reads_forwards {
        order.sort_by_key(|&i| Reverse(texts[i].len()));
        let tokens: usize = texts.iter().map(|text| text.len()).sum();
        let share = tokens.div_ceil(BATCHES_OF_A_LANE * lanes);
        let budget = share.clamp(FEW_TOKENS, BATCH_TOKENS);
        return groups(order.into_iter().map(|i| (i, texts[i].len())), budget);
    }
    order.sort_by_key(|&i| texts[i]);
    let mut last: &[u32] = &[];
    let own = |&i: &usize| {
        let shared = shared_tokens(std::mem::replace(&mut last, texts[i]), texts[i]);
        (i, texts[i].len() - shared)
    };
    let sizes: Vec<(usize, usize)> = order.iter().map(own).collect();
    let mut jobs = groups(sizes, BATCH_TOKENS);
    jobs.sort_by_key(|job| Reverse(job.iter().map(|&i| texts[i].len()).max()));
    jobs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(of: &[(u32, usize)]) -> Vec<Vec<u32>> {
        let text = |&(prompt, end): &(u32, usize)| [vec![prompt; 600], vec![7; end]].concat();
        of.iter().map(text).collect()
    }

    #[test]
    fn what_begins_alike_stands_side_by_side() {
        let texts = texts(&[(1, 20), (2, 30), (1, 40), (2, 10), (1, 5)]);
        let texts: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
        assert_eq!(jobs(&texts, true, 2), [vec![4, 0, 2], vec![3, 1]]);
        assert_eq!(
            jobs(&texts, false, 2),
            [[2], [1], [0], [3], [4]].map(|job| job.to_vec())
        );
    }

    #[test]
    fn few_texts_are_shared_out_and_many_go_in_whole_batches() {
        let sizes = |texts: usize, tokens: usize| -> Vec<usize> {
            let text = vec![7; tokens];
            let all = vec![text.as_slice(); texts];
            jobs(&all, false, 2).iter().map(Vec::len).collect()
        };
        assert_eq!(sizes(8, 160), [1; 8]);
        assert_eq!(sizes(16, 160), [2; 8]);
        assert_eq!(sizes(16, 10), [6, 6, 4]);
        assert_eq!(sizes(600, 100), [10; 60]);
    }
}
