//! A project's overview.

use domain::permission::Permission;
use leptos::prelude::*;

use crate::{
    components::{Page, Tab, page_with, path_id},
    context,
    viewer::require,
};

/// What stands in a project, and the ways on from here.
#[component]
pub fn ProjectPage() -> impl IntoView {
    let id = path_id();
    let data = async move {
        require(Permission::ViewProjects)?;
        Ok(context::store().summarise_project(id?).await?)
    };
    page_with(data, |summary| {
        view! {
            <Page title=summary.project.name.clone() project=summary.project.clone() tab=Tab::Overview>
                <h1>{summary.project.name.clone()}</h1>
            </Page>
        }
    })
}
