//! What a family calls the parts that can be trained alone.

use super::super::config::ModelConfig;
use super::super::layers::Builder;
use super::super::lora::Module;
use super::{Family, Kind};
use crate::error::ModelError;
use recipe::Pooling;

impl Family {
    /// How many layers a model has.
    pub fn layers(&self, config: &ModelConfig) -> Result<usize, ModelError> {
        config.layers(match self.kind {
            Kind::DistilBert => "n_layers",
            _ => "num_hidden_layers",
        })
    }

    /// Whether a weight belongs to the norm between the last layer and the head.
    pub fn is_of_last_norm(&self, name: &str) -> bool {
        let name = name.strip_prefix(self.prefix).unwrap_or_default();
        name.starts_with("norm.") || name.starts_with("final_norm.")
    }

    /// The dense layers of the backbone, in the order of its file.
    pub fn modules(&self, config: &ModelConfig) -> Result<Vec<Module>, ModelError> {
        let mut modules = Vec::new();
        self.backbone(config, &mut Builder::listing(&mut modules, self.prefix))?;
        Ok(modules)
    }

    /// Ends of the names of the layers that make queries and values.
    pub fn queries_and_values(&self) -> &'static [&'static str] {
        match self.kind {
            Kind::Bert | Kind::Roberta => &["query", "value"],
            Kind::DistilBert => &["q_lin", "v_lin"],
            Kind::Deberta => &["query_proj", "value_proj"],
            Kind::ModernBert => &["Wqkv"],
            Kind::Decoder(_) => &["q_proj", "v_proj"],
        }
    }

    /// The modules that make up the head, by transformers' names.
    pub fn head_modules(&self) -> &'static [&'static str] {
        match (self.pooling, self.kind) {
            (Pooling::Mean, _) => &[],
            (_, Kind::Bert | Kind::Deberta) => &["classifier", "pooler"],
            (_, Kind::Roberta) => &["classifier"],
            (_, Kind::DistilBert) => &["classifier", "pre_classifier"],
            (_, Kind::ModernBert) => &["classifier", "head"],
            (_, Kind::Decoder(_)) => &["score"],
        }
    }
}
