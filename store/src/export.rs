//! Export: the preferences of a project as TRL lines, page by page, without ever holding more than one page.
//!
//! A page sees what is in force when it is read; what is added after the export began is not in it.

use std::collections::HashMap;

use domain::{
    Millis,
    export::{ExportChoice, ExportCounts, JudgementSource},
    formats::{ExportedMessage, ExportedMetadata, ExportedPreference, ExportedSource},
    prompt::Message,
};
use futures::{Stream, stream};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
    sea_query::Expr,
};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::{
    Store, StoreError,
    entity::{comparison, comparison_response, correction, judgement, prompt, response},
    now,
};

/// Rows read at a time.
const PAGE: u64 = 200;

/// Where the next page begins: behind the row of that time and identifier.
#[derive(Debug, Clone, Copy)]
enum Cursor {
    Judgements(Millis, Uuid),
    Corrections(Millis, Uuid),
}

/// The prompts and responses that a page speaks of.
#[derive(Default)]
struct Texts {
    prompts: HashMap<Uuid, (prompt::Model, Vec<Message>)>,
    responses: HashMap<Uuid, response::Model>,
}

impl Store {
    /// The lines of the project's preferences, in chunks, oldest first: judgements, then corrections.
    pub fn export_preferences(
        &self,
        project: Uuid,
        choice: ExportChoice,
    ) -> impl Stream<Item = Result<Vec<u8>, StoreError>> + Send + 'static {
        let store = self.clone();
        let until = now();
        let start = match choice.judgements {
            JudgementSource::None => Cursor::Corrections(Millis::MIN, Uuid::nil()),
            _ => Cursor::Judgements(Millis::MIN, Uuid::nil()),
        };
        stream::try_unfold(Some(start), move |cursor| {
            let store = store.clone();
            async move {
                let Some(cursor) = cursor else { return Ok(None) };
                let page = match cursor {
                    Cursor::Judgements(at, id) => {
                        store.judgement_page(project, choice, until, (at, id)).await?
                    }
                    Cursor::Corrections(..) if !choice.corrections => (Vec::new(), None),
                    Cursor::Corrections(at, id) => store.correction_page(project, until, (at, id)).await?,
                };
                Ok(Some(page))
            }
        })
    }

    /// How many judgements and corrections there are to export.
    pub async fn count_exportable(&self, project: Uuid) -> Result<ExportCounts, StoreError> {
        const COUNT: &str = r#"SELECT
          (SELECT COUNT(*) FROM judgement j JOIN "user" u ON u.id = j.user_id WHERE j.project_id = $1
             AND u.kind = 'person' AND j.verdict IN ('preferred', 'ranked')
             AND NOT EXISTS (SELECT 1 FROM judgement n WHERE n.supersedes = j.id)),
          (SELECT COUNT(*) FROM judgement j JOIN "user" u ON u.id = j.user_id WHERE j.project_id = $1
             AND u.kind = 'imported' AND j.verdict IN ('preferred', 'ranked')
             AND NOT EXISTS (SELECT 1 FROM judgement n WHERE n.supersedes = j.id)),
          (SELECT COUNT(*) FROM correction c WHERE c.project_id = $1 AND c.content <> ''
             AND NOT EXISTS (SELECT 1 FROM correction n WHERE n.supersedes = c.id))"#;
        let statement = Statement::from_sql_and_values(self.backend(), COUNT, [project.into()]);
        let row = self.reader().query_one_raw(statement).await?;
        let row = row.ok_or(StoreError::NotFound("The project"))?;
        let count = |index| -> Result<u64, StoreError> {
            Ok(u64::try_from(row.try_get_by_index::<i64>(index)?).unwrap_or(0))
        };
        Ok(ExportCounts {
            people: count(0)?,
            imported: count(1)?,
            corrections: count(2)?,
        })
    }

    async fn judgement_page(
        &self,
        project: Uuid,
        choice: ExportChoice,
        until: Millis,
        after: (Millis, Uuid),
    ) -> Result<(Vec<u8>, Option<Cursor>), StoreError> {
        use judgement::Column;
        let kind = match choice.judgements {
            JudgementSource::People => "AND kind = 'person'",
            JudgementSource::Imported => "AND kind = 'imported'",
            JudgementSource::All | JudgementSource::None => "",
        };
        let rows = judgement::Entity::find()
            .filter(Column::ProjectId.eq(project))
            .filter(Column::Verdict.is_in(["preferred", "ranked"]))
            .filter(Column::CreatedAt.lte(until))
            .filter(behind(Column::CreatedAt, Column::Id, after))
            .filter(Expr::cust(
                "NOT EXISTS (SELECT 1 FROM judgement n WHERE n.supersedes = judgement.id)",
            ))
            .filter(Expr::cust(format!(
                r#"EXISTS (SELECT 1 FROM "user" u WHERE u.id = judgement.user_id {kind})"#
            )))
            .order_by_asc(Column::CreatedAt)
            .order_by_asc(Column::Id)
            .limit(PAGE)
            .all(self.reader())
            .await?;
        let next = match rows.last() {
            Some(last) if rows.len() as u64 == PAGE => Cursor::Judgements(last.created_at, last.id),
            _ => Cursor::Corrections(Millis::MIN, Uuid::nil()),
        };
        let comparisons = self.prompts_of(rows.iter().map(|row| row.comparison_id)).await?;
        let mut rankings = Vec::with_capacity(rows.len());
        for row in &rows {
            rankings.push(parse::<Vec<Vec<Uuid>>>("ranking", &row.ranking)?);
        }
        let responses = rankings.iter().flatten().flatten().copied();
        let texts = self.texts(comparisons.values().copied(), responses).await?;
        let mut out = Vec::new();
        for (row, ranking) in rows.iter().zip(&rankings) {
            let source = Source {
                source: ExportedSource::Judgement,
                id: row.id,
                annotator: row.user_id,
                strength: row.strength,
                at: row.created_at,
                prompt: comparisons.get(&row.comparison_id).copied(),
            };
            for (index, better) in ranking.iter().enumerate() {
                for (chosen, rejected) in better
                    .iter()
                    .flat_map(|b| ranking[index + 1..].iter().flatten().map(move |w| (b, w)))
                {
                    let pair = texts.responses.get(chosen).zip(texts.responses.get(rejected));
                    let Some((chosen, rejected)) = pair else { continue };
                    let chosen = (chosen.content.as_str(), chosen.model.as_deref());
                    source.write(&texts, chosen, rejected, &mut out)?;
                }
            }
        }
        Ok((out, Some(next)))
    }

    async fn correction_page(
        &self,
        project: Uuid,
        until: Millis,
        after: (Millis, Uuid),
    ) -> Result<(Vec<u8>, Option<Cursor>), StoreError> {
        use correction::Column;
        let rows = correction::Entity::find()
            .filter(Column::ProjectId.eq(project))
            .filter(Column::Content.ne(""))
            .filter(Column::CreatedAt.lte(until))
            .filter(behind(Column::CreatedAt, Column::Id, after))
            .filter(Expr::cust(
                "NOT EXISTS (SELECT 1 FROM correction n WHERE n.supersedes = correction.id)",
            ))
            .order_by_asc(Column::CreatedAt)
            .order_by_asc(Column::Id)
            .limit(PAGE)
            .all(self.reader())
            .await?;
        let next = match rows.last() {
            Some(last) if rows.len() as u64 == PAGE => Some(Cursor::Corrections(last.created_at, last.id)),
            _ => None,
        };
        let comparisons = self.prompts_of(rows.iter().map(|row| row.comparison_id)).await?;
        let members = comparison_response::Entity::find()
            .filter(comparison_response::Column::ComparisonId.is_in(rows.iter().map(|row| row.comparison_id)))
            .order_by_asc(comparison_response::Column::Position)
            .all(self.reader())
            .await?;
        let responses = members.iter().map(|member| member.response_id);
        let texts = self.texts(comparisons.values().copied(), responses).await?;
        let mut out = Vec::new();
        for row in &rows {
            let source = Source {
                source: ExportedSource::Correction,
                id: row.id,
                annotator: row.user_id,
                strength: None,
                at: row.created_at,
                prompt: comparisons.get(&row.comparison_id).copied(),
            };
            for member in members
                .iter()
                .filter(|member| member.comparison_id == row.comparison_id)
            {
                let Some(rejected) = texts.responses.get(&member.response_id) else {
                    continue;
                };
                if rejected.content != row.content {
                    source.write(&texts, (&row.content, None), rejected, &mut out)?;
                }
            }
        }
        Ok((out, next))
    }

    /// The prompt of each comparison.
    async fn prompts_of(&self, ids: impl Iterator<Item = Uuid>) -> Result<HashMap<Uuid, Uuid>, StoreError> {
        let pairs: Vec<(Uuid, Uuid)> = comparison::Entity::find()
            .select_only()
            .columns([comparison::Column::Id, comparison::Column::PromptId])
            .filter(comparison::Column::Id.is_in(ids))
            .into_tuple()
            .all(self.reader())
            .await?;
        Ok(pairs.into_iter().collect())
    }

    async fn texts(
        &self,
        prompts: impl Iterator<Item = Uuid>,
        responses: impl Iterator<Item = Uuid>,
    ) -> Result<Texts, StoreError> {
        let mut texts = Texts::default();
        let found = prompt::Entity::find()
            .filter(prompt::Column::Id.is_in(prompts))
            .all(self.reader())
            .await?;
        for row in found {
            let messages = parse("prompt", &row.messages)?;
            texts.prompts.insert(row.id, (row, messages));
        }
        let found = response::Entity::find()
            .filter(response::Column::Id.is_in(responses))
            .all(self.reader())
            .await?;
        texts.responses = found.into_iter().map(|row| (row.id, row)).collect();
        Ok(texts)
    }
}

