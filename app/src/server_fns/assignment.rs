//! How many people judge each comparison.

use leptos::prelude::*;
use uuid::Uuid;

use crate::error::AppError;

/// Sets how many people judge each comparison of a project that has no number of its own. Needs `ManageProjects`.
#[server(prefix = "/fn", endpoint = "assignment/set")]
pub async fn set_wanted(project: Uuid, wanted: i32) -> Result<(), AppError> {
    use domain::permission::Permission;

    use crate::{context, flash, flash::Flash};
    let user = crate::viewer::require(Permission::ManageProjects)?;
    context::store().set_wanted(project, wanted).await?;
    tracing::info!(%project, user = %user.id, wanted, "judgements per comparison set");
    flash::show_next(Flash::done(format!(
        "{} from now on.",
        match wanted {
            1 => "One person judges each comparison".to_owned(),
            many => format!("{many} people judge each comparison"),
        }
    )));
    context::redirect(&format!("/projects/{project}/assignment"));
    Ok(())
}

/// What the form for chosen comparisons sends; what is empty does not restrict.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct ChosenForm {
    pub project: Uuid,
    /// One comparison alone, and the prompt from whose page it was chosen.
    pub comparison: String,
    pub prompt: String,
    /// `pair` or `ranking`.
    pub kind: String,
    pub category: String,
    pub language: String,
    /// Empty to go by the project's number again.
    pub wanted: String,
}

/// Sets how many people judge the chosen comparisons. Needs `ManageProjects`.
#[server(prefix = "/fn", endpoint = "assignment/choose")]
pub async fn set_wanted_apart(form: ChosenForm) -> Result<(), AppError> {
    use domain::{comparison::ComparisonKind, permission::Permission};
    use store::overlap::Chosen;

    use crate::{context, flash, flash::Flash, text};
    let user = crate::viewer::require(Permission::ManageProjects)?;
    let broken = || AppError::Invalid("The form is broken: load the page anew.".into());
    let text_of = |text: String| Some(text).filter(|text| !text.is_empty());
    let chosen = Chosen {
        comparison: match form.comparison.as_str() {
            "" => None,
            id => Some(id.parse().map_err(|_| broken())?),
        },
        kind: match form.kind.as_str() {
            "" => None,
            "pair" => Some(ComparisonKind::Pair),
            "ranking" => Some(ComparisonKind::Ranking),
            _ => return Err(broken()),
        },
        category: text_of(form.category),
        language: text_of(form.language),
    };
    let wanted = match form.wanted.as_str() {
        "" => None,
        number => Some(number.parse().map_err(|_| broken())?),
    };
    let store = context::store();
    let count = store.set_wanted_apart(form.project, &chosen, wanted).await?;
    tracing::info!(project = %form.project, user = %user.id, ?wanted, count, "judgements of chosen comparisons set");
    let (count, noun) = text::count(count, "comparison", "comparisons");
    flash::show_next(Flash::done(match wanted {
        Some(1) => format!("{count} {noun}: one person each."),
        Some(wanted) => format!("{count} {noun}: {wanted} people each."),
        None => format!("{count} {noun}: as many people as in the whole project."),
    }));
    let project = form.project;
    context::redirect(&match form.prompt.parse::<Uuid>() {
        Ok(prompt) => format!("/projects/{project}/prompts/{prompt}"),
        Err(_) => format!("/projects/{project}/assignment"),
    });
    Ok(())
}
