//! One person's judgements and corrections in force, to look back at.

#[cfg(test)]
mod tests;

use domain::{
    correction::Correction,
    judgement::Judgement,
    own_work::{OwnFilter, OwnKind},
};
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, Statement, Value};
use uuid::Uuid;

use crate::in_force::in_force;
use crate::{
    Store, StoreError,
    entity::{correction, judgement},
};

/// A row in force of somebody's own.
#[derive(Debug, Clone, PartialEq)]
pub enum OwnWork {
    Judgement(Judgement),
    Correction(Correction),
}

impl OwnWork {
    /// What it is about.
    pub fn comparison(&self) -> Uuid {
        match self {
            OwnWork::Judgement(own) => own.comparison_id,
            OwnWork::Correction(own) => own.comparison_id,
        }
    }
}

/// Whose work, in which project, and which of it.
#[derive(Debug, Clone, Copy)]
pub struct Selection<'a> {
    pub project: Uuid,
    pub user: Uuid,
    pub filter: &'a OwnFilter,
}

impl Store {
    /// The rows selected, newest first: `limit` of them after the first `offset`.
    pub async fn list_own_work(
        &self,
        selection: Selection<'_>,
        offset: u64,
        limit: u64,
    ) -> Result<Vec<OwnWork>, StoreError> {
        let (rows, mut values) = self.selected(selection);
        let [first, second] = [values.len() + 1, values.len() + 2];
        values.extend([limit, offset].map(|number| i64::try_from(number).unwrap_or(i64::MAX).into()));
        let sql = format!(
            "SELECT what, id FROM ({rows}) own ORDER BY said_at DESC, id DESC LIMIT ${first} OFFSET ${second}"
        );
        let statement = Statement::from_sql_and_values(self.backend(), sql, values);
        let mut listed = Vec::new();
        for row in self.reader().query_all_raw(statement).await? {
            listed.push((
                row.try_get_by_index::<String>(0)?,
                row.try_get_by_index::<Uuid>(1)?,
            ));
        }
        self.load_own_work(selection.user, listed).await
    }

    /// How many rows are selected.
    pub async fn count_own_work(&self, selection: Selection<'_>) -> Result<u64, StoreError> {
        let (rows, values) = self.selected(selection);
        let sql = format!("SELECT COUNT(*) FROM ({rows}) own");
        let statement = Statement::from_sql_and_values(self.backend(), sql, values);
        let row = self.reader().query_one_raw(statement).await?;
        let count: i64 = row.map_or(Ok(0), |row| row.try_get_by_index(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// A person's own judgements of these identifiers, in force or not.
    pub async fn load_own_judgements(&self, user: Uuid, ids: &[Uuid]) -> Result<Vec<Judgement>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let rows = judgement::Entity::find()
            .filter(judgement::Column::Id.is_in(ids.iter().copied()))
            .filter(judgement::Column::UserId.eq(user))
            .all(self.reader())
            .await?;
        rows.into_iter().map(Judgement::try_from).collect()
    }

    async fn load_own_work(
        &self,
        user: Uuid,
        listed: Vec<(String, Uuid)>,
    ) -> Result<Vec<OwnWork>, StoreError> {
        let ids: Vec<Uuid> = listed.iter().map(|(_, id)| *id).collect();
        let judgements = self.load_own_judgements(user, &ids).await?;
        let corrections = correction::Entity::find()
            .filter(correction::Column::Id.is_in(ids))
            .filter(correction::Column::UserId.eq(user))
            .all(self.reader())
            .await?;
        let find = |(what, id): (String, Uuid)| match what.as_str() {
            "correction" => {
                let row = corrections.iter().find(|row| row.id == id)?;
                Some(OwnWork::Correction(Correction::from(row.clone())))
            }
            _ => {
                let row = judgements.iter().find(|row| row.id == id)?;
                Some(OwnWork::Judgement(row.clone()))
            }
        };
        Ok(listed.into_iter().filter_map(find).collect())
    }

    /// A query of what is selected, and the values that it binds.
    fn selected(&self, selection: Selection<'_>) -> (String, Vec<Value>) {
        let filter = selection.filter;
        let mut values: Vec<Value> = vec![
            selection.user.into(),
            selection.project.into(),
            filter.since.unwrap_or(i64::MIN).into(),
            filter.until.unwrap_or(i64::MAX).into(),
        ];
        let search = Search::new(&filter.search, values.len());
        values.extend(
            search
                .patterns
                .iter()
                .map(|pattern| Value::from(pattern.as_str())),
        );
        let prompt = search.in_prompt(self.backend());
        let mut parts = Vec::new();
        if let Some(narrowed) = narrowed(filter.kind) {
            let found = search.either(&[prompt.clone(), search.in_column("j.justification")]);
            parts.push(format!("{JUDGEMENTS} AND {narrowed} AND {found}"));
        }
        if matches!(filter.kind, OwnKind::Everything | OwnKind::Corrections) {
            let found = search.either(&[prompt, search.in_column("k.content")]);
            parts.push(format!("{CORRECTIONS} AND {found}"));
        }
        (parts.join(" UNION ALL "), values)
    }
}

/// Which judgements are of this kind; None if none are.
fn narrowed(kind: OwnKind) -> Option<&'static str> {
    match kind {
        OwnKind::Everything => Some("1 = 1"),
        OwnKind::Pairs => Some("c.kind = 'pair' AND j.verdict <> 'skipped'"),
        OwnKind::Rankings => Some("c.kind = 'ranking' AND j.verdict <> 'skipped'"),
        OwnKind::Skipped => Some("j.verdict = 'skipped'"),
        OwnKind::Flagged => Some("j.flagged = TRUE"),
        OwnKind::Justified => Some("j.justification IS NOT NULL"),
        OwnKind::Corrections => None,
    }
}

/// A text looked for without regard to capitals. SQLite folds those of ASCII alone, so the usual spellings of other
/// scripts are looked for one by one.
struct Search {
    patterns: Vec<String>,
    /// How many values are bound before the patterns.
    before: usize,
}

impl Search {
    fn new(text: &str, before: usize) -> Search {
        let text = text.trim();
        if text.is_empty() {
            return Search {
                patterns: Vec::new(),
                before,
            };
        }
        let lower = text.to_lowercase();
        let mut letters = lower.chars();
        let capitalised: String = letters
            .next()
            .into_iter()
            .flat_map(char::to_uppercase)
            .chain(letters)
            .collect();
        let mut patterns: Vec<String> = [lower.clone(), text.to_owned(), capitalised, text.to_uppercase()]
            .iter()
            .map(|spelling| format!("%{}%", escaped(&spelling.to_ascii_lowercase())))
            .collect();
        patterns.sort_unstable();
        patterns.dedup();
        Search { patterns, before }
    }

