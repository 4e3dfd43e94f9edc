//! Looking through a project: its prompts a page at a time, filtered and searched.
//!
//! A page goes by position and costs the same wherever it is: nothing is counted, and a filter that must look at every
//! prompt looks at no more than [`LOOKED_AT`] of them, says how far it came and goes on from there.

use std::collections::HashMap;

use domain::prompt::{Message, Response};
use sea_orm::{ConnectionTrait, FromQueryResult, QueryResult, Statement, Value};
use serde::Deserialize;
use uuid::Uuid;

use crate::{Store, StoreError, in_force::in_force};

mod filter;
mod record;
#[cfg(test)]
mod tests;

pub use filter::{PromptFilter, PromptState};
pub use record::{
    ComparisonRecord, CorrectionRecord, JudgementRecord, MAX_COMPARISONS, PromptRecord, RunScores,
};

/// Prompts on one page.
pub const PAGE: usize = 25;

/// Prompts that one page looks at, at most, to find those that are wanted.
pub const LOOKED_AT: i64 = if cfg!(test) { 40 } else { 10_000 };

/// Prompts whose categories, languages and models are offered for filtering.
const OFFERED_FROM: i64 = 2_000;

/// Where in a project a prompt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub position: i64,
    pub id: Uuid,
}

/// Which page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    First,
    After(Place),
    Before(Place),
}

/// One page of prompts.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptPage {
    pub rows: Vec<PromptRow>,
    /// From where the pages before and after go on.
    pub before: Option<Place>,
    pub after: Option<Place>,
    /// There may be more, but so many prompts were looked at that the next page has to go on.
    pub unfinished: bool,
}

/// A prompt in the list.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptRow {
    pub place: Place,
    pub messages: Vec<Message>,
    pub category: Option<String>,
    pub language: Option<String>,
    /// Their contents are beginnings.
    pub responses: Vec<Response>,
    pub counts: Counts,
}

/// What stands under a prompt, all of it in force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub comparisons: u64,
    /// Comparisons that somebody here has judged.
    pub judged: u64,
    /// People's judgements, skips not among them.
    pub judgements: u64,
    /// How many of those the comparisons want.
    pub wanted: u64,
    pub imported: u64,
    pub skipped: u64,
    pub flagged: u64,
    pub corrections: u64,
}

/// What a project's prompts can be filtered by: of the first prompts, so that offering it costs little.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offered {
    pub categories: Vec<String>,
    pub languages: Vec<String>,
    pub models: Vec<String>,
}

impl Store {
    /// A page of a project's prompts.
    pub async fn list_prompts(
        &self,
        project: Uuid,
        filter: &PromptFilter,
        turn: Turn,
    ) -> Result<PromptPage, StoreError> {
        let page = self.find_prompts(project, filter, turn).await?;
        // Backwards to the beginning: the first page whole, not what is left over of it.
        let page = match turn {
            Turn::Before(_) if page.before.is_none() => {
                self.find_prompts(project, filter, Turn::First).await?
            }
            _ => page,
        };
        self.fill(page).await
    }

    /// What can be filtered by.
    pub async fn offer_filters(&self, project: Uuid) -> Result<Offered, StoreError> {
        let offered = async |sql: &str| -> Result<Vec<String>, StoreError> {
            let values = [project.into(), OFFERED_FROM.into()];
            let statement = Statement::from_sql_and_values(self.backend(), sql, values);
            let rows = self.reader().query_all_raw(statement).await?;
            Ok(rows
                .iter()
                .map(|row| row.try_get_by_index(0))
                .collect::<Result<_, _>>()?)
        };
        Ok(Offered {
            categories: offered(CATEGORIES).await?,
            languages: offered(LANGUAGES).await?,
            models: offered(MODELS).await?,
        })
    }

    /// How many judgements in force are flagged.
    pub async fn count_flagged(&self, project: Uuid) -> Result<u64, StoreError> {
        let statement = Statement::from_sql_and_values(self.backend(), FLAGGED, [project.into()]);
        let row = self.reader().query_one_raw(statement).await?;
        row.map_or(Ok(0), |row| unsigned(&row, 0))
    }

