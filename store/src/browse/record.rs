//! Everything that is kept of one prompt.

use std::collections::HashMap;

use domain::{
    comparison::ComparisonKind,
    correction::Correction,
    judgement::{Judgement, Verdict},
    prompt::{Prompt, Response},
};
use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::Place;
use crate::{
    Store, StoreError,
    comparison::{kind_of, read_prompt, read_response},
    entity::{comparison, comparison_response, correction, judgement, prompt, response, user},
};

/// Comparisons that are shown of one prompt, with what was said of them.
pub const MAX_COMPARISONS: u64 = 200;

/// Runs whose scores are shown: the newest.
const RUNS: usize = 5;

/// A prompt with all that belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptRecord {
    pub place: Place,
    pub prompt: Prompt,
    pub responses: Vec<Response>,
    /// In the project's order, pairs first.
    pub comparisons: Vec<ComparisonRecord>,
    /// There are more than [`MAX_COMPARISONS`].
    pub more_comparisons: bool,
    pub scores: Vec<RunScores>,
    /// The prompts beside it in the project.
    pub before: Option<Uuid>,
    pub after: Option<Uuid>,
}

/// A comparison with what was said of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparisonRecord {
    pub id: Uuid,
    pub kind: ComparisonKind,
    pub responses: Vec<Uuid>,
    /// How many people are to judge it, and whether that is its own number or the project's.
    pub wanted: i32,
    pub wanted_apart: bool,
    /// Oldest first, all rows.
    pub judgements: Vec<JudgementRecord>,
    /// Oldest first, all rows.
    pub corrections: Vec<CorrectionRecord>,
}

/// A row of the history of judgements.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgementRecord {
    pub judgement: Judgement,
    pub annotator: String,
    /// It came in with a file.
    pub imported: bool,
    pub in_force: bool,
}

/// A row of the history of corrections.
#[derive(Debug, Clone, PartialEq)]
pub struct CorrectionRecord {
    pub correction: Correction,
    pub annotator: String,
    pub in_force: bool,
}

/// What a run's model gave to the prompt's responses.
#[derive(Debug, Clone, PartialEq)]
pub struct RunScores {
    pub run: Uuid,
    pub name: String,
    pub rewards: HashMap<Uuid, f64>,
}

impl Store {
    /// A prompt of a project with all that belongs to it.
    pub async fn find_prompt_record(&self, project: Uuid, id: Uuid) -> Result<PromptRecord, StoreError> {
        let db = self.reader();
        let row = prompt::Entity::find_by_id(id)
            .filter(prompt::Column::ProjectId.eq(project))
            .one(db)
            .await?
            .ok_or(StoreError::NotFound("The prompt"))?;
        let place = Place {
            position: row.position,
            id,
        };
        let responses: Vec<Response> = response::Entity::find()
            .filter(response::Column::PromptId.eq(id))
            .order_by_asc(response::Column::CreatedAt)
            .order_by_asc(response::Column::Id)
            .all(db)
            .await?
            .iter()
            .map(read_response)
            .collect();
        let mut comparisons = comparison::Entity::find()
            .filter(comparison::Column::PromptId.eq(id))
            .order_by_asc(comparison::Column::Kind)
            .order_by_asc(comparison::Column::Position)
            .limit(MAX_COMPARISONS + 1)
            .all(db)
            .await?;
        let more_comparisons = comparisons.len() as u64 > MAX_COMPARISONS;
        comparisons.truncate(MAX_COMPARISONS as usize);
        let ids: Vec<Uuid> = responses.iter().map(|response| response.id).collect();
        Ok(PromptRecord {
            prompt: read_prompt(&row)?,
            comparisons: self.comparison_records(comparisons).await?,
            more_comparisons,
            scores: self.newest_scores(&ids).await?,
            before: self.neighbour(project, place, true).await?,
            after: self.neighbour(project, place, false).await?,
            place,
            responses,
        })
    }

