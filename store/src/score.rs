//! Scores that a run's model gave to responses, and how they stand to what people prefer.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use domain::{
    prompt::Message,
    run::{Run, data::HeldOut},
    score::{Agreement, JudgedPair, JudgedPairView, ScoreSummary, Scored, ScoredResponse},
    stats::{Proportion, spearman},
};
use sea_orm::{ConnectionTrait, EntityTrait, FromQueryResult, Set, Statement, Value, sea_query::OnConflict};
use uuid::Uuid;

use crate::{
    Store, StoreError,
    entity::score,
    job::Lease,
    now,
    pair::{Chosen, SelectedPair, messages},
    placeholders,
};

/// Rows per statement; five values each, and SQLite takes 32,766.
const BATCH: usize = 1000;

/// A response that waits for its score.
#[derive(Debug, Clone, PartialEq)]
pub struct UnscoredResponse {
    pub id: Uuid,
    pub prompt: Vec<Message>,
    pub content: String,
}

/// Everything a run's page of scores is made from, without texts.
#[derive(Debug, Clone)]
pub struct RunScores {
    pub summary: ScoreSummary,
    /// Every preference of which both sides have a score, where the model disagrees most first.
    pub pairs: Vec<JudgedPair>,
}

/// Which scored responses to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseFilter {
    pub category: Option<String>,
    /// Worst first instead of best first.
    pub ascending: bool,
    pub offset: u64,
    pub limit: u64,
}

