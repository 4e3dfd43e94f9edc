//! Values and gradients against candle's own operations.

use candle_core::{Shape, Tensor, Var};

pub(crate) use super::plain::forced::as_on_gpu;
use super::tensor;
use crate::random::Random;

pub(crate) fn random(shape: impl Into<Shape>, seed: u64) -> Var {
    let (shape, mut random) = (shape.into(), Random::new(seed, 0));
    let data: Vec<f32> = (0..shape.elem_count())
        .map(|_| random.normal(1.0) as f32)
        .collect();
    Var::from_tensor(&tensor(data, shape).unwrap()).unwrap()
}

/// Values and gradients of `ours` against `plain`, which is made of candle's own operations.
pub(crate) fn compare(inputs: &[Var], ours: impl Fn() -> Tensor, plain: impl Fn() -> Tensor) {
    let (a, b) = (ours(), plain());
    let mix = random(a.shape(), 99);
    let near = |a: &Tensor, b: &Tensor| {
        let difference = (a - b)
            .unwrap()
            .abs()
            .unwrap()
            .max_all()
            .unwrap()
            .to_scalar::<f32>()
            .unwrap();
        assert!(difference < 2e-5, "{difference}");
    };
    near(&a, &b);
    let gradients = |y: &Tensor| {
        (y * mix.as_tensor())
            .unwrap()
            .sum_all()
            .unwrap()
            .backward()
            .unwrap()
    };
    let (ga, gb) = (gradients(&a), gradients(&b));
    for input in inputs {
        near(ga.get(input).expect("a gradient"), gb.get(input).unwrap());
    }
}
