//! What a person judges next, and comparisons with everything that is shown of them.
//!
//! Everyone goes through a project in its order, from where they last were; whoever comes to a project that others
//! work in starts at a place of their own, so that two people do not judge the same comparisons side by side.

use std::collections::HashMap;

use domain::{
    comparison::ComparisonKind,
    project::Project,
    prompt::{Message, Prompt, Response},
    task::Progress,
};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, Statement, Value};
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    Store, StoreError,
    entity::{comparison, comparison_response, prompt, response},
};

/// A comparison with its prompt and its responses, these in the stored order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedComparison {
    pub id: Uuid,
    pub project_id: Uuid,
    pub kind: ComparisonKind,
    pub prompt: Prompt,
    pub responses: Vec<Response>,
}

/// Whose work in which project, and of which kind.
#[derive(Debug, Clone, Copy)]
pub struct Worklist<'a> {
    pub project: &'a Project,
    pub user: Uuid,
    pub kind: ComparisonKind,
}

impl LoadedComparison {
    /// The responses' identifiers in the stored order.
    pub fn response_ids(&self) -> Vec<Uuid> {
        self.responses.iter().map(|response| response.id).collect()
    }
}

impl Store {
    /// The next comparisons to judge, at most `limit` and none of `without`: those that the person has not judged or
    /// skipped, and that fewer than the wanted number of people have judged.
    pub async fn next_comparisons(
        &self,
        list: Worklist<'_>,
        without: &[Uuid],
        limit: usize,
    ) -> Result<Vec<Uuid>, StoreError> {
        let start = self.place_to_start(list).await?;
        let wanted = limit + without.len();
        let mut found = self.waiting(list, (start, i64::MAX), wanted).await?;
        if found.len() < wanted && start > 0 {
            found.extend(self.waiting(list, (0, start), wanted - found.len()).await?);
        }
        found.retain(|id| !without.contains(id));
        found.truncate(limit);
        Ok(found)
    }

    /// The comparisons of these identifiers in this project, in the order given; those that it does not have are left
    /// out.
    pub async fn load_comparisons(
        &self,
        project: Uuid,
        ids: &[Uuid],
    ) -> Result<Vec<LoadedComparison>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let db = self.reader();
        let comparisons = comparison::Entity::find()
            .filter(comparison::Column::Id.is_in(ids.iter().copied()))
            .filter(comparison::Column::ProjectId.eq(project))
            .all(db)
            .await?;
        let prompts = prompt::Entity::find()
            .filter(prompt::Column::Id.is_in(comparisons.iter().map(|row| row.prompt_id)))
            .all(db)
            .await?;
        let members = comparison_response::Entity::find()
            .filter(comparison_response::Column::ComparisonId.is_in(comparisons.iter().map(|row| row.id)))
            .order_by_asc(comparison_response::Column::Position)
            .all(db)
            .await?;
        let responses = response::Entity::find()
            .filter(response::Column::Id.is_in(members.iter().map(|member| member.response_id)))
            .all(db)
            .await?;
        let comparisons: HashMap<Uuid, _> = comparisons.into_iter().map(|row| (row.id, row)).collect();
        let prompts: HashMap<Uuid, _> = prompts.into_iter().map(|row| (row.id, row)).collect();
        let responses: HashMap<Uuid, _> = responses.into_iter().map(|row| (row.id, row)).collect();
        let mut loaded = Vec::with_capacity(ids.len());
        for id in ids {
            let Some(row) = comparisons.get(id) else { continue };
            let prompt = prompts
                .get(&row.prompt_id)
                .ok_or(StoreError::NotFound("The prompt"))?;
            let own = members.iter().filter(|member| member.comparison_id == *id);
            loaded.push(LoadedComparison {
                id: *id,
                project_id: project,
                kind: kind_of(&row.kind)?,
                prompt: read_prompt(prompt)?,
                responses: own
                    .filter_map(|member| responses.get(&member.response_id))
                    .map(read_response)
                    .collect(),
            });
        }
        Ok(loaded)
    }

    /// One comparison of a project.
    pub async fn load_comparison(&self, project: Uuid, id: Uuid) -> Result<LoadedComparison, StoreError> {
        let mut found = self.load_comparisons(project, &[id]).await?;
        found.pop().ok_or(StoreError::NotFound("The comparison"))
    }

    /// How far the person is.
    pub async fn judging_progress(&self, list: Worklist<'_>) -> Result<Progress, StoreError> {
        let values = [
            list.project.id.into(),
            list.kind.as_str().into(),
            list.user.into(),
            i64::from(list.project.judgements_per_comparison).into(),
        ];
        let statement = Statement::from_sql_and_values(self.backend(), PROGRESS, values);
        let row = self.reader().query_one_raw(statement).await?;
        let row = row.ok_or(StoreError::NotFound("The project"))?;
        let count = |index: usize| -> Result<u64, StoreError> {
            Ok(u64::try_from(row.try_get_by_index::<i64>(index)?).unwrap_or(0))
        };
        let (all, done, taken) = (count(0)?, count(1)?, count(2)?);
        Ok(Progress {
            done,
            remaining: all.saturating_sub(done + taken),
        })
    }

    /// Waiting comparisons whose position is in the range, the first `limit`.
    async fn waiting(
        &self,
        list: Worklist<'_>,
        (from, to): (i64, i64),
        limit: usize,
    ) -> Result<Vec<Uuid>, StoreError> {
        let values: [Value; 7] = [
            list.project.id.into(),
            list.kind.as_str().into(),
            list.user.into(),
            i64::from(list.project.judgements_per_comparison).into(),
            from.into(),
            to.into(),
            i64::try_from(limit).unwrap_or(i64::MAX).into(),
        ];
        let statement = Statement::from_sql_and_values(self.backend(), WAITING, values);
        let rows = self.reader().query_all_raw(statement).await?;
        Ok(rows
            .iter()
            .map(|row| row.try_get_by_index::<Uuid>(0))
            .collect::<Result<_, _>>()?)
    }

    /// The position that the person's search starts from.
    async fn place_to_start(&self, list: Worklist<'_>) -> Result<i64, StoreError> {
        let values: [Value; 3] = [
            list.project.id.into(),
            list.kind.as_str().into(),
            list.user.into(),
        ];
        let last = Statement::from_sql_and_values(self.backend(), LAST_PLACE, values.clone());
        if let Some(row) = self.reader().query_one_raw(last).await? {
            return Ok(row.try_get_by_index(0)?);
        }
        let [project, kind, _] = values;
        let others = Statement::from_sql_and_values(self.backend(), OTHERS, [project, kind]);
        let row = self.reader().query_one_raw(others).await?;
        let row = row.ok_or(StoreError::NotFound("The project"))?;
        let (judging, comparisons): (i64, i64) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        if judging == 0 || comparisons == 0 {
            return Ok(0);
        }
        let share = (list.user.as_u128() % u128::from(u32::MAX)) as i64;
        Ok(share % comparisons)
    }
}