impl Store {
    /// Keeps scores, all or none of them, as long as the lease is held; one that is there already is replaced.
    pub async fn upsert_scores(
        &self,
        run: Uuid,
        lease: &Lease,
        scores: &[(Uuid, Scored)],
    ) -> Result<(), StoreError> {
        let transaction = self.begin_held(lease).await?;
        for batch in scores.chunks(BATCH) {
            let rows = batch.iter().map(|(response, scored)| score::ActiveModel {
                run_id: Set(run),
                response_id: Set(*response),
                reward: Set(scored.reward),
                tokens: Set(i32::try_from(scored.tokens).unwrap_or(i32::MAX)),
                cut_tokens: Set(i32::try_from(scored.cut_tokens).unwrap_or(i32::MAX)),
            });
            let mut replace = OnConflict::columns([score::Column::RunId, score::Column::ResponseId]);
            replace.update_columns([
                score::Column::Reward,
                score::Column::Tokens,
                score::Column::CutTokens,
            ]);
            score::Entity::insert_many(rows)
                .on_conflict(replace)
                .exec_without_returning(&transaction)
                .await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Some of a project's responses that the run has not scored yet, in the order of their identifiers.
    pub async fn list_unscored_responses(
        &self,
        run: Uuid,
        project: Uuid,
        limit: u64,
    ) -> Result<Vec<UnscoredResponse>, StoreError> {
        let values: [Value; 3] = [
            run.into(),
            project.into(),
            i64::try_from(limit).unwrap_or(i64::MAX).into(),
        ];
        let statement = Statement::from_sql_and_values(self.backend(), UNSCORED, values);
        let rows = self.reader().query_all_raw(statement).await?;
        rows.iter()
            .map(|row| {
                Ok(UnscoredResponse {
                    id: row.try_get("", "id")?,
                    prompt: messages(row.try_get("", "messages")?)?,
                    content: row.try_get("", "content")?,
                })
            })
            .collect()
    }

    /// How many responses of a project the run has scored, and how many there are.
    pub async fn count_scored_responses(&self, run: Uuid, project: Uuid) -> Result<(u64, u64), StoreError> {
        let statement =
            Statement::from_sql_and_values(self.backend(), COUNT_SCORED, [run.into(), project.into()]);
        let row = self.reader().query_one_raw(statement).await?;
        let row = row.ok_or(StoreError::NotFound("The project"))?;
        let count = |index| -> Result<u64, StoreError> {
            Ok(u64::try_from(row.try_get_by_index::<i64>(index)?).unwrap_or(0))
        };
        Ok((count(0)?, count(1)?))
    }

    /// A run's scores beside the preferences that its data choice selects, of its project and of the one held out: those
    /// that it had, and those that were given since.
    pub async fn compare_scores(&self, run: &Run) -> Result<RunScores, StoreError> {
        let scored: HashMap<Uuid, ScoreRow> = self
            .rows::<ScoreRow>(SCORES, run.id)
            .await?
            .into_iter()
            .map(|row| (row.response_id, row))
            .collect();
        let asked = &run.data.choice;
        let selected_at = run.data.counts.and_then(|counts| counts.selected_at);
        let then = selected_at.or(run.started_at).unwrap_or_else(now);
        let had = self.select_pairs_as_of(run.project_id, asked, then).await?;
        let is_correction = |pair: &&SelectedPair| matches!(pair.chosen, Chosen::Correction(_));
        let held_out_corrections = had.held_out.iter().filter(is_correction).count() as u64;
        let known: HashSet<Uuid> = had
            .train
            .iter()
            .chain(&had.held_out)
            .map(|pair| pair.source)
            .collect();
        let mut today = self.select_pairs(run.project_id, asked).await?;
        today.train.retain(|pair| !known.contains(&pair.source));
        today.held_out.retain(|pair| !known.contains(&pair.source));
        let parts = [
            (had.train, false, false),
            (had.held_out, true, false),
            (today.train, false, true),
            (today.held_out, true, true),
        ];
        let mut pairs = Vec::new();
        for (part, held_out, newer) in parts {
            // A tie prefers nothing, and rankings are looked at pair by pair.
            let stated = part
                .into_iter()
                .filter(|pair| !pair.tied)
                .flat_map(SelectedPair::into_pairs);
            pairs.extend(stated.filter_map(|pair| {
                let pair = judged(pair, held_out, &scored)?;
                Some(JudgedPair { newer, ..pair })
            }));
        }
        pairs.sort_by(|a, b| {
            a.margin
                .total_cmp(&b.margin)
                .then(a.comparison_id.cmp(&b.comparison_id))
        });
        Ok(RunScores {
            summary: ScoreSummary {
                held_out_corrections,
                ..summarise(&pairs, &scored)
            },
            pairs,
        })
    }

    /// The texts of a few pairs.
    pub async fn show_judged_pairs(
        &self,
        run: Uuid,
        pairs: &[JudgedPair],
    ) -> Result<Vec<JudgedPairView>, StoreError> {
        let ids: HashSet<Uuid> = pairs
            .iter()
            .flat_map(|pair| [pair.chosen, pair.rejected])
            .collect();
        let mut texts: HashMap<Uuid, TextRow> = HashMap::new();
        if !ids.is_empty() {
            let sql = format!("{TEXTS} AND r.id IN ({})", placeholders(2, ids.len()));
            let values = std::iter::once(run).chain(ids).map(Value::from);
            let statement = Statement::from_sql_and_values(self.backend(), sql, values);
            for row in self.reader().query_all_raw(statement).await? {
                let row = TextRow::from_query_result(&row, "")?;
                texts.insert(row.id, row);
            }
        }
        let text = |id: Uuid| texts.get(&id).ok_or(StoreError::NotFound("A response"));
        pairs
            .iter()
            .map(|pair| {
                let (chosen, rejected) = (text(pair.chosen)?, text(pair.rejected)?);
                Ok(JudgedPairView {
                    pair: pair.clone(),
                    prompt: messages(chosen.messages.clone())?,
                    chosen: chosen.content.clone(),
                    rejected: rejected.content.clone(),
                    chosen_reward: chosen.reward,
                    rejected_reward: rejected.reward,
                })
            })
            .collect()
    }

    /// A page of the run's scored responses by reward. `pairs` are the run's, for what people prefer.
    pub async fn list_scored_responses(
        &self,
        run: Uuid,
        filter: &ResponseFilter,
        pairs: &[JudgedPair],
    ) -> Result<Vec<ScoredResponse>, StoreError> {
        let order = if filter.ascending { "ASC" } else { "DESC" };
        let mut values: Vec<Value> = vec![
            run.into(),
            signed(filter.limit).into(),
            signed(filter.offset).into(),
        ];
        let category = filter.category.as_ref().map_or("", |category| {
            values.push(category.as_str().into());
            "AND p.category = $4"
        });
        let sql =
            format!("{RESPONSES} {category} ORDER BY s.reward {order}, s.response_id LIMIT $2 OFFSET $3");
        let statement = Statement::from_sql_and_values(self.backend(), sql, values);
        let found = self.reader().query_all_raw(statement).await?;
        let rows: Vec<ListRow> = found
            .iter()
            .map(|row| ListRow::from_query_result(row, ""))
            .collect::<Result<_, _>>()?;
        let places = self
            .places(run, rows.iter().map(|row| row.prompt_id).collect())
            .await?;
        let mut preferred: HashMap<Uuid, Proportion> = HashMap::new();
        for pair in pairs {
            preferred.entry(pair.chosen).or_default().add(true);
            preferred.entry(pair.rejected).or_default().add(false);
        }
        rows.into_iter()
            .map(|row| {
                Ok(ScoredResponse {
                    prompt: messages(row.messages)?
                        .pop()
                        .map_or_else(String::new, |last| last.content),
                    preferred: preferred.get(&row.id).copied().unwrap_or_default(),
                    place: places.get(&row.id).copied().unwrap_or((1, 1)),
                    id: row.id,
                    prompt_id: row.prompt_id,
                    category: row.category,
                    content: row.content,
                    model: row.model,
                    reward: row.reward,
                    cut_tokens: i64::from(row.cut_tokens),
                })
            })
            .collect()
    }

    /// The place by reward of every scored response to these prompts, and among how many.
    async fn places(
        &self,
        run: Uuid,
        prompts: HashSet<Uuid>,
    ) -> Result<HashMap<Uuid, (u64, u64)>, StoreError> {
        if prompts.is_empty() {
            return Ok(HashMap::new());
        }
        let sql = format!("{PLACES} AND r.prompt_id IN ({})", placeholders(2, prompts.len()));
        let values = std::iter::once(run).chain(prompts).map(Value::from);
        let statement = Statement::from_sql_and_values(self.backend(), sql, values);
        let mut places = HashMap::new();
        for row in self.reader().query_all_raw(statement).await? {
            let number = |index| -> Result<u64, StoreError> {
                Ok(u64::try_from(row.try_get_by_index::<i64>(index)?).unwrap_or(1))
            };
            places.insert(row.try_get_by_index(0)?, (number(1)?, number(2)?));
        }
        Ok(places)
    }
}

/// The pair beside its rewards; None if a side has no score.
fn judged(pair: SelectedPair, held_out: bool, scored: &HashMap<Uuid, ScoreRow>) -> Option<JudgedPair> {
    let Chosen::Response(chosen_id) = pair.chosen else {
        return None;
    };
    let (chosen, rejected) = (scored.get(&chosen_id)?, scored.get(&pair.rejected)?);
    Some(JudgedPair {
        prompt_id: pair.prompt_id,
        comparison_id: pair.comparison_id,
        chosen: chosen_id,
        rejected: pair.rejected,
        strength: pair.strength,
        category: pair.category,
        held_out,
        newer: false,
        margin: chosen.reward - rejected.reward,
        longer_by: chosen.characters - rejected.characters,
    })
}

fn summarise(pairs: &[JudgedPair], scored: &HashMap<Uuid, ScoreRow>) -> ScoreSummary {
    let mut by_category: HashMap<&str, Vec<&JudgedPair>> = HashMap::new();
    let had = || pairs.iter().filter(|pair| !pair.newer);
    for pair in had() {
        if let Some(category) = &pair.category {
            by_category.entry(category).or_default().push(pair);
        }
    }
    let mut categories: Vec<(String, Agreement)> = by_category
        .into_iter()
        .map(|(name, pairs)| (name.to_owned(), Agreement::of(pairs)))
        .collect();
    categories.sort_by(|a, b| b.1.model.of.cmp(&a.1.model.of).then_with(|| a.0.cmp(&b.0)));
    let (rewards, lengths): (Vec<f64>, Vec<f64>) = scored
        .values()
        .map(|row| (row.reward, row.characters as f64))
        .unzip();
    ScoreSummary {
        responses: scored.len() as u64,
        held_out: Agreement::of(had().filter(|pair| pair.held_out)),
        all: Agreement::of(had()),
        newer: Agreement::of(pairs.iter().filter(|pair| pair.newer)),
        held_out_corrections: 0,
        categories,
        length_correlation: spearman(&rewards, &lengths),
        cut: scored.values().filter(|row| row.cut_tokens > 0).count() as u64,
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The projects whose responses a run scores: its own, and the one it is held against.
pub fn scored_projects(run: &Run) -> Vec<Uuid> {
    let mut projects = vec![run.project_id];
    if let HeldOut::Project { id } = run.data.choice.held_out
        && id != run.project_id
    {
        projects.push(id);
    }
    projects
}

const UNSCORED: &str = "SELECT r.id, r.content, p.messages
  FROM response r JOIN prompt p ON p.id = r.prompt_id
  WHERE p.project_id = $2
    AND NOT EXISTS (SELECT 1 FROM score s WHERE s.run_id = $1 AND s.response_id = r.id)
  ORDER BY r.id LIMIT $3";

const COUNT_SCORED: &str = "SELECT COUNT(s.response_id), COUNT(*)
  FROM response r JOIN prompt p ON p.id = r.prompt_id
  LEFT JOIN score s ON s.response_id = r.id AND s.run_id = $1
  WHERE p.project_id = $2";

const SCORES: &str =
    "SELECT s.response_id, s.reward, s.cut_tokens, CAST(LENGTH(r.content) AS BIGINT) AS characters
  FROM score s JOIN response r ON r.id = s.response_id WHERE s.run_id = $1";

const TEXTS: &str = "SELECT r.id, r.content, p.messages, s.reward
  FROM score s JOIN response r ON r.id = s.response_id JOIN prompt p ON p.id = r.prompt_id
  WHERE s.run_id = $1";

const RESPONSES: &str =
    "SELECT r.id, r.prompt_id, p.messages, p.category, r.content, r.model, s.reward, s.cut_tokens
  FROM score s JOIN response r ON r.id = s.response_id JOIN prompt p ON p.id = r.prompt_id
  WHERE s.run_id = $1";

const PLACES: &str = "SELECT s.response_id, RANK() OVER (PARTITION BY r.prompt_id ORDER BY s.reward DESC),
    COUNT(*) OVER (PARTITION BY r.prompt_id)
  FROM score s JOIN response r ON r.id = s.response_id WHERE s.run_id = $1";

#[derive(Debug, FromQueryResult)]
struct ScoreRow {
    response_id: Uuid,
    reward: f64,
    cut_tokens: i32,
    characters: i64,
}

#[derive(Debug, FromQueryResult)]
struct TextRow {
    id: Uuid,
    content: String,
    messages: serde_json::Value,
    reward: f64,
}

#[derive(Debug, FromQueryResult)]
struct ListRow {
    id: Uuid,
    prompt_id: Uuid,
    messages: serde_json::Value,
    category: Option<String>,
    content: String,
    model: Option<String>,
    reward: f64,
    cut_tokens: i32,
}
