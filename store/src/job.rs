//! The job queue: one table, claimed by lease.
//!
//! A job is enqueued in the transaction of what it belongs to. A worker claims it for the length of a lease and renews
//! that by heartbeat; when the worker dies the lease runs out and another one goes on, from the progress that was kept
//! in the same transactions as the work itself. Whoever has lost the lease can write nothing more: all that a worker
//! writes goes through [`Store::begin_held`], or is an update that asks for the worker's name.

use std::time::Duration;

use domain::{
    Millis, identity,
    job::{Job, JobKind},
    run::{State, event::SeqEvent},
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, ExprTrait,
    FromQueryResult, QueryFilter, QueryOrder, QuerySelect, Set, Statement, UpdateMany, Value,
    sea_query::Expr,
};
use serde_json::Value as Json;
use uuid::Uuid;

use crate::{Store, StoreError, entity::job, now};

/// How often a job is claimed at most; one that took that many workers down with it fails.
pub const MAX_ATTEMPTS: i32 = 5;

/// How long a claim holds without a heartbeat.
pub const LEASE: Duration = Duration::from_secs(30);

/// A job to be put into the queue.
#[derive(Debug, Clone)]
pub struct NewJob {
    pub kind: JobKind,
    pub project_id: Option<Uuid>,
    pub run_id: Option<Uuid>,
    /// What to do, as the kind's own type serialises.
    pub payload: Json,
    pub created_by: Option<Uuid>,
}

/// A worker's hold on a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub job: Uuid,
    /// The name that the worker claimed it by.
    pub worker: String,
}

/// What a heartbeat tells the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heartbeat {
    /// Go on.
    Held,
    /// Someone wants it to stop: finish with [`Store::cancel_job`].
    CancelRequested,
    /// The lease has run out and another worker has the job: write nothing more.
    Lost,
}

/// A job that was given up.
#[derive(Debug, Clone)]
pub struct Abandoned {
    pub job: Job,
    /// What its run told of that, where it has one.
    pub told: Option<SeqEvent>,
}

/// How a job ends.
#[derive(Debug, Clone)]
pub enum Outcome {
    Done(Json),
    /// With a sentence for people, and what there is to report all the same.
    Failed(String, Option<Json>),
    Cancelled(Option<Json>),
}

impl Outcome {
    /// The state that a job ends in with this.
    pub fn state(&self) -> State {
        match self {
            Outcome::Done(_) => State::Done,
            Outcome::Failed(..) => State::Failed,
            Outcome::Cancelled(_) => State::Cancelled,
        }
    }
}

impl Store {
    /// Puts a job into the queue, in the caller's transaction.
    pub async fn enqueue_job(db: &impl ConnectionTrait, new: NewJob) -> Result<Uuid, StoreError> {
        let row = active(new, State::Queued);
        let id = row.id.clone().unwrap();
        job::Entity::insert(row).exec_without_returning(db).await?;
        Ok(id)
    }

