//! Which of one's own judgements a page lists, as its address says it; and the way back to it after a change.

use axum::{
    extract::Query,
    http::{Uri, request::Parts},
};
use domain::own_work::{OwnFilter, OwnKind};
use leptos::prelude::use_context;
use serde::Deserialize;
use uuid::Uuid;

use crate::text::{day, encoded};

/// How many rows stand on a page.
pub const PAGE: u64 = 50;

/// The query of the page *My judgements*. What cannot be read counts as not given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct OwnList {
    pub show: OwnKind,
    /// What is searched for.
    pub q: String,
    /// Days, as `2026-11-23`.
    pub since: String,
    pub until: String,
    /// From 1.
    pub page: u64,
    /// The comparison that was changed just now.
    pub changed: Option<Uuid>,
}

impl OwnList {
    /// As the address of this request says it.
    pub fn of_request() -> OwnList {
        use_context::<Parts>().map_or_else(OwnList::default, |parts| OwnList::of(&parts.uri))
    }

    /// The list that this request's `from` names: where the page was come to from.
    pub fn of_request_from() -> Option<OwnList> {
        #[derive(Deserialize)]
        struct Asked {
            from: Option<String>,
        }
        let parts = use_context::<Parts>()?;
        let Query(asked) = Query::<Asked>::try_from_uri(&parts.uri).ok()?;
        asked.from.as_deref().map(OwnList::parse)
    }

    /// From a query.
    pub fn parse(query: &str) -> OwnList {
        format!("/?{query}")
            .parse()
            .map_or_else(|_| OwnList::default(), |uri| OwnList::of(&uri))
    }

    fn of(uri: &Uri) -> OwnList {
        Query::try_from_uri(uri).map_or_else(|_| OwnList::default(), |Query(list)| list)
    }

    /// What the store is asked for.
    pub fn filter(&self) -> OwnFilter {
        OwnFilter {
            kind: self.show,
            search: self.q.clone(),
            since: day(&self.since),
            until: day(&self.until).map(|day| day + 86_400_000),
        }
    }

    /// Whether anything is left out.
    pub fn narrows(&self) -> bool {
        self.filter() != OwnFilter::default()
    }

    /// How many rows come before this page.
    pub fn offset(&self) -> u64 {
        self.page.saturating_sub(1).saturating_mul(PAGE)
    }

    /// As a query, without what was changed.
    pub fn query(&self) -> String {
        let show = if self.show == OwnKind::default() {
            ""
        } else {
            self.show.as_str()
        };
        let page = if self.page > 1 {
            self.page.to_string()
        } else {
            String::new()
        };
        let fields = [
            ("show", show),
            ("q", &self.q),
            ("since", &self.since),
            ("until", &self.until),
            ("page", &page),
        ];
        let given = fields.into_iter().filter(|(_, value)| !value.is_empty());
        given
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect::<Vec<_>>()
            .join("&")
    }

    /// The address of the list.
    pub fn path(&self, project: Uuid) -> String {
        let query = self.query();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("/projects/{project}/judgements{mark}{query}")
    }

    /// Its address after a change of one comparison.
    pub fn path_changed(&self, project: Uuid, comparison: Uuid) -> String {
        format!(
            "/projects/{project}/judgements?{}&changed={comparison}",
            self.query()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_survives_its_address() {
        let list = OwnList {
            show: OwnKind::Flagged,
            q: "100 % & ещё=?".into(),
            since: "2026-11-01".into(),
            until: "2026-11-02".into(),
            page: 3,
            changed: None,
        };
        assert_eq!(OwnList::parse(&list.query()), list);
        assert_eq!(list.offset(), 100);
        let filter = list.filter();
        assert_eq!(filter.until.unwrap() - filter.since.unwrap(), 2 * 86_400_000);
        assert_eq!(OwnList::parse("show=nonsense&page=x"), OwnList::default());
        assert_eq!(OwnList::default().query(), "");
        assert!(!OwnList::default().narrows());
    }
}
