//! Export: the preferences of a project as TRL lines, page by page, without ever holding more than one page.
//!
//! A page is bounded by rows and by the bytes of their texts, which are asked for before the texts are read; its lines leave in
//! chunks, since a ranking or a correction repeats its texts in several of them. A page sees what is in force when it is read;
//! what is added after the export began is not in it.

use std::collections::{HashMap, VecDeque};

use domain::{
    Millis,
    export::{ExportChoice, ExportCounts, JudgementSource},
    formats::{Conversation, ExportedMetadata, ExportedPreference, ExportedSource, columns_text},
    judgement::preferences,
    prompt::Message,
    user::UserKind,
};
use futures::{Stream, stream};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::in_force::in_force;
use crate::{
    Store, StoreError,
    entity::{comparison, comparison_response, correction, imported_judgement, judgement, prompt, response},
    now,
};

mod heads;

/// Rows read at a time, and the most bytes of texts that these rows may have together; one row may have more.
const PAGE_ROWS: u64 = 200;
const PAGE_BYTES: i64 = 8 << 20;

/// Lines leave together when they are so many bytes.
const CHUNK_BYTES: usize = 1 << 20;

/// Where the next page begins: behind the row of that time and identifier.
#[derive(Debug, Clone, Copy)]
enum Cursor {
    Judgements(Millis, Uuid),
    Corrections(Millis, Uuid),
}

/// How far an export is.
struct Export {
    store: Store,
    project: Uuid,
    choice: ExportChoice,
    until: Millis,
    /// None behind the last page.
    cursor: Option<Cursor>,
    page: Page,
}

/// Lines that are to be written, and what they are made of.
#[derive(Default)]
struct Page {
    sources: Vec<Source>,
    /// The source, the preferred response (None: the words of the source itself) and the rejected one.
    lines: VecDeque<(usize, Option<Uuid>, Uuid)>,
    texts: Texts,
}

/// The prompts and responses that a page speaks of.
#[derive(Default)]
struct Texts {
    prompts: HashMap<Uuid, (prompt::Model, Vec<Message>)>,
    responses: HashMap<Uuid, response::Model>,
}

/// The row that preferences come from.
struct Source {
    source: ExportedSource,
    id: Uuid,
    annotator: Uuid,
    strength: Option<i32>,
    said: Option<imported_judgement::Model>,
    /// What a person wrote.
    correction: Option<String>,
    at: Millis,
    prompt: Option<Uuid>,
}

