//! A lease that is taken away while its worker writes: nothing of that write stays, whatever it is.

use std::{pin::pin, time::Duration};

use domain::{
    formats::Format,
    import::ImportProgress,
    job::JobKind,
    run::{Metrics, Run, data::DataChoice, event::RunEvent},
    score::Scored,
};
use recipe::Recipe;
use serde_json::json;
use store::{
    Store, StoreError, TestDb,
    import::Importer,
    job::{Lease, Outcome},
    project::NewProject,
    run::{NewRun, RunEnd},
    sea_orm::{ConnectionTrait, Statement},
};
use uuid::Uuid;

/// All that a worker writes.
#[derive(Debug, Clone, Copy)]
enum Write {
    Progress,
    ImportedBatch,
    ImportEnd,
    RunBegins,
    RunCounts,
    RunEvents,
    Scores,
    RunDone,
    RunFailed,
    RunCancelled,
    RunHandedBack,
    JobHandedBack,
}

const WRITES: [Write; 12] = [
    Write::Progress,
    Write::ImportedBatch,
    Write::ImportEnd,
    Write::RunBegins,
    Write::RunCounts,
    Write::RunEvents,
    Write::Scores,
    Write::RunDone,
    Write::RunFailed,
    Write::RunCancelled,
    Write::RunHandedBack,
    Write::JobHandedBack,
];

/// A run with its job in the hands of the worker “one”.
struct Work {
    store: Store,
    run: Run,
    lease: Lease,
    response: Uuid,
}

impl Work {
    async fn begin(store: &Store) -> Work {
        let new = NewProject {
            name: Uuid::new_v4().to_string(),
            instructions: String::new(),
            demo: false,
            created_by: None,
        };
        let project_id = store.insert_project(new).await.unwrap().id;
        import(store, project_id, "first", None).await.unwrap();
        let new = NewRun {
            project_id,
            name: String::new(),
            settings: Recipe::as_before(),
            choice: DataChoice::default(),
            created_by: None,
        };
        let (run, lease) = store.start_run(new, "one").await.unwrap();
        let responses = store
            .list_unscored_responses(run.id, project_id, 1)
            .await
            .unwrap();
        Work {
            store: store.clone(),
            run,
            lease,
            response: responses[0].id,
        }
    }

    async fn write(&self, write: Write) -> Result<(), StoreError> {
        let Work {
            store, run, lease, ..
        } = self;
        match write {
            Write::Progress => Store::set_job_progress(store.writer(), lease, json!({"line": 7})).await,
            Write::ImportedBatch => import(store, run.project_id, "second", Some(lease)).await,
            Write::ImportEnd => store.finish_job(lease, Outcome::Done(json!({}))).await,
            Write::RunBegins => store.begin_run(run.id, lease).await.map(drop),
            Write::RunCounts => store.set_run_counts(run, lease, Default::default()).await,
            Write::RunEvents => {
                let events = [RunEvent::Checkpointed { step: 1 }];
                store.append_run_events(run.id, lease, &events).await.map(drop)
            }
            Write::Scores => {
                let scored = Scored {
                    reward: 1.0,
                    tokens: 3,
                    cut_tokens: 0,
                    spread: None,
                };
                store
                    .upsert_scores(run.id, lease, &[(self.response, scored)])
                    .await
            }
            Write::RunDone => self.end(RunEnd::Done(Box::<Metrics>::default())).await,
            Write::RunFailed => self.end(RunEnd::Failed("It broke.".into())).await,
            Write::RunCancelled => self.end(RunEnd::Cancelled).await,
            Write::RunHandedBack => store.release_run(run.id, lease).await.map(drop),
            Write::JobHandedBack => store.release_job(lease).await,
        }
    }

    async fn end(&self, end: RunEnd) -> Result<(), StoreError> {
        self.store
            .finish_run(self.run.id, &self.lease, end)
            .await
            .map(drop)
    }

    /// Everything that a worker may have changed.
    async fn stored(&self) -> String {
        let (store, run) = (&self.store, self.run.id);
        format!(
            "{:#?}",
            (
                store.find_run(run).await.unwrap(),
                store.find_job(self.lease.job).await.unwrap(),
                store.list_run_events(run, 0, 100).await.unwrap(),
                store
                    .count_scored_responses(run, self.run.project_id)
                    .await
                    .unwrap(),
                store.summarise_project(self.run.project_id).await.unwrap(),
            )
        )
    }

    fn taken_by_another(&self) -> Statement {
        let sql = "UPDATE job SET worker = 'two' WHERE id = $1";
        Statement::from_sql_and_values(self.store.backend(), sql, [self.lease.job.into()])
    }
}

