//! Models of a pair that know a third outcome: both are as good.

use recipe::Ties;

use super::{PairLoss, sigmoid, softplus};

/// `−log P` of a pair's outcome: the chosen response won, or (`tied`) neither did. With two responses as good as each other
/// the slope of a tie is 0, and it draws rewards together elsewhere.
pub fn tie_aware(model: Ties, chosen: f64, rejected: f64, tied: bool) -> PairLoss {
    let difference = chosen - rejected;
    match model {
        Ties::RaoKupper { threshold } => rao_kupper(difference, threshold, tied),
        Ties::Davidson { weight } => davidson(difference, weight, tied),
    }
}

/// A win has probability σ(d − η), a tie what both wins leave: (e^(2η) − 1) · σ(d − η) · σ(−d − η).
fn rao_kupper(difference: f64, threshold: f64, tied: bool) -> PairLoss {
    let (behind, ahead) = (threshold - difference, threshold + difference);
    if !tied {
        return PairLoss {
            loss: softplus(behind),
            slope: -sigmoid(behind),
        };
    }
    // log(e^(2η) − 1), without overflow.
    let room = 2.0 * threshold + (-(-2.0 * threshold).exp()).ln_1p();
    PairLoss {
        loss: softplus(behind) + softplus(ahead) - room,
        slope: sigmoid(ahead) - sigmoid(behind),
    }
}

/// With h = d/2 the outcomes are as likely as e^h, e^(−h) and ν.
fn davidson(difference: f64, weight: f64, tied: bool) -> PairLoss {
    let (half, log_weight) = (difference / 2.0, weight.ln());
    let highest = half.abs().max(log_weight);
    let parts = [half, -half, log_weight].map(|x| (x - highest).exp());
    let total: f64 = parts.iter().sum();
    let pull = 0.5 * (parts[0] - parts[1]) / total;
    let log_total = highest + total.ln();
    if tied {
        PairLoss {
            loss: log_total - log_weight,
            slope: pull,
        }
    } else {
        PairLoss {
            loss: log_total - half,
            slope: pull - 0.5,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: PairLoss, [loss, slope]: [f64; 2]) {
        assert!(
            (got.loss - loss).abs() < 1e-12 && (got.slope - slope).abs() < 1e-12,
            "{got:?} {loss} {slope}"
        );
    }

    /// PyTorch 2.15, float64: the papers' probabilities as they stand, with a, b = r.exp(), θ = e^0.7 and ν = 0.8.
    #[test]
    fn equal_torch() {
        // d; Rao–Kupper: a win, a tie; Davidson: a win, a tie
        let reference = [
            (
                0.0,
                [1.103_186_048_885_458, -0.668_187_772_168_166_2],
                [1.089_527_051_693_842_7, 0.0],
                [1.029_619_417_181_158_1, -0.5],
                [1.252_762_968_495_367_8, 0.0],
            ),
            (
                1.3,
                [0.437_487_950_485_885_73, -0.354_343_693_774_204_65],
                [1.447_570_915_451_785_3, 0.526_453_384_203_678],
                [0.524_828_177_486_365, -0.284_794_165_850_684_75],
                [1.397_971_728_800_574_6, 0.215_205_834_149_315_3],
            ),
            (
                -4.0,
                [4.709_054_164_169_887_5, -0.990_986_701_347_152_2],
                [3.628_428_376_963_473_8, -0.955_415_512_074_515_9],
                [4.119_189_925_946_867, -0.935_690_760_001_575_4],
                [2.342_333_477_261_077, -0.435_690_760_001_575_4],
            ),
        ];
        for (difference, win, tie, davidson_win, davidson_tie) in reference {
            let rao_kupper = Ties::RaoKupper { threshold: 0.7 };
            near(tie_aware(rao_kupper, difference, 0.0, false), win);
            near(tie_aware(rao_kupper, difference, 0.0, true), tie);
            let davidson = Ties::Davidson { weight: 0.8 };
            near(tie_aware(davidson, difference, 0.0, false), davidson_win);
            near(tie_aware(davidson, difference, 0.0, true), davidson_tie);
        }
    }

    #[test]
    fn large_differences_stay_finite() {
        for model in [
            Ties::RaoKupper { threshold: 300.0 },
            Ties::Davidson { weight: 1e200 },
        ] {
            for difference in [-1e6, 1e6] {
                for tied in [false, true] {
                    let got = tie_aware(model, difference, 0.0, tied);
                    assert!(
                        got.loss.is_finite() && got.slope.is_finite(),
                        "{model:?} {difference} {tied} {got:?}"
                    );
                }
            }
        }
    }
}
