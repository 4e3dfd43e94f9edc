//! Which prompts are wanted, as SQL for both databases.

use domain::comparison::ComparisonKind;
use sea_orm::{DbBackend, Statement, Value};
use uuid::Uuid;

use super::Place;
use crate::in_force::in_force;

/// The most characters that are searched for.
const MAX_SEARCH: usize = 200;

/// Which prompts are wanted; what is `None` or empty is not asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PromptFilter {
    pub category: Option<String>,
    pub language: Option<String>,
    /// Of one of the responses.
    pub model: Option<String>,
    pub kind: Option<ComparisonKind>,
    pub state: Option<PromptState>,
    /// Somewhere in the conversation or in a response, in upper or lower case.
    pub text: Option<String>,
}

/// How far a prompt's comparisons are, by judgements in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptState {
    /// Somebody here has judged one of its comparisons.
    Judged,
    /// One of its comparisons has been judged by nobody here.
    Unjudged,
    /// One of its comparisons has fewer judgements than are wanted.
    Unfinished,
    Flagged,
    Skipped,
    Corrected,
    /// A file brought a judgement of it.
    Imported,
}

impl PromptState {
    pub const ALL: [PromptState; 7] = [
        PromptState::Judged,
        PromptState::Unjudged,
        PromptState::Unfinished,
        PromptState::Flagged,
        PromptState::Skipped,
        PromptState::Corrected,
        PromptState::Imported,
    ];

    /// The spelling in URLs.
    pub fn as_str(self) -> &'static str {
        match self {
            PromptState::Judged => "judged",
            PromptState::Unjudged => "unjudged",
            PromptState::Unfinished => "unfinished",
            PromptState::Flagged => "flagged",
            PromptState::Skipped => "skipped",
            PromptState::Corrected => "corrected",
            PromptState::Imported => "imported",
        }
    }

    /// Whether the judgements or corrections that it asks for are few, and found without going through the prompts.
    fn is_found_directly(self) -> bool {
        matches!(self, PromptState::Flagged | PromptState::Corrected)
    }
}

impl PromptFilter {
    /// Whether anything is asked for.
    pub fn is_empty(&self) -> bool {
        *self == PromptFilter::default()
    }

    /// Whether prompts that are not wanted have to be looked at one by one.
    pub(super) fn looks_at_every_prompt(&self) -> bool {
        !self.is_empty() && !self.state.is_some_and(PromptState::is_found_directly)
    }
}

