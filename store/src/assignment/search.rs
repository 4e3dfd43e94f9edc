//! Where a search for work begins, and what it finds.
//!
//! Everyone goes through a project in its order, from where they last were; whoever comes to a project that others
//! work in starts at a place of their own. The search walks along the index of open comparisons
//! (`idx_comparison_open`), so it costs the same however much of the project is done.

use std::collections::HashSet;

use sea_orm::{ConnectionTrait, DatabaseTransaction, Statement, Value};
use uuid::Uuid;

use super::Claim;
use crate::{Store, StoreError, comparison::Worklist, in_force::in_force, now};

/// A comparison `c` that has a place for the person `$1` at the time `$2`. The person's judgements are counted, because
/// PostgreSQL would make a join of NOT EXISTS and go through all that they ever judged for each comparison.
pub(super) const FREE: &str = concat!(
    "c.judged < c.wanted
  AND c.judged + (SELECT COUNT(*) FROM assignment a
    WHERE a.comparison_id = c.id AND a.user_id <> $1 AND a.expires_at > $2) < c.wanted
  AND (SELECT COUNT(*) FROM judgement j
    WHERE j.comparison_id = c.id AND j.user_id = $1 AND j.verdict <> 'withdrawn'
      AND ",
    in_force!(judgement j),
    ") = 0"
);

/// The person's leases that hold: comparison and position.
const OWN: &str = "SELECT c.id, c.position FROM assignment a JOIN comparison c ON c.id = a.comparison_id
WHERE a.user_id = $1 AND a.expires_at > $2 AND a.project_id = $3 AND c.kind = $4 AND c.judged < c.wanted";

/// How many others hold something.
const OTHERS: &str =
    "SELECT COUNT(DISTINCT a.user_id) FROM assignment a JOIN comparison c ON c.id = a.comparison_id
WHERE a.user_id <> $1 AND a.expires_at > $2 AND a.project_id = $3 AND c.kind = $4";

/// Whether anybody who comes would get something.
const ANY_PLACE: &str = "SELECT c.id FROM comparison c
WHERE c.project_id = $1 AND c.kind = $2 AND c.judged < c.wanted
  AND c.judged + (SELECT COUNT(*) FROM assignment a
    WHERE a.comparison_id = c.id AND a.expires_at > $3) < c.wanted
LIMIT 1";

/// Where the person judged last.
const LAST_PLACE: &str = "SELECT c.position FROM judgement j JOIN comparison c ON c.id = j.comparison_id
WHERE j.user_id = $1 AND j.project_id = $2 AND c.kind = $3
ORDER BY j.created_at DESC LIMIT 1";

/// The first that the person holds.
const FIRST_HELD: &str = "SELECT c.position FROM assignment a JOIN comparison c ON c.id = a.comparison_id
WHERE a.user_id = $1 AND a.project_id = $2 AND c.kind = $3
ORDER BY c.position LIMIT 1";

/// The last position, if anybody works here or has.
const LAST_IF_BEGUN: &str = "SELECT c.position FROM comparison c
WHERE c.project_id = $1 AND c.kind = $2
  AND (EXISTS (SELECT 1 FROM comparison b WHERE b.project_id = $1 AND b.kind = $2 AND b.judged > 0)
    OR EXISTS (SELECT 1 FROM assignment a JOIN comparison b ON b.id = a.comparison_id
      WHERE a.project_id = $1 AND b.kind = $2))
ORDER BY c.position DESC LIMIT 1";

/// The most comparisons looked at to see whether there is enough for everyone.
const MOST: usize = 256;

impl Store {
    /// The position that the person's search starts from.
    pub(super) async fn place_to_start(&self, list: Worklist<'_>) -> Result<i64, StoreError> {
        let (project, kind) = (list.project.id, list.kind.as_str());
        for place in [LAST_PLACE, FIRST_HELD] {
            let values = [list.user.into(), project.into(), kind.into()];
            let statement = Statement::from_sql_and_values(self.backend(), place, values);
            if let Some(row) = self.reader().query_one_raw(statement).await? {
                return Ok(row.try_get_by_index(0)?);
            }
        }
        let values = [project.into(), kind.into()];
        let statement = Statement::from_sql_and_values(self.backend(), LAST_IF_BEGUN, values);
        let Some(row) = self.reader().query_one_raw(statement).await? else {
            return Ok(0);
        };
        let comparisons: i64 = row.try_get_by_index::<i64>(0)? + 1;
        let share = (list.user.as_u128() % u128::from(u32::MAX)) as i64;
        Ok(share % comparisons)
    }
}

/// What the person is to get: what they hold and this page has not, then what is free, from `start` on.
pub(super) async fn choose(
    tx: &DatabaseTransaction,
    claim: Claim<'_>,
    start: i64,
) -> Result<Vec<Uuid>, StoreError> {
    let own = own_leases(tx, claim.list).await?;
    let mut back: Vec<(Uuid, i64)> = own.clone();
    back.retain(|(id, _)| !claim.without.contains(id));
    back.sort_unstable_by_key(|&(_, position)| (position < start, position));
    let mut chosen: Vec<Uuid> = back.into_iter().map(|(id, _)| id).take(claim.limit).collect();
    let open = claim.limit - chosen.len();
    if open == 0 {
        return Ok(chosen);
    }
    let people = 1 + count_others(tx, claim.list).await?;
    let enough = (claim.limit * people).min(MOST);
    let known: HashSet<Uuid> = own
        .iter()
        .map(|&(id, _)| id)
        .chain(claim.without.iter().copied())
        .collect();
    let found = find_free(tx, claim.list, start, (&known, enough)).await?;
    let share = match found.len() {
        found if found >= enough => open,
        found => fair_share(found, own.len(), people).min(open),
    };
    chosen.extend(found.into_iter().take(share));
    Ok(chosen)
}

/// How many more somebody who holds `own` gets where only `free` are left for so many people.
fn fair_share(free: usize, own: usize, people: usize) -> usize {
    let at_least = usize::from(own == 0);
    ((free + own) / people).saturating_sub(own).max(at_least)
}

/// Free comparisons in the project's order from `start` on, and then from its beginning; the first `enough` that are
/// not known.
async fn find_free(
    tx: &DatabaseTransaction,
    list: Worklist<'_>,
    start: i64,
    (known, enough): (&HashSet<Uuid>, usize),
) -> Result<Vec<Uuid>, StoreError> {
    let limit = enough + known.len();
    let mut found = free_between(tx, list, (start, i64::MAX), limit).await?;
    if found.len() < limit && start > 0 {
        found.extend(free_between(tx, list, (0, start), limit - found.len()).await?);
    }
    found.retain(|id| !known.contains(id));
    found.truncate(enough);
    Ok(found)
}

async fn free_between(
    tx: &DatabaseTransaction,
    list: Worklist<'_>,
    (from, to): (i64, i64),
    limit: usize,
) -> Result<Vec<Uuid>, StoreError> {
    let values: [Value; 7] = [
        list.user.into(),
        now().into(),
        list.project.id.into(),
        list.kind.as_str().into(),
        from.into(),
        to.into(),
        i64::try_from(limit).unwrap_or(i64::MAX).into(),
    ];
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), free_sql(), values);
    let rows = tx.query_all_raw(statement).await?;
    Ok(rows
        .iter()
        .map(|row| row.try_get_by_index::<Uuid>(0))
        .collect::<Result<_, _>>()?)
}

