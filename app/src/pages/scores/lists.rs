//! The two lists of a run's scores: responses by reward, and pairs by how far people and model are apart.

use domain::{
    score::{JudgedPairView, ScoredResponse},
    task::ShownTurn,
};
use leptos::prelude::*;

use super::{PAGE, Show, Wanted};
use crate::{
    components::{Conversation, shown_turns},
    context,
    islands::written::WrittenToggle,
    prose::Prose,
    text,
};

/// Which list, of which category, in which order: a plain form.
pub fn choices(wanted: &Wanted, categories: Vec<String>) -> impl IntoView + use<> {
    let pairs = wanted.show == Show::Pairs;
    let link = |show: Show, label: &'static str| {
        let to = Wanted {
            show,
            reversed: false,
            held_out: false,
            ..wanted.clone()
        }
        .at_page(1);
        view! {
            <a class="button" href=to aria-current=(wanted.show == show).then_some("true")>
                {label}
            </a>
        }
    };
    let options: Vec<_> = categories
        .into_iter()
        .map(|name| {
            let selected = wanted.category.as_ref() == Some(&name);
            view! { <option value=name.clone() selected=selected>{name.clone()}</option> }
        })
        .collect();
    let category = (!options.is_empty()).then(|| {
        view! {
            <div class="field">
                <label for="list-category">"Category"</label>
                <select id="list-category" name="category">
                    <option value="">"All"</option>
                    {options}
                </select>
            </div>
        }
    });
    let (first, last) = match pairs {
        true => ("Where they disagree most", "Where they agree most"),
        false => ("Best first", "Worst first"),
    };
    let held_out = pairs.then(|| {
        view! {
            <div class="field check">
                <input id="list-held-out" type="checkbox" name="held_out" value="true" checked=wanted.held_out />
                <label for="list-held-out">"Held-out pairs alone"</label>
            </div>
        }
    });
    view! {
        <div class="score-nav">
            <nav class="cluster" aria-label="Lists">
                {link(Show::Responses, "Responses by score")}
                {link(Show::Pairs, "People against model")}
                <WrittenToggle />
            </nav>
            <form method="get" action="#list">
                <input type="hidden" name="show" value=if pairs { "pairs" } else { "responses" } />
                {category}
                <div class="field">
                    <label for="list-order">"Order"</label>
                    <select id="list-order" name="order">
                        <option value="">{first}</option>
                        <option value="reversed" selected=wanted.reversed>{last}</option>
                    </select>
                </div>
                {held_out}
                <button>"Show"</button>
            </form>
        </div>
    }
}

/// Responses with their rewards, places and what people preferred.
pub fn responses(rows: Vec<(ScoredResponse, String)>) -> AnyView {
    if rows.is_empty() {
        return view! { <p class="empty">"No response to show here."</p> }.into_any();
    }
    let rows: Vec<_> = rows.into_iter().take(PAGE as usize).map(response).collect();
    view! { <ol class="score-list">{rows}</ol> }.into_any()
}

fn response((row, html): (ScoredResponse, String)) -> impl IntoView {
    let (place, of) = row.place;
    let model = match of {
        1 => "the only response to its prompt".to_owned(),
        _ => format!("model: place {place} of {of}"),
    };
    let people = match row.preferred.of {
        0 => "people: not compared".to_owned(),
        of => format!("people: preferred in {} of {of} pairs", row.preferred.hits),
    };
    let agree = row.preferred.share().filter(|_| of > 1).map(|share| {
        let (first, last) = (place == 1, place == of);
        match () {
            () if (first && share > 0.5) || (last && share < 0.5) => ("badge good", "agree"),
            () if (first && share < 0.5) || (last && share > 0.5) => ("badge bad", "disagree"),
            () => ("badge", "between"),
        }
    });
    let cut = (row.cut_tokens > 0).then(|| format!(" · {} tokens cut", row.cut_tokens));
    view! {
        <li class="card score-row">
            <div>
                <div class="reward">{format!("{:+.3}", row.reward)}</div>
                {agree.map(|(class, word)| view! { <span class=class>{word}</span> })}
            </div>
            <div class="stack tight">
                <p class="said" dir="auto">{text::shorten(&row.prompt, 160)}</p>
                <div class="told" tabindex="0" role="group" aria-label="Response">
                    <Prose html=html />
                </div>
                <p class="said">
                    {model} " · " {people} {row.category.map(|category| format!(" · {category}"))}
                    {row.model.map(|model| format!(" · by {model}"))} {cut}
                </p>
            </div>
        </li>
    }
}

