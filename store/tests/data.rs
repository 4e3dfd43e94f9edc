//! Imports, exports and the job queue, on both databases.

use std::time::Duration;

use domain::{
    export::{ExportChoice, JudgementSource},
    formats::{Format, Row},
    import::ImportProgress,
    job::JobKind,
    run::State,
};
use futures::TryStreamExt;
use serde_json::{Value, json};
use store::{
    Store, StoreError, TestDb,
    import::Importer,
    job::{Heartbeat, LEASE, Lease, MAX_ATTEMPTS, NewJob, Outcome},
    project::NewProject,
    sea_orm::{ConnectionTrait, Statement},
};
use uuid::Uuid;

/// Runs the check on SQLite and, where it is installed, on PostgreSQL.
async fn on_both<F: Future<Output = ()>>(check: impl Fn(Store) -> F) {
    let sqlite = TestDb::sqlite().await;
    check(sqlite.store()).await;
    if let Some(postgres) = TestDb::postgres().await {
        check(postgres.store()).await;
    }
}

async fn project(store: &Store) -> Uuid {
    let new = NewProject {
        name: "Letters".into(),
        instructions: String::new(),
        demo: false,
        created_by: None,
    };
    store.insert_project(new).await.unwrap().id
}

fn row(prompt: &str, chosen: &str, rejected: &str) -> Row {
    let line = json!({"prompt": prompt, "chosen": chosen, "rejected": rejected, "category": "letters"});
    Format::Trl.read(1, line.to_string().as_bytes()).unwrap()
}

fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = (0..40)
        .map(|n| row(&format!("p{}", n / 2), &format!("a{n}"), "same"))
        .collect();
    rows.push(row("p0", "", "an empty answer is an answer"));
    rows.push(row("שלום 👋\u{202e}", "a\r\n\tb", "‏ا"));
    rows
}

async fn import(store: &Store, project: Uuid, rows: &[Row]) -> ImportProgress {
    let annotator = store.ensure_annotator("letters").await.unwrap();
    let mut importer = Importer::new(store.clone(), project, Uuid::now_v7(), Some(annotator));
    let mut progress = ImportProgress::default();
    for batch in rows.chunks(7) {
        importer.insert(batch, &mut progress, None).await.unwrap();
    }
    progress
}

