//! The form of a run: read from a posted form, from a page's query and from the browser alike.

use domain::run::data::{DataChoice, HeldOut, JudgementSource, MAX_HELD_OUT_PERCENT};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::AppError;

/// As typed; numbers left empty mean the method's default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainForm {
    pub project: Uuid,
    pub name: String,
    pub source: String,
    pub annotators: Vec<Uuid>,
    pub include_flagged: bool,
    pub corrections: bool,
    pub rankings: bool,
    pub margins: bool,
    /// `share`, or the identifier of another project.
    pub held_out: String,
    pub percent: String,
    pub split_seed: String,
    pub method: String,
    pub seed: String,
    pub epochs: String,
    pub batch_pairs: String,
    pub learning_rate: String,
    pub weight_decay: String,
    pub warmup_share: String,
    pub max_tokens: String,
    pub evaluate_every: String,
}

/// The form's name of a field: server functions read structs in this notation.
pub fn field(name: &str) -> String {
    format!("form[{name}]")
}

impl TrainForm {
    /// As the page shows it first.
    pub fn new(project: Uuid) -> TrainForm {
        TrainForm {
            project,
            source: "all".into(),
            corrections: true,
            rankings: true,
            held_out: "share".into(),
            percent: "10".into(),
            method: "head".into(),
            ..TrainForm::default()
        }
    }

    /// From the fields of a form that was filled in; `get` gives all values of a name.
    pub fn from_fields(project: Uuid, get: impl Fn(&str) -> Vec<String>) -> TrainForm {
        let text = |name: &str| get(&field(name)).pop().unwrap_or_default();
        let ticked = |name: &str| text(name) == "true";
        TrainForm {
            project,
            name: text("name"),
            source: text("source"),
            annotators: get("form[annotators][]")
                .iter()
                .filter_map(|id| id.parse().ok())
                .collect(),
            include_flagged: ticked("include_flagged"),
            corrections: ticked("corrections"),
            rankings: ticked("rankings"),
            margins: ticked("margins"),
            held_out: text("held_out"),
            percent: text("percent"),
            split_seed: text("split_seed"),
            method: text("method"),
            seed: text("seed"),
            epochs: text("epochs"),
            batch_pairs: text("batch_pairs"),
            learning_rate: text("learning_rate"),
            weight_decay: text("weight_decay"),
            warmup_share: text("warmup_share"),
            max_tokens: text("max_tokens"),
            evaluate_every: text("evaluate_every"),
        }
    }

    /// Which data is meant.
    pub fn choice(&self) -> Result<DataChoice, AppError> {
        let source: JudgementSource = self.source.parse().map_err(AppError::Invalid)?;
        let held_out = match self.held_out.parse::<Uuid>() {
            Ok(id) if id == self.project => {
                return Err(AppError::Invalid(
                    "Choose another project to hold the run against.".into(),
                ));
            }
            Ok(id) => HeldOut::Project { id },
            Err(_) => {
                let percent = number(&self.percent, 10, "held-out share")?;
                if percent > MAX_HELD_OUT_PERCENT {
                    return Err(AppError::Invalid(format!(
                        "The held-out share is at most {MAX_HELD_OUT_PERCENT} %."
                    )));
                }
                HeldOut::Share {
                    percent,
                    seed: number(&self.split_seed, 0, "seed of the split")?,
                }
            }
        };
        Ok(DataChoice {
            source,
            annotators: self.annotators.clone(),
            exclude_flagged: !self.include_flagged,
            corrections: self.corrections,
            rankings: self.rankings,
            margins: self.margins,
            held_out,
        })
    }

    /// The settings, with the method's defaults where nothing is typed.
    #[cfg(feature = "ssr")]
    pub fn settings(&self, scoring: &dyn crate::scoring::Scoring) -> Result<domain::run::Settings, AppError> {
        let method = self.method.parse().map_err(AppError::Invalid)?;
        let default = scoring.defaults(method);
        Ok(domain::run::Settings {
            method,
            seed: number(&self.seed, default.seed, "seed")?,
            epochs: number(&self.epochs, default.epochs, "number of epochs")?,
            batch_pairs: number(&self.batch_pairs, default.batch_pairs, "number of pairs per step")?,
            learning_rate: number(&self.learning_rate, default.learning_rate, "learning rate")?,
            weight_decay: number(&self.weight_decay, default.weight_decay, "weight decay")?,
            warmup_share: number(&self.warmup_share, default.warmup_share, "warm-up share")?,
            max_tokens: number(&self.max_tokens, default.max_tokens, "number of tokens")?,
            evaluate_every: number(
                &self.evaluate_every,
                default.evaluate_every,
                "evaluation interval",
            )?,
            checkpoint_every_steps: default.checkpoint_every_steps,
        })
    }
}

fn number<N: std::str::FromStr>(typed: &str, default: N, what: &str) -> Result<N, AppError> {
    let typed = typed.trim();
    if typed.is_empty() {
        return Ok(default);
    }
    typed
        .parse()
        .map_err(|_| AppError::Invalid(format!("“{typed}” is not a {what}.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_become_a_choice() {
        let project = Uuid::from_u128(1);
        let filled = [
            ("source", "people"),
            ("percent", "20"),
            ("held_out", "share"),
            ("rankings", "true"),
        ];
        let get = |name: &str| -> Vec<String> {
            let found = filled.iter().filter(|(key, _)| field(key) == name);
            found.map(|(_, value)| (*value).to_owned()).collect()
        };
        let choice = TrainForm::from_fields(project, get).choice().unwrap();
        assert_eq!(choice.source, JudgementSource::People);
        assert_eq!(choice.held_out, HeldOut::Share { percent: 20, seed: 0 });
        assert!(choice.rankings && !choice.corrections && choice.exclude_flagged);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let form = TrainForm {
            percent: "a lot".into(),
            ..TrainForm::new(Uuid::from_u128(1))
        };
        let error = form.choice().unwrap_err().to_string();
        assert!(
            error.contains("a lot") && error.contains("held-out share"),
            "{error}"
        );
        let form = TrainForm {
            percent: "80".into(),
            ..form
        };
        assert!(form.choice().is_err());
    }
}