/// A statement in the making.
pub(super) struct Query {
    backend: DbBackend,
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl Query {
    /// Over the prompts `p` of a project.
    pub fn new(backend: DbBackend, project: Uuid) -> Query {
        Query {
            backend,
            conditions: vec!["p.project_id = $1".to_owned()],
            values: vec![project.into()],
        }
    }

    /// Prompts behind `from` (before it if `backwards`), of which at most so many are looked at. Gives the place where
    /// the looking ends.
    pub fn range(&mut self, from: Option<Place>, backwards: bool, looked_at: Option<i64>) -> Place {
        if let Some(place) = from {
            let (position, id) = (self.value(place.position), self.value(place.id));
            let order = if backwards { "<" } else { ">" };
            self.conditions
                .push(format!("(p.position, p.id) {order} ({position}, {id})"));
        }
        let reach = looked_at.unwrap_or(i64::MAX / 2);
        let start = from.map_or(-1, |place| place.position);
        let end = match backwards {
            true => Place {
                position: start.saturating_sub(reach),
                id: Uuid::nil(),
            },
            false => Place {
                position: start.saturating_add(reach),
                id: Uuid::max(),
            },
        };
        if looked_at.is_some() {
            let bound = self.value(end.position);
            let order = if backwards { ">=" } else { "<=" };
            self.conditions.push(format!("p.position {order} {bound}"));
        }
        end
    }

    /// Adds what the filter asks for.
    pub fn wanted(&mut self, filter: &PromptFilter) {
        for (column, wanted) in [("category", &filter.category), ("language", &filter.language)] {
            if let Some(wanted) = wanted {
                let value = self.value(wanted.as_str());
                self.conditions.push(format!("p.{column} = {value}"));
            }
        }
        if let Some(model) = &filter.model {
            let value = self.value(model.as_str());
            self.conditions.push(format!(
                "EXISTS (SELECT 1 FROM response r WHERE r.prompt_id = p.id AND r.model = {value})"
            ));
        }
        let of_kind = filter
            .kind
            .map(|kind| format!("AND c.kind = {}", self.value(kind.as_str())))
            .unwrap_or_default();
        match filter.state {
            Some(state) => self.conditions.push(of_state(state, &of_kind)),
            None if filter.kind.is_some() => self.conditions.push(format!(
                "EXISTS (SELECT 1 FROM comparison c WHERE c.prompt_id = p.id {of_kind})"
            )),
            None => {}
        }
        if let Some(text) = &filter.text {
            self.search(text);
        }
    }

    /// The statement for one page, `limit` rows from where the range begins.
    pub fn page(self, backwards: bool, limit: usize) -> Statement {
        let order = if backwards { "DESC" } else { "ASC" };
        let sql = format!(
            "SELECT p.id, p.position, p.messages, p.category, p.language FROM prompt p
             WHERE {} ORDER BY p.position {order}, p.id {order} LIMIT {limit}",
            self.conditions.join(" AND ")
        );
        Statement::from_sql_and_values(self.backend, sql, self.values)
    }

    fn value(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    fn search(&mut self, text: &str) {
        let (like, turns, content) = match self.backend {
            DbBackend::Postgres => (
                "ILIKE",
                "jsonb_array_elements(p.messages) AS m(value)",
                "m.value ->> 'content'",
            ),
            _ => (
                "LIKE",
                "json_each(p.messages) AS m",
                "json_extract(m.value, '$.content')",
            ),
        };
        let patterns: Vec<String> = patterns(text)
            .into_iter()
            .map(|pattern| self.value(pattern))
            .collect();
        let matches = |column: &str| {
            let any: Vec<String> = patterns
                .iter()
                .map(|pattern| format!("{column} {like} {pattern} ESCAPE '!'"))
                .collect();
            any.join(" OR ")
        };
        self.conditions.push(format!(
            "(EXISTS (SELECT 1 FROM {turns} WHERE {})
              OR EXISTS (SELECT 1 FROM response r WHERE r.prompt_id = p.id AND ({})))",
            matches(content),
            matches("r.content"),
        ));
    }
}

/// What to look for. Both databases fold the case of Latin letters alone, PostgreSQL by its locale; of other scripts the
/// likeliest spellings are asked for.
fn patterns(text: &str) -> Vec<String> {
    let text: String = text
        .trim()
        .chars()
        .filter(|c| *c != '\0')
        .take(MAX_SEARCH)
        .collect();
    let lower = text.to_lowercase();
    let mut letters = lower.chars();
    let title = letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default();
    let mut spellings = vec![text.clone(), lower, text.to_uppercase(), title];
    if text.is_ascii() {
        spellings.truncate(1);
    }
    spellings.sort();
    spellings.dedup();
    spellings
        .iter()
        .map(|text| format!("%{}%", escape(text)))
        .collect()
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '!' | '%' | '_') {
            escaped.push('!');
        }
        escaped.push(letter);
    }
    escaped
}

fn of_state(state: PromptState, of_kind: &str) -> String {
    const IN_FORCE: &str = in_force!(judgement j);
    const CORRECTION_IN_FORCE: &str = in_force!(correction k);
    let judged = |what: &str| {
        format!(
            "EXISTS (SELECT 1 FROM comparison c JOIN judgement j ON j.comparison_id = c.id
               WHERE c.prompt_id = p.id {of_kind} AND {what} AND {IN_FORCE})"
        )
    };
    const HERE: &str = "j.import_id IS NULL AND j.verdict NOT IN ('withdrawn', 'skipped')";
    match state {
        PromptState::Judged => judged(HERE),
        PromptState::Skipped => judged("j.verdict = 'skipped'"),
        PromptState::Imported => judged("j.import_id IS NOT NULL AND j.verdict <> 'withdrawn'"),
        PromptState::Unjudged => format!(
            "EXISTS (SELECT 1 FROM comparison c WHERE c.prompt_id = p.id {of_kind}
               AND NOT EXISTS (SELECT 1 FROM judgement j
                 WHERE j.comparison_id = c.id AND {HERE} AND {IN_FORCE}))"
        ),
        PromptState::Unfinished => format!(
            "EXISTS (SELECT 1 FROM comparison c WHERE c.prompt_id = p.id {of_kind} AND c.judged < c.wanted)"
        ),
        PromptState::Flagged => format!(
            "p.id IN (SELECT c.prompt_id FROM judgement j JOIN comparison c ON c.id = j.comparison_id
               WHERE j.project_id = $1 AND j.flagged {of_kind} AND j.verdict <> 'withdrawn' AND {IN_FORCE})"
        ),
        PromptState::Corrected => format!(
            "p.id IN (SELECT c.prompt_id FROM correction k JOIN comparison c ON c.id = k.comparison_id
               WHERE k.project_id = $1 {of_kind}
                 AND {CORRECTION_IN_FORCE})"
        ),
    }
}
