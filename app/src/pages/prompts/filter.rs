//! What the list's query asks for, and the form that asks.

use domain::comparison::ComparisonKind;
use leptos::prelude::*;
use leptos_router::params::ParamsMap;
use store::browse::{Offered, Place, PromptFilter, PromptState, Turn};

/// Which prompts, and which page of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub filter: PromptFilter,
    pub turn: Turn,
}

impl Wanted {
    /// What is not understood is not asked for.
    pub fn from_query(query: &ParamsMap) -> Wanted {
        let text = |name: &str| {
            let value = query.get(name)?;
            let value = value.trim();
            (!value.is_empty()).then(|| value.to_owned())
        };
        let place = |name: &str| read_place(&query.get(name)?);
        Wanted {
            filter: PromptFilter {
                category: text("category"),
                language: text("language"),
                model: text("model"),
                kind: text("kind").and_then(|kind| {
                    [ComparisonKind::Pair, ComparisonKind::Ranking]
                        .into_iter()
                        .find(|known| known.as_str() == kind)
                }),
                state: text("state")
                    .and_then(|state| PromptState::ALL.into_iter().find(|known| known.as_str() == state)),
                text: text("q"),
            },
            turn: match (place("after"), place("before")) {
                (Some(place), _) => Turn::After(place),
                (None, Some(place)) => Turn::Before(place),
                (None, None) => Turn::First,
            },
        }
    }

    /// The query of the page behind a place.
    pub fn after(&self, place: Place) -> String {
        self.query(Some(("after", place)))
    }

    /// The query of the page before a place.
    pub fn before(&self, place: Place) -> String {
        self.query(Some(("before", place)))
    }

    fn query(&self, turn: Option<(&'static str, Place)>) -> String {
        let filter = &self.filter;
        let fields = [
            ("q", filter.text.clone()),
            ("state", filter.state.map(|state| state.as_str().to_owned())),
            ("kind", filter.kind.map(|kind| kind.as_str().to_owned())),
            ("category", filter.category.clone()),
            ("language", filter.language.clone()),
            ("model", filter.model.clone()),
        ];
        let mut map = ParamsMap::new();
        for (name, value) in fields {
            if let Some(value) = value {
                map.insert(name, value);
            }
        }
        if let Some((name, place)) = turn {
            map.insert(name, format!("{}.{}", place.position, place.id));
        }
        map.to_query_string()
    }
}

fn read_place(text: &str) -> Option<Place> {
    let (position, id) = text.split_once('.')?;
    Some(Place {
        position: position.parse().ok()?,
        id: id.parse().ok()?,
    })
}

/// The form, a plain one: its answer is a page with an address.
pub fn form(wanted: &Wanted, offered: &Offered) -> impl IntoView + use<> {
    let filter = &wanted.filter;
    let states = [
        (PromptState::Unjudged, "not yet judged"),
        (PromptState::Unfinished, "judged by fewer than wanted"),
        (PromptState::Judged, "judged"),
        (PromptState::Flagged, "flagged"),
        (PromptState::Skipped, "skipped"),
        (PromptState::Corrected, "corrected"),
        (PromptState::Imported, "with imported judgements"),
    ]
    .map(|(state, label)| (state.as_str(), label, filter.state == Some(state)));
    let kinds = [
        (ComparisonKind::Pair, "pairs"),
        (ComparisonKind::Ranking, "rankings"),
    ]
    .map(|(kind, label)| (kind.as_str(), label, filter.kind == Some(kind)));
    let reset = (*filter != PromptFilter::default()).then(|| {
        view! {
            <a class="button quiet" href="?">
                "Show all"
            </a>
        }
    });
    view! {
        <form class="prompt-filter card" method="get" role="search" aria-label="Prompts">
            <div class="field grows">
                <label for="prompts-text">"Text of a prompt or a response"</label>
                <input id="prompts-text" type="search" name="q" maxlength="200" dir="auto" value=filter.text.clone() />
            </div>
            {select("state", "Judgements", "any", states.into())}
            {select("kind", "Comparisons", "any", kinds.into())}
            {choice("category", "Category", &offered.categories, filter.category.as_ref())}
            {choice("language", "Language", &offered.languages, filter.language.as_ref())}
            {choice("model", "Model", &offered.models, filter.model.as_ref())}
            <div class="cluster">
                <button class="primary">"Show"</button>
                {reset}
            </div>
        </form>
    }
}

fn select(
    name: &'static str,
    label: &'static str,
    any: &'static str,
    options: Vec<(&'static str, &'static str, bool)>,
) -> impl IntoView {
    let id = format!("prompts-{name}");
    let options: Vec<_> = options
        .into_iter()
        .map(|(value, label, selected)| view! { <option value=value selected=selected>{label}</option> })
        .collect();
    view! {
        <div class="field">
            <label for=id.clone()>{label}</label>
            <select id=id name=name>
                <option value="">{any}</option>
                {options}
            </select>
        </div>
    }
}

/// A value to be typed, with those offered that are known; nothing where the project has none.
fn choice(
    name: &'static str,
    label: &'static str,
    known: &[String],
    chosen: Option<&String>,
) -> Option<AnyView> {
    if known.is_empty() && chosen.is_none() {
        return None;
    }
    let (id, list) = (format!("prompts-{name}"), format!("prompts-{name}-known"));
    let options: Vec<_> = known
        .iter()
        .map(|value| view! { <option value=value.clone()></option> })
        .collect();
    let field = view! {
        <div class="field">
            <label for=id.clone()>{label}</label>
            <input
                id=id
                name=name
                list=list.clone()
                value=chosen.cloned()
                placeholder="any"
                autocomplete="off"
                dir="auto"
            />
            <datalist id=list>{options}</datalist>
        </div>
    };
    Some(field.into_any())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_query_says_again_what_it_was_read_from() {
        let mut map = ParamsMap::new();
        for (name, value) in [
            ("q", " 100% & more "),
            ("state", "flagged"),
            ("kind", "ranking"),
            ("model", "a/b"),
            ("category", ""),
            ("page", "x"),
        ] {
            map.insert(name, value.to_owned());
        }
        let wanted = Wanted::from_query(&map);
        assert_eq!(wanted.filter.text.as_deref(), Some("100% & more"));
        assert_eq!(wanted.filter.state, Some(PromptState::Flagged));
        assert_eq!(wanted.filter.category, None);
        let place = Place {
            position: 7,
            id: Uuid::from_u128(9),
        };
        let query = wanted.after(place);
        assert!(query.contains("100%25%20%26%20more"), "{query}");
        assert_eq!(read_place("7.00000000-0000-0000-0000-000000000009"), Some(place));
        assert_eq!(read_place("7"), None);
        assert_eq!(read_place("x.y"), None);
    }
}
