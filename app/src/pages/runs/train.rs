//! The page that starts a run: data, method, settings, and the runs so far.

use domain::{
    permission::Permission,
    project::Project,
    run::{Method, Run, Settings, data::JudgementSource},
};
use leptos::{prelude::*, server_fn::ServerFn};
use leptos_router::hooks::use_query_map;
use store::pair::Annotator;

use super::run_table;
use crate::{
    components::{Page, Tab, page_with, path_id},
    context,
    islands::runs::DataCount,
    server_fns::runs::{CreateRun, TrainForm, describe, field},
    text,
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
    defaults: [Settings; 2],
    may_train: bool,
}

/// Chooses data and method, and starts a run. The query holds a form that was only counted.
#[component]
pub fn TrainPage() -> impl IntoView {
    let id = path_id();
    let query = use_query_map().get_untracked();
    let data = async move {
        let viewer = require(Permission::Review)?;
        let services = context::services();
        let store = services.store;
        let project = store.find_project(id?).await?;
        let form = match query.get(&field("source")) {
            Some(_) => TrainForm::from_fields(project.id, |name| query.get_all(name).unwrap_or_default()),
            None => TrainForm::new(project.id),
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
            form,
            counts,
            defaults: Method::ALL.map(|method| services.scoring.defaults(method)),
            may_train: viewer.role.may(Permission::Train),
            project,
        })
    };
    page_with(data, |offer| {
        let Offer { project, runs, .. } = &offer;
        let (project, runs) = (project.clone(), runs.clone());
        let form = offer.may_train.then(|| train_form(offer));
        view! {
            <Page title="Train a model" project=project tab=Tab::Train>
                <div class="page-head">
                    <div>
                        <h1>"Train a reward model"</h1>
                        <p>"It learns to order responses as the judgements do, and then scores every response of the project."</p>
                    </div>
                </div>
                {form}
                {run_table(runs)}
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
        ..
    } = offer;
    view! {
        <form class="train-form stack" method="post" action=CreateRun::url()>
            <input type="hidden" name=field("project") value=project.id.to_string() />
            <div class="train-parts">
                {data_part(&form, annotators)}
                {held_out_part(&form, others)}
                {method_part(&form)}
            </div>
            {settings_part(&form, &defaults)}
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

fn data_part(form: &TrainForm, annotators: Vec<Annotator>) -> impl IntoView + use<> {
    let sources = [
        (JudgementSource::All, "Everybody’s"),
        (JudgementSource::People, "People’s, given here"),
        (JudgementSource::Imported, "Imported with a dataset"),
    ];
    let options: Vec<_> = sources
        .map(|(source, label)| {
            let selected = form.source == source.as_str();
            view! { <option value=source.as_str() selected=selected>{label}</option> }
        })
        .into_iter()
        .collect();
    let several = annotators.len() > 1;
    let chosen = form.annotators.clone();
    let who = several.then(|| {
        let boxes: Vec<_> = annotators
            .into_iter()
            .map(|annotator| {
                let ticked = chosen.contains(&annotator.id);
                view! {
                    <label>
                        <input type="checkbox" name="form[annotators][]" value=annotator.id.to_string() checked=ticked />
                        <span dir="auto">{annotator.name}</span>
                        <span class="soft">{text::number(annotator.judgements)}</span>
                    </label>
                }
            })
            .collect();
        view! {
            <details open=!chosen.is_empty()>
                <summary>"Only some annotators"</summary>
                <fieldset class="choices">
                    <legend class="sr-only">"Annotators; none ticked means all"</legend>
                    {boxes}
                </fieldset>
            </details>
        }
    });
    view! {
        <fieldset class="card">
            <legend class="sr-only">"Data"</legend>
            <h2>"Data"</h2>
            <div class="field">
                <label for="train-source">"Judgements"</label>
                <select id="train-source" name=field("source")>
                    {options}
                </select>
            </div>
            {who}
            {check("corrections", "Corrections, preferred over every response of their comparison", form.corrections)}
            {check("rankings", "Rankings, as pairs", form.rankings)}
            {check("margins", "Clearer preferences ask for a larger lead", form.margins)}
            {check("include_flagged", "Judgements marked for review, too", form.include_flagged)}
        </fieldset>
    }
}

fn held_out_part(form: &TrainForm, others: Vec<Project>) -> impl IntoView + use<> {
    let chosen = form.held_out.clone();
    let options: Vec<_> = others
        .into_iter()
        .map(|other| {
            let id = other.id.to_string();
            let selected = id == chosen;
            view! { <option value=id selected=selected>{format!("All of “{}”", other.name)}</option> }
        })
        .collect();
    view! {
        <fieldset class="card">
            <legend class="sr-only">"Held out"</legend>
            <h2>"Held out"</h2>
            <p class="soft small">
                "The model never learns from these pairs, so they tell how well it agrees with people."
            </p>
            <div class="field">
                <label for="train-held-out">"Which"</label>
                <select id="train-held-out" name=field("held_out")>
                    <option value="share">"A share of the prompts"</option>
                    {options}
                </select>
            </div>
            <div class="field">
                <label for="train-percent">"Share in percent"</label>
                <input
                    id="train-percent"
                    name=field("percent")
                    type="number"
                    min="0"
                    max="50"
                    value=form.percent.clone()
                    aria-describedby="train-percent-hint"
                />
                <small id="train-percent-hint">"Whole prompts, drawn by their content: the same ones every time."</small>
            </div>
        </fieldset>
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
                "Head: seconds",
                "One layer on the frozen model, once that has read the texts. For the first hundreds of judgements, and to look often.",
            )}
            {choice(
                Method::Full,
                "Full fine-tuning: minutes",
                "Every weight learns. For thousands of judgements, when the head gets no better.",
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

fn settings_part(form: &TrainForm, [head, full]: &[Settings; 2]) -> impl IntoView + use<> {
    let rows = [
        (
            "epochs",
            "Passes over the pairs",
            form.epochs.clone(),
            head.epochs.to_string(),
            full.epochs.to_string(),
        ),
        (
            "batch_pairs",
            "Pairs per step",
            form.batch_pairs.clone(),
            head.batch_pairs.to_string(),
            full.batch_pairs.to_string(),
        ),
        (
            "learning_rate",
            "Learning rate",
            form.learning_rate.clone(),
            head.learning_rate.to_string(),
            full.learning_rate.to_string(),
        ),
        (
            "weight_decay",
            "Weight decay",
            form.weight_decay.clone(),
            head.weight_decay.to_string(),
            full.weight_decay.to_string(),
        ),
        (
            "warmup_share",
            "Warm-up, share of the steps",
            form.warmup_share.clone(),
            head.warmup_share.to_string(),
            full.warmup_share.to_string(),
        ),
        (
            "max_tokens",
            "Longest text in tokens",
            form.max_tokens.clone(),
            head.max_tokens.to_string(),
            full.max_tokens.to_string(),
        ),
        (
            "evaluate_every",
            "Epochs between evaluations",
            form.evaluate_every.clone(),
            head.evaluate_every.to_string(),
            full.evaluate_every.to_string(),
        ),
        (
            "seed",
            "Seed of the training",
            form.seed.clone(),
            head.seed.to_string(),
            full.seed.to_string(),
        ),
        (
            "split_seed",
            "Seed of the split",
            form.split_seed.clone(),
            "0".to_owned(),
            "0".to_owned(),
        ),
    ];
    let open = rows.iter().any(|(_, _, typed, ..)| !typed.is_empty());
    let fields: Vec<_> = rows
        .into_iter()
        .map(|(name, label, typed, head, full)| {
            let id = format!("train-{name}");
            let hint = format!("{id}-hint");
            let default =
                if head == full { format!("Default {head}") } else { format!("Head {head}, full {full}") };
            view! {
                <div class="field">
                    <label for=id.clone()>{label}</label>
                    <input id=id name=field(name) inputmode="decimal" value=typed aria-describedby=hint.clone() />
                    <small id=hint>{default}</small>
                </div>
            }
        })
        .collect();
    view! {
        <details class="card train-settings" open=open>
            <summary>"Settings"</summary>
            <p class="soft small">"What is left empty takes the method’s default."</p>
            <div class="settings-grid">{fields}</div>
        </details>
    }
}

fn check(name: &'static str, label: &'static str, ticked: bool) -> impl IntoView {
    let id = format!("train-{name}");
    view! {
        <div class="field check">
            <input id=id.clone() type="checkbox" name=field(name) value="true" checked=ticked />
            <label for=id>{label}</label>
        </div>
    }
}
