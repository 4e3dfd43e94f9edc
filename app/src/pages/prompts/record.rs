//! One prompt with everything that is kept of it.

use domain::{
    comparison::ComparisonKind, judgement::Judgement, permission::Permission, project::Project,
    prompt::Response,
};
use leptos::prelude::*;
use store::browse::{
    ComparisonRecord, CorrectionRecord, JudgementRecord, MAX_COMPARISONS, PromptRecord, RunScores,
};
use uuid::Uuid;

use super::{
    asked, named,
    said::{how_sure, in_words, number_of, numbers_of},
};
use crate::{
    components::{Conversation, Page, Tab, page_with, path_id, path_uuid, shown_turns},
    context,
    islands::written::WrittenToggle,
    pages::assignment::wanted_form,
    prose::Prose,
    text,
    viewer::require,
};

/// Conversation, responses with their models and scores, comparisons with every judgement. For reviewers.
#[component]
pub fn PromptRecordPage() -> impl IntoView {
    let (id, prompt) = (path_id(), path_uuid("prompt"));
    let data = async move {
        let manages = require(Permission::Review)?.role.may(Permission::ManageProjects);
        let store = context::store();
        let project = store.find_project(id?).await?;
        let record = store.find_prompt_record(project.id, prompt?).await?;
        let rendered = context::render_all(texts(&record)).await;
        Ok((project, record, rendered, manages))
    };
    page_with(data, |(project, record, rendered, manages)| {
        record_page(project, record, rendered.into_iter(), manages)
    })
}

/// What is rendered: the turns, the responses, then the corrections as they are shown.
fn texts(record: &PromptRecord) -> Vec<String> {
    let turns = record.prompt.messages.iter().map(|message| &message.content);
    let responses = record.responses.iter().map(|response| &response.content);
    let corrections = record
        .comparisons
        .iter()
        .flat_map(|comparison| &comparison.corrections)
        .map(|row| &row.correction.content);
    turns.chain(responses).chain(corrections).cloned().collect()
}

/// `html` holds what [`texts`] became. Whoever `manages` can set how many people judge a comparison.
fn record_page(
    project: Project,
    record: PromptRecord,
    mut html: impl Iterator<Item = String>,
    manages: bool,
) -> impl IntoView {
    let base = format!("/projects/{}", project.id);
    let title = asked(&record.prompt.messages, 60);
    let language = record.prompt.language.clone();
    let html = &mut html;
    let turns = shown_turns(&record.prompt.messages, html.by_ref());
    let known = named([record.prompt.category.clone(), language.clone()]);
    let responses: Vec<_> = record
        .responses
        .iter()
        .enumerate()
        .zip(html.by_ref())
        .map(|((index, response), html)| {
            let content = prose(html, language.as_deref()).into_any();
            response_card(index + 1, response, &record.scores, content)
        })
        .collect();
    let comparisons: Vec<_> = record
        .comparisons
        .iter()
        .map(|comparison| {
            let corrections: Vec<AnyView> = comparison
                .corrections
                .iter()
                .zip(html.by_ref())
                .map(|(row, html)| correction(row, &record.responses, prose(html, language.as_deref())))
                .collect();
            let wanted = manages.then(|| {
                let prompt = record.prompt.id;
                wanted_form(
                    &project,
                    prompt,
                    comparison.id,
                    (comparison.wanted, comparison.wanted_apart),
                )
                .into_any()
            });
            comparison_card(comparison, &record.responses, &base, (corrections, wanted))
        })
        .collect();
    view! {
        <Page title=title project=project tab=Tab::Prompts>
            <div class="page-head">
                <div>
                    <h1>{format!("Prompt {}", text::number(record.place.position.unsigned_abs() + 1))}</h1>
                    <p class="cluster">{known}</p>
                </div>
                {beside(&base, record.before, record.after)}
            </div>
            <section class="card" aria-labelledby="conversation">
                <h2 id="conversation">"Conversation"</h2>
                <div lang=language.clone()>
                    <Conversation turns=turns />
                </div>
            </section>
            <h2>"Responses"</h2>
            <div class="record-responses">{responses}</div>
            <h2>"Comparisons"</h2>
            {record
                .comparisons
                .is_empty()
                .then(|| view! { <p class="empty">"Its responses are not compared."</p> })}
            {comparisons}
            {record
                .more_comparisons
                .then(|| view! { <p class="soft small">{format!("Only the first {MAX_COMPARISONS} comparisons are shown.")}</p> })}
        </Page>
    }
}

fn beside(base: &str, before: Option<Uuid>, after: Option<Uuid>) -> impl IntoView + use<> {
    let link = |id: Uuid, label: &'static str| {
        let to = format!("{base}/prompts/{id}");
        view! {
            <a class="button small" href=to>
                {label}
            </a>
        }
    };
    view! {
        <nav class="cluster" aria-label="Prompts beside it">
            <a class="button small" href=format!("{base}/prompts")>
                "All prompts"
            </a>
            {before.map(|id| link(id, "Before"))}
            {after.map(|id| link(id, "Next"))}
            <WrittenToggle />
        </nav>
    }
}

