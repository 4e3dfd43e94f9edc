//! One's own judgements and corrections: to look back at, to search, and to change.

use domain::{
    judgement::{Judgement, Verdict},
    own_work::OwnKind,
    permission::Permission,
    project::Project,
    prompt::{Message, Speaker},
    task::describe,
};
use leptos::prelude::*;
use store::own_work::{OwnWork, Selection};
use uuid::Uuid;

use crate::{
    components::{Page, Scrolling, Tab, page_with, path_id},
    context,
    error::AppError,
    judging,
    own_list::{OwnList, PAGE},
    text::{count, date_time, encoded, number, shorten},
    viewer::require,
};

/// What one has judged and corrected in a project, newest first.
#[component]
pub fn JudgementsPage() -> impl IntoView {
    let id = path_id();
    let list = OwnList::of_request();
    page_with(async move { load(id?, list).await }, view)
}

/// A page of the list.
pub struct Listed {
    project: Project,
    list: OwnList,
    total: u64,
    rows: Vec<Row>,
    /// What is said now of the comparison that was changed.
    changed: Option<String>,
}

struct Row {
    own: OwnWork,
    /// How its prompt begins.
    asked: String,
}

/// The rows that a list's address asks for.
pub async fn load(project: Uuid, list: OwnList) -> Result<Listed, AppError> {
    let user = require(Permission::Judge)?;
    let store = context::store();
    let project = store.find_project(project).await?;
    let selection = Selection {
        project: project.id,
        user: user.id,
        filter: &list.filter(),
    };
    let total = store.count_own_work(selection).await?;
    let own = store.list_own_work(selection, list.offset(), PAGE).await?;
    let mut ids: Vec<Uuid> = own.iter().map(OwnWork::comparison).collect();
    ids.sort_unstable();
    ids.dedup();
    let loaded = store.load_comparisons(project.id, &ids).await?;
    let asked = |id: Uuid| {
        let found = loaded.iter().find(|comparison| comparison.id == id);
        found
            .map(|comparison| beginning(&comparison.prompt.messages))
            .unwrap_or_default()
    };
    let changed = match list.changed {
        Some(comparison) => store.current_judgements(user.id, &[comparison]).await?.pop(),
        None => None,
    };
    Ok(Listed {
        rows: own
            .into_iter()
            .map(|own| Row {
                asked: asked(own.comparison()),
                own,
            })
            .collect(),
        changed: changed.map(|now| describe(now.verdict, &now.ranking, &now.presented)),
        project,
        list,
        total,
    })
}

/// How the last thing that was asked begins.
fn beginning(messages: &[Message]) -> String {
    let last = messages
        .iter()
        .rfind(|message| message.role == Speaker::User)
        .or(messages.last());
    shorten(last.map_or("", |message| message.content.as_str()), 120)
}

/// The list in its frame.
pub fn view(listed: Listed) -> impl IntoView {
    let Listed {
        project,
        list,
        total,
        rows,
        changed,
    } = listed;
    let base = format!("/projects/{}", project.id);
    let id = project.id;
    view! {
        <Page title="My judgements" project=project tab=Tab::Judgements>
            <div class="page-head">
                <div>
                    <h1>"My judgements"</h1>
                    <p>"What you said and wrote here, newest first. A change replaces it; the history stays."</p>
                </div>
                <a class="button primary" href=format!("{base}/judge")>
                    "Go on judging"
                </a>
            </div>
            {changed
                .map(|said| {
                    view! { <p class="alert good" role="status">{format!("Changed. You now say: {said}.")}</p> }
                })}
            {filters(&list, &base)}
            {match rows.is_empty() {
                true => nothing(&list, &base).into_any(),
                false => table(rows, &list, id).into_any(),
            }}
            {pages(&list, total, id)}
        </Page>
    }
}

/// A form that asks for another list.
fn filters(list: &OwnList, base: &str) -> impl IntoView + use<> {
    let kinds = OwnKind::ALL
        .map(|kind| {
            view! {
                <option value=kind.as_str() selected=kind == list.show>
                    {name(kind)}
                </option>
            }
        })
        .into_iter()
        .collect_view();
    let all = list.narrows().then(|| {
        view! {
            <a class="button quiet" href=format!("{base}/judgements")>
                "Show all"
            </a>
        }
    });
    view! {
        <form class="own-filters" method="get" action=format!("{base}/judgements") role="search">
            <div class="field">
                <label for="own-q">"Search"</label>
                <input id="own-q" type="search" name="q" maxlength="200" dir="auto" value=list.q.clone() />
            </div>
            <div class="field">
                <label for="own-show">"Show"</label>
                <select id="own-show" name="show">
                    {kinds}
                </select>
            </div>
            <div class="field">
                <label for="own-since">"Since"</label>
                <input id="own-since" type="date" name="since" value=list.since.clone() />
            </div>
            <div class="field">
                <label for="own-until">"Until"</label>
                <input id="own-until" type="date" name="until" value=list.until.clone() />
            </div>
            <div class="cluster">
                <button>"Search"</button>
                {all}
            </div>
        </form>
    }
}

