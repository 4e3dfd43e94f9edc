//! Models of a pair that know a third outcome: both are as good.

use serde::{Deserialize, Serialize};

/// How ties enter the loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "model", rename_all = "snake_case")]
pub enum Ties {
    /// Rao and Kupper (1967), "Ties in paired-comparison experiments", JASA 62: a judge cannot tell apart what differs by
    /// less than the threshold (their η, the logarithm of θ), which is above 0.
    RaoKupper {
        /// In units of reward.
        threshold: f64,
    },
    /// Davidson (1970), "On extending the Bradley–Terry model to accommodate ties", JASA 65: a tie is as likely as ν times
    /// the geometric mean of the two wins, ν above 0.
    Davidson {
        /// Their ν.
        weight: f64,
    },
}

impl Ties {
    /// The words for a model of ties, and for none.
    pub(crate) const WORDS: &'static [&'static str] = &["none", "rao_kupper", "davidson"];
    /// The threshold where none is given, in units of reward.
    pub const THRESHOLD: f64 = 0.5;
    /// The weight where none is given.
    pub const WEIGHT: f64 = 1.0;

    /// The model of this name with its usual number where none is given; None for `none`.
    pub(crate) fn named(word: &str, number: Option<f64>) -> Option<Ties> {
        match word {
            "rao_kupper" => Some(Ties::RaoKupper {
                threshold: number.unwrap_or(Ties::THRESHOLD),
            }),
            "davidson" => Some(Ties::Davidson {
                weight: number.unwrap_or(Ties::WEIGHT),
            }),
            _ => None,
        }
    }

    /// Its name and its number.
    pub(crate) fn parts(self) -> (&'static str, f64) {
        match self {
            Ties::RaoKupper { threshold } => ("rao_kupper", threshold),
            Ties::Davidson { weight } => ("davidson", weight),
        }
    }

    /// Whether its number makes sense.
    pub fn is_sound(self) -> bool {
        let (_, number) = self.parts();
        number > 0.0 && number.is_finite()
    }
}
