//! A form that is filled in: what it asks for, and as an address that shows it again.

use domain::run::{Run, data::HeldOut};
use recipe::{Method, Recipe, Refusal};

use super::form::{TrainForm, field, setting_field};
use crate::{error::AppError, scoring::Scoring, text::encoded};

impl TrainForm {
    /// Filled with what a run was asked to do; its name is left to be chosen.
    pub fn of_run(run: &Run, scoring: &dyn Scoring) -> TrainForm {
        let choice = &run.data.choice;
        let (held_out, percent, split_seed) = match choice.held_out {
            HeldOut::Share { percent, seed } => ("share".to_owned(), percent.to_string(), seed.to_string()),
            HeldOut::Project { id } => (id.to_string(), String::new(), String::new()),
        };
        TrainForm {
            project: run.project_id,
            name: String::new(),
            source: choice.source.as_str().to_owned(),
            annotators: choice.annotators.clone(),
            include_flagged: !choice.exclude_flagged,
            corrections: choice.corrections,
            rankings: choice.rankings,
            whole_rankings: choice.whole_rankings,
            margins: choice.margins,
            held_out,
            percent,
            split_seed,
            method: run.settings.method.as_str().to_owned(),
            settings: recipe::differing(
                &run.settings,
                &scoring.defaults(run.settings.method, &run.settings.base_model.to_string_lossy()),
            ),
        }
    }

    /// The settings, with the method's defaults where nothing is typed; checked.
    pub fn settings(&self, scoring: &dyn Scoring) -> Result<Recipe, Refusal> {
        let method: Method = self
            .method
            .parse()
            .map_err(|unknown: recipe::UnknownChoice| Refusal {
                setting: "method",
                reason: unknown.to_string(),
            })?;
        let settings = recipe::read(&scoring.defaults(method, self.base()), &self.settings)?;
        scoring.check(&settings)?;
        Ok(settings)
    }

    /// The base model that is named; empty for the installation's own.
    pub fn base(&self) -> &str {
        self.settings.get("base_model").map_or("", |name| name.trim())
    }

    /// The address of the page that shows the form as it is filled in.
    pub fn page(&self) -> String {
        let ticked = |holds: bool| if holds { "true" } else { "" }.to_owned();
        let mut fields = vec![
            (field("name"), self.name.clone()),
            (field("source"), self.source.clone()),
            (field("include_flagged"), ticked(self.include_flagged)),
            (field("corrections"), ticked(self.corrections)),
            (field("rankings"), ticked(self.rankings)),
            (field("whole_rankings"), ticked(self.whole_rankings)),
            (field("margins"), ticked(self.margins)),
            (field("held_out"), self.held_out.clone()),
            (field("percent"), self.percent.clone()),
            (field("split_seed"), self.split_seed.clone()),
            (field("method"), self.method.clone()),
        ];
        let annotators = self.annotators.iter().map(ToString::to_string);
        fields.extend(annotators.map(|id| ("form[annotators][]".to_owned(), id)));
        let typed = self.settings.iter();
        fields.extend(typed.map(|(name, text)| (setting_field(name), text.clone())));
        let pairs: Vec<String> = fields
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
            .collect();
        format!("/projects/{}/train?{}", self.project, pairs.join("&"))
    }
}

/// A refused setting as the form names it.
impl From<Refusal> for AppError {
    fn from(refused: Refusal) -> AppError {
        AppError::Invalid(format!(
            "{}: {}.",
            recipe::label_of(refused.setting),
            refused.reason
        ))
    }
}
