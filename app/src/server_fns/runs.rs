//! Start, count, cancel and resume training runs.

#[cfg(feature = "ssr")]
mod filled;
mod form;

use domain::run::data::DataCounts;
use leptos::prelude::*;
use uuid::Uuid;

pub use form::{SETTINGS_OF_DATA, TrainForm, field, setting_field};

use crate::error::AppError;

/// Makes a run and queues its training, then shows its page. A plain form that asks for what cannot be done comes
/// back as it was filled in. Needs `Train`.
#[server(prefix = "/fn", endpoint = "runs/create")]
pub async fn create_run(form: TrainForm) -> Result<(), AppError> {
    use domain::permission::Permission;

    use crate::{context, flash, flash::Flash, viewer};
    let user = viewer::require(Permission::Train)?;
    let page = form.page();
    match make_run(form, user.id).await {
        Ok(run) => context::redirect(&format!("/runs/{run}")),
        Err(refused @ AppError::Invalid(_)) if context::is_plain_form() => {
            flash::show_next(Flash::failed(refused));
            context::redirect(&page);
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

#[cfg(feature = "ssr")]
async fn make_run(form: TrainForm, by: Uuid) -> Result<Uuid, AppError> {
    let services = crate::context::services();
    let settings = form.settings(&*services.scoring)?;
    let choice = form.choice()?;
    let project = services.store.find_project(form.project).await?;
    let counts = services.store.select_pairs(project.id, &choice).await?.counts;
    if counts.train == 0 {
        return Err(AppError::Invalid(
            "There is no pair to learn from: judge some comparisons first, or choose other data.".into(),
        ));
    }
    let new = store::run::NewRun {
        project_id: project.id,
        name: form.name,
        settings,
        choice,
        created_by: Some(by),
    };
    Ok(services.store.create_run(new).await?.id)
}

/// Counts what a choice of data comes to. Needs `Review`.
#[server(prefix = "/fn", endpoint = "runs/count")]
pub async fn count_data(form: TrainForm) -> Result<DataCounts, AppError> {
    use domain::permission::Permission;

    use crate::{context, viewer};
    viewer::require(Permission::Review)?;
    let choice = form.choice()?;
    Ok(context::store().select_pairs(form.project, &choice).await?.counts)
}

/// Asks a run to stop, then shows its page. Needs `Train`.
#[server(prefix = "/fn", endpoint = "runs/cancel")]
pub async fn cancel_run(id: Uuid) -> Result<(), AppError> {
    use domain::{permission::Permission, run::State};

    use crate::{context, flash, flash::Flash, viewer};
    viewer::require(Permission::Train)?;
    let state = context::store().cancel_run(id).await?;
    flash::show_next(Flash::done(match state {
        State::Cancelled => "The run is cancelled.",
        _ => "The run stops after the step at hand.",
    }));
    context::redirect(&format!("/runs/{id}"));
    Ok(())
}

/// Lets a run that failed or was cancelled go on from its last checkpoint, then shows its page. Needs `Train`.
#[server(prefix = "/fn", endpoint = "runs/resume")]
pub async fn resume_run(id: Uuid) -> Result<(), AppError> {
    use domain::permission::Permission;

    use crate::{context, flash, flash::Flash, viewer};
    let user = viewer::require(Permission::Train)?;
    context::store().resume_run(id, Some(user.id)).await?;
    flash::show_next(Flash::done("The run goes on from its last checkpoint."));
    context::redirect(&format!("/runs/{id}"));
    Ok(())
}

/// What the counts mean, as a sentence.
pub fn describe(counts: &DataCounts) -> String {
    let number = crate::text::number;
    if counts.pairs == 0 {
        return "No pairs yet: only preferences and rankings make pairs, ties do not.".into();
    }
    let mut text = format!(
        "{} pairs from {} prompts: {} to learn from, {} held out.",
        number(counts.pairs),
        number(counts.prompts),
        number(counts.train),
        number(counts.held_out)
    );
    if counts.from_corrections > 0 {
        text.push_str(&format!(
            " {} of them come from corrections.",
            number(counts.from_corrections)
        ));
    }
    if counts.overlapping > 0 {
        text.push_str(&format!(
            " {} more are left out because their prompt is held out in the other project.",
            number(counts.overlapping)
        ));
    }
    if counts.held_out == 0 {
        text.push_str(" Nothing is held out, so the model's accuracy stays unknown.");
    }
    text
}
