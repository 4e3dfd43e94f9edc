//! From judgements and corrections in force to the pairs that a model learns from.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use domain::{
    Millis,
    prompt::Message,
    run::data::{DataChoice, DataCounts, HeldOut, JudgementSource, is_held_out},
    user::UserKind,
};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, Statement};
use uuid::Uuid;

use crate::{
    Store, StoreError,
    entity::{prompt, response},
    now,
};

mod rows;
#[cfg(test)]
mod tests;

use rows::{ANNOTATORS, AnnotatorRow, CORRECTIONS, CorrectionRow, JUDGEMENTS, JudgementRow, TIED};

/// One preference, by reference.
#[derive(Debug, Clone, PartialEq)]
pub struct SelectedPair {
    /// The judgement or correction that says so.
    pub source: Uuid,
    pub comparison_id: Uuid,
    pub prompt_id: Uuid,
    pub category: Option<String>,
    pub chosen: Chosen,
    pub rejected: Uuid,
    /// Responses that are ranked below the rejected one, from better to worse: with the two a whole ranking. Empty for pairs.
    pub lower: Vec<Uuid>,
    /// How clearly, 1 to 3 steps; None for rankings and corrections.
    pub strength: Option<i32>,
    /// By how much a dataset wants the chosen reward to lead.
    pub margin: Option<f64>,
    /// Neither is preferred.
    pub tied: bool,
    /// The same for prompts that differ in white space alone.
    prompt_hash: Arc<str>,
}

impl SelectedPair {
    /// The stored responses that it is about.
    fn responses(&self) -> impl Iterator<Item = Uuid> {
        let chosen = match self.chosen {
            Chosen::Response(id) => Some(id),
            Chosen::Correction(_) => None,
        };
        chosen
            .into_iter()
            .chain([self.rejected])
            .chain(self.lower.iter().copied())
    }

    /// A whole ranking as the pairs that it says; a pair as it is.
    pub(crate) fn into_pairs(self) -> Vec<Self> {
        let mut below = vec![self.rejected];
        below.extend(&self.lower);
        let pair = |chosen: Chosen, rejected: Uuid| Self {
            chosen,
            rejected,
            lower: Vec::new(),
            ..self.clone()
        };
        let mut pairs = Vec::new();
        let mut chosen = self.chosen.clone();
        for (index, next) in below.iter().enumerate() {
            pairs.extend(below[index..].iter().map(|worse| pair(chosen.clone(), *worse)));
            chosen = Chosen::Response(*next);
        }
        pairs
    }
}

/// What is preferred: a response, or the words of a correction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chosen {
    Response(Uuid),
    Correction(Arc<str>),
}

/// The pairs that a [`DataChoice`] selects, in the order of the comparisons.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    pub train: Vec<SelectedPair>,
    pub held_out: Vec<SelectedPair>,
    pub counts: DataCounts,
}

/// A pair with its texts.
#[derive(Debug, Clone, PartialEq)]
pub struct TextPair {
    pub source: Uuid,
    pub prompt: Arc<Vec<Message>>,
    pub chosen: Arc<str>,
    pub rejected: Arc<str>,
    pub lower: Vec<Arc<str>>,
    pub strength: Option<i32>,
    pub margin: Option<f64>,
    pub tied: bool,
}

/// Someone whose judgements stand in a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotator {
    pub id: Uuid,
    pub name: String,
    pub imported: bool,
    pub judgements: u64,
}

impl Store {
    /// Selects the pairs of a project as they stand now, and splits them by prompt.
    pub async fn select_pairs(&self, project: Uuid, choice: &DataChoice) -> Result<Selection, StoreError> {
        let at = now();
        // Without a bound: another server's clock may be ahead.
        let mut selection = self.select_pairs_as_of(project, choice, Millis::MAX).await?;
        selection.counts.selected_at = Some(at);
        Ok(selection)
    }

