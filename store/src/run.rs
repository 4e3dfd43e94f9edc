//! Training runs: made together with their job, and moved from state to state.

#[cfg(test)]
mod tests;
mod told;

use domain::{
    job::JobKind,
    run::{
        MAX_NAME, Metrics, Run, RunData, State,
        data::{DataChoice, DataCounts, HeldOut, MAX_HELD_OUT_PERCENT},
        event::{RunEvent, SeqEvent},
    },
};
use recipe::Recipe;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseTransaction, EntityTrait, ExprTrait, QueryFilter, QueryOrder,
    QuerySelect, Set, UpdateMany, sea_query::Expr,
};
use serde_json::json;
use uuid::Uuid;

use self::told::append;
use crate::{
    Store, StoreError,
    entity::run,
    job::{Lease, NewJob, Outcome},
    now, refuse_nul,
};

/// A run to be made.
#[derive(Debug, Clone)]
pub struct NewRun {
    pub project_id: Uuid,
    /// Empty for a name after the method and the number of the run.
    pub name: String,
    pub settings: Recipe,
    pub choice: DataChoice,
    pub created_by: Option<Uuid>,
}

/// How a run's work ends.
#[derive(Debug, Clone)]
pub enum RunEnd {
    Done(Box<Metrics>),
    /// With a sentence for people.
    Failed(String),
    Cancelled,
}

impl Store {
    /// Makes a run and puts its job into the queue, both or neither.
    pub async fn create_run(&self, new: NewRun) -> Result<Run, StoreError> {
        let transaction = self.begin().await?;
        let made = insert_run(&transaction, new).await?;
        let job = train_job((made.id, made.project_id), made.created_by);
        Store::enqueue_job(&transaction, job).await?;
        transaction.commit().await?;
        made.try_into()
    }

    /// Makes a run whose caller trains it at once, with a job that is already claimed by `worker`, both or neither.
    pub async fn start_run(&self, new: NewRun, worker: &str) -> Result<(Run, Lease), StoreError> {
        let transaction = self.begin().await?;
        let made = insert_run(&transaction, new).await?;
        let job = train_job((made.id, made.project_id), made.created_by);
        let (_, lease) = Store::start_job(&transaction, job, worker).await?;
        transaction.commit().await?;
        Ok((made.try_into()?, lease))
    }

    /// The run of this identifier.
    pub async fn find_run(&self, id: Uuid) -> Result<Run, StoreError> {
        let found = run::Entity::find_by_id(id).one(self.reader()).await?;
        found.ok_or(StoreError::NotFound("The run"))?.try_into()
    }

    /// A project's runs, newest first.
    pub async fn list_runs(&self, project: Uuid, limit: u64) -> Result<Vec<Run>, StoreError> {
        let rows = run::Entity::find()
            .filter(run::Column::ProjectId.eq(project))
            .order_by_desc(run::Column::CreatedAt)
            .order_by_desc(run::Column::Id)
            .limit(limit)
            .all(self.reader())
            .await?;
        rows.into_iter().map(Run::try_from).collect()
    }

    /// The run of a project that was done last; None if none is done.
    pub async fn find_latest_done_run(&self, project: Uuid) -> Result<Option<Run>, StoreError> {
        let found = run::Entity::find()
            .filter(run::Column::ProjectId.eq(project))
            .filter(run::Column::State.eq(State::Done.as_str()))
            .order_by_desc(run::Column::FinishedAt)
            .one(self.reader())
            .await?;
        found.map(Run::try_from).transpose()
    }

    /// The worker that holds the run's job begins with it.
    pub async fn begin_run(&self, id: Uuid, lease: &Lease) -> Result<SeqEvent, StoreError> {
        let transaction = self.begin_held(lease).await?;
        let first = Expr::col(run::Column::StartedAt).if_null(now());
        let begun = moved(id, State::Running, None).col_expr(run::Column::StartedAt, first);
        let told = tell_moved(&transaction, id, begun, (State::Running, None)).await?;
        transaction.commit().await?;
        Ok(told)
    }