    /// Puts the job into the queue that does what was answered to the question of job `asking`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it has been answered before, a moment ago included.
    pub async fn enqueue_answer(&self, asking: Uuid, new: NewJob) -> Result<Uuid, StoreError> {
        let id = identity::answer_id(asking);
        let mut row = active(new, State::Queued);
        row.id = Set(id);
        match job::Entity::insert(row)
            .exec_without_returning(self.writer())
            .await
        {
            Ok(_) => Ok(id),
            Err(error) if StoreError::is_duplicate(&error) => {
                Err(StoreError::Conflict("This has been answered already.".to_owned()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Puts a job into the queue as already claimed, in the caller's transaction: for work that its caller does at once.
    pub async fn start_job(
        db: &impl ConnectionTrait,
        new: NewJob,
        worker: &str,
    ) -> Result<(Job, Lease), StoreError> {
        let mut row = active(new, State::Running);
        row.worker = Set(Some(worker.to_owned()));
        row.lease_until = Set(Some(lease_end()));
        row.attempts = Set(1);
        row.started_at = Set(Some(now()));
        let made = row.insert(db).await?;
        let lease = Lease {
            job: made.id,
            worker: worker.to_owned(),
        };
        Ok((made.try_into()?, lease))
    }

    /// Claims the oldest job of these kinds that waits, or whose worker has gone; `None` if there is none.
    pub async fn claim_job(
        &self,
        worker: &str,
        kinds: &[JobKind],
    ) -> Result<Option<(Job, Lease)>, StoreError> {
        let kinds: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
        let of_kinds = format!("kind IN ('{}')", kinds.join("', '"));
        self.claim(worker, &of_kinds, None).await
    }

    /// Claims the job of a run if it waits or its worker has gone; `None` if there is none, or someone is at work on it.
    pub async fn claim_job_of_run(
        &self,
        worker: &str,
        run: Uuid,
    ) -> Result<Option<(Job, Lease)>, StoreError> {
        self.claim(worker, "run_id = $2", Some(run)).await
    }

    /// `which` may name the run as `$2`.
    async fn claim(
        &self,
        worker: &str,
        which: &str,
        run: Option<Uuid>,
    ) -> Result<Option<(Job, Lease)>, StoreError> {
        let candidates = claimable(which);
        let mut values: Vec<Value> = vec![now().into()];
        values.extend(run.map(Value::from));
        // Asked of the reader first, so that an idle worker never takes the writing connection from a judgement.
        let waiting = Statement::from_sql_and_values(self.backend(), &candidates, values.clone());
        if self.reader().query_one_raw(waiting).await?.is_none() {
            return Ok(None);
        }
        let lock = match self.is_sqlite() {
            true => "",
            false => "FOR UPDATE SKIP LOCKED",
        };
        let (name, until) = (values.len() + 1, values.len() + 2);
        let sql = format!(
            "UPDATE job SET state = 'running', worker = ${name}, lease_until = ${until}, attempts = attempts + 1,
               started_at = COALESCE(started_at, $1)
             WHERE id = ({candidates} {lock}) RETURNING *"
        );
        values.extend([worker.into(), lease_end().into()]);
        let claim = Statement::from_sql_and_values(self.backend(), sql, values);
        let Some(row) = self.writer().query_one_raw(claim).await? else {
            return Ok(None);
        };
        let row = job::Model::from_query_result(&row, "")?;
        let lease = Lease {
            job: row.id,
            worker: worker.to_owned(),
        };
        Ok(Some((row.try_into()?, lease)))
    }

    /// Fails the jobs of these kinds that took [`MAX_ATTEMPTS`] workers down, each together with its run.
    pub async fn fail_abandoned_jobs(&self, kinds: &[JobKind]) -> Result<Vec<Abandoned>, StoreError> {
        let spellings: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
        let lost = job::Entity::find()
            .filter(job::Column::Kind.is_in(spellings))
            .filter(job::Column::State.eq(State::Running.as_str()))
            .filter(job::Column::LeaseUntil.lt(now()))
            .filter(job::Column::Attempts.gte(MAX_ATTEMPTS));
        let mut failed = Vec::new();
        for row in lost.all(self.reader()).await? {
            let sentence =
                format!("Given up: the worker stopped {MAX_ATTEMPTS} times while it was at work on this.");
            let transaction = self.begin().await?;
            let changed = job::Entity::update_many()
                .col_expr(job::Column::State, Expr::value(State::Failed.as_str()))
                .col_expr(job::Column::Error, Expr::value(sentence.as_str()))
                .col_expr(job::Column::FinishedAt, Expr::value(now()))
                .filter(job::Column::Id.eq(row.id))
                .filter(job::Column::State.eq(State::Running.as_str()))
                .filter(job::Column::LeaseUntil.lt(now()))
                .exec(&transaction)
                .await?;
            if changed.rows_affected == 0 {
                continue;
            }
            let told = match row.run_id {
                Some(run) => Store::fail_run_in(&transaction, run, &sentence).await?,
                None => None,
            };
            transaction.commit().await?;
            let job = self.find_job(row.id).await?;
            failed.push(Abandoned { job, told });
        }
        Ok(failed)
    }

    /// Renews the lease.
    pub async fn heartbeat_job(&self, lease: &Lease) -> Result<Heartbeat, StoreError> {
        let renewed = held(lease)
            .col_expr(job::Column::LeaseUntil, Expr::value(lease_end()))
            .exec_with_returning(self.writer())
            .await?;
        Ok(match renewed.first() {
            Some(row) if row.cancel_requested => Heartbeat::CancelRequested,
            Some(_) => Heartbeat::Held,
            None => Heartbeat::Lost,
        })
    }

    /// Starts a transaction of the job's worker, or refuses with [`StoreError::LeaseLost`]. The job's row is held
    /// until it ends, so that nobody takes the job in between: what is written in it is written by who has the job.
    pub async fn begin_held(&self, lease: &Lease) -> Result<DatabaseTransaction, StoreError> {
        let transaction = self.begin().await?;
        let own = job::Entity::find_by_id(lease.job)
            .filter(job::Column::State.eq(State::Running.as_str()))
            .filter(job::Column::Worker.eq(lease.worker.as_str()))
            .lock_exclusive();
        match own.one(&transaction).await? {
            Some(_) => Ok(transaction),
            None => Err(StoreError::LeaseLost),
        }
    }

    /// Keeps how far the job is, in the caller's transaction. If the lease is lost: roll back.
    pub async fn set_job_progress(
        db: &impl ConnectionTrait,
        lease: &Lease,
        progress: Json,
    ) -> Result<(), StoreError> {
        let kept = held(lease)
            .col_expr(job::Column::Progress, Expr::value(progress))
            .exec(db)
            .await?;
        still_held(kept.rows_affected)
    }

    /// Ends a job that is its own subject, as an import is; a run ends with its job: [`Store::finish_run`].
    pub async fn finish_job(&self, lease: &Lease, outcome: Outcome) -> Result<(), StoreError> {
        Store::finish_job_in(self.writer(), lease, outcome).await
    }

    /// Ends the job in the caller's transaction. If the lease is lost: roll back.
    pub(crate) async fn finish_job_in(
        db: &impl ConnectionTrait,
        lease: &Lease,
        outcome: Outcome,
    ) -> Result<(), StoreError> {
        let state = outcome.state();
        let (result, error) = match outcome {
            Outcome::Done(result) => (Some(result), None),
            Outcome::Failed(sentence, result) => (result, Some(sentence)),
            Outcome::Cancelled(result) => (result, None),
        };
        let ended = held(lease)
            .col_expr(job::Column::State, Expr::value(state.as_str()))
            .col_expr(job::Column::Result, Expr::value(result))
            .col_expr(job::Column::Error, Expr::value(error))
            .col_expr(job::Column::LeaseUntil, Expr::value(None::<Millis>))
            .col_expr(job::Column::FinishedAt, Expr::value(now()))
            .exec(db)
            .await?;
        still_held(ended.rows_affected)
    }

    /// Hands the job back unfinished, for the next worker to go on with; so on shutdown. It does not count as an
    /// attempt.
    pub async fn release_job(&self, lease: &Lease) -> Result<(), StoreError> {
        Store::release_job_in(self.writer(), lease).await
    }

    /// Hands the job back in the caller's transaction.
    pub(crate) async fn release_job_in(db: &impl ConnectionTrait, lease: &Lease) -> Result<(), StoreError> {
        let released = held(lease)
            .col_expr(job::Column::State, Expr::value(State::Queued.as_str()))
            .col_expr(job::Column::Worker, Expr::value(None::<String>))
            .col_expr(job::Column::LeaseUntil, Expr::value(None::<Millis>))
            .col_expr(job::Column::Attempts, Expr::col(job::Column::Attempts).sub(1))
            .exec(db)
            .await?;
        still_held(released.rows_affected)
    }

    /// Asks a job to stop. One that waits is cancelled at once; one that runs stops when its worker next looks.
    /// Returns the state it is in now.
    pub async fn cancel_job(&self, id: Uuid) -> Result<State, StoreError> {
        Store::cancel_job_in(self.writer(), id).await
    }

    /// As [`Store::cancel_job`], in the caller's transaction.
    pub(crate) async fn cancel_job_in(db: &impl ConnectionTrait, id: Uuid) -> Result<State, StoreError> {
        let of = |state: State| {
            job::Entity::update_many()
                .filter(job::Column::Id.eq(id))
                .filter(job::Column::State.eq(state.as_str()))
        };
        let at_once = of(State::Queued)
            .col_expr(job::Column::State, Expr::value(State::Cancelled.as_str()))
            .col_expr(job::Column::FinishedAt, Expr::value(now()))
            .exec(db)
            .await?;
        if at_once.rows_affected == 0 {
            of(State::Running)
                .col_expr(job::Column::CancelRequested, Expr::value(true))
                .exec(db)
                .await?;
        }
        let found = job::Entity::find_by_id(id).one(db).await?;
        Ok(Job::try_from(found.ok_or(StoreError::NotFound("The job"))?)?.state)
    }

    /// The leases that are held, or were when their worker stopped: job and worker.
    pub async fn list_leases(&self) -> Result<Vec<(Uuid, String)>, StoreError> {
        let rows = job::Entity::find()
            .filter(job::Column::State.eq(State::Running.as_str()))
            .all(self.reader())
            .await?;
        Ok(rows
            .into_iter()
            .filter_map(|row| Some((row.id, row.worker?)))
            .collect())
    }

    /// Ends a lease whose worker is known to be gone, so that the job can be claimed at once.
    pub async fn expire_lease(&self, lease: &Lease) -> Result<(), StoreError> {
        held(lease)
            .col_expr(job::Column::LeaseUntil, Expr::value(now() - 1))
            .exec(self.writer())
            .await?;
        Ok(())
    }

    /// The job of this identifier.
    pub async fn find_job(&self, id: Uuid) -> Result<Job, StoreError> {
        let found = job::Entity::find_by_id(id).one(self.reader()).await?;
        found.ok_or(StoreError::NotFound("The job"))?.try_into()
    }

    /// The newest job of a training run.
    pub async fn find_job_of_run(&self, run: Uuid) -> Result<Option<Job>, StoreError> {
        let found = job::Entity::find()
            .filter(job::Column::RunId.eq(run))
            .order_by_desc(job::Column::CreatedAt)
            .order_by_desc(job::Column::Id)
            .one(self.reader())
            .await?;
        found.map(Job::try_from).transpose()
    }

    /// The newest jobs of a kind in a project, newest first.
    pub async fn list_jobs(&self, project: Uuid, kind: JobKind, limit: u64) -> Result<Vec<Job>, StoreError> {
        let rows = job::Entity::find()
            .filter(job::Column::ProjectId.eq(project))
            .filter(job::Column::Kind.eq(kind.as_str()))
            .order_by_desc(job::Column::CreatedAt)
            .limit(limit)
            .all(self.reader())
            .await?;
        rows.into_iter().map(Job::try_from).collect()
    }

    /// All jobs of a kind that wait or run.
    pub async fn list_unfinished_jobs(&self, kind: JobKind) -> Result<Vec<Job>, StoreError> {
        let unfinished = [State::Queued, State::Running].map(State::as_str);
        let rows = job::Entity::find()
            .filter(job::Column::Kind.eq(kind.as_str()))
            .filter(job::Column::State.is_in(unfinished))
            .all(self.reader())
            .await?;
        rows.into_iter().map(Job::try_from).collect()
    }
}

/// The oldest job that may be claimed at the time `$1`.
fn claimable(which: &str) -> String {
    format!(
        "SELECT id FROM job WHERE {which}
           AND (state = 'queued' OR (state = 'running' AND lease_until < $1 AND attempts < {MAX_ATTEMPTS}))
         ORDER BY created_at, id LIMIT 1"
    )
}

/// An update of the job as long as the lease is held.
fn held(lease: &Lease) -> UpdateMany<job::Entity> {
    job::Entity::update_many()
        .filter(job::Column::Id.eq(lease.job))
        .filter(job::Column::State.eq(State::Running.as_str()))
        .filter(job::Column::Worker.eq(lease.worker.as_str()))
}

fn still_held(rows: u64) -> Result<(), StoreError> {
    match rows {
        0 => Err(StoreError::LeaseLost),
        _ => Ok(()),
    }
}

fn lease_end() -> Millis {
    now() + LEASE.as_millis() as Millis
}

fn active(new: NewJob, state: State) -> job::ActiveModel {
    job::ActiveModel {
        id: Set(Uuid::now_v7()),
        kind: Set(new.kind.as_str().to_owned()),
        state: Set(state.as_str().to_owned()),
        project_id: Set(new.project_id),
        run_id: Set(new.run_id),
        payload: Set(new.payload),
        progress: Set(None),
        result: Set(None),
        error: Set(None),
        attempts: Set(0),
        worker: Set(None),
        lease_until: Set(None),
        cancel_requested: Set(false),
        created_by: Set(new.created_by),
        created_at: Set(now()),
        started_at: Set(None),
        finished_at: Set(None),
    }
}

impl TryFrom<job::Model> for Job {
    type Error = StoreError;

    fn try_from(row: job::Model) -> Result<Job, StoreError> {
        let corrupt = |what, value: &str| StoreError::Corrupt {
            what,
            value: value.to_owned(),
        };
        let kind = JobKind::ALL.into_iter().find(|kind| kind.as_str() == row.kind);
        let state = State::ALL.into_iter().find(|state| state.as_str() == row.state);
        Ok(Job {
            id: row.id,
            kind: kind.ok_or_else(|| corrupt("job kind", &row.kind))?,
            state: state.ok_or_else(|| corrupt("job state", &row.state))?,
            project_id: row.project_id,
            run_id: row.run_id,
            payload: row.payload,
            progress: row.progress,
            result: row.result,
            error: row.error,
            attempts: row.attempts,
            cancel_requested: row.cancel_requested,
            created_by: row.created_by,
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
        })
    }
}
