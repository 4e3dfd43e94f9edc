//! Low-rank matrices beside dense layers (Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models"): a layer's
//! `W·x` becomes `W·x + alpha/rank · B·A·drop(x)`, where W stays and A and B learn. They are named as `peft` names them.

use std::cell::Cell;

use candle_core::{Device, Tensor, Var};

use super::Floats;
use super::dropout::{Dropout, Mask, Site};
use super::kernels::by_rows;
use super::kernels::units::Write;
use super::ops;
use super::weights::Weights;
use crate::error::ModelError;
use crate::random::Random;
use recipe::Lora;
use recipe::Precision;

/// A dense layer of a backbone: `x · wᵀ`, w \[outer, inner\].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Module {
    /// As in the whole model's file.
    pub name: String,
    pub inner: usize,
    pub outer: usize,
}

impl Module {
    /// Whether a name means this layer: it is its own, or its end behind a dot.
    fn is_named(&self, name: &str) -> bool {
        self.name
            .strip_suffix(name)
            .is_some_and(|before| before.is_empty() || before.ends_with('.'))
    }

    /// The name within its layer.
    fn end(&self) -> &str {
        let behind_number = self
            .name
            .split('.')
            .position(|part| part.parse::<usize>().is_ok());
        let parts = behind_number.map_or(0, |place| place + 1);
        (0..parts)
            .try_fold(self.name.as_str(), |name, _| Some(name.split_once('.')?.1))
            .unwrap_or(&self.name)
    }
}

/// The layers that `names` mean.
///
/// # Errors
/// A name that means none, in a sentence that lists what there is.
pub(crate) fn targets(modules: Vec<Module>, names: &[&str]) -> Result<Vec<Module>, String> {
    let unknown = |name: &&&str| !modules.iter().any(|module| module.is_named(name));
    if let Some(name) = names.iter().find(unknown) {
        let mut ends: Vec<&str> = Vec::new();
        for module in &modules {
            if !ends.contains(&module.end()) {
                ends.push(module.end());
            }
        }
        return Err(format!(
            "no layer's name ends with {name:?}; the base model has {}",
            ends.join(", ")
        ));
    }
    let is_target = |module: &Module| names.iter().any(|name| module.is_named(name));
    Ok(modules.into_iter().filter(is_target).collect())
}

/// Names of A \[rank, inner\] and B \[outer, rank\] beside a layer.
pub(super) fn names(module: &str) -> [String; 2] {
    ["A", "B"].map(|part| format!("{module}.lora_{part}.weight"))
}

/// Whether a weight is such a matrix.
pub(crate) fn is_of_branch(name: &str) -> bool {
    [".lora_A.weight", ".lora_B.weight"]
        .iter()
        .any(|end| name.ends_with(end))
}

/// The layers beside which such matrices stand.
pub(crate) fn modules_of_branches(weights: &Weights) -> impl Iterator<Item = &str> {
    let names = weights.names.iter();
    names.filter_map(|name| name.strip_suffix(".lora_A.weight"))
}

/// Registers A and B beside layers, as `peft` starts them: A uniform by He et al. 2015 with a slope of √5, which comes to
/// ±1/√inner, and B zero, so that the model is at first the base model.
pub(crate) fn attach(
    weights: &mut Weights,
    modules: &[Module],
    rank: usize,
    seed: u64,
) -> Result<(), ModelError> {
    let mut random = Random::new(seed, 2);
    for Module { name, inner, outer } in modules {
        let bound = 1.0 / (*inner as f64).sqrt();
        let uniform = |_| ((2.0 * random.unit() - 1.0) * bound) as f32;
        let a: Vec<f32> = (0..rank * inner).map(uniform).collect();
        let [name_a, name_b] = names(name);
        weights.register(&name_a, Tensor::from_vec(a, (rank, *inner), &Device::Cpu)?)?;
        let b = Tensor::zeros((*outer, rank), candle_core::DType::F32, &Device::Cpu)?;
        weights.register(&name_b, b)?;
    }
    Ok(())
}

/// What B·A·x is multiplied by.
pub(super) fn scale(lora: &Lora) -> f32 {
    (lora.alpha / lora.rank as f64) as f32
}

/// The same model with A and B added into the layers that they stand beside; all other weights share their memory.
pub(crate) fn merged(weights: &Weights, lora: &Lora) -> Result<Weights, ModelError> {
    let mut all = Weights::default();
    for (name, var) in weights.names.iter().zip(&weights.vars) {
        if is_of_branch(name) {
            continue;
        }
        let [name_a, name_b] = names(name.trim_end_matches(".weight"));
        let beside = weights.var(&name_a).and_then(|a| Ok((a, weights.var(&name_b)?)));
        let var = match beside {
            Ok((a, b)) if name.ends_with(".weight") => sum(var, a, b, scale(lora))?,
            _ => var.clone(),
        };
        all.names.push(name.clone());
        all.vars.push(var);
    }
    Ok(all)
}

