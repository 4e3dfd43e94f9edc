//! Import a file into a project, and what came of earlier files.

mod answer;
mod shapes;

use domain::{
    formats::Format,
    import::{ImportReport, ImportRequest, OnError},
    job::{Job, JobKind},
    permission::Permission,
    project::Project,
    run::State,
};
use leptos::{prelude::*, server_fn::ServerFn};
use uuid::Uuid;

use crate::{
    components::{Page, Scrolling, Tab, page_with, path_id},
    context,
    islands::import::ImportWatch,
    server_fns::import::{CancelImport, ImportStatus},
    text,
    viewer::require,
};

/// How many imports are listed.
const LISTED: u64 = 10;

/// The form to upload a file, the import that runs, and the reports of those that ended.
#[component]
pub fn ImportPage() -> impl IntoView {
    let id = path_id();
    let data = async move {
        require(Permission::ManageProjects)?;
        let store = context::store();
        let project = store.find_project(id?).await?;
        let jobs = store.list_jobs(project.id, JobKind::Import, LISTED).await?;
        let asking = asking(&jobs).await;
        Ok((project, jobs, asking))
    };
    page_with(data, |(project, jobs, asking)| {
        let mut reports = jobs
            .into_iter()
            .enumerate()
            .map(|(index, job)| import(index, &job, asking.contains(&job.id)));
        // What somebody has just uploaded stands where they look.
        let last = reports
            .next()
            .map(|last| section("last-import", "The last import", vec![last]));
        let earlier: Vec<_> = reports.collect();
        let earlier = (!earlier.is_empty()).then(|| section("earlier-imports", "Earlier imports", earlier));
        view! {
            <Page title="Import" project=project.clone() tab=Tab::Import>
                <header class="page-head">
                    <div>
                        <h1>"Import"</h1>
                        <p>
                            "Prompts with two or more responses each. What the file prefers is kept as judgements of an "
                            "annotator of its own, apart from people’s; what nobody has judged waits for people."
                        </p>
                    </div>
                </header>
                {last}
                <div class="split import-page">
                    {form(&project)}
                    <aside class="stack">{shapes::shapes()}</aside>
                </div>
                {earlier}
            </Page>
        }
    })
}

fn section<T: IntoView + 'static>(id: &'static str, title: &'static str, imports: Vec<T>) -> impl IntoView {
    view! {
        <section class="stack" aria-labelledby=id>
            <h2 id=id>{title}</h2>
            {imports}
        </section>
    }
}

fn form(project: &Project) -> impl IntoView + use<> {
    let formats: Vec<_> = Format::ALL
        .into_iter()
        .map(|format| view! { <option value=format.as_str()>{format.label()}</option> })
        .collect();
    let choice = |value: OnError, checked: bool, label: &'static str| {
        view! {
            <label>
                <input type="radio" name="on_error" value=value.as_str() checked=checked />
                {label}
            </label>
        }
    };
    view! {
        <form
            class="card"
            method="post"
            enctype="multipart/form-data"
            action=format!("/projects/{}/import/upload", project.id)
        >
            <h2>"A file"</h2>
            <div class="field">
                <label for="import-file">"JSON lines, a JSON list or a table; plain, gzip or zip"</label>
                <input
                    id="import-file"
                    type="file"
                    name="file"
                    required
                    accept=".jsonl,.ndjson,.json,.csv,.tsv,.gz,.zip"
                />
            </div>
            <div class="field">
                <label for="import-format">"Shape of the lines"</label>
                <select id="import-format" name="format">
                    <option value="">"Each line by what it holds"</option>
                    {formats}
                </select>
            </div>
            <fieldset class="choices">
                <legend>"If a line is broken"</legend>
                {choice(OnError::Stop, true, "import nothing, list the broken lines")}
                {choice(OnError::Skip, false, "import the rest, list the broken lines")}
            </fieldset>
            <div class="field">
                <label for="import-annotator">"Annotator"</label>
                <input
                    id="import-annotator"
                    name="annotator"
                    maxlength="120"
                    autocomplete="off"
                    aria-describedby="import-annotator-hint"
                />
                <small id="import-annotator-hint">
                    "Whose judgements the file’s preferences become; empty: the file’s name."
                </small>
            </div>
            <div class="cluster">
                <button class="primary">"Upload and import"</button>
            </div>
        </form>
    }
}