/// A pair with its texts as safe HTML.
pub struct ShownPair {
    row: JudgedPairView,
    prompt: Vec<ShownTurn>,
    chosen: String,
    rejected: String,
}

/// Renders what stands in pairs.
pub async fn rendered_pairs(rows: Vec<JudgedPairView>) -> Vec<ShownPair> {
    let texts = rows.iter().flat_map(|row| {
        let turns = row.prompt.iter().map(|message| message.content.clone());
        turns.chain([row.chosen.clone(), row.rejected.clone()])
    });
    let mut html = context::render_all(texts.collect()).await.into_iter();
    let shown = rows.into_iter().map(|row| ShownPair {
        prompt: shown_turns(&row.prompt, html.by_ref()),
        chosen: html.next().unwrap_or_default(),
        rejected: html.next().unwrap_or_default(),
        row,
    });
    shown.collect()
}

/// Pairs with both choices.
pub fn pairs(rows: Vec<ShownPair>) -> AnyView {
    if rows.is_empty() {
        return view! { <p class="empty">"No pair to show here."</p> }.into_any();
    }
    let rows: Vec<_> = rows.into_iter().take(PAGE as usize).map(pair).collect();
    view! { <ol class="score-list">{rows}</ol> }.into_any()
}

fn pair(shown: ShownPair) -> impl IntoView {
    let ShownPair {
        row,
        prompt,
        chosen,
        rejected,
    } = shown;
    let margin = row.pair.margin;
    let (class, word) = match margin {
        m if m > 0.0 => ("badge good", "people and model agree"),
        m if m < 0.0 => ("badge bad", "people and model disagree"),
        _ => ("badge", "the model sees no difference"),
    };
    let strength = match row.pair.strength {
        Some(1) => " slightly",
        Some(2) => " clearly",
        Some(3) => " much",
        _ => "",
    };
    let model = |mine: f64, other: f64| {
        (mine > other).then(|| view! { <span class="badge gold">"model’s choice"</span> })
    };
    view! {
        <li class="card judged-pair">
            <div class="cluster">
                <span class=class>{word}</span>
                <span class="soft small">
                    {format!("{:.3} apart", margin.abs())} {row.pair.held_out.then_some(" · held out")}
                    {row.pair.newer.then_some(" · newer than the run")}
                    {row.pair.category.clone().map(|category| format!(" · {category}"))}
                </span>
            </div>
            <div class="conversation" tabindex="0" role="region" aria-label="Prompt">
                <Conversation turns=prompt />
            </div>
            <div class="sides">
                <div class="side chosen">
                    <h3>
                        {format!("People prefer this{strength}")}
                        <span class="cluster">
                            {model(row.chosen_reward, row.rejected_reward)}
                            <span class="mono">{format!("{:+.3}", row.chosen_reward)}</span>
                        </span>
                    </h3>
                    <div class="told" tabindex="0" role="group" aria-label="Preferred response">
                        <Prose html=chosen />
                    </div>
                </div>
                <div class="side">
                    <h3>
                        "to this"
                        <span class="cluster">
                            {model(row.rejected_reward, row.chosen_reward)}
                            <span class="mono">{format!("{:+.3}", row.rejected_reward)}</span>
                        </span>
                    </h3>
                    <div class="told" tabindex="0" role="group" aria-label="Other response">
                        <Prose html=rejected />
                    </div>
                </div>
            </div>
        </li>
    }
}

/// To the pages before and after.
pub fn pager(wanted: &Wanted, more: bool) -> impl IntoView + use<> {
    let link = |page: u64, label: &'static str| {
        let to = wanted.at_page(page);
        view! { <a class="button small" href=to>{label}</a> }
    };
    let page = wanted.page;
    let before = (page > 1).then(|| link(page - 1, "Before"));
    let after = more.then(|| link(page + 1, "Next"));
    (page > 1 || more).then(|| {
        view! {
            <nav class="pager" aria-label="Pages">
                {before}
                <span>{format!("Page {}", text::number(page))}</span>
                {after}
            </nav>
        }
    })
}
