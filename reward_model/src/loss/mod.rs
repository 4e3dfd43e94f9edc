//! Losses of what people say about responses, by the responses' rewards, each with its slopes in closed form: automatic
//! differentiation of a stable form loses the gradient where |x| has none, and these need no graph.

mod ranking;
mod ties;

pub use ranking::plackett_luce;
pub use ties::tie_aware;

/// Loss of one pair and its slope.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairLoss {
    /// In nats.
    pub loss: f64,
    /// Derivative by the chosen reward; by the rejected one it is the same with the sign turned.
    pub slope: f64,
}

/// `log(1 + eˣ)` without overflow for large x and without cancellation for very negative x.
pub fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// `1 / (1 + e⁻ˣ)`, stable on both sides.
pub fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        x.exp() / (1.0 + x.exp())
    }
}

/// Bradley and Terry (1952), "Rank analysis of incomplete block designs: I. The method of paired comparisons",
/// Biometrika 39: the chosen response wins with probability σ(z), z = chosen − rejected − margin. The margin is the one of
/// Llama 2 (Touvron et al. 2023, eq. 2) and of TRL's `RewardTrainer`.
///
/// `belief` is the probability that the chosen one is the better: 1 for the plain loss, 1 − ε for labels smoothed by ε, any
/// other for a soft label; the loss is the cross-entropy `−belief · log σ(z) − (1 − belief) · log σ(−z)`.
pub fn bradley_terry(chosen: f64, rejected: f64, margin: f64, belief: f64) -> PairLoss {
    let behind = margin - (chosen - rejected);
    PairLoss {
        loss: belief * softplus(behind) + (1.0 - belief) * softplus(-behind),
        slope: (1.0 - belief) * sigmoid(-behind) - belief * sigmoid(behind),
    }
}

/// `coefficient · (Σ rewards)²`, which draws the rewards of a prompt's responses to a mean of zero (Eisenstein et al. 2023,
/// "Helping or herding?"; TRL's `center_rewards_coefficient` for two). Gives the loss and its derivative by each reward,
/// which is the same for all.
pub fn centring(rewards: &[f64], coefficient: f64) -> (f64, f64) {
    let sum: f64 = rewards.iter().sum();
    (coefficient * sum * sum, 2.0 * coefficient * sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PyTorch 2.15, float64, `z = d - m; l = -p * F.logsigmoid(z) - (1 - p) * F.logsigmoid(-z); l.backward()`.
    #[test]
    fn equals_torch() {
        // d, m, p, loss, slope
        let reference = [
            (0.0, 0.0, 1.0, std::f64::consts::LN_2, -0.5),
            (1.5, 0.0, 1.0, 0.201_413_277_982_752_4, -0.182_425_523_806_356_32),
            (-2.0, 0.5, 1.0, 2.578_889_734_292_549_6, -0.924_141_819_978_756_4),
            (
                40.0,
                0.0,
                1.0,
                4.248_354_255_291_589e-18,
                -4.248_354_255_291_589e-18,
            ),
            (-800.0, 0.0, 1.0, 800.0, -1.0),
            (0.3, 0.0, 0.9, 0.584_355_244_468_527_2, -0.325_557_483_188_341_05),
            (-2.0, 0.5, 0.75, 1.953_889_734_292_549_6, -0.674_141_819_978_756_4),
            (5.0, 1.0, 0.5, 2.018_149_927_917_809_4, 0.482_013_790_037_908_45),
        ];
        for (difference, margin, belief, loss, slope) in reference {
            let got = bradley_terry(difference, 0.0, margin, belief);
            assert!(
                (got.loss - loss).abs() <= 1e-12 * loss.max(1e-12),
                "{difference}: {got:?}"
            );
            assert!(
                (got.slope - slope).abs() <= 1e-12 * slope.abs().max(1e-12),
                "{difference}: {got:?}"
            );
        }
    }

    #[test]
    fn only_the_difference_counts() {
        assert_eq!(
            bradley_terry(3.0, 2.0, 0.25, 1.0),
            bradley_terry(1.0, 0.0, 0.25, 1.0)
        );
    }

    /// PyTorch 2.15: `0.01 * r.sum() ** 2` at 1.2, 0.3, 0.5.
    #[test]
    fn centring_equals_torch() {
        let (loss, slope) = centring(&[1.2, 0.3, 0.5], 0.01);
        assert!((loss - 0.04).abs() < 1e-12 && (slope - 0.04).abs() < 1e-12);
    }
}