async fn import(store: &Store, project: Uuid, prompt: &str, lease: Option<&Lease>) -> Result<(), StoreError> {
    let line = json!({"prompt": prompt, "chosen": "a", "rejected": "b"}).to_string();
    let rows = [Format::Trl.read(1, line.as_bytes()).unwrap()];
    let mut importer = Importer::new(store.clone(), project, Uuid::now_v7(), None);
    importer
        .insert(&rows, &mut ImportProgress::default(), lease)
        .await
}

#[tokio::test]
async fn a_lease_taken_away_in_the_middle_of_a_write_takes_the_write_with_it() {
    for db in TestDb::each().await {
        for write in WRITES {
            let work = Work::begin(&db.store()).await;
            let before = work.stored().await;
            let thief = db.begin().await.unwrap();
            thief.execute_raw(work.taken_by_another()).await.unwrap();
            let mut writing = pin!(work.write(write));
            let early = tokio::time::timeout(Duration::from_millis(40), &mut writing).await;
            assert!(early.is_err(), "{write:?} does not wait for who takes the job");
            thief.commit().await.unwrap();
            let late = writing.await;
            assert!(matches!(late, Err(StoreError::LeaseLost)), "{write:?}: {late:?}");
            assert_eq!(work.stored().await, before, "{write:?} on {:?}", db.backend());
        }
    }
}

#[tokio::test]
async fn each_write_of_the_worker_that_has_the_job_stays() {
    for db in TestDb::each().await {
        for write in WRITES {
            let work = Work::begin(&db.store()).await;
            let before = work.stored().await;
            work.write(write).await.unwrap();
            assert_ne!(work.stored().await, before, "{write:?} on {:?}", db.backend());
        }
    }
}

#[tokio::test]
async fn nobody_takes_a_job_while_its_worker_writes() {
    for db in TestDb::each().await {
        let work = Work::begin(&db.store()).await;
        let sql = "UPDATE job SET lease_until = 1 WHERE id = $1";
        let expired =
            Statement::from_sql_and_values(db.writer().get_database_backend(), sql, [work.lease.job.into()]);
        db.writer().execute_raw(expired).await.unwrap();
        let writing = db.begin_held(&work.lease).await.unwrap();
        let claim = tokio::time::timeout(Duration::from_millis(40), db.claim_job("two", &[JobKind::Train]));
        // PostgreSQL passes over the row, SQLite waits for its writer.
        assert!(matches!(claim.await, Err(_) | Ok(Ok(None))), "{:?}", db.backend());
        Store::set_job_progress(&writing, &work.lease, json!({"line": 7}))
            .await
            .unwrap();
        writing.commit().await.unwrap();
        let (job, _) = db.claim_job("two", &[JobKind::Train]).await.unwrap().unwrap();
        assert_eq!(job.progress, Some(json!({"line": 7})));
    }
}

#[tokio::test]
async fn a_job_given_up_ends_with_its_run() {
    for db in TestDb::each().await {
        let work = Work::begin(&db.store()).await;
        let sql = "UPDATE job SET lease_until = 1, attempts = 5 WHERE id = $1";
        let dead =
            Statement::from_sql_and_values(db.writer().get_database_backend(), sql, [work.lease.job.into()]);
        db.writer().execute_raw(dead).await.unwrap();
        let given_up = db.fail_abandoned_jobs(&[JobKind::Train]).await.unwrap();
        assert!(given_up[0].told.is_some());
        let run = db.find_run(work.run.id).await.unwrap();
        assert_eq!(Some(run.state), Some(given_up[0].job.state));
        assert_eq!(run.error, given_up[0].job.error);
    }
}

#[tokio::test]
async fn a_run_and_its_job_are_made_both_or_neither() {
    for db in TestDb::each().await {
        let work = Work::begin(&db.store()).await;
        let new = NewRun {
            project_id: work.run.project_id,
            name: "second".into(),
            settings: Recipe::as_before(),
            choice: DataChoice::default(),
            created_by: None,
        };
        // Where the job cannot be put into the queue there is no run either.
        let sql = "ALTER TABLE job RENAME TO elsewhere";
        db.writer().execute_unprepared(sql).await.unwrap();
        db.start_run(new.clone(), "one").await.unwrap_err();
        db.create_run(new).await.unwrap_err();
        let sql = "ALTER TABLE elsewhere RENAME TO job";
        db.writer().execute_unprepared(sql).await.unwrap();
        assert_eq!(db.list_runs(work.run.project_id, 10).await.unwrap().len(), 1);
    }
}
