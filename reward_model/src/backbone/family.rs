//! The families of models, by `model_type` in `config.json`.

mod parts;

use std::path::Path;

use candle_core::Device;

use super::Backbone;
use super::bert::{Bert, skipped_positions};
use super::config::ModelConfig;
use super::deberta::Deberta;
use super::decoder::{Decoder, Options};
use super::distilbert::DistilBert;
use super::fused::{Fused, FusedBackbone, Layout};
use super::layers::Builder;
use super::modernbert::ModernBert;
use super::ops::{Activation, plain};
use super::score_head::{HeadPooling, ScoreHead};
use super::weights::{Learning, Source, Weights};
use super::{bert, distilbert, gemma, llama};
use crate::error::ModelError;
use recipe::Pooling;
use recipe::Precision;

/// One family: how transformers names its classes and tensors, and how it is loaded.
#[derive(Clone, Copy)]
pub(crate) struct Family {
    /// `model_type`.
    model_type: &'static str,
    /// What transformers' classes begin with.
    class: &'static str,
    /// What stands before a backbone's names in a classifier's file.
    prefix: &'static str,
    kind: Kind,
    /// What the reward is read from.
    pooling: Pooling,
}

#[derive(Clone, Copy)]
enum Kind {
    Bert,
    Roberta,
    DistilBert,
    Deberta,
    ModernBert,
    Decoder(fn(&ModelConfig) -> Result<Options, ModelError>),
}

const fn family(model_type: &'static str, class: &'static str, prefix: &'static str, kind: Kind) -> Family {
    Family {
        model_type,
        class,
        prefix,
        kind,
        pooling: Pooling::Family,
    }
}

const FAMILIES: [Family; 11] = [
    family("bert", "Bert", "bert.", Kind::Bert),
    family("roberta", "Roberta", "roberta.", Kind::Roberta),
    family("xlm-roberta", "XLMRoberta", "roberta.", Kind::Roberta),
    family("distilbert", "DistilBert", "distilbert.", Kind::DistilBert),
    family("deberta-v2", "DebertaV2", "deberta.", Kind::Deberta),
    family("modernbert", "ModernBert", "model.", Kind::ModernBert),
    family("llama", "Llama", "model.", Kind::Decoder(llama::llama)),
    family("qwen2", "Qwen2", "model.", Kind::Decoder(llama::qwen2)),
    family("qwen3", "Qwen3", "model.", Kind::Decoder(llama::qwen3)),
    family("gemma2", "Gemma2", "model.", Kind::Decoder(gemma::gemma2)),
    family(
        "gemma3_text",
        "Gemma3Text",
        "model.",
        Kind::Decoder(gemma::gemma3),
    ),
];

impl Family {
    /// The family of a model.
    ///
    /// # Errors
    /// When it is none of ours.
    pub fn of(config: &ModelConfig) -> Result<Self, ModelError> {
        let name = config.word_or("model_type", "");
        let found = FAMILIES.into_iter().find(|family| family.model_type == name);
        found.ok_or_else(|| {
            let known: Vec<_> = FAMILIES.iter().map(|family| family.model_type).collect();
            config.error(format!(
                "models of the type {name:?} are not read (model_type); supported are {}",
                known.join(", ")
            ))
        })
    }

    /// The same family with the reward read from something else.
    pub fn pooled(self, pooling: Pooling) -> Self {
        let pooling = match pooling {
            Pooling::Auto if self.is_decoder() => Pooling::Family,
            Pooling::Auto => Pooling::Mean,
            other => other,
        };
        Self { pooling, ..self }
    }

    /// What the reward is read from; never `Auto`.
    pub fn pooling(&self) -> Pooling {
        self.pooling
    }

    /// transformers' class of the whole reward model, for `architectures`.
    pub fn classifier_class(&self) -> String {
        format!("{}ForSequenceClassification", self.class)
    }

    /// transformers' class of the backbone alone.
    pub fn backbone_class(&self) -> String {
        format!("{}Model", self.class)
    }