fn prose(html: String, language: Option<&str>) -> impl IntoView + use<> {
    view! {
        <div lang=language.map(str::to_owned)>
            <Prose html=html />
        </div>
    }
}

fn response_card(
    number: usize,
    response: &Response,
    scores: &[RunScores],
    content: AnyView,
) -> impl IntoView + use<> {
    let id = response.id;
    let scores: Vec<_> = scores
        .iter()
        .filter_map(|run| Some((run.run, run.name.clone(), run.rewards.get(&id)?)))
        .map(|(run, name, reward)| {
            view! {
                <li>
                    <a href=format!("/runs/{run}/scores") dir="auto">
                        {name}
                    </a>
                    " "
                    <span class="mono">{format!("{reward:+.3}")}</span>
                </li>
            }
        })
        .collect();
    let scored = (!scores.is_empty()).then(|| {
        view! {
            <ul class="record-scores small" aria-label="Scores by run">
                {scores}
            </ul>
        }
    });
    view! {
        <article class="card" aria-labelledby=format!("response-{number}")>
            <header class="cluster">
                <h3 id=format!("response-{number}")>{format!("Response {number}")}</h3>
                {response.model.clone().map(|model| view! { <span class="badge" dir="auto">{model}</span> })}
            </header>
            {content}
            {scored}
        </article>
    }
}

fn comparison_card(
    comparison: &ComparisonRecord,
    responses: &[Response],
    base: &str,
    (corrections, wanted): (Vec<AnyView>, Option<AnyView>),
) -> impl IntoView + use<> {
    let numbers = numbers_of(responses, &comparison.responses);
    let kind = match comparison.kind {
        ComparisonKind::Pair => "Pair",
        ComparisonKind::Ranking => "Ranking",
    };
    let (current, replaced): (Vec<_>, Vec<_>) = comparison.judgements.iter().partition(|row| row.in_force);
    let nobody = current.is_empty();
    let current: Vec<_> = current.into_iter().map(|row| judgement(row, responses)).collect();
    let replaced: Vec<_> = replaced
        .into_iter()
        .map(|row| judgement(row, responses))
        .collect();
    view! {
        <section class="card" aria-labelledby=format!("comparison-{}", comparison.id)>
            <div class="cluster">
                <h3 id=format!("comparison-{}", comparison.id)>{format!("{kind}: {numbers}")}</h3>
                <a class="small" href=format!("{base}/judge?comparison={}", comparison.id)>
                    "Judge it"
                </a>
            </div>
            {nobody.then(|| view! { <p class="soft">"No judgement yet."</p> })}
            {list(current)}
            {folded("Replaced or taken back", replaced)}
            {list(corrections)}
            {wanted}
        </section>
    }
}

fn list(rows: Vec<AnyView>) -> Option<AnyView> {
    (!rows.is_empty()).then(|| view! { <ul class="said-list">{rows}</ul> }.into_any())
}

fn folded(summary: &'static str, rows: Vec<AnyView>) -> Option<AnyView> {
    let number = rows.len();
    list(rows).map(|rows| {
        view! {
            <details>
                <summary>{format!("{summary}: {number}")}</summary>
                {rows}
            </details>
        }
        .into_any()
    })
}

fn judgement(row: &JudgementRecord, responses: &[Response]) -> AnyView {
    let Judgement {
        verdict,
        ranking,
        flagged,
        justification,
        confidence,
        active_ms,
        created_at,
        ..
    } = &row.judgement;
    let sure = confidence.map(|confidence| format!(" · {}", how_sure(confidence)));
    let took = active_ms.map(|ms| format!(" · took {}", text::duration(ms as f64 / 1000.0)));
    view! {
        <li>
            <p>
                <strong dir="auto">{row.annotator.clone()}</strong>
                {row.imported.then(|| view! { " " <span class="badge note">"imported"</span> })}
                ": "
                {in_words(*verdict, ranking, responses)}
                {sure}
                {flagged.then(|| view! { " " <span class="badge bad">"flagged"</span> })}
            </p>
            {justification
                .clone()
                .filter(|text| !text.trim().is_empty())
                .map(|text| view! { <blockquote class="justification" dir="auto">{text}</blockquote> })}
            <p class="soft small">{text::date_time(*created_at)} {took}</p>
        </li>
    }
    .into_any()
}

fn correction(row: &CorrectionRecord, responses: &[Response], content: impl IntoView + 'static) -> AnyView {
    let own = &row.correction;
    let from = match own.response_id {
        Some(id) => format!(" corrected response {}", number_of(responses, id)),
        None => " wrote a response".to_owned(),
    };
    let body = match row.in_force {
        true => content.into_any(),
        false => view! {
            <details>
                <summary>"Replaced by a later one"</summary>
                {content}
            </details>
        }
        .into_any(),
    };
    view! {
        <li>
            <p>
                <strong dir="auto">{row.annotator.clone()}</strong>
                {from}
                " "
                <span class="badge good">"preferred over all of them"</span>
            </p>
            {body}
            <p class="soft small">{text::date_time(own.created_at)}</p>
        </li>
    }
    .into_any()
}