    /// Ends a run and its job, in one transaction.
    pub async fn finish_run(&self, id: Uuid, lease: &Lease, end: RunEnd) -> Result<SeqEvent, StoreError> {
        let transaction = self.begin_held(lease).await?;
        let (state, error, outcome) = match &end {
            RunEnd::Done(metrics) => (State::Done, None, Outcome::Done(to_json(metrics)?)),
            RunEnd::Failed(why) => (State::Failed, Some(&**why), Outcome::Failed(why.clone(), None)),
            RunEnd::Cancelled => (State::Cancelled, None, Outcome::Cancelled(None)),
        };
        let mut ended = ended(id, state, error);
        if let RunEnd::Done(metrics) = &end {
            ended = ended.col_expr(run::Column::Metrics, Expr::value(to_json(metrics)?));
        }
        let told = tell_moved(&transaction, id, ended, (state, error)).await?;
        Store::finish_job_in(&transaction, lease, outcome).await?;
        transaction.commit().await?;
        Ok(told)
    }

    /// Hands a run and its job back unfinished, in one transaction, for the next worker to go on with.
    pub async fn release_run(&self, id: Uuid, lease: &Lease) -> Result<SeqEvent, StoreError> {
        let transaction = self.begin_held(lease).await?;
        let waits = moved(id, State::Queued, None);
        let told = tell_moved(&transaction, id, waits, (State::Queued, None)).await?;
        Store::release_job_in(&transaction, lease).await?;
        transaction.commit().await?;
        Ok(told)
    }

    /// Keeps what the run's data choice came to when it first started.
    pub async fn set_run_counts(
        &self,
        run: &Run,
        lease: &Lease,
        counts: DataCounts,
    ) -> Result<(), StoreError> {
        let data = RunData {
            counts: Some(counts),
            ..run.data.clone()
        };
        let transaction = self.begin_held(lease).await?;
        run::Entity::update_many()
            .col_expr(run::Column::Data, Expr::value(to_json(&data)?))
            .filter(run::Column::Id.eq(run.id))
            .exec(&transaction)
            .await?;
        Ok(transaction.commit().await?)
    }

