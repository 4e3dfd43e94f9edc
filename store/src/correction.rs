//! The append-only history of corrections. One person has at most one in force on one comparison.

use domain::{correction::Correction, project::Project};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select, Set,
    sea_query::Expr,
};
use uuid::Uuid;

use crate::in_force::in_force;
use crate::{
    Store, StoreError,
    entity::{comparison, comparison_response, correction, response},
    refuse_derived,
};

impl Store {
    /// Adds a correction. The same one sent twice is one row, and the second answer is as the first.
    pub async fn insert_correction(
        &self,
        project: Uuid,
        correction: Correction,
    ) -> Result<Correction, StoreError> {
        refuse_derived(correction.id)?;
        let tx = self.begin().await?;
        let comparison = comparison::Entity::find_by_id(correction.comparison_id)
            .filter(comparison::Column::ProjectId.eq(project))
            .lock_exclusive()
            .one(&tx)
            .await?;
        let comparison = comparison.ok_or(StoreError::NotFound("The comparison"))?;
        if let Some(row) = correction::Entity::find_by_id(correction.id).one(&tx).await? {
            let stored = Correction::from(row);
            let sent = Correction {
                created_at: stored.created_at,
                ..correction
            };
            return if stored == sent {
                Ok(stored)
            } else {
                Err(StoreError::Conflict(
                    "A different correction was already sent under this identifier; the first one stands."
                        .into(),
                ))
            };
        }
        let members = comparison_response::Entity::find()
            .filter(comparison_response::Column::ComparisonId.eq(comparison.id))
            .all(&tx)
            .await?;
        let responses = response::Entity::find()
            .filter(response::Column::Id.is_in(members.iter().map(|member| member.response_id)))
            .all(&tx)
            .await?;
        correction
            .check(responses.iter().map(|row| (row.id, row.content.as_str())))
            .map_err(|error| StoreError::Invalid(error.to_string()))?;
        let current = heads(correction.user_id)
            .filter(correction::Column::ComparisonId.eq(comparison.id))
            .one(&tx)
            .await?;
        if current.map(|row| row.id) != correction.supersedes {
            return Err(StoreError::Conflict(
                "Your correction of this comparison was changed elsewhere in the meantime; look at it again."
                    .into(),
            ));
        }
        let row = correction::ActiveModel {
            id: Set(correction.id),
            project_id: Set(project),
            comparison_id: Set(correction.comparison_id),
            user_id: Set(correction.user_id),
            response_id: Set(correction.response_id),
            content: Set(correction.content.clone()),
            supersedes: Set(correction.supersedes),
            created_at: Set(correction.created_at),
        };
        row.insert(&tx).await?;
        tx.commit().await?;
        Ok(correction)
    }

    /// The person's corrections in force of these comparisons.
    pub async fn current_corrections(
        &self,
        user: Uuid,
        comparisons: &[Uuid],
    ) -> Result<Vec<Correction>, StoreError> {
        let rows = heads(user)
            .filter(correction::Column::ComparisonId.is_in(comparisons.iter().copied()))
            .all(self.reader())
            .await?;
        Ok(rows.into_iter().map(Correction::from).collect())
    }

    /// The person's corrections in force in a project, newest first.
    pub async fn list_own_corrections(
        &self,
        project: &Project,
        user: Uuid,
        limit: u64,
    ) -> Result<Vec<Correction>, StoreError> {
        let rows = heads(user)
            .filter(correction::Column::ProjectId.eq(project.id))
            .order_by_desc(correction::Column::CreatedAt)
            .order_by_desc(correction::Column::Id)
            .limit(limit)
            .all(self.reader())
            .await?;
        Ok(rows.into_iter().map(Correction::from).collect())
    }
}

/// The person's corrections that no other supersedes.
fn heads(user: Uuid) -> Select<correction::Entity> {
    correction::Entity::find()
        .filter(correction::Column::UserId.eq(user))
        .filter(Expr::cust(in_force!(correction correction)))
}

impl From<correction::Model> for Correction {
    fn from(row: correction::Model) -> Correction {
        Correction {
            id: row.id,
            comparison_id: row.comparison_id,
            user_id: row.user_id,
            response_id: row.response_id,
            content: row.content,
            supersedes: row.supersedes,
            created_at: row.created_at,
        }
    }
}
