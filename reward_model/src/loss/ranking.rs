//! Rankings of more than two responses.

/// `−log P` of a ranking (Plackett 1975, "The analysis of permutations"; Luce 1959): the best is drawn first, each with a
/// probability as eʳ among those not yet drawn. `groups` lists places in `rewards`, best group first; responses of one group
/// are as good, and each of them is drawn as if the others of its group were still there (Breslow's way with ties).
/// For two responses this is Bradley and Terry's loss. Adds the derivatives by each reward, times `weight`, to `slopes`.
pub fn plackett_luce(rewards: &[f64], groups: &[Vec<usize>], weight: f64, slopes: &mut [f64]) -> f64 {
    let mut loss = 0.0;
    for (rank, group) in groups.iter().enumerate() {
        let left = || groups[rank..].iter().flatten().copied();
        if left().count() == group.len() {
            // Whoever is left is all there is: nothing was chosen.
            break;
        }
        let highest = left().map(|i| rewards[i]).fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = left().map(|i| (rewards[i] - highest).exp()).sum();
        let draws = weight * group.len() as f64;
        loss += draws * (highest + total.ln());
        left().for_each(|i| slopes[i] += draws * (rewards[i] - highest).exp() / total);
        for &i in group {
            loss -= weight * rewards[i];
            slopes[i] -= weight;
        }
    }
    loss
}

#[cfg(test)]
mod tests {
    use super::super::bradley_terry;
    use super::*;

    const REWARDS: [f64; 4] = [1.2, 0.3, 0.5, -2.0];

    fn check(groups: &[Vec<usize>], loss: f64, want: [f64; 4]) {
        let mut slopes = [0.0; 4];
        let got = plackett_luce(&REWARDS, groups, 1.0, &mut slopes);
        assert!((got - loss).abs() < 1e-12, "{got}");
        assert!(
            slopes.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-12),
            "{slopes:?}"
        );
    }

    /// PyTorch 2.15, float64: `sum(torch.logsumexp(r[k:], 0) - r[k] for k in range(3))`, and with the middle two tied
    /// `torch.logsumexp(r, 0) - r[0] + 2 * torch.logsumexp(r[1:], 0) - r[1] - r[2]`.
    #[test]
    fn equals_torch() {
        check(
            &[vec![0], vec![1], vec![2], vec![3]],
            1.585_877_967_149_682_5,
            [
                -0.485_574_788_518_007_7,
                -0.360_124_323_323_804_4,
                0.705_687_736_350_666_8,
                0.140_011_375_491_145_53,
            ],
        );
        check(
            &[vec![0], vec![1, 2], vec![3]],
            2.149_271_369_889_184,
            [
                -0.485_574_788_518_007_7,
                0.070_601_670_158_171_76,
                0.307_635_832_822_075_46,
                0.107_337_285_537_760_84,
            ],
        );
    }

    #[test]
    fn two_are_a_pair_and_all_tied_say_nothing() {
        let mut slopes = [0.0; 2];
        let loss = plackett_luce(&[0.4, 1.0], &[vec![1], vec![0]], 2.0, &mut slopes);
        let pair = bradley_terry(1.0, 0.4, 0.0, 1.0);
        assert!((loss - 2.0 * pair.loss).abs() < 1e-12 && (slopes[1] - 2.0 * pair.slope).abs() < 1e-12);
        let mut slopes = [0.0; 2];
        assert_eq!(plackett_luce(&[0.4, 1.0], &[vec![0, 1]], 1.0, &mut slopes), 0.0);
        assert_eq!(slopes, [0.0; 2]);
    }
}