/// The row that preferences come from.
struct Source {
    source: ExportedSource,
    id: Uuid,
    annotator: Uuid,
    strength: Option<i32>,
    at: Millis,
    prompt: Option<Uuid>,
}

impl Source {
    fn write(
        &self,
        texts: &Texts,
        (chosen, chosen_model): (&str, Option<&str>),
        rejected: &response::Model,
        out: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        let Some((prompt, messages)) = self.prompt.and_then(|id| texts.prompts.get(&id)) else {
            return Ok(());
        };
        let line = ExportedPreference {
            prompt: messages,
            chosen: ExportedMessage::assistant(chosen),
            rejected: ExportedMessage::assistant(&rejected.content),
            source: self.source,
            source_id: self.id,
            annotator: self.annotator,
            strength: self.strength,
            created_at: self.at,
            metadata: ExportedMetadata {
                category: prompt.category.as_deref(),
                language: prompt.language.as_deref(),
                chosen_model,
                rejected_model: rejected.model.as_deref(),
            },
        };
        line.write_to(out).map_err(|error| StoreError::Corrupt {
            what: "preference",
            value: error.to_string(),
        })
    }
}

fn behind(at: impl ColumnTrait, id: impl ColumnTrait, after: (Millis, Uuid)) -> Condition {
    Condition::any()
        .add(at.gt(after.0))
        .add(Condition::all().add(at.eq(after.0)).add(id.gt(after.1)))
}

fn parse<T: DeserializeOwned>(what: &'static str, value: &serde_json::Value) -> Result<T, StoreError> {
    T::deserialize(value).map_err(|_| StoreError::Corrupt {
        what,
        value: value.to_string().chars().take(80).collect(),
    })
}
