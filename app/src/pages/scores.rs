//! What a run's model makes of the project's responses, beside what people made of them.

mod lists;

use domain::{
    permission::Permission,
    project::Project,
    run::{Metrics, Run, State},
    score::{Agreement, JudgedPair, ScoreSummary, ScoredResponse},
    stats::Proportion,
};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use leptos_router::params::ParamsMap;
use store::score::ResponseFilter;

use super::runs::{interval, share_bar};
use crate::{
    components::{Page, Scrolling, Tab, page_with, path_id},
    context,
    error::AppError,
    islands::scores::TryBox,
    server_fns::scores::{Tried, kept},
    text,
    viewer::require,
};

/// Rows on one page of a list.
const PAGE: u64 = 25;

/// The scores of a run that is done.
#[component]
pub fn ScoresPage() -> impl IntoView {
    let id = path_id();
    let query = use_query_map().get_untracked();
    let data = async move {
        require(Permission::Review)?;
        let store = context::store();
        let run = store.find_run(id?).await?;
        if run.state != State::Done {
            return Err(AppError::Unavailable(
                "This run has no scores yet: it is not done.".into(),
            ));
        }
        let project = store.find_project(run.project_id).await?;
        let wanted = Wanted::from_query(&query);
        let scores = store.compare_scores(&run).await?;
        let list = match wanted.show {
            Show::Responses => {
                let filter = ResponseFilter {
                    category: wanted.category.clone(),
                    ascending: wanted.reversed,
                    offset: (wanted.page - 1) * PAGE,
                    // One more than is shown tells whether there is a next page.
                    limit: PAGE + 1,
                };
                let rows = store
                    .list_scored_responses(run.id, &filter, &scores.pairs)
                    .await?;
                let texts = rows.iter().map(|row| row.content.clone()).collect();
                let html = context::render_all(texts).await;
                List::Responses(rows.into_iter().zip(html).collect())
            }
            Show::Pairs => {
                let pairs = wanted.pairs(&scores.pairs);
                let rows = store.show_judged_pairs(run.id, &pairs).await?;
                List::Pairs(lists::rendered_pairs(rows).await)
            }
        };
        let tried = query
            .get("tried")
            .and_then(|key| kept::find(key.parse().ok()?))
            .unwrap_or_default();
        Ok(Seen {
            run,
            project,
            wanted,
            summary: scores.summary,
            list,
            tried,
        })
    };
    page_with(data, scores_page)
}

struct Seen {
    run: Run,
    project: Project,
    wanted: Wanted,
    summary: ScoreSummary,
    list: List,
    tried: Tried,
}

enum List {
    /// Each with its text as safe HTML.
    Responses(Vec<(ScoredResponse, String)>),
    Pairs(Vec<lists::ShownPair>),
}

/// Which list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Show {
    Responses,
    Pairs,
}

/// What the query asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    show: Show,
    category: Option<String>,
    /// Worst responses first; pairs on which people and model agree most first.
    reversed: bool,
    /// Only pairs that the model has not learnt from.
    held_out: bool,
    /// From 1.
    page: u64,
}

impl Wanted {
    fn from_query(query: &ParamsMap) -> Wanted {
        let page = query.get("page").and_then(|page| page.parse().ok()).unwrap_or(1);
        Wanted {
            show: match query.get("show").as_deref() {
                Some("pairs") => Show::Pairs,
                _ => Show::Responses,
            },
            category: query.get("category").filter(|category| !category.is_empty()),
            reversed: query.get("order").as_deref() == Some("reversed"),
            held_out: query.get("held_out").as_deref() == Some("true"),
            page: page.clamp(1, 1_000_000),
        }
    }

    /// The page's pairs and one more; `all` stand where people and model disagree most first.
    fn pairs(&self, all: &[JudgedPair]) -> Vec<JudgedPair> {
        let wanted = |pair: &&JudgedPair| {
            (!self.held_out || pair.held_out)
                && self
                    .category
                    .as_ref()
                    .is_none_or(|category| pair.category.as_ref() == Some(category))
        };
        let (skip, take) = (((self.page - 1) * PAGE) as usize, PAGE as usize + 1);
        if self.reversed {
            all.iter()
                .rev()
                .filter(wanted)
                .skip(skip)
                .take(take)
                .cloned()
                .collect()
        } else {
            all.iter().filter(wanted).skip(skip).take(take).cloned().collect()
        }
    }

    /// The query of another page of the same list.
    fn at_page(&self, page: u64) -> String {
        let mut map = ParamsMap::new();
        map.insert(
            "show",
            if self.show == Show::Pairs {
                "pairs"
            } else {
                "responses"
            }
            .to_owned(),
        );
        if let Some(category) = &self.category {
            map.insert("category", category.clone());
        }
        if self.reversed {
            map.insert("order", "reversed".to_owned());
        }
        if self.held_out {
            map.insert("held_out", "true".to_owned());
        }
        map.insert("page", page.to_string());
        format!("{}#list", map.to_query_string())
    }
}

fn scores_page(
    Seen {
        run,
        project,
        wanted,
        summary,
        list,
        tried,
    }: Seen,
) -> impl IntoView {
    let id = run.id;
    let responses = match &list {
        List::Responses(rows) => rows.len(),
        List::Pairs(rows) => rows.len(),
    };
    let more = responses as u64 > PAGE;
    let categories = summary.categories.iter().map(|(name, _)| name.clone()).collect();
    view! {
        <Page title=format!("Scores of {}", run.name) project=project tab=Tab::Train>
            <div class="page-head">
                <div>
                    <h1 dir="auto">"Scores of " {run.name.clone()}</h1>
                    <p>
                        "What the model makes of " {text::number(summary.responses)}
                        " responses. Only differences between responses to one prompt mean something."
                    </p>
                </div>
                <a class="button" href=format!("/runs/{id}")>
                    "The run"
                </a>
            </div>
            {agreement(&run, &summary)}
            <section class="card" id="try">
                <h2>"Try it"</h2>
                <TryBox run=id start=tried />
            </section>
            <section class="stack" id="list">
                {lists::choices(&wanted, categories)}
                {match list {
                    List::Responses(rows) => lists::responses(rows),
                    List::Pairs(rows) => lists::pairs(rows),
                }}
                {lists::pager(&wanted, more)}
            </section>
        </Page>
    }
}

