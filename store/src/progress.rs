//! How far people and projects are.

use domain::task::Progress;
use sea_orm::{ConnectionTrait, QueryResult, Statement};

use crate::{Store, StoreError, comparison::Worklist, in_force::in_force, now};

/// Of the whole project, from an index alone: judgements wanted, those there of them, those over, comparisons that
/// want another.
const OF_ALL: &str = "SELECT CAST(COALESCE(SUM(wanted), 0) AS BIGINT),
  CAST(COALESCE(SUM(CASE WHEN judged < wanted THEN judged ELSE wanted END), 0) AS BIGINT),
  CAST(COALESCE(SUM(CASE WHEN judged > wanted THEN judged - wanted ELSE 0 END), 0) AS BIGINT),
  CAST(COALESCE(SUM(CASE WHEN judged < wanted THEN 1 ELSE 0 END), 0) AS BIGINT)
FROM comparison WHERE project_id = $1 AND kind = $2";

/// What the person has judged or skipped, and how much of that wants another judgement still.
const OWN: &str = concat!(
    "SELECT COUNT(*), CAST(COALESCE(SUM(CASE WHEN c.judged < c.wanted THEN 1 ELSE 0 END), 0) AS BIGINT)
FROM judgement j JOIN comparison c ON c.id = j.comparison_id
WHERE j.user_id = $1 AND j.project_id = $2 AND c.kind = $3 AND j.verdict <> 'withdrawn'
  AND ",
    in_force!(judgement j)
);

/// Comparisons that others' leases fill and that the person has not judged.
const ELSEWHERE: &str = concat!("SELECT COUNT(*) FROM comparison c
WHERE c.id IN (SELECT comparison_id FROM assignment WHERE project_id = $2 AND user_id <> $1 AND expires_at > $4)
  AND c.kind = $3 AND c.judged < c.wanted
  AND c.judged + (SELECT COUNT(*) FROM assignment a
    WHERE a.comparison_id = c.id AND a.user_id <> $1 AND a.expires_at > $4) >= c.wanted
  AND NOT EXISTS (SELECT 1 FROM judgement j
    WHERE j.comparison_id = c.id AND j.user_id = $1 AND j.verdict <> 'withdrawn'
      AND ", in_force!(judgement j), ")");

impl Store {
    /// How far the person is, and the project.
    pub async fn judging_progress(&self, list: Worklist<'_>) -> Result<Progress, StoreError> {
        let (project, kind, user) = (list.project.id, list.kind.as_str(), list.user);
        let all = self.count(OF_ALL, [project.into(), kind.into()]).await?;
        let own = self
            .count(OWN, [user.into(), project.into(), kind.into()])
            .await?;
        let values = [user.into(), project.into(), kind.into(), now().into()];
        let elsewhere = number(&self.count(ELSEWHERE, values).await?, 0)?;
        let for_me = number(&all, 3)?.saturating_sub(number(&own, 1)?);
        Ok(Progress {
            done: number(&own, 0)?,
            remaining: for_me.saturating_sub(elsewhere),
            elsewhere,
            judged: number(&all, 1)?,
            wanted: number(&all, 0)?,
            surplus: number(&all, 2)?,
        })
    }

    async fn count<const N: usize>(
        &self,
        sql: &str,
        values: [sea_orm::Value; N],
    ) -> Result<QueryResult, StoreError> {
        let statement = Statement::from_sql_and_values(self.backend(), sql, values);
        let row = self.reader().query_one_raw(statement).await?;
        row.ok_or(StoreError::NotFound("The project"))
    }
}

fn number(row: &QueryResult, column: usize) -> Result<u64, StoreError> {
    Ok(u64::try_from(row.try_get_by_index::<i64>(column)?).unwrap_or(0))
}
