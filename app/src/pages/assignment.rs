//! How many people judge each comparison, and how far that is.

use domain::{
    comparison::ComparisonKind,
    permission::Permission,
    project::{MAX_WANTED, Project},
};
use leptos::{prelude::*, server_fn::ServerFn};
use store::overlap::Workload;
use uuid::Uuid;

use crate::{
    components::{Page, Scrolling, Tab, page_with, path_id},
    context,
    server_fns::assignment::{SetWanted, SetWantedApart},
    text,
    viewer::require,
};

/// The most categories and languages offered to choose by.
const MOST_GROUPS: u64 = 200;

/// The project's number, comparisons with a number of their own, and what is done of it all.
#[component]
pub fn AssignmentPage() -> impl IntoView {
    let id = path_id();
    let data = async move {
        require(Permission::ManageProjects)?;
        let store = context::store();
        let project = store.find_project(id?).await?;
        let workload = store.list_workload(project.id).await?;
        let groups = store.list_prompt_groups(project.id, MOST_GROUPS).await?;
        Ok((project, workload, groups))
    };
    page_with(data, |(project, workload, (categories, languages))| {
        view! {
            <Page title="Assignment" project=project.clone() tab=Tab::Assignment>
                <div class="page-head">
                    <div>
                        <h1>"Assignment"</h1>
                        <p>
                            "Whoever asks for work gets a comparison that nobody else has in hand. It is done when "
                            "enough people have judged it."
                        </p>
                    </div>
                </div>
                {done_so_far(&workload)}
                <div class="grid">
                    {of_the_project(&project)}
                    {of_chosen_ones(&project, categories, languages)}
                </div>
            </Page>
        }
    })
}

fn done_so_far(workload: &[Workload]) -> impl IntoView + use<> {
    let surplus: u64 = workload.iter().map(|group| group.surplus).sum();
    let rows: Vec<_> = workload.iter().map(row).collect();
    if rows.is_empty() {
        return view! { <p class="soft">"There is nothing to judge in this project yet."</p> }.into_any();
    }
    let note = (surplus > 0).then(|| {
        let (number, noun) = text::count(surplus, "judgement is", "judgements are");
        view! {
            <p class="soft small">
                {number} " " {noun}
                " over the wanted number: sent after somebody else had got the comparison, as after a day without a "
                "network, or made before the number was lowered. They are kept, exported and learnt from like all others."
            </p>
        }
    });
    view! {
        <Scrolling label="Comparisons by how many judge them">
            <table class="table">
                <thead>
                    <tr>
                        <th scope="col">"Comparisons"</th>
                        <th scope="col" class="num">
                            "How many"
                        </th>
                        <th scope="col" class="num">
                            "People for each"
                        </th>
                        <th scope="col" class="num">
                            "Judgements of those wanted"
                        </th>
                        <th scope="col" class="num">
                            "Surplus"
                        </th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </Scrolling>
        {note}
    }
    .into_any()
}

fn row(group: &Workload) -> impl IntoView + use<> {
    let name = match (group.kind, group.apart) {
        (ComparisonKind::Pair, false) => "Pairs",
        (ComparisonKind::Pair, true) => "Chosen pairs",
        (ComparisonKind::Ranking, false) => "Rankings",
        (ComparisonKind::Ranking, true) => "Chosen rankings",
    };
    let wanted = text::number(group.comparisons * group.wanted);
    view! {
        <tr>
            <th scope="row">{name}</th>
            <td class="num">{text::number(group.comparisons)}</td>
            <td class="num">{group.wanted}</td>
            <td class="num">{format!("{} of {wanted}", text::number(group.judged))}</td>
            <td class="num">{text::number(group.surplus)}</td>
        </tr>
    }
}

fn of_the_project(project: &Project) -> impl IntoView + use<> {
    let numbers = numbers(Some(project.judgements_per_comparison));
    view! {
        <form class="card" method="post" action=SetWanted::url()>
            <h2>"In the whole project"</h2>
            <input type="hidden" name="project" value=project.id.to_string() />
            <div class="field">
                <label for="wanted">"People who judge each comparison"</label>
                <select id="wanted" name="wanted" aria-describedby="wanted-hint">
                    {numbers}
                </select>
                <small id="wanted-hint">
                    "More than one shows how far people agree. Raising it opens again what was done, lowering it keeps all "
                    "that was said."
                </small>
            </div>
            <div class="cluster">
                <button class="primary">"Save"</button>
            </div>
        </form>
    }
}

fn of_chosen_ones(
    project: &Project,
    categories: Vec<String>,
    languages: Vec<String>,
) -> impl IntoView + use<> {
    view! {
        <form class="card" method="post" action=SetWantedApart::url()>
            <h2>"For some of them"</h2>
            <input type="hidden" name="form[project]" value=project.id.to_string() />
            <div class="field">
                <label for="chosen-kind">"What"</label>
                <select id="chosen-kind" name="form[kind]">
                    <option value="">"Pairs and rankings"</option>
                    <option value="pair">"Pairs"</option>
                    <option value="ranking">"Rankings"</option>
                </select>
            </div>
            {group_choice("chosen-category", "form[category]", "Category", categories)}
            {group_choice("chosen-language", "form[language]", "Language", languages)}
            <div class="field">
                <label for="chosen-wanted">"People who judge each"</label>
                <select id="chosen-wanted" name="form[wanted]" aria-describedby="chosen-hint">
                    <option value="">"as in the whole project"</option>
                    {numbers(None)}
                </select>
                <small id="chosen-hint">"For what is in the project now; what is imported later goes by the project’s number."</small>
            </div>
            <div class="cluster">
                <button>"Set for these"</button>
            </div>
        </form>
    }
}

fn numbers(selected: Option<i32>) -> impl IntoView {
    (1..=MAX_WANTED)
        .map(|number| {
            view! {
                <option value=number.to_string() selected=selected == Some(number)>
                    {number}
                </option>
            }
        })
        .collect_view()
}

/// How many people judge one comparison, on the page of its prompt. `wanted` comes with whether it is the comparison's own.
pub fn wanted_form(
    project: &Project,
    prompt: Uuid,
    comparison: Uuid,
    (wanted, apart): (i32, bool),
) -> impl IntoView + use<> {
    let id = format!("wanted-{comparison}");
    let by_project = format!("as in the whole project ({})", project.judgements_per_comparison);
    let summary = match wanted {
        1 => "To be judged by one person".to_owned(),
        many => format!("To be judged by {many} people"),
    };
    view! {
        <details>
            <summary>{summary}</summary>
            <form class="cluster" method="post" action=SetWantedApart::url()>
                <input type="hidden" name="form[project]" value=project.id.to_string() />
                <input type="hidden" name="form[prompt]" value=prompt.to_string() />
                <input type="hidden" name="form[comparison]" value=comparison.to_string() />
                <label for=id.clone()>"People who judge it"</label>
                <select id=id name="form[wanted]">
                    <option value="" selected=!apart>{by_project}</option>
                    {numbers(apart.then_some(wanted))}
                </select>
                <button>"Set"</button>
            </form>
        </details>
    }
}

fn group_choice(
    id: &'static str,
    name: &'static str,
    label: &'static str,
    groups: Vec<String>,
) -> impl IntoView {
    (!groups.is_empty()).then(|| {
        let options = groups
            .into_iter()
            .map(|group| view! { <option value=group.clone()>{group.clone()}</option> })
            .collect_view();
        view! {
            <div class="field">
                <label for=id>{label}</label>
                <select id=id name=name>
                    <option value="">"any"</option>
                    {options}
                </select>
            </div>
        }
    })
}