/// The jobs that wait for an answer: their file is there, and no later import has taken it.
async fn asking(jobs: &[Job]) -> Vec<Uuid> {
    let mut asking = Vec::new();
    let mut taken: Vec<String> = Vec::new();
    // Newest first.
    for job in jobs {
        let (Ok(request), report) = (job.payload::<ImportRequest>(), job.result::<ImportReport>()) else {
            continue;
        };
        let asks = report.is_some_and(|report| report.asks) && !taken.contains(&request.path);
        if asks && context::file_exists(&request.path).await {
            asking.push(job.id);
        }
        taken.push(request.path);
    }
    asking
}

/// One import, the newest open; `asks` if it waits for an answer.
fn import(index: usize, job: &Job, asks: bool) -> AnyView {
    let request: Option<ImportRequest> = job.payload().ok();
    let file = request.map_or_else(|| "A file".to_owned(), |request| request.file);
    if !job.state.is_final() {
        return running(job, file).into_any();
    }
    let report: Option<ImportReport> = job.result();
    let is_question = report.as_ref().is_some_and(|report| report.asks);
    let (class, word) = match job.state {
        State::Done if asks => ("badge", "waits for your choice"),
        State::Done if is_question => ("badge", "read"),
        State::Done => ("badge good", "done"),
        State::Cancelled => ("badge", "cancelled"),
        _ => ("badge bad", "not imported"),
    };
    let line = report.as_ref().filter(|_| !is_question).map(in_short);
    let question = report
        .as_ref()
        .filter(|_| asks)
        .map(|report| answer::question(job, report));
    view! {
        <details class="card import" open=index == 0 || asks>
            <summary>
                <span class="import-file" dir="auto">{file.clone()}</span>
                " "
                <span class=class>{word}</span>
                " "
                <span class="soft">{line}</span>
            </summary>
            {job.error.clone().map(|error| view! { <p class="alert bad">{error}</p> })}
            {question}
            {report.map(|report| details(&file, report))}
        </details>
    }
    .into_any()
}

fn running(job: &Job, file: String) -> impl IntoView + use<> {
    view! {
        <article class="card">
            <h3 class="import-file" dir="auto">{file}</h3>
            <ImportWatch job=job.id start=ImportStatus::of(job) />
            <div class="cluster">
                <form method="post" action=CancelImport::url()>
                    <input type="hidden" name="job" value=job.id.to_string() />
                    <button class="danger small">"Stop"</button>
                </form>
                <noscript>
                    <a class="button small" href="">
                        "See how far it is"
                    </a>
                </noscript>
            </div>
        </article>
    }
}

fn in_short(report: &ImportReport) -> String {
    format!(
        "{} of {} rows",
        text::number(report.imported),
        text::number(report.rows)
    )
}

fn details(file: &str, report: ImportReport) -> impl IntoView + use<> {
    let facts: Vec<_> = [
        ("imported", report.imported),
        ("already there", report.duplicates),
        ("left out", report.left_out),
        ("refused", report.refused),
        ("new prompts", report.prompts),
        ("new responses", report.responses),
        ("new comparisons", report.comparisons),
    ]
    .into_iter()
    .map(|(name, value)| {
        view! {
            <div>
                <dt>{name}</dt>
                <dd>{text::number(value)}</dd>
            </div>
        }
    })
    .collect();
    let shapes: Vec<_> = report
        .notes
        .formats
        .iter()
        .map(|(format, &lines)| format!("{}: {}", format.label(), text::number(lines)))
        .chain(report.notes.sentences())
        .map(|told| view! { <p class="small soft">{told}</p> })
        .collect();
    let unlisted = report.unlisted_faults();
    let rows: Vec<_> = report
        .faults
        .into_iter()
        .map(|fault| {
            let (class, word) = if fault.broken {
                ("badge bad", "refused")
            } else {
                ("badge", "left out")
            };
            view! {
                <tr>
                    <td class="num">{text::number(fault.line)}</td>
                    <td>
                        <span class=class>{word}</span>
                    </td>
                    <td>{fault.field.map(|field| view! { <code>{field}</code> })}</td>
                    <td dir="auto">{fault.sentence}</td>
                </tr>
            }
        })
        .collect();
    let caption = format!("Lines of {file} that were not imported");
    let table = (!rows.is_empty()).then(|| {
        view! {
            <Scrolling label=caption.clone()>
                <table class="table">
                    <caption class="sr-only">{caption.clone()}</caption>
                    <thead>
                        <tr>
                            <th scope="col" class="num">"Line"</th>
                            <th scope="col">"What"</th>
                            <th scope="col">"Field"</th>
                            <th scope="col">"Why"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </Scrolling>
        }
    });
    view! {
        {shapes}
        <dl class="facts">{facts}</dl>
        {table}
        {(unlisted > 0)
            .then(|| view! { <p class="soft small">{format!("… and {} more lines like these.", text::number(unlisted))}</p> })}
    }
}
