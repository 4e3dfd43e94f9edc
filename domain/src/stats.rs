//! Statistics of people and models: small, exact, and checked against scipy and statsmodels.

mod correlation;
mod proportion;

pub use correlation::{pearson, spearman};
pub use proportion::{Interval, Proportion};