/// How the model stands to people, against the simplest rival: as the run measured it, and as things stand now.
fn agreement(run: &Run, summary: &ScoreSummary) -> impl IntoView + use<> {
    let rows = agreement_rows(run.metrics.as_ref(), summary);
    let correlation = summary
        .length_correlation
        .map_or_else(|| "–".to_owned(), |r| format!("{r:+.2}"));
    let categories = summary.categories.clone();
    view! {
        <section class="card">
            <h2>"Agreement with people"</h2>
            {table("Pairs", rows)}
            {notes(summary).map(|note| view! { <p class="soft small">{note}</p> })}
            <p class="soft small">
                {format!(
                    "Rank correlation of score and length: {correlation}. {} responses were too long to be read whole with their conversation.",
                    text::number(summary.cut),
                )}
            </p>
            {(!categories.is_empty())
                .then(|| {
                    view! {
                        <details>
                            <summary>"By category"</summary>
                            {table("Category", categories)}
                        </details>
                    }
                })}
        </section>
    }
}

/// What the run measured stays as it was; what was said since stands apart.
fn agreement_rows(measured: Option<&Metrics>, summary: &ScoreSummary) -> Vec<(String, Agreement)> {
    let measured = measured.and_then(|metrics| {
        Some(Agreement {
            model: metrics.held_out?,
            longest: metrics.longest?,
        })
    });
    let mut rows = Vec::new();
    match measured {
        Some(measured) if measured.model.of == summary.held_out.model.of => {
            rows.push(("Held-out pairs, as the run measured them".to_owned(), measured));
        }
        Some(measured) => {
            rows.push(("Held-out pairs, as the run measured them".to_owned(), measured));
            rows.push(("Of these, pairs of responses".to_owned(), summary.held_out));
        }
        None => rows.push(("Held-out pairs".to_owned(), summary.held_out)),
    }
    rows.push(("All pairs that it had, learnt ones too".to_owned(), summary.all));
    if summary.newer.model.of > 0 {
        rows.push((
            "Said since, neither learnt nor measured".to_owned(),
            summary.newer,
        ));
    }
    rows
}

/// Why the rows differ, where they do.
fn notes(summary: &ScoreSummary) -> Option<String> {
    (summary.held_out_corrections > 0).then(|| {
        let (number, noun) = text::count(summary.held_out_corrections, "pair", "pairs");
        format!(
            "{number} held-out {noun} of the run set a correction above a response. A correction is no response of the \
             project and has no score, so these count in the first row alone."
        )
    })
}

fn table(first: &'static str, rows: Vec<(String, Agreement)>) -> impl IntoView {
    let cell = |proportion: Proportion| match proportion.share() {
        Some(share) => format!("{:.1} %", 100.0 * share),
        None => "–".to_owned(),
    };
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(name, Agreement { model, longest })| {
            view! {
                <tr>
                    <th scope="row" dir="auto">{name}</th>
                    <td class="num">{text::number(model.of)}</td>
                    <td class="num">{cell(model)}</td>
                    <td class="num soft">{interval(model)}</td>
                    <td class="bar-cell">{share_bar(model)}</td>
                    <td class="num">{cell(longest)}</td>
                    <td class="num soft">{interval(longest)}</td>
                </tr>
            }
        })
        .collect();
    view! {
        <Scrolling label=format!("{first}, agreement") class="table-scroll">
            <table class="table plain">
                <thead>
                    <tr>
                        <th scope="col">{first}</th>
                        <th scope="col" class="num">"Number"</th>
                        <th scope="col" class="num">"Model agrees"</th>
                        <th scope="col" class="num">"95 % interval"</th>
                        <th scope="col"><span class="sr-only">"As a bar"</span></th>
                        <th scope="col" class="num">"Baseline: choose the longer"</th>
                        <th scope="col" class="num">"95 % interval"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </Scrolling>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agreement(hits: f64, of: u64) -> Agreement {
        let share = Proportion { hits, of };
        Agreement {
            model: share,
            longest: share,
        }
    }

    #[test]
    fn what_the_run_measured_stays_and_what_is_newer_has_a_row_of_its_own() {
        let measured = Metrics {
            held_out: Some(Proportion { hits: 30.0, of: 50 }),
            longest: Some(Proportion { hits: 25.0, of: 50 }),
            ..Metrics::default()
        };
        let summary = ScoreSummary {
            held_out: agreement(28.0, 46),
            all: agreement(400.0, 500),
            newer: agreement(0.0, 1),
            held_out_corrections: 4,
            ..ScoreSummary::default()
        };
        let rows = agreement_rows(Some(&measured), &summary);
        let numbers: Vec<u64> = rows.iter().map(|(_, row)| row.model.of).collect();
        assert_eq!(numbers, [50, 46, 500, 1]);
        assert!(notes(&summary).unwrap().starts_with("4 held-out pairs"));

        let same = ScoreSummary {
            held_out: agreement(30.0, 50),
            all: agreement(400.0, 500),
            ..ScoreSummary::default()
        };
        assert_eq!(agreement_rows(Some(&measured), &same).len(), 2);
        assert_eq!(notes(&same), None);
    }
}
