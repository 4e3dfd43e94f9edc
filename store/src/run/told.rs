//! What runs tell on the way.

use domain::{
    Millis,
    run::event::{RunEvent, SeqEvent},
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, Set, Statement,
};
use serde_json::json;
use uuid::Uuid;

use super::to_json;
use crate::{Store, StoreError, entity::run_event, job::Lease, now};

impl Store {
    /// Adds to what a run tells, as long as the lease is held. Returns the events with their places.
    pub async fn append_run_events(
        &self,
        id: Uuid,
        lease: &Lease,
        events: &[RunEvent],
    ) -> Result<Vec<SeqEvent>, StoreError> {
        let transaction = self.begin_held(lease).await?;
        let told = append(&transaction, id, events).await?;
        let newest = told.last().map_or(0, |event| event.seq);
        Store::set_job_progress(&transaction, lease, json!({ "event": newest })).await?;
        transaction.commit().await?;
        Ok(told)
    }

    /// What a run told after the event `after` (0 for all), oldest first.
    pub async fn list_run_events(
        &self,
        id: Uuid,
        after: i64,
        limit: u64,
    ) -> Result<Vec<SeqEvent>, StoreError> {
        let rows = run_event::Entity::find()
            .filter(run_event::Column::RunId.eq(id))
            .filter(run_event::Column::Seq.gt(after))
            .order_by_asc(run_event::Column::Seq)
            .limit(limit)
            .all(self.reader())
            .await?;
        // An event of a newer version is passed over: the rest of the curve is worth showing.
        Ok(rows
            .into_iter()
            .filter_map(|row| {
                let event = serde_json::from_value(row.event).ok()?;
                Some(SeqEvent { seq: row.seq, event })
            })
            .collect())
    }

    /// What a run told, oldest first, with the times at which it was written down.
    pub async fn list_run_log(&self, id: Uuid, limit: u64) -> Result<Vec<(Millis, RunEvent)>, StoreError> {
        let rows = run_event::Entity::find()
            .filter(run_event::Column::RunId.eq(id))
            .order_by_asc(run_event::Column::Seq)
            .limit(limit)
            .all(self.reader())
            .await?;
        Ok(rows
            .into_iter()
            .filter_map(|row| Some((row.created_at, serde_json::from_value(row.event).ok()?)))
            .collect())
    }
}

/// Adds events after the newest one. Whoever appends holds the run's row (on SQLite the only writing connection), so
/// that no place is given twice.
pub(super) async fn append(
    db: &DatabaseTransaction,
    id: Uuid,
    events: &[RunEvent],
) -> Result<Vec<SeqEvent>, StoreError> {
    let backend = db.get_database_backend();
    if backend == DbBackend::Postgres {
        let lock = "SELECT id FROM run WHERE id = $1 FOR UPDATE";
        db.query_one_raw(Statement::from_sql_and_values(backend, lock, [id.into()]))
            .await?;
    }
    let newest: Option<i64> = run_event::Entity::find()
        .filter(run_event::Column::RunId.eq(id))
        .select_only()
        .column_as(run_event::Column::Seq.max(), "newest")
        .into_tuple::<Option<i64>>()
        .one(db)
        .await?
        .flatten();
    let told: Vec<SeqEvent> = (newest.unwrap_or(0) + 1..)
        .zip(events)
        .map(|(seq, event)| SeqEvent {
            seq,
            event: event.clone(),
        })
        .collect();
    let mut rows = Vec::with_capacity(told.len());
    for SeqEvent { seq, event } in &told {
        rows.push(run_event::ActiveModel {
            run_id: Set(id),
            seq: Set(*seq),
            event: Set(to_json(event)?),
            created_at: Set(now()),
        });
    }
    if !rows.is_empty() {
        run_event::Entity::insert_many(rows)
            .exec_without_returning(db)
            .await?;
    }
    Ok(told)
}