    fn in_column(&self, column: &str) -> String {
        let likes = (0..self.patterns.len())
            .map(|index| format!("LOWER({column}) LIKE ${} ESCAPE '\\'", self.before + index + 1));
        likes.collect::<Vec<_>>().join(" OR ")
    }

    fn in_prompt(&self, backend: DbBackend) -> String {
        match backend {
            DbBackend::Postgres => {
                let found = self.in_column("m.value->>'content'");
                format!("EXISTS (SELECT 1 FROM jsonb_array_elements(p.messages) AS m(value) WHERE {found})")
            }
            _ => {
                let found = self.in_column("json_extract(m.value, '$.content')");
                format!("EXISTS (SELECT 1 FROM json_each(p.messages) m WHERE {found})")
            }
        }
    }

    /// Whether it is found in one of these places; true where nothing is looked for.
    fn either(&self, places: &[String]) -> String {
        match self.patterns.is_empty() {
            true => "1 = 1".to_owned(),
            false => format!("({})", places.join(" OR ")),
        }
    }
}

/// With the signs that LIKE would read otherwise.
fn escaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            plain.push('\\');
        }
        plain.push(letter);
    }
    plain
}

const JUDGEMENTS: &str = concat!(
    "SELECT 'judgement' AS what, j.id AS id, j.created_at AS said_at
FROM judgement j JOIN comparison c ON c.id = j.comparison_id JOIN prompt p ON p.id = c.prompt_id
WHERE j.user_id = $1 AND j.project_id = $2 AND j.created_at >= $3 AND j.created_at < $4
  AND j.verdict <> 'withdrawn' AND ",
    in_force!(judgement j)
);

const CORRECTIONS: &str = concat!(
    "SELECT 'correction' AS what, k.id AS id, k.created_at AS said_at
FROM correction k JOIN comparison c ON c.id = k.comparison_id JOIN prompt p ON p.id = c.prompt_id
WHERE k.user_id = $1 AND k.project_id = $2 AND k.created_at >= $3 AND k.created_at < $4
  AND ",
    in_force!(correction k)
);
