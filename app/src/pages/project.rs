//! A project's overview.

use domain::{
    comparison::ComparisonKind, permission::Permission, project::ProjectSummary, task::Progress, user::User,
};
use leptos::{prelude::*, server_fn::ServerFn};
use store::comparison::Worklist;

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
        let store = context::store();
        let summary = store.summarise_project(id?).await?;
        let flagged = match viewer.role.may(Permission::Review) {
            true => store.count_flagged(summary.project.id).await?,
            false => 0,
        };
        let instructions = match summary.project.instructions.trim() {
            "" => None,
            text => Some(context::render(text).await),
        };
        let list = |kind| Worklist {
            project: &summary.project,
            user: viewer.id,
            kind,
        };
        let pairs = store.judging_progress(list(ComparisonKind::Pair)).await?;
        let rankings = store.judging_progress(list(ComparisonKind::Ranking)).await?;
        Ok((viewer, summary, flagged, [pairs, rankings], instructions))
    };
    page_with(data, |(viewer, summary, flagged, mine, instructions)| {
        view! { <Overview viewer summary flagged mine instructions /> }
    })
}

#[component]
fn Overview(
    viewer: User,
    summary: ProjectSummary,
    /// Judgements that wait for a reviewer.
    flagged: u64,
    /// How far the viewer is with the pairs and with the rankings.
    mine: [Progress; 2],
    /// As safe HTML.
    instructions: Option<String>,
) -> impl IntoView {
    let project = summary.project.clone();
    let base = format!("/projects/{}", project.id);
    let reviews = viewer.role.may(Permission::Review);
    let to = {
        let base = base.clone();
        move |path: &str| reviews.then(|| format!("{base}{path}"))
    };
    let manages = viewer.role.may(Permission::ManageProjects);
    let instructions = match instructions {
        None => view! { <p class="soft">"None yet. Whoever judges goes by their own sense."</p> }.into_any(),
        Some(html) => view! { <Prose html=html /> }.into_any(),
    };
    view! {
        <Page title=project.name.clone() project=project.clone() tab=Tab::Overview>
            <div class="page-head">
                <h1 dir="auto">{project.name.clone()}</h1>
                <div class="cluster">{ways_on(&viewer, &summary, mine, &base)}</div>
            </div>
            {(flagged > 0).then(|| flags(flagged, &base))}
            <dl class="facts">
                {fact(summary.prompts, "prompt", "prompts", to("/prompts"))}
                {fact(summary.responses, "response", "responses", to("/prompts"))}
                {fact(summary.comparisons, "comparison", "comparisons", to("/prompts?state=unjudged"))}
                {fact(summary.judgements, "judgement", "judgements", to("/prompts?state=judged"))}
                {fact(summary.corrections, "correction", "corrections", to("/prompts?state=corrected"))}
                {fact(summary.runs, "training run", "training runs", to("/train"))}
            </dl>
            {(summary.comparisons > 0).then(|| left_to_judge(mine, &project, manages))}
            <section class="card">
                <h2>"Instructions"</h2>
                {instructions}
                {manages.then(|| edit_instructions(&project))}
            </section>
        </Page>
    }
}

/// What waits for the viewer, and why not everything does.
fn left_to_judge(
    [pairs, rankings]: [Progress; 2],
    project: &domain::project::Project,
    manages: bool,
) -> impl IntoView + use<> {
    let count = |progress: Progress, one, many| {
        (progress.wanted > 0).then(|| {
            let (number, noun) = text::count(progress.remaining, one, many);
            format!("{number} {noun}")
        })
    };
    let kinds = [
        count(pairs, "pair", "pairs"),
        count(rankings, "ranking", "rankings"),
    ];
    let left = kinds.into_iter().flatten().collect::<Vec<_>>().join(" and ");
    let each = match project.judgements_per_comparison {
        1 => "one person".to_owned(),
        many => format!("{many} people"),
    };
    let change = manages.then(|| {
        view! {
            " "
            <a href=format!("/projects/{}/assignment", project.id)>"Change that"</a>
        }
    });
    view! {
        <p class="soft">
            {format!("Left for you: {left}. Each comparison is judged by {each}, and nobody gets what another has in hand.")}
            {change}
        </p>
    }
}

/// A number, as a link to what it counts for whoever may see that.
fn fact(number: u64, one: &'static str, many: &'static str, to: Option<String>) -> impl IntoView {
    let some = number > 0;
    let (number, noun) = text::count(number, one, many);
    let number = match to.filter(|_| some) {
        Some(to) => view! {
            <a href=to aria-label=format!("{number} {noun}")>
                {number.clone()}
            </a>
        }
        .into_any(),
        None => number.into_any(),
    };
    view! {
        <div>
            <dt>{noun}</dt>
            <dd>{number}</dd>
        </div>
    }
}

/// What waits for a reviewer.
fn flags(flagged: u64, base: &str) -> impl IntoView + use<> {
    let (number, noun) = text::count(flagged, "judgement is flagged", "judgements are flagged");
    view! {
        <p class="alert bad">
            {number} " " {noun} ": "
            <a href=format!("{base}/prompts?state=flagged")>"look at the prompts"</a>
        </p>
    }
}

fn ways_on(
    viewer: &User,
    summary: &ProjectSummary,
    [pairs, rankings]: [Progress; 2],
    base: &str,
) -> impl IntoView + use<> {
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
        {match pairs.remaining == 0 && rankings.remaining > 0 {
            false => view! {
                <a class="button primary" href=format!("{base}/judge")>
                    "Judge pairs"
                </a>
            },
            true => view! {
                <a class="button primary" href=format!("{base}/judge?kind=ranking")>
                    "Rank responses"
                </a>
            },
        }}
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
