//! Corrections: the answer that should have been given.

use leptos::prelude::*;
use uuid::Uuid;

use crate::error::AppError;

/// Keeps a correction and shows it. `id` is made with the form, so that a form sent twice is one correction;
/// `response` and `supersedes` are empty where there is none; `from` is the query of the list to go back to. What
/// stands already is not kept twice. Needs `Judge`.
#[server(prefix = "/fn", endpoint = "corrections/save")]
pub async fn submit_correction(
    project: Uuid,
    comparison: Uuid,
    id: Uuid,
    #[server(default)] response: String,
    #[server(default)] supersedes: String,
    #[server(default)] content: String,
    #[server(default)] from: Option<String>,
) -> Result<(), AppError> {
    use domain::{correction::Correction, permission::Permission};

    use crate::{context, flash, flash::Flash, own_list::OwnList};
    let user = crate::viewer::require(Permission::Judge)?;
    let optional = |text: &str| -> Result<Option<Uuid>, AppError> {
        if text.is_empty() {
            return Ok(None);
        }
        let broken = |_| AppError::Invalid("The form is broken: load the page anew.".into());
        text.parse().map(Some).map_err(broken)
    };
    let correction = Correction {
        id,
        comparison_id: comparison,
        user_id: user.id,
        response_id: optional(&response)?,
        // Browsers send line ends as CR LF.
        content: content.replace("\r\n", "\n"),
        supersedes: optional(&supersedes)?,
        created_at: store::now(),
    };
    let store = context::store();
    let stands = store.current_corrections(user.id, &[comparison]).await?;
    let stands = stands
        .iter()
        .any(|own| own.content == correction.content && own.response_id == correction.response_id);
    if !stands {
        store.insert_correction(project, correction).await?;
    }
    flash::show_next(Flash::done(
        "Saved. Your correction is preferred over every response shown.",
    ));
    context::redirect(&match from {
        Some(from) => OwnList::parse(&from).path(project),
        None => format!("/projects/{project}/corrections?comparison={comparison}"),
    });
    Ok(())
}
