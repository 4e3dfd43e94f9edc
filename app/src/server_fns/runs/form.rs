//! The form of a run: read from a posted form, from a page's query and from the browser alike.

use std::collections::BTreeMap;

use domain::run::data::{DataChoice, HeldOut, JudgementSource, MAX_HELD_OUT_PERCENT};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::AppError;

/// As typed; what is left empty means the method's default.
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
    pub whole_rankings: bool,
    pub margins: bool,
    /// `share`, or the identifier of another project.
    pub held_out: String,
    pub percent: String,
    pub split_seed: String,
    pub method: String,
    /// By their names, of all methods.
    pub settings: BTreeMap<String, String>,
}

/// The settings that decide which pairs there are.
pub const SETTINGS_OF_DATA: [&str; 1] = ["ties"];

/// The form's name of a field: server functions read structs in this notation.
pub fn field(name: &str) -> String {
    format!("form[{name}]")
}

/// The form's name of a setting.
pub fn setting_field(name: &str) -> String {
    format!("form[settings][{name}]")
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

    /// From the fields of a form that was filled in; `get` gives all values of a name. Of the settings, only these are
    /// read.
    pub fn from_fields(
        project: Uuid,
        settings: impl IntoIterator<Item = &'static str>,
        get: impl Fn(&str) -> Vec<String>,
    ) -> TrainForm {
        let text = |name: &str| get(&field(name)).pop().unwrap_or_default();
        let ticked = |name: &str| text(name) == "true";
        let typed = |name: &str| {
            let text = get(&setting_field(name)).pop()?;
            (!text.is_empty()).then(|| (name.to_owned(), text))
        };
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
            whole_rankings: ticked("whole_rankings"),
            margins: ticked("margins"),
            held_out: text("held_out"),
            percent: text("percent"),
            split_seed: text("split_seed"),
            method: text("method"),
            settings: settings.into_iter().filter_map(typed).collect(),
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
            whole_rankings: self.whole_rankings,
            margins: self.margins,
            ties: self.knows_ties(),
            held_out,
        })
    }

    /// Whether the loss learns from ties; no method does by default.
    fn knows_ties(&self) -> bool {
        let ties = self.settings.get("ties").map_or("", |ties| ties.trim());
        !ties.is_empty() && ties != "none"
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
            ("form[source]", "people"),
            ("form[percent]", "20"),
            ("form[held_out]", "share"),
            ("form[rankings]", "true"),
            ("form[whole_rankings]", "true"),
            ("form[settings][ties]", "davidson"),
        ];
        let get = |name: &str| -> Vec<String> {
            let found = filled.iter().filter(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned()).collect()
        };
        let form = TrainForm::from_fields(project, SETTINGS_OF_DATA, get);
        let choice = form.choice().unwrap();
        assert_eq!(choice.source, JudgementSource::People);
        assert_eq!(choice.held_out, HeldOut::Share { percent: 20, seed: 0 });
        assert!(choice.rankings && choice.whole_rankings && !choice.corrections && choice.exclude_flagged);
        assert!(choice.ties && !TrainForm::new(project).choice().unwrap().ties);
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
