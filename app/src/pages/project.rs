//! A project's overview.

use domain::{permission::Permission, project::ProjectSummary, user::User};
use leptos::{prelude::*, server_fn::ServerFn};

use crate::{
    components::{Page, Tab, page_with, path_id},
    context,
    prose::Prose,
    server_fns::projects::SetInstructions,
    text,
    text_area::TextArea,
    viewer::require,
};

/// What stands in a project, and the ways on from here.
#[component]
pub fn ProjectPage() -> impl IntoView {
    let id = path_id();
    let data = async move {
        let viewer = require(Permission::ViewProjects)?;
        let summary = context::store().summarise_project(id?).await?;
        let instructions = match summary.project.instructions.trim() {
            "" => None,
            text => Some(context::render(text).await),
        };
        Ok((viewer, summary, instructions))
    };
    page_with(
        data,
        |(viewer, summary, instructions)| view! { <Overview viewer summary instructions /> },
    )
}

#[component]
fn Overview(
    viewer: User,
    summary: ProjectSummary,
    /// As safe HTML.
    instructions: Option<String>,
) -> impl IntoView {
    let project = summary.project.clone();
    let base = format!("/projects/{}", project.id);
    let manages = viewer.role.may(Permission::ManageProjects);
    let instructions = match instructions {
        None => view! { <p class="soft">"None yet. Whoever judges goes by their own sense."</p> }.into_any(),
        Some(html) => view! { <Prose html=html /> }.into_any(),
    };
    view! {
        <Page title=project.name.clone() project=project.clone() tab=Tab::Overview>
            <div class="page-head">
                <h1 dir="auto">{project.name.clone()}</h1>
                <div class="cluster">{ways_on(&viewer, &summary, &base)}</div>
            </div>
            <dl class="facts">
                {fact(summary.prompts, "prompt", "prompts")}
                {fact(summary.responses, "response", "responses")}
                {fact(summary.comparisons, "comparison", "comparisons")}
                {fact(summary.judgements, "judgement", "judgements")}
                {fact(summary.corrections, "correction", "corrections")}
                {fact(summary.runs, "training run", "training runs")}
            </dl>
            <section class="card">
                <h2>"Instructions"</h2>
                {instructions}
                {manages.then(|| edit_instructions(&project))}
            </section>
        </Page>
    }
}

fn fact(number: u64, one: &'static str, many: &'static str) -> impl IntoView {
    let (number, noun) = text::count(number, one, many);
    view! {
        <div>
            <dt>{noun}</dt>
            <dd>{number}</dd>
        </div>
    }
}

fn ways_on(viewer: &User, summary: &ProjectSummary, base: &str) -> impl IntoView + use<> {
    let may = |permission| viewer.role.may(permission);
    if summary.comparisons == 0 {
        return may(Permission::ManageProjects)
            .then(|| {
                view! {
                    <a class="button primary" href=format!("{base}/import")>
                        "Import a file"
                    </a>
                }
            })
            .into_any();
    }
    view! {
        {(may(Permission::Train) && summary.judgements > 0)
            .then(|| {
                view! {
                    <a class="button" href=format!("{base}/train")>
                        "Train a model"
                    </a>
                }
            })}
        <a class="button primary" href=format!("{base}/judge")>
            "Judge pairs"
        </a>
    }
    .into_any()
}

fn edit_instructions(project: &domain::project::Project) -> impl IntoView + use<> {
    view! {
        <details>
            <summary>"Edit the instructions"</summary>
            <form class="stack" method="post" action=SetInstructions::url()>
                <input type="hidden" name="project" value=project.id.to_string() />
                <div class="field">
                    <label for="instructions">"Instructions, in Markdown"</label>
                    <TextArea
                        id="instructions"
                        name="instructions"
                        rows=8
                        maxlength=20_000
                        text=project.instructions.clone()
                    />
                </div>
                <div class="cluster">
                    <button class="primary">"Save"</button>
                </div>
            </form>
        </details>
    }
}
