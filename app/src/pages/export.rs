//! Take a project's preferences away.

use domain::{
    export::{ExportCounts, JudgementSource},
    permission::Permission,
    project::Project,
};
use leptos::{either::Either, prelude::*};

use crate::{
    components::{Page, Scrolling, Tab, page_with, path_id},
    context, text,
    viewer::require,
};

/// What there is to export, and the form that downloads it.
#[component]
pub fn ExportPage() -> impl IntoView {
    let id = path_id();
    let data = async move {
        require(Permission::Export)?;
        let store = context::store();
        let project = store.find_project(id?).await?;
        let counts = store.count_exportable(project.id).await?;
        let public_url = context::base_url();
        Ok((project, counts, public_url))
    };
    page_with(data, |(project, counts, public_url)| {
        let nothing = counts == ExportCounts::default();
        view! {
            <Page title="Export" project=project.clone() tab=Tab::Export>
                <header class="page-head">
                    <div>
                        <h1>"Export"</h1>
                        <p>
                            "The preferences as TRL reads them: one JSON line each, with the conversation, what was "
                            "chosen and what was rejected."
                        </p>
                    </div>
                </header>
                {figures(counts)}
                {match nothing {
                    true => {
                        Either::Left(
                            view! {
                                <div class="empty">
                                    <p>
                                        "There is no preference to export yet: judge some pairs, or import a file that brings its own."
                                    </p>
                                    <a class="button primary" href=format!("/projects/{}/judge", project.id)>
                                        "Judge"
                                    </a>
                                </div>
                            },
                        )
                    }
                    false => Either::Right(form(&project)),
                }}
                {explanation(&project, &public_url)}
            </Page>
        }
    })
}

fn figures(counts: ExportCounts) -> impl IntoView {
    let fact = |name: &'static str, value: u64| {
        view! {
            <div>
                <dt>{name}</dt>
                <dd>{text::number(value)}</dd>
            </div>
        }
    };
    view! {
        <dl class="facts">
            {fact("people’s judgements that prefer something", counts.people)}
            {fact("imported judgements", counts.imported)}
            {fact("corrections", counts.corrections)}
        </dl>
    }
}

fn form(project: &Project) -> impl IntoView + use<> {
    let choices: Vec<_> = [
        (JudgementSource::All, "all"),
        (JudgementSource::People, "people’s"),
        (JudgementSource::Imported, "imported"),
        (JudgementSource::None, "none"),
    ]
    .into_iter()
    .map(|(source, label)| {
        view! {
            <label>
                <input
                    type="radio"
                    name="judgements"
                    value=source.as_str()
                    checked=source == JudgementSource::default()
                />
                {label}
            </label>
        }
    })
    .collect();
    view! {
        <form class="card" method="get" action=format!("/projects/{}/export.jsonl", project.id)>
            <h2>"Download"</h2>
            <fieldset class="choices">
                <legend>"Judgements"</legend>
                {choices}
            </fieldset>
            <fieldset class="choices">
                <legend>"Corrections"</legend>
                <label>
                    <input type="radio" name="corrections" value="true" checked />
                    "with them: each preferred over every response it was compared with"
                </label>
                <label>
                    <input type="radio" name="corrections" value="false" />
                    "without"
                </label>
            </fieldset>
            <div class="cluster">
                <button class="primary">"Download JSONL"</button>
            </div>
        </form>
    }
}

fn explanation(project: &Project, public_url: &str) -> impl IntoView + use<> {
    let example = format!(
        "curl -H \"Authorization: Bearer $TOKEN\" \\\n  {public_url}/api/v1/projects/{}/export.jsonl > preferences.jsonl",
        project.id
    );
    let field = |name: &'static str, meaning: &'static str| {
        view! {
            <tr>
                <th scope="row">
                    <code>{name}</code>
                </th>
                <td>{meaning}</td>
            </tr>
        }
    };
    view! {
        <section class="stack" aria-labelledby="fields">
            <h2 id="fields">"The fields"</h2>
            <Scrolling label="Fields of a line">
                <table class="table">
                    <tbody>
                        {field("prompt", "the conversation: a list of messages with role and content")}
                        {field("chosen, rejected", "one message of the assistant each")}
                        {field("source, source_id", "judgement (a person’s), imported (a dataset’s) or correction, and its identifier")}
                        {field("annotator", "who said so: the same identifier on all of one person’s lines, no name")}
                        {field("margin", "by how much the chosen reward should lead, as a dataset said; 0 where none did")}
                        {field("strength", "1 slightly, 2 clearly, 3 much better; 0 where nobody said, as in rankings and corrections")}
                        {field("created_at", "milliseconds since 1970, UTC")}
                        {field("metadata", "category, language, chosen_model, rejected_model, empty where unknown; columns: what else the imported line said, as JSON")}
                    </tbody>
                </table>
            </Scrolling>
            <p class="soft small">
                "A ranking gives one line for every pair that it puts in order. Ties, both bad and skipped pairs prefer "
                "nothing and are not in the file."
            </p>
            <h2>"By command"</h2>
            <pre tabindex="0" aria-label="Export by the API">{example}</pre>
        </section>
    }
}