async fn export(store: &Store, project: Uuid, judgements: JudgementSource) -> Vec<Value> {
    let choice = ExportChoice {
        judgements,
        corrections: true,
    };
    let chunks: Vec<Vec<u8>> = store
        .export_preferences(project, choice)
        .try_collect()
        .await
        .unwrap();
    let text = String::from_utf8(chunks.concat()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn importing_twice_adds_nothing_and_the_export_gives_it_back() {
    on_both(async |store| {
        let project = project(&store).await;
        let rows = rows();
        let first = import(&store, project, &rows).await.report;
        assert_eq!((first.imported, first.duplicates), (42, 0));
        assert_eq!((first.prompts, first.responses, first.comparisons), (21, 64, 42));
        let mut shuffled = rows.clone();
        shuffled.reverse();
        let second = import(&store, project, &shuffled).await.report;
        assert_eq!((second.imported, second.duplicates), (0, 42));
        assert_eq!((second.prompts, second.responses, second.comparisons), (0, 0, 0));

        let lines = export(&store, project, JudgementSource::All).await;
        assert_eq!(lines.len(), 42);
        for row in &rows {
            let [chosen, rejected] = &row.responses[..] else {
                panic!("a pair")
            };
            let found = lines.iter().any(|line| {
                line["prompt"][0]["content"] == *row.prompt[0].content
                    && line["chosen"][0]["content"] == *chosen.content
                    && line["rejected"][0]["content"] == *rejected.content
                    && line["metadata"]["category"] == "letters"
            });
            assert!(found, "{row:?}");
        }
        assert!(export(&store, project, JudgementSource::People).await.is_empty());
        assert_eq!(store.count_exportable(project).await.unwrap().imported, 42);
    })
    .await;
}

#[tokio::test]
async fn opposite_opinions_are_two_judgements_of_one_comparison() {
    on_both(async |store| {
        let project = project(&store).await;
        let both = [row("p", "a", "b"), row("p", "b", "a"), row("p", "a", "b")];
        let report = import(&store, project, &both).await.report;
        assert_eq!(
            (report.comparisons, report.imported, report.duplicates),
            (1, 2, 1)
        );
    })
    .await;
}

#[tokio::test]
async fn a_batch_whose_lease_is_lost_leaves_nothing_behind() {
    on_both(async |store| {
        let project = project(&store).await;
        let job = new_job(JobKind::Import, Some(project));
        let (job, lease) = Store::start_job(store.writer(), job, "one").await.unwrap();
        let annotator = store.ensure_annotator("letters").await.unwrap();
        let mut importer = Importer::new(store.clone(), project, job.id, Some(annotator));
        let mut progress = ImportProgress::default();
        importer
            .insert(&rows()[..10], &mut progress, Some(&lease))
            .await
            .unwrap();
        let kept: ImportProgress = store.find_job(job.id).await.unwrap().progress().unwrap();
        assert_eq!(kept, progress);

        let stolen = Lease {
            worker: "another".into(),
            ..lease
        };
        let lost = importer.insert(&rows()[10..], &mut progress, Some(&stolen)).await;
        assert!(matches!(lost, Err(StoreError::LeaseLost)), "{lost:?}");
        assert_eq!(store.summarise_project(project).await.unwrap().judgements, 10);
    })
    .await;
}

#[tokio::test]
async fn the_demo_project_is_made_once_and_shows_every_prompt_early() {
    on_both(async |store| {
        let made = store.create_demo_project(None).await.unwrap();
        let again = store.create_demo_project(None).await.unwrap();
        assert_eq!(made.id, again.id);
        let summary = store.summarise_project(made.id).await.unwrap();
        assert_eq!((summary.prompts, summary.responses), (50, 200));
        assert_eq!((summary.comparisons, summary.judgements), (200, 0));
    })
    .await;
}

fn new_job(kind: JobKind, project_id: Option<Uuid>) -> NewJob {
    NewJob {
        kind,
        project_id,
        run_id: None,
        payload: json!({}),
        created_by: None,
    }
}

async fn enqueue(store: &Store, kind: JobKind) -> Uuid {
    Store::enqueue_job(store.writer(), new_job(kind, None))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_job_goes_through_one_worker_at_a_time() {
    on_both(async |store| {
        let id = enqueue(&store, JobKind::Import).await;
        assert!(store.claim_job("one", &[JobKind::Train]).await.unwrap().is_none());
        let claims = futures::future::join_all((0..8).map(|n| {
            let store = store.clone();
            async move {
                store
                    .claim_job(&format!("worker {n}"), &JobKind::ALL)
                    .await
                    .unwrap()
            }
        }))
        .await;
        let mut claims: Vec<_> = claims.into_iter().flatten().collect();
        assert_eq!(claims.len(), 1);
        let (job, lease) = claims.remove(0);
        assert_eq!((job.id, job.state, job.attempts), (id, State::Running, 1));
        assert_eq!(store.heartbeat_job(&lease).await.unwrap(), Heartbeat::Held);

        assert_eq!(store.cancel_job(id).await.unwrap(), State::Running);
        assert_eq!(
            store.heartbeat_job(&lease).await.unwrap(),
            Heartbeat::CancelRequested
        );
        store.finish_job(&lease, Outcome::Cancelled(None)).await.unwrap();
        assert_eq!(store.heartbeat_job(&lease).await.unwrap(), Heartbeat::Lost);
        let again = store.finish_job(&lease, Outcome::Done(json!(1))).await;
        assert!(matches!(again, Err(StoreError::LeaseLost)));
    })
    .await;
}

/// Two clicks, or two people, at once.
#[tokio::test]
async fn a_question_of_a_job_is_answered_once() {
    on_both(async |store| {
        let asking = enqueue(&store, JobKind::Import).await;
        let answer = || store.enqueue_answer(asking, new_job(JobKind::Import, None));
        let answers = futures::future::join_all((0..8).map(|_| answer())).await;
        let refused = answers
            .iter()
            .filter(|answer| matches!(answer, Err(StoreError::Conflict(_))));
        assert_eq!(refused.count(), 7, "{answers:?}");
        let other = enqueue(&store, JobKind::Import).await;
        store
            .enqueue_answer(other, new_job(JobKind::Import, None))
            .await
            .unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_expired_lease_is_anyones_until_the_attempts_are_used_up() {
    on_both(async |store| {
        let id = enqueue(&store, JobKind::Train).await;
        let (_, first) = store.claim_job("one", &[JobKind::Train]).await.unwrap().unwrap();
        assert!(store.claim_job("two", &[JobKind::Train]).await.unwrap().is_none());
        for attempt in 2..=MAX_ATTEMPTS {
            expire(&store, id).await;
            let (job, _) = store.claim_job("two", &[JobKind::Train]).await.unwrap().unwrap();
            assert_eq!(job.attempts, attempt);
        }
        assert_eq!(store.heartbeat_job(&first).await.unwrap(), Heartbeat::Lost);
        expire(&store, id).await;
        assert!(store.claim_job("two", &[JobKind::Train]).await.unwrap().is_none());
        let given_up = store.fail_abandoned_jobs(&[JobKind::Train]).await.unwrap();
        assert_eq!((given_up.len(), given_up[0].job.state), (1, State::Failed));
        assert!(given_up[0].job.error.as_deref().unwrap().contains("5 times"));
        assert!(
            store
                .fail_abandoned_jobs(&[JobKind::Train])
                .await
                .unwrap()
                .is_empty()
        );
    })
    .await;
}

#[tokio::test]
async fn a_job_that_is_handed_back_waits_again_without_a_lost_attempt() {
    on_both(async |store| {
        let id = enqueue(&store, JobKind::Train).await;
        let (_, lease) = store.claim_job("one", &[JobKind::Train]).await.unwrap().unwrap();
        store.release_job(&lease).await.unwrap();
        let waiting = store.find_job(id).await.unwrap();
        assert_eq!((waiting.state, waiting.attempts), (State::Queued, 0));
        assert_eq!(store.cancel_job(id).await.unwrap(), State::Cancelled);
        assert!(store.claim_job("one", &[JobKind::Train]).await.unwrap().is_none());
    })
    .await;
}

/// As if the worker had been silent for longer than the lease.
async fn expire(store: &Store, job: Uuid) {
    let past = store::now() - Duration::from_secs(1).as_millis() as i64;
    assert!(LEASE > Duration::from_secs(10));
    let sql = "UPDATE job SET lease_until = $1 WHERE id = $2";
    let statement = Statement::from_sql_and_values(store.backend(), sql, [past.into(), job.into()]);
    store.writer().execute_raw(statement).await.unwrap();
}