    /// As [`Store::select_pairs`] did at that time: rows are only added, so what was in force can still be told.
    pub async fn select_pairs_as_of(
        &self,
        project: Uuid,
        choice: &DataChoice,
        time: Millis,
    ) -> Result<Selection, StoreError> {
        let own = self.project_pairs(project, choice, time).await?;
        let mut selection = Selection::default();
        selection.counts.selected_at = Some(time);
        match &choice.held_out {
            HeldOut::Share { percent, seed } => {
                (selection.held_out, selection.train) = own
                    .into_iter()
                    .partition(|pair| is_held_out(&pair.prompt_hash, *percent, *seed));
            }
            HeldOut::Project { id } => {
                // Annotators are chosen by project; whoever judged the other one counts there.
                let everyone = DataChoice {
                    annotators: Vec::new(),
                    ..choice.clone()
                };
                selection.held_out = self.project_pairs(*id, &everyone, time).await?;
                let known: HashSet<&str> = selection.held_out.iter().map(|p| &*p.prompt_hash).collect();
                let before = own.len();
                selection.train = own
                    .into_iter()
                    .filter(|p| !known.contains(&*p.prompt_hash))
                    .collect();
                selection.counts.overlapping = (before - selection.train.len()) as u64;
            }
        }
        // Measured pair by pair, whatever is learnt from.
        let held_out = std::mem::take(&mut selection.held_out);
        selection.held_out = held_out.into_iter().flat_map(SelectedPair::into_pairs).collect();
        let both = || selection.train.iter().chain(&selection.held_out);
        let counts = &mut selection.counts;
        counts.pairs = both().count() as u64;
        counts.prompts = both().map(|pair| pair.prompt_id).collect::<HashSet<_>>().len() as u64;
        counts.from_corrections = both()
            .filter(|pair| matches!(pair.chosen, Chosen::Correction(_)))
            .count() as u64;
        counts.train = selection.train.len() as u64;
        counts.held_out = selection.held_out.len() as u64;
        Ok(selection)
    }

    /// Reads the texts of some pairs, in their order: of some hundreds at a time, since each is named in the statement.
    pub async fn load_pairs(&self, pairs: &[SelectedPair]) -> Result<Vec<TextPair>, StoreError> {
        let ids: HashSet<Uuid> = pairs.iter().map(|pair| pair.prompt_id).collect();
        let mut prompts: HashMap<Uuid, Arc<Vec<Message>>> = HashMap::new();
        let wanted = prompt::Entity::find().filter(prompt::Column::Id.is_in(ids));
        for row in wanted.all(self.reader()).await? {
            prompts.insert(row.id, Arc::new(messages(row.messages)?));
        }
        let ids: HashSet<Uuid> = pairs.iter().flat_map(SelectedPair::responses).collect();
        let wanted = response::Entity::find().filter(response::Column::Id.is_in(ids));
        let rows = wanted.all(self.reader()).await?;
        let responses: HashMap<Uuid, Arc<str>> = rows
            .into_iter()
            .map(|row| (row.id, Arc::from(row.content)))
            .collect();
        let response = |id: &Uuid| {
            responses
                .get(id)
                .cloned()
                .ok_or(StoreError::NotFound("A response"))
        };
        pairs
            .iter()
            .map(|pair| {
                Ok(TextPair {
                    source: pair.source,
                    prompt: prompts
                        .get(&pair.prompt_id)
                        .cloned()
                        .ok_or(StoreError::NotFound("A prompt"))?,
                    chosen: match &pair.chosen {
                        Chosen::Response(id) => response(id)?,
                        Chosen::Correction(text) => text.clone(),
                    },
                    rejected: response(&pair.rejected)?,
                    lower: pair.lower.iter().map(response).collect::<Result<_, _>>()?,
                    strength: pair.strength,
                    margin: pair.margin,
                    tied: pair.tied,
                })
            })
            .collect()
    }