    /// Whether texts are read forwards only, the last token for all.
    pub fn is_decoder(&self) -> bool {
        matches!(self.kind, Kind::Decoder(_))
    }

    /// Whether transformers' model takes token types.
    pub fn has_token_types(&self) -> bool {
        matches!(self.kind, Kind::Bert | Kind::Deberta)
    }

    /// Tokens of the longest text that the model takes.
    pub fn max_tokens(&self, config: &ModelConfig) -> Result<usize, ModelError> {
        let (positions, skipped) = (
            config.count("max_position_embeddings")?,
            skipped(self.kind, config)?,
        );
        match positions.saturating_sub(skipped) {
            0 => Err(config.error("max_position_embeddings leaves no room for a text")),
            tokens => Ok(tokens),
        }
    }

    /// Length of a hidden state.
    pub fn hidden(&self, config: &ModelConfig) -> Result<usize, ModelError> {
        config.count(match self.kind {
            Kind::DistilBert => "dim",
            _ => "hidden_size",
        })
    }

    /// Name of the weight that makes a file a whole reward model's.
    pub fn output_name(&self) -> &'static str {
        match (self.pooling, self.kind) {
            // As a sentence-transformers folder's Dense module has it.
            (Pooling::Mean, _) => "linear",
            (_, Kind::Roberta) => "classifier.out_proj",
            (_, Kind::Decoder(_)) => "score",
            _ => "classifier",
        }
    }

    /// Name of the last bias, if there is one.
    pub fn output_bias(&self) -> Option<String> {
        self.has_output_bias()
            .then(|| format!("{}.bias", self.output_name()))
    }

    fn has_output_bias(&self) -> bool {
        self.pooling == Pooling::Mean || !self.is_decoder()
    }

    /// A backbone's weight by the name that it has in the backbone's own file; nothing for those of the head.
    pub fn bare_name<'n>(&self, name: &'n str) -> Option<&'n str> {
        name.strip_prefix(self.prefix).filter(|_| !self.is_of_head(name))
    }

    /// Whether a weight belongs to what stands on top of the backbone.
    pub fn is_of_head(&self, name: &str) -> bool {
        !name.starts_with(self.prefix) || name.starts_with("bert.pooler.")
    }

    /// A builder over a file, for this family's names.
    pub fn builder<'a>(&self, source: &'a mut Source, weights: &'a mut Weights) -> Builder<'a> {
        let probe = match self.kind {
            Kind::ModernBert => "embeddings.tok_embeddings.weight",
            Kind::Decoder(_) => "embed_tokens.weight",
            _ => "embeddings.word_embeddings.weight",
        };
        Builder::new(source, weights, self.prefix, probe)
    }

    /// A builder over variables that are there already, some of which learn.
    pub fn partly<'a>(&self, weights: &'a Weights, learning: &'a Learning) -> Builder<'a> {
        Builder::partly(weights, learning, self.prefix)
    }

    /// A builder over variables that are there already.
    pub fn frozen<'a>(&self, weights: &'a Weights) -> Builder<'a> {
        Builder::frozen(weights, self.prefix)
    }

    /// Loads the backbone.
    pub fn backbone(&self, config: &ModelConfig, b: &mut Builder) -> Result<Box<dyn Backbone>, ModelError> {
        Ok(match self.kind {
            Kind::Bert | Kind::Roberta => Box::new(Bert::load(config, b)?),
            Kind::DistilBert => Box::new(DistilBert::load(config, b)?),
            Kind::Deberta => Box::new(Deberta::load(config, b)?),
            Kind::ModernBert => Box::new(ModernBert::load(config, b)?),
            Kind::Decoder(options) => Box::new(Decoder::load(config, b, options(config)?)?),
        })
    }

    /// The hand-written encoder over weights that were loaded, for the families that have one; on the CPU alone.
    pub fn fused(
        &self,
        config: &ModelConfig,
        weights: &Weights,
        precision: Precision,
    ) -> Result<Option<Fused>, ModelError> {
        if weights.vars.iter().any(|var| plain::is_for(var.device())) {
            return Ok(None);
        }
        let (names, sizes) = match self.kind {
            Kind::Bert | Kind::Roberta => (bert::NAMES, bert::sizes(config)?),
            Kind::DistilBert => (distilbert::NAMES, distilbert::sizes(config)?),
            _ => return Ok(None),
        };
        let layout = Layout {
            names,
            prefix: self.prefix,
            sizes,
            skipped: skipped(self.kind, config)?,
        };
        Ok(Fused::of(layout, weights, precision))
    }

    /// The backbone over weights that were loaded, sharing their memory, to compute with it without a graph.
    pub fn frozen_backbone(
        &self,
        config: &ModelConfig,
        weights: &Weights,
        precision: Precision,
    ) -> Result<Box<dyn Backbone>, ModelError> {
        Ok(match self.fused(config, weights, precision)? {
            Some(fused) => Box::new(FusedBackbone::new(fused, weights.clone())?),
            None => self.backbone(config, &mut self.frozen(weights).computing_in(precision))?,
        })
    }

    /// The backbone of a model folder, to compute with it on a device and without a graph.
    pub fn backbone_of(
        &self,
        config: &ModelConfig,
        folder: &Path,
        (precision, device): (Precision, &Device),
    ) -> Result<Box<dyn Backbone>, ModelError> {
        let (mut source, mut weights) = (Source::of_model(folder, 0)?, Weights::default());
        self.backbone(config, &mut self.builder(&mut source, &mut weights))?;
        self.frozen_backbone(config, &weights.on(device)?, precision)
    }

    /// Loads the head on top, or makes one that starts at random.
    pub fn score_head(&self, config: &ModelConfig, b: &mut Builder) -> Result<ScoreHead, ModelError> {
        let hidden = self.hidden(config)?;
        let (square, single) = ([hidden, hidden], [hidden, 1]);
        if self.pooling == Pooling::Mean {
            return Ok(ScoreHead {
                pooling: HeadPooling::Mean,
                dense: None,
                norm: None,
                output: b.head_dense(self.output_name(), None, single, true)?,
            });
        }
        let mut dense = |name: &str, alias: Option<&str>, activation: Activation| {
            Ok::<_, ModelError>(Some((b.head_dense(name, alias, square, true)?, activation)))
        };
        let dense = match self.kind {
            // A bare BERT's pooler is the classifier's too.
            Kind::Bert => dense("bert.pooler.dense", Some("pooler.dense"), Activation::Tanh)?,
            Kind::Roberta => dense("classifier.dense", None, Activation::Tanh)?,
            Kind::DistilBert => dense("pre_classifier", None, Activation::Relu)?,
            Kind::Deberta => dense(
                "pooler.dense",
                None,
                config.activation("pooler_hidden_act", "gelu")?,
            )?,
            Kind::ModernBert => {
                let biased = config.flag_or("classifier_bias", false)?;
                let activation = config.activation("classifier_activation", "gelu")?;
                Some((b.head_dense("head.dense", None, square, biased)?, activation))
            }
            Kind::Decoder(_) => None,
        };
        let (norm, pooling) = match self.kind {
            Kind::ModernBert => {
                let (epsilon, biased) = (
                    config.number_or("norm_eps", 1e-5)?,
                    config.flag_or("norm_bias", false)?,
                );
                let pooling = match config.word_or("classifier_pooling", "cls") {
                    "mean" => HeadPooling::Mean,
                    _ => HeadPooling::First,
                };
                (Some(b.head_norm("head.norm", hidden, epsilon, biased)?), pooling)
            }
            Kind::Decoder(_) => (None, HeadPooling::Last),
            _ => (None, HeadPooling::First),
        };
        Ok(ScoreHead {
            pooling,
            dense,
            norm,
            output: b.head_dense(self.output_name(), None, single, self.has_output_bias())?,
        })
    }
}

fn skipped(kind: Kind, config: &ModelConfig) -> Result<usize, ModelError> {
    match kind {
        Kind::Roberta => skipped_positions(config),
        _ => Ok(0),
    }
}
