//! Comparisons with everything that is shown of them.

use std::collections::HashMap;

use domain::{
    comparison::ComparisonKind,
    project::Project,
    prompt::{Message, Prompt, Response},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
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