    /// The run of a job that was given up fails, in the caller's transaction; nothing if it has ended already.
    pub(crate) async fn fail_run_in(
        db: &DatabaseTransaction,
        id: Uuid,
        why: &str,
    ) -> Result<Option<SeqEvent>, StoreError> {
        let state = (State::Failed, Some(why));
        match tell_moved(db, id, ended(id, state.0, state.1), state).await {
            Ok(told) => Ok(Some(told)),
            Err(StoreError::Conflict(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The newest job of a run is asked to stop; a run that still waits is cancelled at once, together with its job.
    pub async fn cancel_run(&self, id: Uuid) -> Result<State, StoreError> {
        let job = self.find_job_of_run(id).await?;
        let transaction = self.begin().await?;
        let state = match job {
            Some(job) if !job.state.is_final() => Store::cancel_job_in(&transaction, job.id).await?,
            _ => State::Cancelled,
        };
        if state == State::Cancelled {
            tell_moved(&transaction, id, ended(id, state, None), (state, None)).await?;
        }
        transaction.commit().await?;
        Ok(state)
    }

    /// Puts a run that failed or was cancelled back into the queue, with a new job; what is in its folder is gone on with.
    pub async fn resume_run(&self, id: Uuid, by: Option<Uuid>) -> Result<(), StoreError> {
        let run = self.find_run(id).await?;
        let transaction = self.begin().await?;
        let changed = run::Entity::update_many()
            .col_expr(run::Column::State, Expr::value(State::Queued.as_str()))
            .col_expr(run::Column::Error, Expr::value(None::<String>))
            .col_expr(run::Column::FinishedAt, Expr::value(None::<i64>))
            .filter(run::Column::Id.eq(id))
            .filter(run::Column::State.is_in([State::Failed.as_str(), State::Cancelled.as_str()]))
            .exec(&transaction)
            .await?;
        if changed.rows_affected == 0 {
            return Err(StoreError::Conflict(
                "Only a run that failed or was cancelled can go on.".into(),
            ));
        }
        let event = RunEvent::State {
            state: State::Queued,
            error: None,
        };
        append(&transaction, id, &[event]).await?;
        Store::enqueue_job(&transaction, train_job((id, run.project_id), by)).await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// An update of a run that has not ended: a final state stays.
fn moved(id: Uuid, to: State, error: Option<&str>) -> UpdateMany<run::Entity> {
    run::Entity::update_many()
        .col_expr(run::Column::State, Expr::value(to.as_str()))
        .col_expr(run::Column::Error, Expr::value(error))
        .filter(run::Column::Id.eq(id))
        .filter(run::Column::State.is_in([State::Queued.as_str(), State::Running.as_str()]))
}

/// As [`moved`], to a final state.
fn ended(id: Uuid, to: State, error: Option<&str>) -> UpdateMany<run::Entity> {
    moved(id, to, error).col_expr(run::Column::FinishedAt, Expr::value(now()))
}

/// Moves a run and tells so; a conflict if it has ended.
async fn tell_moved(
    db: &DatabaseTransaction,
    id: Uuid,
    update: UpdateMany<run::Entity>,
    (state, error): (State, Option<&str>),
) -> Result<SeqEvent, StoreError> {
    if update.exec(db).await?.rows_affected == 0 {
        return Err(StoreError::Conflict("The run has ended already.".into()));
    }
    let event = RunEvent::State {
        state,
        error: error.map(str::to_owned),
    };
    let told = append(db, id, &[event]).await?;
    told.into_iter().next().ok_or(StoreError::NotFound("The run"))
}

async fn insert_run(db: &DatabaseTransaction, new: NewRun) -> Result<run::Model, StoreError> {
    refuse_nul(&new.name)?;
    if let HeldOut::Share { percent, .. } = new.choice.held_out
        && percent > MAX_HELD_OUT_PERCENT
    {
        return Err(StoreError::Invalid(format!(
            "At most {MAX_HELD_OUT_PERCENT} % of the prompts can be held out."
        )));
    }
    let mut name = new.name.trim().to_owned();
    if name.is_empty() {
        let earlier = sea_orm::PaginatorTrait::count(
            run::Entity::find().filter(run::Column::ProjectId.eq(new.project_id)),
            db,
        )
        .await?;
        name = format!("{} {}", new.settings.method.as_str(), earlier + 1);
    }
    if name.chars().count() > MAX_NAME {
        return Err(StoreError::Invalid(format!(
            "A run's name has at most {MAX_NAME} characters."
        )));
    }
    let row = run::ActiveModel {
        id: Set(Uuid::now_v7()),
        project_id: Set(new.project_id),
        name: Set(name),
        state: Set(State::Queued.as_str().to_owned()),
        config: Set(to_json(&new.settings)?),
        data: Set(to_json(&RunData {
            choice: new.choice,
            counts: None,
        })?),
        metrics: Set(None),
        error: Set(None),
        created_by: Set(new.created_by),
        created_at: Set(now()),
        started_at: Set(None),
        finished_at: Set(None),
    };
    let made = row.insert(db).await?;
    let event = RunEvent::State {
        state: State::Queued,
        error: None,
    };
    append(db, made.id, &[event]).await?;
    Ok(made)
}

fn train_job((run, project): (Uuid, Uuid), by: Option<Uuid>) -> NewJob {
    NewJob {
        kind: JobKind::Train,
        project_id: Some(project),
        run_id: Some(run),
        payload: json!({}),
        created_by: by,
    }
}

fn to_json(value: &impl serde::Serialize) -> Result<serde_json::Value, StoreError> {
    serde_json::to_value(value).map_err(|error| StoreError::Invalid(error.to_string()))
}

impl TryFrom<run::Model> for Run {
    type Error = StoreError;

    fn try_from(row: run::Model) -> Result<Run, StoreError> {
        let corrupt = |what, value: String| StoreError::Corrupt { what, value };
        let state = State::ALL.into_iter().find(|state| state.as_str() == row.state);
        Ok(Run {
            id: row.id,
            project_id: row.project_id,
            name: row.name,
            state: state.ok_or_else(|| corrupt("run state", row.state))?,
            settings: serde_json::from_value(row.config)
                .map_err(|error| corrupt("run settings", error.to_string()))?,
            data: serde_json::from_value(row.data).map_err(|error| corrupt("run data", error.to_string()))?,
            metrics: row
                .metrics
                .and_then(|metrics| serde_json::from_value(metrics).ok()),
            error: row.error,
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
        })
    }
}
