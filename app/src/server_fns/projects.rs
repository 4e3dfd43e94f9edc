//! Make and describe projects.

use leptos::prelude::*;
use uuid::Uuid;

use crate::error::AppError;

/// Makes an empty project and shows it. Needs `ManageProjects`.
#[server(prefix = "/fn", endpoint = "projects/create")]
pub async fn create_project(name: String, #[server(default)] instructions: String) -> Result<(), AppError> {
    use domain::permission::Permission;
    use store::project::NewProject;

    use crate::{context, viewer};
    let user = viewer::require(Permission::ManageProjects)?;
    let new = NewProject {
        name,
        instructions,
        demo: false,
        created_by: Some(user.id),
    };
    let made = context::store().insert_project(new).await?;
    tracing::info!(project = %made.id, user = %user.id, "project made");
    context::redirect(&format!("/projects/{}", made.id));
    Ok(())
}

/// Makes the demo project, or finds it, and shows it. Needs `ManageProjects`.
#[server(prefix = "/fn", endpoint = "projects/create-demo")]
pub async fn create_demo_project() -> Result<(), AppError> {
    use domain::permission::Permission;

    use crate::{context, viewer};
    let user = viewer::require(Permission::ManageProjects)?;
    let made = context::store().create_demo_project(Some(user.id)).await?;
    tracing::info!(project = %made.id, user = %user.id, "demo project made");
    context::redirect(&format!("/projects/{}", made.id));
    Ok(())
}

/// Replaces a project's instructions. Needs `ManageProjects`.
#[server(prefix = "/fn", endpoint = "projects/instructions")]
pub async fn set_instructions(
    project: Uuid,
    #[server(default)] instructions: String,
) -> Result<(), AppError> {
    use domain::permission::Permission;

    use crate::{context, flash, flash::Flash, viewer};
    viewer::require(Permission::ManageProjects)?;
    if instructions.chars().count() > MAX_INSTRUCTIONS {
        return Err(AppError::Invalid(format!(
            "Instructions have at most {MAX_INSTRUCTIONS} characters."
        )));
    }
    context::store().set_instructions(project, &instructions).await?;
    flash::show_next(Flash::done("The instructions are saved."));
    context::redirect(&format!("/projects/{project}"));
    Ok(())
}

/// The longest instructions, in characters.
#[cfg(feature = "ssr")]
const MAX_INSTRUCTIONS: usize = 20_000;