    async fn find_prompts(
        &self,
        project: Uuid,
        filter: &PromptFilter,
        turn: Turn,
    ) -> Result<PromptPage, StoreError> {
        let mut query = filter::Query::new(self.backend(), project);
        query.wanted(filter);
        let bounded = filter.looks_at_every_prompt();
        let backwards = matches!(turn, Turn::Before(_));
        let from = match turn {
            Turn::First => None,
            Turn::After(place) | Turn::Before(place) => Some(place),
        };
        let end = query.range(from, backwards, bounded.then_some(LOOKED_AT));
        let mut rows = self
            .reader()
            .query_all_raw(query.page(backwards, PAGE + 1))
            .await?;
        let more = rows.len() > PAGE;
        rows.truncate(PAGE);
        if backwards {
            rows.reverse();
        }
        let rows: Vec<PromptRow> = rows.iter().map(read_row).collect::<Result<_, _>>()?;
        let unfinished = bounded && !more && self.is_more_beyond(project, end, backwards).await?;
        let (first, last) = (
            rows.first().map(|row| row.place),
            rows.last().map(|row| row.place),
        );
        let (before, after) = match (backwards, more, unfinished) {
            (false, more, unfinished) => {
                let after = if more { last } else { unfinished.then_some(end) };
                (from.and(first.or(from)), after)
            }
            (true, more, unfinished) => {
                let before = if more { first } else { unfinished.then_some(end) };
                (before, last.or(from))
            }
        };
        Ok(PromptPage {
            rows,
            before,
            after,
            unfinished,
        })
    }

    /// The first place that a query finds.
    async fn next_place(&self, query: filter::Query, backwards: bool) -> Result<Option<Place>, StoreError> {
        let found = self.reader().query_one_raw(query.page(backwards, 1)).await?;
        found.map(|row| Ok(read_row(&row)?.place)).transpose()
    }

    /// Whether the project has prompts that the search has not reached.
    async fn is_more_beyond(&self, project: Uuid, end: Place, backwards: bool) -> Result<bool, StoreError> {
        let sql = match backwards {
            true => "SELECT 1 FROM prompt WHERE project_id = $1 AND position < $2 LIMIT 1",
            false => "SELECT 1 FROM prompt WHERE project_id = $1 AND position > $2 LIMIT 1",
        };
        let values = [project.into(), end.position.into()];
        let statement = Statement::from_sql_and_values(self.backend(), sql, values);
        Ok(self.reader().query_one_raw(statement).await?.is_some())
    }

    /// Adds the responses and the numbers, of this page alone.
    async fn fill(&self, mut page: PromptPage) -> Result<PromptPage, StoreError> {
        let ids: Vec<Uuid> = page.rows.iter().map(|row| row.place.id).collect();
        if ids.is_empty() {
            return Ok(page);
        }
        let mut responses: HashMap<Uuid, Vec<Response>> = HashMap::new();
        for row in self.of_prompts(RESPONSES, &ids).await? {
            let response = read_response(&row)?;
            responses.entry(response.prompt_id).or_default().push(response);
        }
        let mut counts: HashMap<Uuid, Counts> = HashMap::new();
        for row in self.of_prompts(COUNTS, &ids).await? {
            let counted = Counts {
                comparisons: unsigned(&row, 1)?,
                judged: unsigned(&row, 2)?,
                judgements: unsigned(&row, 3)?,
                imported: unsigned(&row, 4)?,
                skipped: unsigned(&row, 5)?,
                flagged: unsigned(&row, 6)?,
                wanted: unsigned(&row, 7)?,
                corrections: 0,
            };
            counts.insert(row.try_get_by_index(0)?, counted);
        }
        for row in self.of_prompts(CORRECTIONS, &ids).await? {
            counts.entry(row.try_get_by_index(0)?).or_default().corrections = unsigned(&row, 1)?;
        }
        for row in &mut page.rows {
            row.responses = responses.remove(&row.place.id).unwrap_or_default();
            row.counts = counts.get(&row.place.id).copied().unwrap_or_default();
        }
        Ok(page)
    }

