//! The pairwise loss of Bradley and Terry (1952), "Rank analysis of incomplete block designs: I. The method
//! of paired comparisons", Biometrika 39: the chosen response wins with probability σ(r_chosen − r_rejected).
//! The margin is the one of Llama 2 (Touvron et al. 2023, eq. 2) and of TRL's `RewardTrainer`.

/// Loss of one pair and its slope.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairLoss {
    /// `−weight · log σ(chosen − rejected − margin)`, in nats.
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

/// Bradley–Terry loss `weight · softplus(margin − (chosen − rejected))` of one pair, with its slope in closed form:
/// automatic differentiation of the stable form loses the gradient at a difference of exactly 0, where |x| has none.
pub fn bradley_terry(chosen: f64, rejected: f64, margin: f64, weight: f64) -> PairLoss {
    let behind = margin - (chosen - rejected);
    PairLoss {
        loss: weight * softplus(behind),
        slope: -weight * sigmoid(behind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PyTorch 2.15, float64, `d = torch.tensor(D, requires_grad=True); l = -F.logsigmoid(d - m); l.backward()`.
    #[test]
    fn equals_torch() {
        // d, m, loss, slope
        let reference = [
            (0.0, 0.0, std::f64::consts::LN_2, -0.5),
            (1.5, 0.0, 0.201_413_277_982_752_4, -0.182_425_523_806_356_32),
            (-2.0, 0.5, 2.578_889_734_292_549_6, -0.924_141_819_978_756_4),
            (40.0, 0.0, 4.248_354_255_291_589e-18, -4.248_354_255_291_589e-18),
            (-800.0, 0.0, 800.0, -1.0),
        ];
        for (difference, margin, loss, slope) in reference {
            let got = bradley_terry(difference, 0.0, margin, 1.0);
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
    fn weight_scales_and_only_the_difference_counts() {
        let one = bradley_terry(3.0, 2.0, 0.25, 1.0);
        let two = bradley_terry(1.0, 0.0, 0.25, 2.0);
        assert_eq!((2.0 * one.loss, 2.0 * one.slope), (two.loss, two.slope));
    }
}
