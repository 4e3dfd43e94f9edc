//! The first page: the projects.

use domain::{
    permission::Permission,
    project::{MAX_NAME, ProjectSummary},
    user::User,
};
use leptos::{prelude::*, server_fn::ServerFn};

use crate::{
    components::{Field, Page, page_with},
    context,
    server_fns::projects::{CreateDemoProject, CreateProject},
    text,
    viewer::require,
};

/// All projects, with what stands in them.
#[component]
pub fn HomePage() -> impl IntoView {
    let data = async move {
        let viewer = require(Permission::ViewProjects)?;
        let store = context::store();
        let mut summaries = Vec::new();
        for project in store.list_projects().await? {
            summaries.push(store.summarise_project(project.id).await?);
        }
        Ok((viewer, summaries))
    };
    page_with(data, |(viewer, projects)| view! { <Projects viewer projects /> })
}

#[component]
fn Projects(viewer: User, projects: Vec<ProjectSummary>) -> impl IntoView {
    let manages = viewer.role.may(Permission::ManageProjects);
    let demo = projects.iter().any(|summary| summary.project.demo);
    let none = projects.is_empty();
    let cards: Vec<_> = projects.into_iter().map(project_card).collect();
    view! {
        <Page title="Projects">
            <div class="page-head">
                <div>
                    <h1>"Projects"</h1>
                    <p>"Each holds prompts to be judged under one set of instructions."</p>
                </div>
            </div>
            {(!none).then(|| view! { <div class="grid">{cards}</div> })}
            {(none && !manages)
                .then(|| {
                    view! {
                        <div class="empty">
                            <p>"There is no project yet. As soon as a lead makes one, your work is here."</p>
                        </div>
                    }
                })}
            {manages.then(|| new_project(none, demo))}
        </Page>
    }
}

fn project_card(summary: ProjectSummary) -> impl IntoView {
    let project = summary.project;
    let figure = |number, one, many| {
        let (number, noun) = text::count(number, one, many);
        view! {
            <span>
                <b>{number}</b>
                " "
                {noun}
            </span>
        }
    };
    view! {
        <article class="card project-card">
            <h2 dir="auto">
                <a href=format!("/projects/{}", project.id)>{project.name}</a>
                {project.demo.then(|| view! { <span class="badge gold">"demo"</span> })}
            </h2>
            <p class="figures">
                {figure(summary.prompts, "prompt", "prompts")}
                {figure(summary.comparisons, "comparison", "comparisons")}
                {figure(summary.judgements, "judgement", "judgements")}
                {figure(summary.runs, "run", "runs")}
            </p>
        </article>
    }
}

fn new_project(none: bool, demo: bool) -> impl IntoView {
    view! {
        <section class="grid" aria-label="New project">
            <form class="card" method="post" action=CreateProject::url()>
                <h2>"New project"</h2>
                <Field
                    name="name"
                    label="Name"
                    max=MAX_NAME as u32
                    hint="What is judged, such as “Helpfulness, German support”."
                />
                <div class="cluster">
                    <button class:primary=!none>"Create the project"</button>
                </div>
            </form>
            {(!demo)
                .then(|| {
                    view! {
                        <form class="card" method="post" action=CreateDemoProject::url()>
                            <h2>"Demo project"</h2>
                            <p class="soft">
                                "Prompts in four languages, each with four answers from good to bad, written by us: "
                                "enough to judge, rank, correct and train a first model on."
                            </p>
                            <div class="cluster">
                                <button class:primary=none>"Create the demo project"</button>
                            </div>
                        </form>
                    }
                })}
        </section>
    }
}
