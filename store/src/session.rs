//! Sessions of browsers, as the session layer serialises them.

use domain::Millis;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Set, sea_query::OnConflict};
use serde_json::Value;

use crate::{Store, StoreError, entity::session, now};

/// A session as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionRow {
    pub id: String,
    pub data: Value,
    pub expires_at: Millis,
}

impl Store {
    /// Adds a session; false if its identifier is taken.
    pub async fn insert_session(&self, row: SessionRow) -> Result<bool, StoreError> {
        match session::Entity::insert(active(row))
            .exec_without_returning(self.writer())
            .await
        {
            Ok(_) => Ok(true),
            Err(error) if StoreError::is_duplicate(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Saves a session, new or known.
    pub async fn save_session(&self, row: SessionRow) -> Result<(), StoreError> {
        session::Entity::insert(active(row))
            .on_conflict(
                OnConflict::column(session::Column::Id)
                    .update_columns([session::Column::Data, session::Column::ExpiresAt])
                    .to_owned(),
            )
            .exec_without_returning(self.writer())
            .await?;
        Ok(())
    }

    /// The session of this identifier, unless it has expired.
    pub async fn find_session(&self, id: &str) -> Result<Option<SessionRow>, StoreError> {
        let found = session::Entity::find_by_id(id)
            .filter(session::Column::ExpiresAt.gt(now()))
            .one(self.reader())
            .await?;
        Ok(found.map(|row| SessionRow {
            id: row.id,
            data: row.data,
            expires_at: row.expires_at,
        }))
    }

    /// Ends a session.
    pub async fn delete_session(&self, id: &str) -> Result<(), StoreError> {
        session::Entity::delete_by_id(id).exec(self.writer()).await?;
        Ok(())
    }

    /// Clears away the sessions that have expired; says how many.
    pub async fn delete_expired_sessions(&self) -> Result<u64, StoreError> {
        let gone = session::Entity::delete_many()
            .filter(session::Column::ExpiresAt.lte(now()))
            .exec(self.writer())
            .await?;
        Ok(gone.rows_affected)
    }
}

fn active(row: SessionRow) -> session::ActiveModel {
    session::ActiveModel {
        id: Set(row.id),
        data: Set(row.data),
        expires_at: Set(row.expires_at),
    }
}
