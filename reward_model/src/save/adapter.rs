//! What low-rank adaptation learnt, in the layout of `peft`: `adapter_config.json` and `adapter_model.safetensors`.
//!
//! It opens with `PeftModel.from_pretrained(AutoModelForSequenceClassification.from_pretrained(BASE, num_labels=1), FOLDER)`.
//! A model whose reward is read from the mean has a head that transformers does not have: its adapter is the backbone's alone
//! and stands on `AutoModel.from_pretrained(BASE)`.

use std::path::Path;

use serde_json::json;

use super::{Parts, write};
use crate::backbone::{Family, Weights, is_of_branch, modules_of_branches};
use crate::error::ModelError;
use recipe::{Lora, Pooling};

/// What `peft` puts before the names of the model that it wraps.
const WRAPPER: &str = "base_model.model.";

impl Parts<'_> {
    /// Writes the matrices beside layers whose names' ends are `targets`, and the head, into a folder of their own.
    pub fn save_adapter(
        &self,
        folder: &Path,
        family: Family,
        weights: &Weights,
        lora: &Lora,
        targets: &[&str],
    ) -> Result<(), ModelError> {
        let with_head = family.pooling() == Pooling::Family;
        std::fs::create_dir_all(folder).map_err(ModelError::file(folder))?;
        let name = |name: &str| match with_head {
            true => name.to_owned(),
            false => family.bare_name(name).unwrap_or(name).to_owned(),
        };
        let mut adapter = Weights::default();
        for (own, var) in weights.names.iter().zip(&weights.vars) {
            if is_of_branch(own) || with_head && family.is_of_head(own) {
                adapter.names.push(format!("{WRAPPER}{}", name(own)));
                adapter.vars.push(var.clone());
            }
        }
        adapter.save(&folder.join("adapter_model.safetensors"))?;
        // The pooler of AutoModel is none of ours, but an end of a name may mean it too: there each layer is named.
        let targets: Vec<String> = match with_head {
            true => targets.iter().map(|target| (*target).to_owned()).collect(),
            false => modules_of_branches(weights).map(&name).collect(),
        };
        let config = json!({
            "peft_type": "LORA",
            "task_type": if with_head { "SEQ_CLS" } else { "FEATURE_EXTRACTION" },
            "base_model_name_or_path": self.base_model,
            "r": lora.rank,
            "lora_alpha": lora.alpha,
            "lora_dropout": lora.dropout,
            "target_modules": targets,
            "modules_to_save": with_head.then(|| family.head_modules()),
            "bias": "none",
            "fan_in_fan_out": false,
            "inference_mode": true,
            "init_lora_weights": true,
            "use_dora": false,
            "use_rslora": false,
        });
        write(folder, "adapter_config.json", &config)
    }
}
