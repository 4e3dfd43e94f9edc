//! The runs so far, and the form that starts another: data, method, settings.

mod base;
mod data;
mod settings;

use domain::{permission::Permission, project::Project, run::Run};
use leptos::{prelude::*, server_fn::ServerFn};
use leptos_router::hooks::use_query_map;
use recipe::{Method, Recipe, Refusal, SETTINGS};
use store::pair::Annotator;
use uuid::Uuid;

use self::{
    base::{Bases, base_part},
    data::{data_part, held_out_part},
    settings::settings_part,
};
use super::table::run_table;
use crate::{
    components::{Page, Tab, page_with, path_id},
    context,
    error::AppError,
    islands::runs::DataCount,
    server_fns::runs::{CreateRun, TrainForm, describe, field},
    viewer::require,
};

/// Runs that the page lists.
const RUNS: u64 = 50;

struct Offer {
    project: Project,
    others: Vec<Project>,
    annotators: Vec<Annotator>,
    runs: Vec<Run>,
    form: TrainForm,
    counts: String,
    defaults: Vec<Recipe>,
    bases: Bases,
    refused: Option<Refusal>,
    may_train: bool,
}

/// Chooses data and method, and starts a run. The query holds a form that was only counted or could not be used, or
/// names a run (`from`) whose form is shown again.
#[component]
pub fn TrainPage() -> impl IntoView {
    let id = path_id();
    let query = use_query_map().get_untracked();
    let data = async move {
        let viewer = require(Permission::Review)?;
        let services = context::services();
        let store = services.store;
        let project = store.find_project(id?).await?;
        let from: Option<Uuid> = query.get("from").and_then(|id| id.parse().ok());
        let form = match (from, query.get(&field("source"))) {
            (Some(run), _) => {
                let run = store.find_run(run).await?;
                if run.project_id != project.id {
                    return Err(AppError::NotFound("The run is of another project.".into()));
                }
                TrainForm::of_run(&run, &*services.scoring)
            }
            (None, Some(_)) => {
                let names = SETTINGS.iter().map(|setting| setting.name);
                TrainForm::from_fields(project.id, names, |name| query.get_all(name).unwrap_or_default())
            }
            (None, None) => TrainForm::new(project.id),
        };
        let counts = match form.choice() {
            Ok(choice) => describe(&store.select_pairs(project.id, &choice).await?.counts),
            Err(error) => error.to_string(),
        };
        let mut others = store.list_projects().await?;
        others.retain(|other| other.id != project.id);
        Ok(Offer {
            others,
            annotators: store.list_annotators(project.id).await?,
            runs: store.list_runs(project.id, RUNS).await?,
            bases: Bases::of(
                &form,
                services.scoring.bases(),
                store.offer_filters(project.id).await?.languages,
            ),
            refused: form.settings(&*services.scoring).err(),
            form,
            counts,
            defaults: Method::ALL
                .iter()
                .map(|method| services.scoring.defaults(*method, ""))
                .collect(),
            may_train: viewer.role.may(Permission::Train),
            project,
        })
    };
    page_with(data, |offer| {
        let Offer { project, runs, .. } = &offer;
        let (project, runs) = (project.clone(), runs.clone());
        let project_id = project.id;
        let to_form = (offer.may_train && !runs.is_empty())
            .then(|| view! { <a class="button" href="#new-run">"New run"</a> });
        let form = offer.may_train.then(|| train_form(offer));
        view! {
            <Page title="Train a model" project=project tab=Tab::Train>
                <div class="page-head">
                    <div>
                        <h1>"Train a reward model"</h1>
                        <p>"It learns to order responses as the judgements do, and then scores every response of the project."</p>
                    </div>
                    {to_form}
                </div>
                {run_table(project_id, runs)}
                {form}
            </Page>
        }
    })
}

fn train_form(offer: Offer) -> impl IntoView {
    let Offer {
        project,
        others,
        annotators,
        form,
        counts,
        defaults,
        bases,
        runs,
        refused,
        ..
    } = offer;
    view! {
        <form class="train-form stack" id="new-run" method="post" action=CreateRun::url()>
            <h2>"New run"</h2>
            <input type="hidden" name=field("project") value=project.id.to_string() />
            <div class="train-parts">
                {data_part(&form, annotators)}
                {held_out_part(&form, others)}
                {method_part(&form)}
            </div>
            {base_part(bases, &runs)}
            {settings_part(&form, &defaults, refused.as_ref())}
            <div class="train-bar card">
                <DataCount project=project.id start=counts />
                <div class="cluster">
                    <button formmethod="get" formaction=format!("/projects/{}/train", project.id)>
                        "Count"
                    </button>
                    <button class="primary">"Train"</button>
                </div>
            </div>
        </form>
    }
}

fn method_part(form: &TrainForm) -> impl IntoView + use<> {
    let choice = |method: Method, name: &'static str, when: &'static str| {
        let checked = form.method == method.as_str();
        let value = method.as_str();
        view! {
            <label class="method">
                <input type="radio" name=field("method") value=value checked=checked />
                <span>
                    <b>{name}</b>
                    <small>{when}</small>
                </span>
            </label>
        }
    };
    view! {
        <fieldset class="card">
            <legend class="sr-only">"Method"</legend>
            <h2>"Method"</h2>
            {choice(
                Method::Head,
                "Quick (head)",
                "Seconds, once the texts are read. One layer on the frozen model: for the first hundreds of judgements, and to look often.",
            )}
            {choice(
                Method::Lora,
                "Adapters (LoRA)",
                "Minutes. Small matrices beside the frozen layers: for thousands of judgements on a model too large to train whole.",
            )}
            {choice(
                Method::Layers,
                "Upper layers",
                "Minutes. The last layers learn, those below stay: between the two others in time and in what it can learn.",
            )}
            {choice(
                Method::Full,
                "Whole model (full)",
                "Minutes. Every weight learns: for thousands of judgements, when the quick one gets no better.",
            )}
            <div class="field">
                <label for="train-name">"Name of the run"</label>
                <input
                    id="train-name"
                    name=field("name")
                    maxlength=domain::run::MAX_NAME
                    value=form.name.clone()
                    placeholder="Method and number"
                    dir="auto"
                />
            </div>
        </fieldset>
    }
}
