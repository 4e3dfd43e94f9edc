//! What a model folder holds beside its backbone.

use std::path::Path;

use serde_json::Value;

use crate::backbone::{Family, ModelConfig, Source, Weights, weight_files};
use crate::base::{MODULES, modules_of, place_of};
use crate::classifier::Classifier;
use crate::error::ModelError;
use crate::head::{DenseLayer, PoolingModule};
use recipe::Precision;

/// A whole reward model, to compute with it.
pub(super) fn classifier(
    folder: &Path,
    family: Family,
    config: &ModelConfig,
    (precision, device): (Precision, &candle_core::Device),
) -> Result<Classifier, ModelError> {
    let mut source = Source::of_model(folder, 0)?;
    if !source.has(&format!("{}.weight", family.output_name())) {
        let message = format!("the model has no {}: it gives no reward", family.output_name());
        return Err(ModelError::content(folder, message));
    }
    let mut weights = Weights::default();
    Classifier::load(family, config, &mut source, &mut weights)?;
    Classifier::frozen(family, config, &weights.on(device)?, precision)
}

/// Why a model gives a text no finite reward.
pub(super) fn cause_of_no_number(folder: &Path, backbone: &Path) -> String {
    let modules = modules_of(folder).ok().flatten();
    let list = modules.as_ref().and_then(Value::as_array).into_iter().flatten();
    let places = list.filter_map(|module| place_of(folder, module).ok());
    let on_top = places
        .map(|place| place.join("model.safetensors"))
        .filter(|file| file.exists());
    let files = weight_files(backbone)
        .unwrap_or_default()
        .into_iter()
        .chain(on_top);
    for file in files {
        let broken = Source::open(&file, 0).ok().and_then(|source| source.not_finite());
        if let Some(name) = broken {
            // Without the folder's own place: what is said may go to someone who asked from afar.
            let file = file.strip_prefix(folder).unwrap_or(&file).display();
            return format!(
                "{name} in {file} holds numbers that are not finite (NaN or infinite); take another model"
            );
        }
    }
    "its weights are finite, so its sums grow beyond what 32 bits hold on the way; take another model"
        .to_owned()
}

pub(super) fn read_json(path: &Path) -> Result<Value, ModelError> {
    let text = std::fs::read_to_string(path).map_err(ModelError::file(path))?;
    serde_json::from_str(&text).map_err(|error| ModelError::json(path, &error))
}

/// Pooling and Dense modules as `modules.json` lists them after the Transformer.
pub(crate) fn modules(folder: &Path, hidden: usize) -> Result<(PoolingModule, Vec<DenseLayer>), ModelError> {
    let path = folder.join(MODULES);
    let list = read_json(&path)?;
    let (mut pooling, mut layers) = (None::<PoolingModule>, Vec::<DenseLayer>::new());
    for module in list.as_array().into_iter().flatten().skip(1) {
        let place = place_of(folder, module)?;
        let kind = module["type"].as_str().unwrap_or_default();
        let file = place.join("config.json");
        match kind.rsplit('.').next().unwrap_or_default() {
            "Pooling" if pooling.is_none() => {
                let read: PoolingModule = serde_json::from_value(read_json(&file)?)
                    .map_err(|error| ModelError::json(&file, &error))?;
                if read.word_embedding_dimension != hidden {
                    let own = read.word_embedding_dimension;
                    let message = format!("word_embedding_dimension is {own}, but the model's is {hidden}");
                    return Err(ModelError::content(&file, message));
                }
                if !read.supported() {
                    return Err(ModelError::content(
                        &file,
                        "only pooling by first token, maximum and mean is supported",
                    ));
                }
                pooling = Some(read);
            }
            "Dense" => {
                let config = read_json(&file)?;
                let size = |field: &str| {
                    let missing = || ModelError::content(&file, format!("no {field}"));
                    config[field]
                        .as_u64()
                        .filter(|size| *size > 0)
                        .map(|size| size as usize)
                        .ok_or_else(missing)
                };
                let (inner, outer) = (size("in_features")?, size("out_features")?);
                let tanh = match config["activation_function"].as_str() {
                    Some("torch.nn.modules.linear.Identity") => false,
                    Some("torch.nn.modules.activation.Tanh") | None => true,
                    Some(other) => {
                        return Err(ModelError::content(&file, format!("{other} is not supported")));
                    }
                };
                let mut source = Source::open(&place.join("model.safetensors"), 0)?;
                let weight = source
                    .take("linear.weight", &[outer, inner])?
                    .flatten_all()?
                    .to_vec1()?;
                let bias = source.or_zeros("linear.bias", &[outer])?.to_vec1()?;
                layers.push(DenseLayer {
                    inner,
                    weight,
                    bias,
                    tanh,
                });
            }
            _ => {
                return Err(ModelError::content(
                    &path,
                    format!("module {kind} is not supported"),
                ));
            }
        }
    }
    let pooling = pooling.ok_or_else(|| ModelError::content(&path, "no Pooling module"))?;
    let mut width = pooling.width();
    for layer in &layers {
        if layer.inner != width {
            return Err(ModelError::content(
                &path,
                "the sizes of the modules do not match",
            ));
        }
        width = layer.bias.len();
    }
    if width != 1 || layers.is_empty() {
        return Err(ModelError::content(
            &path,
            "the last module must be a Dense with one output",
        ));
    }
    Ok((pooling, layers))
}