    async fn comparison_records(
        &self,
        rows: Vec<comparison::Model>,
    ) -> Result<Vec<ComparisonRecord>, StoreError> {
        let db = self.reader();
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
        let members = comparison_response::Entity::find()
            .filter(comparison_response::Column::ComparisonId.is_in(ids.iter().copied()))
            .order_by_asc(comparison_response::Column::Position)
            .all(db)
            .await?;
        let judgements = judgement::Entity::find()
            .filter(judgement::Column::ComparisonId.is_in(ids.iter().copied()))
            .order_by_asc(judgement::Column::CreatedAt)
            .order_by_asc(judgement::Column::Id)
            .all(db)
            .await?;
        let corrections = correction::Entity::find()
            .filter(correction::Column::ComparisonId.is_in(ids))
            .order_by_asc(correction::Column::CreatedAt)
            .order_by_asc(correction::Column::Id)
            .all(db)
            .await?;
        let names = self
            .names_of(
                judgements
                    .iter()
                    .map(|row| row.user_id)
                    .chain(corrections.iter().map(|row| row.user_id)),
            )
            .await?;
        let mut judged = judgement_records(judgements, &names)?;
        let mut corrected = correction_records(corrections, &names);
        rows.into_iter()
            .map(|row| {
                Ok(ComparisonRecord {
                    kind: kind_of(&row.kind)?,
                    wanted: row.wanted,
                    wanted_apart: row.wanted_apart,
                    responses: members
                        .iter()
                        .filter(|member| member.comparison_id == row.id)
                        .map(|member| member.response_id)
                        .collect(),
                    judgements: judged.remove(&row.id).unwrap_or_default(),
                    corrections: corrected.remove(&row.id).unwrap_or_default(),
                    id: row.id,
                })
            })
            .collect()
    }

    async fn names_of(
        &self,
        people: impl Iterator<Item = Uuid>,
    ) -> Result<HashMap<Uuid, String>, StoreError> {
        let mut ids: Vec<Uuid> = people.collect();
        ids.sort_unstable();
        ids.dedup();
        let names = user::Entity::find()
            .select_only()
            .columns([user::Column::Id, user::Column::Name])
            .filter(user::Column::Id.is_in(ids))
            .into_tuple::<(Uuid, String)>()
            .all(self.reader())
            .await?;
        Ok(names.into_iter().collect())
    }

    /// The rewards of the newest runs that have scored one of these responses.
    async fn newest_scores(&self, responses: &[Uuid]) -> Result<Vec<RunScores>, StoreError> {
        #[derive(FromQueryResult)]
        struct Row {
            run_id: Uuid,
            name: String,
            response_id: Uuid,
            reward: f64,
        }
        if responses.is_empty() {
            return Ok(Vec::new());
        }
        let mut runs: Vec<RunScores> = Vec::new();
        for row in self.of_prompts(SCORES, responses).await? {
            let row = Row::from_query_result(&row, "")?;
            if runs.last().is_none_or(|last| last.run != row.run_id) {
                if runs.len() == RUNS {
                    break;
                }
                runs.push(RunScores {
                    run: row.run_id,
                    name: row.name,
                    rewards: HashMap::new(),
                });
            }
            if let Some(last) = runs.last_mut() {
                last.rewards.insert(row.response_id, row.reward);
            }
        }
        Ok(runs)
    }

    /// The prompt that stands next to this place.
    async fn neighbour(
        &self,
        project: Uuid,
        place: Place,
        backwards: bool,
    ) -> Result<Option<Uuid>, StoreError> {
        let mut query = super::filter::Query::new(self.backend(), project);
        query.range(Some(place), backwards, None);
        let found = self.next_place(query, backwards).await?;
        Ok(found.map(|place| place.id))
    }
}

fn judgement_records(
    rows: Vec<judgement::Model>,
    names: &HashMap<Uuid, String>,
) -> Result<HashMap<Uuid, Vec<JudgementRecord>>, StoreError> {
    let replaced: Vec<Uuid> = rows.iter().filter_map(|row| row.supersedes).collect();
    let mut records: HashMap<Uuid, Vec<JudgementRecord>> = HashMap::new();
    for row in rows {
        let imported = row.import_id.is_some();
        let judgement = Judgement::try_from(row)?;
        let record = JudgementRecord {
            annotator: names.get(&judgement.user_id).cloned().unwrap_or_default(),
            imported,
            in_force: judgement.verdict != Verdict::Withdrawn && !replaced.contains(&judgement.id),
            judgement,
        };
        records
            .entry(record.judgement.comparison_id)
            .or_default()
            .push(record);
    }
    Ok(records)
}

fn correction_records(
    rows: Vec<correction::Model>,
    names: &HashMap<Uuid, String>,
) -> HashMap<Uuid, Vec<CorrectionRecord>> {
    let replaced: Vec<Uuid> = rows.iter().filter_map(|row| row.supersedes).collect();
    let mut records: HashMap<Uuid, Vec<CorrectionRecord>> = HashMap::new();
    for row in rows {
        let record = CorrectionRecord {
            annotator: names.get(&row.user_id).cloned().unwrap_or_default(),
            in_force: !replaced.contains(&row.id),
            correction: row.into(),
        };
        records
            .entry(record.correction.comparison_id)
            .or_default()
            .push(record);
    }
    records
}

const SCORES: &str =
    "SELECT s.run_id, u.name, s.response_id, s.reward FROM score s JOIN run u ON u.id = s.run_id
  WHERE s.response_id IN ({ids}) ORDER BY u.created_at DESC, u.id";