fn name(kind: OwnKind) -> &'static str {
    match kind {
        OwnKind::Everything => "Everything",
        OwnKind::Pairs => "Pairs",
        OwnKind::Rankings => "Rankings",
        OwnKind::Skipped => "Skipped",
        OwnKind::Flagged => "Flagged",
        OwnKind::Justified => "With a reason",
        OwnKind::Corrections => "Corrections",
    }
}

fn nothing(list: &OwnList, base: &str) -> impl IntoView + use<> {
    let judge = format!("{base}/judge");
    match list.narrows() {
        true => view! { <p class="empty">"Nothing of yours is like this."</p> }.into_any(),
        false => view! {
            <p class="empty">
                "You have not judged anything here yet. " <a href=judge>"Begin"</a>
            </p>
        }
        .into_any(),
    }
}

fn table(rows: Vec<Row>, list: &OwnList, project: Uuid) -> impl IntoView + use<> {
    let (query, changed) = (list.query(), list.changed);
    let rows = rows
        .into_iter()
        .map(|row| own_row(row, &query, changed, project))
        .collect_view();
    view! {
        <Scrolling label="My judgements">
            <table class="table work-table" role="table">
                <thead role="rowgroup">
                    <tr role="row">
                        <th scope="col" role="columnheader">"When (UTC)"</th>
                        <th scope="col" role="columnheader">"Prompt"</th>
                        <th scope="col" role="columnheader">"What you said"</th>
                        <th scope="col" role="columnheader">"Change"</th>
                    </tr>
                </thead>
                <tbody role="rowgroup">{rows}</tbody>
            </table>
        </Scrolling>
    }
}

fn own_row(row: Row, query: &str, changed: Option<Uuid>, project: Uuid) -> impl IntoView + use<> {
    let Row { own, asked } = row;
    let comparison = own.comparison();
    let (at, said, link) = match own {
        OwnWork::Judgement(own) => (
            own.created_at,
            judged(&own).into_any(),
            judging::path_of(project, comparison, Some(query)),
        ),
        OwnWork::Correction(own) => (
            own.created_at,
            view! {
                <p class="soft">"Correction"</p>
                <p dir="auto">{shorten(&own.content, 160)}</p>
            }
            .into_any(),
            format!(
                "/projects/{project}/corrections?comparison={comparison}&from={}",
                encoded(query)
            ),
        ),
    };
    let label = format!("Change: {asked}");
    view! {
        <tr role="row" class:changed=changed == Some(comparison)>
            <td role="cell" class="num when">{date_time(at).trim_end_matches(" UTC").to_owned()}</td>
            <th scope="row" role="rowheader" dir="auto">
                {asked}
            </th>
            <td role="cell">{said}</td>
            <td role="cell">
                <a href=link aria-label=label>
                    "Change"
                </a>
            </td>
        </tr>
    }
}

/// The verdict, what stands beside it, and the reason whole.
fn judged(own: &Judgement) -> impl IntoView + use<> {
    let sure = match own.confidence {
        Some(1) => " · unsure",
        Some(2) => " · fairly sure",
        Some(3) => " · certain",
        _ => "",
    };
    let flag = if own.flagged { " · flagged" } else { "" };
    let said = describe(own.verdict, &own.ranking, &own.presented);
    let class = matches!(own.verdict, Verdict::Skipped { .. }).then_some("soft");
    let reason = own.justification.clone().map(|reason| {
        view! {
            <blockquote class="reason" dir="auto">
                {reason}
            </blockquote>
        }
    });
    view! {
        <p class=class>{format!("{said}{flag}{sure}")}</p>
        {reason}
    }
}

/// Where in the list this page stands, and the way to the others.
fn pages(list: &OwnList, total: u64, project: Uuid) -> impl IntoView + use<> {
    let first = list.offset() + 1;
    let last = (list.offset() + PAGE).min(total);
    let link = |page: u64, text: &'static str| {
        let path = OwnList { page, ..list.clone() }.path(project);
        view! {
            <a class="button small" href=path>
                {text}
            </a>
        }
    };
    let newer = (list.page > 1).then(|| link(list.page - 1, "Newer"));
    let older = (last < total).then(|| link(list.page.max(1) + 1, "Older"));
    let (all, noun) = count(total, "entry", "entries");
    let sentence = match first <= last {
        true => format!("{} to {} of {all} {noun}", number(first), number(last)),
        false => format!("{all} {noun}"),
    };
    (total > 0).then(|| {
        view! {
            <nav class="cluster" aria-label="Pages">
                <span class="soft small">{sentence}</span>
                {newer}
                {older}
            </nav>
        }
    })
}