    /// Runs a statement in which `{ids}` stands for a few identifiers.
    async fn of_prompts(&self, sql: &str, ids: &[Uuid]) -> Result<Vec<QueryResult>, StoreError> {
        let places: Vec<String> = (1..=ids.len()).map(|number| format!("${number}")).collect();
        let sql = sql.replace("{ids}", &places.join(", "));
        let values = ids.iter().copied().map(Value::from);
        let statement = Statement::from_sql_and_values(self.backend(), sql, values);
        Ok(self.reader().query_all_raw(statement).await?)
    }
}

fn read_row(row: &QueryResult) -> Result<PromptRow, StoreError> {
    let id: Uuid = row.try_get("", "id")?;
    let messages: serde_json::Value = row.try_get("", "messages")?;
    Ok(PromptRow {
        place: Place {
            position: row.try_get("", "position")?,
            id,
        },
        messages: Vec::<Message>::deserialize(messages).map_err(|_| StoreError::Corrupt {
            what: "prompt",
            value: id.to_string(),
        })?,
        category: row.try_get("", "category")?,
        language: row.try_get("", "language")?,
        responses: Vec::new(),
        counts: Counts::default(),
    })
}

fn read_response(row: &QueryResult) -> Result<Response, StoreError> {
    #[derive(FromQueryResult)]
    struct Row {
        id: Uuid,
        prompt_id: Uuid,
        beginning: String,
        model: Option<String>,
    }
    let row = Row::from_query_result(row, "")?;
    Ok(Response {
        id: row.id,
        prompt_id: row.prompt_id,
        content: row.beginning,
        model: row.model,
    })
}

fn unsigned(row: &QueryResult, index: usize) -> Result<u64, StoreError> {
    let number: Option<i64> = row.try_get_by_index(index)?;
    Ok(number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0))
}

const CATEGORIES: &str = "SELECT DISTINCT category FROM prompt
  WHERE project_id = $1 AND position < $2 AND category IS NOT NULL ORDER BY category LIMIT 100";

const LANGUAGES: &str = "SELECT DISTINCT language FROM prompt
  WHERE project_id = $1 AND position < $2 AND language IS NOT NULL ORDER BY language LIMIT 100";

const MODELS: &str = "SELECT DISTINCT r.model FROM prompt p JOIN response r ON r.prompt_id = p.id
  WHERE p.project_id = $1 AND p.position < $2 AND r.model IS NOT NULL ORDER BY r.model LIMIT 100";

const FLAGGED: &str = concat!(
    "SELECT COUNT(*) FROM judgement j
  WHERE j.project_id = $1 AND j.flagged AND j.verdict <> 'withdrawn'
    AND ",
    in_force!(judgement j)
);

/// Beginnings of 400 characters.
const RESPONSES: &str = "SELECT id, prompt_id, SUBSTR(content, 1, 400) AS beginning, model
  FROM response WHERE prompt_id IN ({ids}) ORDER BY created_at, id";

const COUNTS: &str = concat!(
    "SELECT c.prompt_id, COUNT(DISTINCT c.id),
    COUNT(DISTINCT CASE WHEN j.import_id IS NULL AND j.verdict <> 'skipped' THEN c.id END),
    SUM(CASE WHEN j.import_id IS NULL AND j.verdict <> 'skipped' THEN 1 ELSE 0 END),
    SUM(CASE WHEN j.import_id IS NOT NULL THEN 1 ELSE 0 END),
    SUM(CASE WHEN j.verdict = 'skipped' THEN 1 ELSE 0 END),
    SUM(CASE WHEN j.flagged THEN 1 ELSE 0 END),
    (SELECT SUM(w.wanted) FROM comparison w WHERE w.prompt_id = c.prompt_id)
  FROM comparison c LEFT JOIN judgement j ON j.comparison_id = c.id AND j.verdict <> 'withdrawn'
    AND ",
    in_force!(judgement j),
    "
  WHERE c.prompt_id IN ({ids}) GROUP BY c.prompt_id"
);

const CORRECTIONS: &str = concat!(
    "SELECT c.prompt_id, COUNT(*)
  FROM comparison c JOIN correction k ON k.comparison_id = c.id
  WHERE c.prompt_id IN ({ids}) AND ",
    in_force!(correction k),
    "
  GROUP BY c.prompt_id"
);