pub(super) fn free_sql() -> String {
    format!(
        "SELECT c.id FROM comparison c
         WHERE c.project_id = $3 AND c.kind = $4 AND c.position >= $5 AND c.position < $6 AND {FREE}
         ORDER BY c.position LIMIT $7"
    )
}

/// Whether anybody who comes would get something.
pub(super) async fn any_place(tx: &DatabaseTransaction, list: Worklist<'_>) -> Result<bool, StoreError> {
    let values = [list.project.id.into(), list.kind.as_str().into(), now().into()];
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), ANY_PLACE, values);
    Ok(tx.query_one_raw(statement).await?.is_some())
}

async fn own_leases(tx: &DatabaseTransaction, list: Worklist<'_>) -> Result<Vec<(Uuid, i64)>, StoreError> {
    let rows = tx.query_all_raw(about(tx, OWN, list)).await?;
    let read = |row: &sea_orm::QueryResult| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?));
    rows.iter().map(read).collect()
}

async fn count_others(tx: &DatabaseTransaction, list: Worklist<'_>) -> Result<usize, StoreError> {
    let row = tx.query_one_raw(about(tx, OTHERS, list)).await?;
    let count: i64 = row.map_or(Ok(0), |row| row.try_get_by_index(0))?;
    Ok(usize::try_from(count).unwrap_or(0))
}

fn about(tx: &DatabaseTransaction, sql: &str, list: Worklist<'_>) -> Statement {
    let values: [Value; 4] = [
        list.user.into(),
        now().into(),
        list.project.id.into(),
        list.kind.as_str().into(),
    ];
    Statement::from_sql_and_values(tx.get_database_backend(), sql, values)
}