impl Store {
    /// The lines of the project's preferences, in chunks, oldest first: judgements, then corrections.
    pub fn export_preferences(
        &self,
        project: Uuid,
        choice: ExportChoice,
    ) -> impl Stream<Item = Result<Vec<u8>, StoreError>> + Send + 'static {
        let start = match choice.judgements {
            JudgementSource::None => Cursor::Corrections(Millis::MIN, Uuid::nil()),
            _ => Cursor::Judgements(Millis::MIN, Uuid::nil()),
        };
        let export = Export {
            store: self.clone(),
            project,
            choice,
            until: now(),
            cursor: Some(start),
            page: Page::default(),
        };
        stream::try_unfold(export, |mut export| async {
            let chunk = export.next_chunk().await?;
            Ok(chunk.map(|chunk| (chunk, export)))
        })
    }

    /// How many judgements and corrections there are to export.
    pub async fn count_exportable(&self, project: Uuid) -> Result<ExportCounts, StoreError> {
        const COUNT: &str = concat!(
            r#"SELECT
          (SELECT COUNT(*) FROM judgement j JOIN "user" u ON u.id = j.user_id WHERE j.project_id = $1
             AND u.kind = 'person' AND j.verdict IN ('preferred', 'ranked')
             AND "#,
            in_force!(judgement j),
            r#"),
          (SELECT COUNT(*) FROM judgement j JOIN "user" u ON u.id = j.user_id WHERE j.project_id = $1
             AND u.kind = 'imported' AND j.verdict IN ('preferred', 'ranked')
             AND "#,
            in_force!(judgement j),
            "),
          (SELECT COUNT(*) FROM correction c WHERE c.project_id = $1 AND c.content <> ''
             AND ",
            in_force!(correction c),
            ")"
        );
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

    /// The prompt of each comparison.
    async fn prompts_of(&self, ids: Vec<Uuid>) -> Result<HashMap<Uuid, Uuid>, StoreError> {
        let pairs: Vec<(Uuid, Uuid)> = comparison::Entity::find()
            .select_only()
            .columns([comparison::Column::Id, comparison::Column::PromptId])
            .filter(comparison::Column::Id.is_in(ids))
            .into_tuple()
            .all(self.reader())
            .await?;
        Ok(pairs.into_iter().collect())
    }

    async fn texts(&self, prompts: Vec<Uuid>, responses: Vec<Uuid>) -> Result<Texts, StoreError> {
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

impl Export {
    /// The next lines; `None` at the end.
    async fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        loop {
            let chunk = self.page.write()?;
            if !chunk.is_empty() {
                return Ok(Some(chunk));
            }
            self.page = match self.cursor {
                None => return Ok(None),
                Some(Cursor::Judgements(at, id)) => self.judgements((at, id)).await?,
                Some(Cursor::Corrections(..)) if !self.choice.corrections => return Ok(None),
                Some(Cursor::Corrections(at, id)) => self.corrections((at, id)).await?,
            };
        }
    }

    async fn judgements(&mut self, after: (Millis, Uuid)) -> Result<Page, StoreError> {
        let kind = match self.choice.judgements {
            JudgementSource::People => Some(UserKind::Person),
            JudgementSource::Imported => Some(UserKind::Imported),
            JudgementSource::All | JudgementSource::None => None,
        };
        let store = &self.store;
        let (heads, more) = store
            .judgement_heads(self.project, kind, self.until, after)
            .await?;
        self.cursor = match heads.last() {
            Some(last) if more => Some(Cursor::Judgements(last.created_at, last.id)),
            _ => Some(Cursor::Corrections(Millis::MIN, Uuid::nil())),
        };
        let mut rows = judgement::Entity::find()
            .filter(judgement::Column::Id.is_in(heads.iter().map(|head| head.id)))
            .order_by_asc(judgement::Column::CreatedAt)
            .order_by_asc(judgement::Column::Id)
            .all(store.reader())
            .await?;
        rows.retain(|row| row.created_at <= self.until);
        let said = imported_judgement::Entity::find()
            .filter(imported_judgement::Column::JudgementId.is_in(rows.iter().map(|row| row.id)))
            .all(store.reader())
            .await?;
        let mut said: HashMap<Uuid, _> = said.into_iter().map(|row| (row.judgement_id, row)).collect();
        let kinds: HashMap<Uuid, &str> = heads.iter().map(|head| (head.id, head.kind.as_str())).collect();
        let comparisons = rows.iter().map(|row| row.comparison_id).collect();
        let prompts = store.prompts_of(comparisons).await?;
        let mut page = Page::default();
        for (index, row) in rows.iter().enumerate() {
            let ranking: Vec<Vec<Uuid>> = parse("ranking", &row.ranking)?;
            let pairs = preferences(&ranking);
            page.lines
                .extend(pairs.map(|(chosen, rejected)| (index, Some(chosen), rejected)));
            page.sources.push(Source {
                source: match kinds.get(&row.id) {
                    Some(kind) if *kind == UserKind::Imported.as_str() => ExportedSource::Imported,
                    _ => ExportedSource::Judgement,
                },
                id: row.id,
                annotator: row.user_id,
                strength: row.strength,
                said: said.remove(&row.id),
                correction: None,
                at: row.created_at,
                prompt: prompts.get(&row.comparison_id).copied(),
            });
        }
        let mut responses = Vec::with_capacity(2 * page.lines.len());
        for (_, chosen, rejected) in &page.lines {
            responses.extend(chosen.iter().chain([rejected]).copied());
        }
        page.texts = store.texts(prompts.into_values().collect(), responses).await?;
        Ok(page)
    }

    async fn corrections(&mut self, after: (Millis, Uuid)) -> Result<Page, StoreError> {
        let store = &self.store;
        let (heads, more) = store.correction_heads(self.project, self.until, after).await?;
        self.cursor = match heads.last() {
            Some(last) if more => Some(Cursor::Corrections(last.created_at, last.id)),
            _ => None,
        };
        let rows = correction::Entity::find()
            .filter(correction::Column::Id.is_in(heads.iter().map(|head| head.id)))
            .order_by_asc(correction::Column::CreatedAt)
            .order_by_asc(correction::Column::Id)
            .all(store.reader())
            .await?;
        let comparisons = rows.iter().map(|row| row.comparison_id).collect();
        let prompts = store.prompts_of(comparisons).await?;
        let members = comparison_response::Entity::find()
            .filter(comparison_response::Column::ComparisonId.is_in(rows.iter().map(|row| row.comparison_id)))
            .order_by_asc(comparison_response::Column::Position)
            .all(store.reader())
            .await?;
        let mut page = Page::default();
        for (index, row) in rows.into_iter().enumerate() {
            let rejected = members
                .iter()
                .filter(|member| member.comparison_id == row.comparison_id);
            page.lines
                .extend(rejected.map(|member| (index, None, member.response_id)));
            page.sources.push(Source {
                source: ExportedSource::Correction,
                id: row.id,
                annotator: row.user_id,
                strength: None,
                said: None,
                correction: Some(row.content),
                at: row.created_at,
                prompt: prompts.get(&row.comparison_id).copied(),
            });
        }
        let responses = members.iter().map(|member| member.response_id).collect();
        page.texts = store.texts(prompts.into_values().collect(), responses).await?;
        Ok(page)
    }
}

impl Page {
    /// Some of the lines that are left; nothing if none is.
    fn write(&mut self) -> Result<Vec<u8>, StoreError> {
        let mut out = Vec::new();
        while out.len() < CHUNK_BYTES
            && let Some((source, chosen, rejected)) = self.lines.pop_front()
        {
            self.sources[source].write(&self.texts, chosen, rejected, &mut out)?;
        }
        Ok(out)
    }
}

impl Source {
    fn write(
        &self,
        texts: &Texts,
        chosen: Option<Uuid>,
        rejected: Uuid,
        out: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        let prompt = self.prompt.and_then(|id| texts.prompts.get(&id));
        let (Some((prompt, messages)), Some(rejected)) = (prompt, texts.responses.get(&rejected)) else {
            return Ok(());
        };
        let chosen = match (&self.correction, chosen.map(|id| texts.responses.get(&id))) {
            (Some(words), _) if *words == rejected.content => return Ok(()),
            (Some(words), _) => (words.as_str(), None),
            (None, Some(Some(response))) => (response.content.as_str(), Some(response)),
            (None, _) => return Ok(()),
        };
        let (words, chosen) = chosen;
        let said = self.said.as_ref();
        let line = ExportedPreference {
            prompt: Conversation::of(messages, prompt.original.as_ref()),
            chosen: Conversation::answer(words, chosen.and_then(|response| response.original.as_ref())),
            rejected: Conversation::answer(&rejected.content, rejected.original.as_ref()),
            source: self.source,
            source_id: self.id,
            annotator: self.annotator,
            strength: self.strength,
            margin: said.and_then(|said| said.margin),
            created_at: self.at,
            metadata: ExportedMetadata {
                category: prompt.category.as_deref(),
                language: prompt.language.as_deref(),
                chosen_model: chosen.and_then(|response| response.model.as_deref()),
                rejected_model: rejected.model.as_deref(),
                columns: columns_text(
                    said.and_then(|said| said.columns.as_ref())
                        .or(prompt.columns.as_ref()),
                    chosen.and_then(|response| response.columns.as_ref()),
                    rejected.columns.as_ref(),
                ),
            },
        };
        line.write_to(out).map_err(|error| StoreError::Corrupt {
            what: "preference",
            value: error.to_string(),
        })
    }
}

fn parse<T: DeserializeOwned>(what: &'static str, value: &serde_json::Value) -> Result<T, StoreError> {
    T::deserialize(value).map_err(|_| StoreError::Corrupt {
        what,
        value: value.to_string().chars().take(80).collect(),
    })
}
