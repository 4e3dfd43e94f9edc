//! How a gradient moves a weight.

use recipe::Optimizer;

use super::Update;
use crate::backbone::vectorised;

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const EPSILON: f32 = 1e-8;
const MOMENTUM: f32 = 0.9;
const SMOOTHING: f32 = 0.99;

/// What one step multiplies with.
pub(super) struct Numbers {
    /// The learning rate, with Adam's correction of the first moment.
    rate: f32,
    /// Adam's correction of the second moment's root.
    correction: f32,
    /// What is left of a weight after decoupled decay.
    keep: f32,
    /// Decay that enters the gradient.
    decay: f32,
    /// What gradients are multiplied by.
    scale: f32,
}

/// What an optimizer does with a gradient.
pub(super) trait Rule: Copy {
    /// Numbers of a step for weights that decay by `decay`.
    fn numbers(self, update: Update, decay: f64) -> Numbers;

    /// Moves weights `p` by gradients `g` with moments `m` and `v`.
    fn apply(self, n: &Numbers, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]);
}

impl Rule for Optimizer {
    fn numbers(self, update: Update, decay: f64) -> Numbers {
        let (t, rate) = (update.step as f64 + 1.0, update.learning_rate);
        let adam = matches!(self, Self::Adamw | Self::Adam);
        let decoupled = self == Self::Adamw;
        Numbers {
            rate: if adam {
                (rate / (1.0 - f64::from(BETA1).powf(t))) as f32
            } else {
                rate as f32
            },
            correction: (1.0 / (1.0 - f64::from(BETA2).powf(t)).sqrt()) as f32,
            keep: if decoupled {
                (1.0 - rate * decay) as f32
            } else {
                1.0
            },
            decay: if decoupled { 0.0 } else { decay as f32 },
            scale: update.scale as f32,
        }
    }

    fn apply(self, n: &Numbers, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
        vectorised(
            #[inline(always)]
            || {
                let each = p.iter_mut().zip(g).zip(m.iter_mut().zip(v.iter_mut()));
                match self {
                    Self::Adamw | Self::Adam => each.for_each(|((p, &g), (m, v))| {
                        let g = g * n.scale + n.decay * *p;
                        *m = BETA1 * *m + (1.0 - BETA1) * g;
                        *v = BETA2 * *v + (1.0 - BETA2) * g * g;
                        *p = *p * n.keep - n.rate * *m / (v.sqrt() * n.correction + EPSILON);
                    }),
                    // torch starts the momentum with the first gradient; from zero that is the same.
                    Self::Sgd => each.for_each(|((p, &g), (m, _))| {
                        *m = MOMENTUM * *m + (g * n.scale + n.decay * *p);
                        *p -= n.rate * *m;
                    }),
                    Self::Rmsprop => each.for_each(|((p, &g), (_, v))| {
                        let g = g * n.scale + n.decay * *p;
                        *v = SMOOTHING * *v + (1.0 - SMOOTHING) * g * g;
                        *p -= n.rate * g / (v.sqrt() + EPSILON);
                    }),
                }
            },
        );
    }
}
