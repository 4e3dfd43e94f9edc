//! sentence-transformers' folders: Transformer, Pooling, and dense layers down to one output.
//!
//! The backbone lies in a folder of its own, and `config.json` beside it names a model type that nobody has: else transformers would
//! open the whole as a classifier, with a head at random and no more than a warning.

use std::path::Path;

use candle_core::{Device, Tensor};
use serde_json::json;

use super::{Kind, Parts, write};
use crate::backbone::{Weights, weight_files};
use crate::base::MODULES;
use crate::error::ModelError;
use crate::head::PoolingModule;

/// A dense layer without an activation: weight \[outer, inner\], bias \[outer\].
pub(crate) struct Linear {
    pub weight: Tensor,
    pub bias: Vec<f32>,
}

/// The backbone's folder.
const BACKBONE: &str = "0_Transformer";
/// A model type that transformers refuses by its name, so that its message says what to do.
const REFUSED: &str = "open_with_sentence_transformers";

impl Parts<'_> {
    /// A frozen base model, pooling, and `layers` on top.
    pub fn save_head(
        &self,
        folder: &Path,
        pooling: PoolingModule,
        layers: &[Linear],
    ) -> Result<(), ModelError> {
        let backbone = folder.join(BACKBONE);
        create(&backbone)?;
        let index = self.base_model.join("model.safetensors.index.json");
        for from in weight_files(self.base_model)?
            .iter()
            .chain(index.exists().then_some(&index))
        {
            let to = backbone.join(from.file_name().unwrap_or_default());
            std::fs::copy(from, to).map_err(ModelError::file(from))?;
        }
        self.save_modules(folder, pooling, layers)
    }

    /// A backbone that was trained, pooling, and `layers` on top. Of `weights` only the backbone's are written.
    pub fn save_pooled(
        &self,
        folder: &Path,
        weights: &Weights,
        pooling: PoolingModule,
        layers: &[Linear],
    ) -> Result<(), ModelError> {
        let family = self.family()?;
        let mut backbone = Weights::default();
        for (name, var) in weights.names.iter().zip(&weights.vars) {
            if let Some(bare) = family.bare_name(name) {
                backbone.names.push(bare.to_owned());
                backbone.vars.push(var.clone());
            }
        }
        create(&folder.join(BACKBONE))?;
        backbone.save(&folder.join(BACKBONE).join("model.safetensors"))?;
        self.save_modules(folder, pooling, layers)
    }

    /// All but the backbone's weights.
    fn save_modules(
        &self,
        folder: &Path,
        pooling: PoolingModule,
        layers: &[Linear],
    ) -> Result<(), ModelError> {
        let backbone = &folder.join(BACKBONE);
        let mut config = self.base_json("config.json")?;
        config.insert("architectures".into(), json!([self.family()?.backbone_class()]));
        write(backbone, "config.json", &config)?;
        self.tokenizer(backbone)?;
        write(
            backbone,
            "sentence_bert_config.json",
            &json!({"max_seq_length": self.encoder.max_tokens(), "do_lower_case": false}),
        )?;
        write(folder, "config.json", &json!({"model_type": REFUSED}))?;
        let module = |idx: usize, path: &str, kind: &str| json!({"idx": idx, "name": idx.to_string(), "path": path, "type": format!("sentence_transformers.models.{kind}")});
        let mut modules = vec![
            module(0, BACKBONE, "Transformer"),
            module(1, "1_Pooling", "Pooling"),
        ];
        create(&folder.join("1_Pooling"))?;
        write(&folder.join("1_Pooling"), "config.json", &pooling)?;
        for (i, layer) in layers.iter().enumerate() {
            let name = format!("{}_Dense", i + 2);
            modules.push(module(i + 2, &name, "Dense"));
            save_dense(&folder.join(name), layer)?;
        }
        write(folder, MODULES, &modules)?;
        self.about(folder, Kind::Modules)
    }
}

fn save_dense(folder: &Path, layer: &Linear) -> Result<(), ModelError> {
    create(folder)?;
    let (outer, inner) = layer.weight.dims2()?;
    let config = json!({
        "in_features": inner, "out_features": outer, "bias": true,
        "activation_function": "torch.nn.modules.linear.Identity",
    });
    write(folder, "config.json", &config)?;
    let mut weights = Weights::default();
    weights.register("linear.weight", layer.weight.copy()?)?;
    weights.register("linear.bias", Tensor::new(layer.bias.as_slice(), &Device::Cpu)?)?;
    weights.save(&folder.join("model.safetensors"))
}

fn create(folder: &Path) -> Result<(), ModelError> {
    std::fs::create_dir_all(folder).map_err(ModelError::file(folder))
}