    /// Whose judgements in force a project holds, most first.
    pub async fn list_annotators(&self, project: Uuid) -> Result<Vec<Annotator>, StoreError> {
        let rows = self.rows::<AnnotatorRow>(ANNOTATORS, project).await?;
        Ok(rows
            .into_iter()
            .map(|row| Annotator {
                id: row.id,
                name: row.name,
                imported: row.kind == UserKind::Imported.as_str(),
                judgements: u64::try_from(row.judgements).unwrap_or(0),
            })
            .collect())
    }

    async fn project_pairs(
        &self,
        project: Uuid,
        choice: &DataChoice,
        time: Millis,
    ) -> Result<Vec<SelectedPair>, StoreError> {
        let mut pairs = Vec::new();
        for row in self
            .rows_as_of::<JudgementRow>(JUDGEMENTS, (project, time))
            .await?
        {
            let wanted = from_wanted(choice, row.user_id, &row.user_kind)
                && !(choice.exclude_flagged && row.flagged)
                && (choice.rankings || row.verdict != "ranked")
                && (choice.ties || row.verdict != TIED);
            if wanted {
                row.add_pairs(choice.whole_rankings, &mut pairs)?;
            }
        }
        if choice.corrections {
            self.add_corrections((project, time), choice, &mut pairs).await?;
        }
        Ok(pairs)
    }

    async fn add_corrections(
        &self,
        of: (Uuid, Millis),
        choice: &DataChoice,
        pairs: &mut Vec<SelectedPair>,
    ) -> Result<(), StoreError> {
        for row in self.rows_as_of::<CorrectionRow>(CORRECTIONS, of).await? {
            let same = row.content.trim() == row.rejected_content.trim();
            if !from_wanted(choice, row.user_id, &row.user_kind) || same || row.content.trim().is_empty() {
                continue;
            }
            pairs.push(SelectedPair {
                source: row.id,
                comparison_id: row.comparison_id,
                prompt_id: row.prompt_id,
                category: row.category,
                chosen: Chosen::Correction(row.content.into()),
                rejected: row.rejected,
                lower: Vec::new(),
                strength: None,
                margin: None,
                tied: false,
                prompt_hash: row.prompt_hash.into(),
            });
        }
        Ok(())
    }

    pub(crate) async fn rows<R: FromQueryResult>(&self, sql: &str, id: Uuid) -> Result<Vec<R>, StoreError> {
        self.rows_of(Statement::from_sql_and_values(self.backend(), sql, [id.into()]))
            .await
    }

    async fn rows_as_of<R: FromQueryResult>(
        &self,
        sql: &str,
        (project, time): (Uuid, Millis),
    ) -> Result<Vec<R>, StoreError> {
        let values = [project.into(), time.into()];
        self.rows_of(Statement::from_sql_and_values(self.backend(), sql, values))
            .await
    }

    async fn rows_of<R: FromQueryResult>(&self, statement: Statement) -> Result<Vec<R>, StoreError> {
        let rows = self.reader().query_all_raw(statement).await?;
        Ok(rows
            .iter()
            .map(|row| R::from_query_result(row, ""))
            .collect::<Result<_, _>>()?)
    }
}

fn from_wanted(choice: &DataChoice, user: Uuid, kind: &str) -> bool {
    let source = match choice.source {
        JudgementSource::All => true,
        JudgementSource::People => kind == UserKind::Person.as_str(),
        JudgementSource::Imported => kind == UserKind::Imported.as_str(),
    };
    source && (choice.annotators.is_empty() || choice.annotators.contains(&user))
}

/// The conversation of a stored prompt.
pub(crate) fn messages(stored: serde_json::Value) -> Result<Vec<Message>, StoreError> {
    serde_json::from_value(stored).map_err(|error| StoreError::Corrupt {
        what: "conversation",
        value: error.to_string(),
    })
}