/// The entity's spelling to the noun.
pub(crate) fn kind_of(text: &str) -> Result<ComparisonKind, StoreError> {
    [ComparisonKind::Pair, ComparisonKind::Ranking]
        .into_iter()
        .find(|kind| kind.as_str() == text)
        .ok_or_else(|| StoreError::Corrupt {
            what: "comparison kind",
            value: text.to_owned(),
        })
}

pub(crate) fn read_prompt(row: &prompt::Model) -> Result<Prompt, StoreError> {
    let messages = Vec::<Message>::deserialize(&row.messages).map_err(|_| StoreError::Corrupt {
        what: "prompt",
        value: row.id.to_string(),
    })?;
    Ok(Prompt {
        id: row.id,
        messages,
        category: row.category.clone(),
        language: row.language.clone(),
    })
}

pub(crate) fn read_response(row: &response::Model) -> Response {
    Response {
        id: row.id,
        prompt_id: row.prompt_id,
        content: row.content.clone(),
        model: row.model.clone(),
    }
}

const WAITING: &str = r#"SELECT c.id FROM comparison c
WHERE c.project_id = $1 AND c.kind = $2 AND c.position >= $5 AND c.position < $6
  AND NOT EXISTS (SELECT 1 FROM judgement j
    WHERE j.comparison_id = c.id AND j.user_id = $3 AND j.verdict <> 'withdrawn'
      AND NOT EXISTS (SELECT 1 FROM judgement n WHERE n.supersedes = j.id))
  AND (SELECT COUNT(*) FROM judgement j JOIN "user" u ON u.id = j.user_id
    WHERE j.comparison_id = c.id AND u.kind = 'person' AND j.verdict NOT IN ('withdrawn', 'skipped')
      AND NOT EXISTS (SELECT 1 FROM judgement n WHERE n.supersedes = j.id)) < $4
ORDER BY c.position LIMIT $7"#;

const LAST_PLACE: &str = "SELECT c.position FROM judgement j JOIN comparison c ON c.id = j.comparison_id
WHERE j.user_id = $3 AND j.project_id = $1 AND c.kind = $2
ORDER BY j.created_at DESC LIMIT 1";

/// Whether other people judge here, and how many comparisons there are.
const OTHERS: &str = r#"SELECT
  (SELECT COUNT(*) FROM "user" u WHERE u.kind = 'person'
     AND EXISTS (SELECT 1 FROM judgement j WHERE j.user_id = u.id AND j.project_id = $1)),
  (SELECT COUNT(*) FROM comparison WHERE project_id = $1 AND kind = $2)"#;

/// All comparisons; those that the person has judged; those that the person has not and others have, often enough.
/// The people come first in the last two: a project can hold any number of imported judgements.
const PROGRESS: &str = r#"SELECT
  (SELECT COUNT(*) FROM comparison WHERE project_id = $1 AND kind = $2),
  (SELECT COUNT(*) FROM judgement j JOIN comparison c ON c.id = j.comparison_id
     WHERE j.user_id = $3 AND j.project_id = $1 AND c.kind = $2 AND j.verdict <> 'withdrawn'
       AND NOT EXISTS (SELECT 1 FROM judgement n WHERE n.supersedes = j.id)),
  (SELECT COUNT(*) FROM (SELECT j.comparison_id FROM "user" u CROSS JOIN judgement j
     JOIN comparison c ON c.id = j.comparison_id
     WHERE u.kind = 'person' AND j.user_id = u.id AND j.project_id = $1 AND c.kind = $2
       AND j.verdict <> 'withdrawn'
       AND NOT EXISTS (SELECT 1 FROM judgement n WHERE n.supersedes = j.id)
     GROUP BY j.comparison_id
     HAVING SUM(CASE WHEN j.user_id = $3 THEN 1 ELSE 0 END) = 0
       AND SUM(CASE WHEN j.verdict = 'skipped' THEN 0 ELSE 1 END) >= $4) AS taken)"#;