/// `w + scale · b · a`.
fn sum(w: &Var, a: &Var, b: &Var, scale: f32) -> candle_core::Result<Var> {
    let ((outer, inner), rank) = (w.dims2()?, a.dim(0)?);
    let mut all = Floats::of(w.as_tensor())?.to_vec();
    let scaled: Vec<f32> = Floats::of(b.as_tensor())?.iter().map(|x| scale * x).collect();
    let a = Floats::of(a.as_tensor())?;
    let shape = [outer, rank, inner];
    by_rows(Precision::F32, &mut all, (&scaled, &a), shape, Write::Add);
    Var::from_vec(all, (outer, inner), &Device::Cpu)
}

/// A and B beside a layer that is computed in candle's graph.
pub(super) struct Branch {
    a: Tensor,
    b: Tensor,
    scale: f32,
    /// A's place among the weights.
    place: usize,
}

impl Branch {
    /// What stands beside a layer, if anything does.
    pub fn find(weights: &Weights, lora: &Lora, module: &str) -> Result<Option<Self>, ModelError> {
        let [name_a, name_b] = names(module);
        let Ok(place) = weights.place(&name_a) else {
            return Ok(None);
        };
        Ok(Some(Self {
            a: weights.vars[place].as_tensor().clone(),
            b: weights.var(&name_b)?.as_tensor().clone(),
            scale: scale(lora),
            place,
        }))
    }

    /// `scale · B·A·drop(x)`: \[n, inner\] → \[n, outer\].
    pub fn forward(&self, precision: Precision, x: &Tensor) -> candle_core::Result<Tensor> {
        let x = match mask(self.place) {
            Some(mask) => {
                let mut factors = vec![1.0f32; x.elem_count()];
                mask.apply(&mut factors);
                (x * Tensor::from_vec(factors, x.shape(), x.device())?)?
            }
            None => x.clone(),
        };
        let a = ops::project(precision, &x, &self.a)?;
        ops::project(precision, &a, &self.b)? * f64::from(self.scale)
    }
}

thread_local! {
    static NOISE: Cell<Option<Dropout>> = const { Cell::new(None) };
}

/// Runs `work` so that branches drop some of what goes into them; elsewhere they drop nothing.
pub(crate) fn noisy<T>(dropout: Option<Dropout>, work: impl FnOnce() -> T) -> T {
    let before = NOISE.replace(dropout);
    let result = work();
    NOISE.set(before);
    result
}

/// What the branch whose A is at a place among the weights drops now: the same however often it is asked within [`noisy`].
pub(super) fn mask(place: usize) -> Option<Mask> {
    NOISE.get().map(|dropout| dropout.at(Site::Branch(place)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(name: &str) -> Module {
        Module {
            name: name.to_owned(),
            inner: 4,
            outer: 3,
        }
    }

    #[test]
    fn names_mean_layers_as_in_peft() {
        let all = || {
            vec![
                module("bert.encoder.layer.0.attention.self.query"),
                module("bert.encoder.layer.1.attention.self.query"),
                module("bert.encoder.layer.1.output.dense"),
                module("bert.encoder.layer.1.attention.output.dense"),
            ]
        };
        let count = |name: &str| targets(all(), &[name]).map(|found| found.len());
        assert_eq!(count("query"), Ok(2));
        assert_eq!(count("output.dense"), Ok(2));
        assert_eq!(count("1.output.dense"), Ok(1));
        assert_eq!(count("bert.encoder.layer.0.attention.self.query"), Ok(1));
        for unknown in ["uery", "value", "", "layer"] {
            let message = count(unknown).unwrap_err();
            assert!(message.ends_with("attention.self.query, output.dense, attention.output.dense"));
        }
        assert!(
            targets(all(), &["query", "value"]).is_err(),
            "each name must mean something"
        );
    }

    #[test]
    fn merged_weights_have_the_branch_in_them() {
        let lora = Lora {
            rank: 2,
            alpha: 3.0,
            ..Lora::default()
        };
        let mut weights = Weights::default();
        let w = Tensor::ones((3, 4), candle_core::DType::F32, &Device::Cpu).unwrap();
        weights.register("x.weight", w).unwrap();
        attach(&mut weights, &[module("x")], 2, 1).unwrap();
        let values = |var: &Var| var.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert!(values(&weights.vars[1]).iter().all(|x| x.abs() <= 0.5));
        assert_eq!(values(&merged(&weights, &lora).unwrap().vars[0]), [1.0; 12]);
        weights.vars[1]
            .set(&Tensor::new(&[[1f32, 2., 3., 4.], [5., 6., 7., 8.]], &Device::Cpu).unwrap())
            .unwrap();
        weights.vars[2]
            .set(&Tensor::new(&[[1f32, 0.], [0., 1.], [1., 1.]], &Device::Cpu).unwrap())
            .unwrap();
        let all = merged(&weights, &lora).unwrap();
        assert_eq!(all.names, ["x.weight"]);
        let want = [2.5, 4., 5.5, 7., 8.5, 10., 11.5, 13., 10., 13., 16., 19.];
        assert_eq!(values(&all.vars[0]), want);
    }
}
