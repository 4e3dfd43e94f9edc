//! Dropout (Srivastava et al. 2014) whose masks are functions of where they stand: nothing is kept for the backward pass, and
//! neither the number of threads nor a restart changes them.

use super::kernels::vectorised;

/// What one pair loses in one step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dropout {
    share: f64,
    key: u64,
}

/// Where in a model something is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Site {
    Embeddings,
    /// What the attention of a layer adds to its input.
    Attention(usize),
    /// What the dense part of a layer adds.
    Dense(usize),
    /// The vector that the reward is read from.
    Pooled,
    /// What goes into the low-rank matrices that stand at this place among the weights.
    Branch(usize),
}

/// Which elements go, and what the others are multiplied by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mask {
    key: u64,
    /// Of 65,536 elements so many go.
    gone: u64,
    gain: f32,
}

const STRIDE: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014).
#[inline(always)]
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Dropout {
    /// For a share in 0..1; nothing where it is 0.
    pub fn new(share: f64, seed: u64, step: u64, pair: usize) -> Option<Self> {
        let key = [step, pair as u64]
            .into_iter()
            .fold(mix(seed ^ STRIDE), |key, part| {
                mix(key.wrapping_add(STRIDE) ^ part)
            });
        (share > 0.0).then_some(Self { share, key })
    }

    pub fn at(self, site: Site) -> Mask {
        let number = match site {
            Site::Embeddings => 0,
            Site::Pooled => 1,
            Site::Attention(layer) => 2 + 2 * layer as u64,
            Site::Dense(layer) => 3 + 2 * layer as u64,
            // No model has so many layers.
            Site::Branch(place) => (1 << 32) + place as u64,
        };
        let gone = ((self.share * 65_536.0).round() as u64).min(65_535);
        Mask {
            key: mix(self.key ^ mix(number.wrapping_add(STRIDE))),
            gone,
            gain: (65_536.0 / (65_536 - gone) as f64) as f32,
        }
    }
}

impl Mask {
    /// Drops what goes and scales up the rest; the same again for the same place, as the way back needs it.
    pub fn apply(self, values: &mut [f32]) {
        let Self { key, gone, gain } = self;
        vectorised(
            #[inline(always)]
            || {
                for (i, values) in values.chunks_mut(4).enumerate() {
                    let draws = mix(key.wrapping_add((i as u64).wrapping_mul(STRIDE)));
                    for (j, value) in values.iter_mut().enumerate() {
                        let stays = (draws >> (16 * j)) & 0xffff >= gone;
                        *value *= if stays { gain } else { 0.0 };
                    }
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_goes_and_the_mean_stays() {
        let mask = |step| {
            let mut values = vec![1.0f32; 100_000];
            let dropout = Dropout::new(0.1, 7, step, 3).unwrap();
            dropout.at(Site::Dense(2)).apply(&mut values);
            values
        };
        let one = mask(5);
        let gone = one.iter().filter(|value| **value == 0.0).count();
        assert!((9_600..10_400).contains(&gone), "{gone}");
        let mean = one.iter().map(|value| f64::from(*value)).sum::<f64>() / 1e5;
        assert!((mean - 1.0).abs() < 0.01, "{mean}");
        assert_eq!(one, mask(5));
        assert_ne!(one, mask(6));
        assert!(Dropout::new(0.0, 7, 5, 3).is_none());
    }
}
