//! The first page: the projects.

use domain::permission::Permission;
use leptos::prelude::*;

use crate::{
    components::{Page, page_with},
    context,
    viewer::require,
};

/// All projects, with what stands in them.
#[component]
pub fn HomePage() -> impl IntoView {
    let data = async move {
        require(Permission::ViewProjects)?;
        let store = context::store();
        let mut summaries = Vec::new();
        for project in store.list_projects().await? {
            summaries.push(store.summarise_project(project.id).await?);
        }
        Ok(summaries)
    };
    page_with(data, |projects| {
        let rows: Vec<_> = projects
            .into_iter()
            .map(|summary| {
                view! {
                    <li>
                        <a href=format!("/projects/{}", summary.project.id)>{summary.project.name}</a>
                    </li>
                }
            })
            .collect();
        view! {
            <Page title="Projects">
                <h1>"Projects"</h1>
                <ul>{rows}</ul>
            </Page>
        }
    })
}
