//! So many of so many, with the interval that the numbers allow.

use serde::{Deserialize, Serialize};

/// Two-sided 95 % quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// `hits` out of `of`; what is undecided counts as half a hit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Proportion {
    pub hits: f64,
    pub of: u64,
}

/// Where the true share lies, with 95 % confidence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

impl Proportion {
    /// Counts one more trial.
    pub fn add(&mut self, hit: bool) {
        self.hits += f64::from(u8::from(hit));
        self.of += 1;
    }

    /// Counts one more comparison by its difference: a hit above 0, half a hit at 0.
    pub fn add_difference(&mut self, difference: f64) {
        self.hits += match difference {
            d if d > 0.0 => 1.0,
            0.0 => 0.5,
            _ => 0.0,
        };
        self.of += 1;
    }

    /// The share in 0..=1; None without a trial.
    pub fn share(self) -> Option<f64> {
        (self.of > 0).then(|| self.hits / self.of as f64)
    }

    /// Wilson's score interval; None without a trial.
    pub fn interval(self) -> Option<Interval> {
        let share = self.share()?;
        let (n, z2) = (self.of as f64, Z * Z);
        let centre = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let reach = Z / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
        Some(Interval {
            low: (centre - reach).max(0.0),
            high: (centre + reach).min(1.0),
        })
    }
}

impl FromIterator<bool> for Proportion {
    fn from_iter<I: IntoIterator<Item = bool>>(trials: I) -> Proportion {
        let mut counted = Proportion::default();
        for hit in trials {
            counted.add(hit);
        }
        counted
    }
}

/// As percent with the interval: `60.6 % (56.1 to 65.0)`; a dash without a trial.
impl std::fmt::Display for Proportion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Some(share), Some(interval)) = (self.share(), self.interval()) else {
            return f.write_str("–");
        };
        let [share, low, high] = [share, interval.low, interval.high].map(|x| 100.0 * x);
        write!(f, "{share:.1} % ({low:.1} to {high:.1})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// statsmodels 0.15.0, `proportion_confint(hits, of, method="wilson")`.
    #[test]
    fn interval_agrees_with_statsmodels() {
        let reference = [
            (0.0, 10, 0.0, 0.277_532_799_862_889_26),
            (5.0, 10, 0.236_593_090_512_563_94, 0.763_406_909_487_436_1),
            (280.0, 462, 0.560_806_122_299_165_4, 0.649_565_879_042_434_8),
            (462.0, 462, 0.991_753_720_610_400_3, 1.0),
            (1.0, 1, 0.206_549_314_377_237_4, 1.0),
        ];
        for (hits, of, low, high) in reference {
            let interval = Proportion { hits, of }.interval().unwrap();
            assert!((interval.low - low).abs() < 1e-12, "{hits} of {of}: {interval:?}");
            assert!(
                (interval.high - high).abs() < 1e-12,
                "{hits} of {of}: {interval:?}"
            );
        }
    }

    #[test]
    fn nothing_tried_has_no_share() {
        assert_eq!(Proportion::default().share(), None);
        assert_eq!(Proportion::default().to_string(), "–");
        assert_eq!(
            Proportion { hits: 280.0, of: 462 }.to_string(),
            "60.6 % (56.1 to 65.0)"
        );
    }
}
