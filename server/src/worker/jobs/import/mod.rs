//! An import: reads the whole file once for broken lines, then again into the project, batch by batch.
//!
//! Each batch is one transaction with the progress, so a worker that goes on after another has died begins behind the
//! last batch, and nothing is there twice. The first reading writes nothing: what the person chose for broken lines,
//! the bounds on rows and time, and a file that ends too early are all decided before the project changes.

pub mod check;
mod reader;

use std::time::Instant;

use check::{note, refusal, source, start};
use domain::import::{ImportPhase, ImportProgress, ImportReport, ImportRequest};
use reader::Chunk;
use serde_json::json;
use store::{Store, import::Importer, job::Outcome};
use tokio::sync::mpsc;

use crate::{
    reading::ReadError,
    worker::{Ending, INTERNAL, JobContext, StopReason, is_lease_lost},
};

/// How often the first reading tells how far it is.
const REPORT_EVERY: std::time::Duration = std::time::Duration::from_millis(400);

/// Imports the file that the job names; removes an upload once the job's end is written, for until then another worker
/// may have to go on with it. One of which is to be asked what is made of its responses stays for the answer.
pub async fn run(context: &JobContext) -> anyhow::Result<Ending> {
    let request: ImportRequest = context.job.payload()?;
    let outcome = match import(context, &request).await {
        Ok(Ending::Finished(outcome)) => outcome,
        Ok(ending) => return Ok(ending),
        Err(error) if is_lease_lost(&error) => return Err(error),
        Err(error) => {
            tracing::error!(job = %context.job.id, error = format!("{error:#}"), "job failed");
            Outcome::Failed(INTERNAL.into(), None)
        }
    };
    let asks = matches!(&outcome, Outcome::Done(report) if report["asks"] == true);
    let ending = context.finish(outcome).await?;
    if request.remove_file
        && !asks
        && let Err(error) = std::fs::remove_file(&request.path)
    {
        tracing::warn!(job = %context.job.id, %error, "an upload cannot be removed");
    }
    Ok(ending)
}

async fn import(context: &JobContext, request: &ImportRequest) -> anyhow::Result<Ending> {
    let project = context
        .job
        .project_id
        .ok_or_else(|| anyhow::anyhow!("an import without a project"))?;
    let mut progress: ImportProgress = context.job.progress().unwrap_or_else(|| start(request));
    if progress.phase == ImportPhase::Checking {
        if !request.checked {
            progress = start(request);
            if let Err(error) = check(context, request, &mut progress).await? {
                return Ok(ended_early(context, error, progress.report));
            }
            if let Some(refusal) = refusal(request, &progress.report) {
                return Ok(Ending::Finished(Outcome::Failed(
                    refusal,
                    Some(json!(progress.report)),
                )));
            }
            if progress.report.unjudged() > 0 && request.making.is_none() {
                progress.report.asks = true;
                return Ok(Ending::Finished(Outcome::Done(json!(progress.report))));
            }
        }
        progress = ImportProgress {
            phase: ImportPhase::Importing,
            ..start(request)
        };
    }
    let store = &context.worker.store;
    let transaction = store.begin_held(&context.lease).await?;
    let annotator = Store::ensure_annotator_in(&transaction, &request.annotator).await?;
    transaction.commit().await?;
    let mut importer = Importer::new(store.clone(), project, context.job.id, Some(annotator));
    let mut chunks = Chunks::open(context, request, &progress, true);
    while let Some(mut chunk) = chunks.next().await {
        note(&mut progress, &mut chunk);
        importer
            .insert(&chunk.rows, &mut progress, Some(&context.lease))
            .await?;
    }
    match chunks.end().await? {
        Ok(()) => Ok(Ending::Finished(Outcome::Done(json!(progress.report)))),
        Err(error) => Ok(ended_early(context, error, progress.report)),
    }
}

/// The first reading: counts rows and faults, writes nothing but how far it is.
async fn check(
    context: &JobContext,
    request: &ImportRequest,
    progress: &mut ImportProgress,
) -> anyhow::Result<Result<(), ReadError>> {
    let mut chunks = Chunks::open(context, request, progress, false);
    let mut told = Instant::now();
    while let Some(mut chunk) = chunks.next().await {
        note(progress, &mut chunk);
        if told.elapsed() > REPORT_EVERY {
            let store = &context.worker.store;
            Store::set_job_progress(store.writer(), &context.lease, json!(progress)).await?;
            told = Instant::now();
        }
    }
    chunks.end().await
}

fn ended_early(context: &JobContext, error: ReadError, report: ImportReport) -> Ending {
    match (error, context.stop.reason()) {
        (ReadError::Stopped, Some(StopReason::Cancelled)) => {
            Ending::Finished(Outcome::Cancelled(Some(json!(report))))
        }
        (ReadError::Stopped, _) => Ending::Stopped,
        (error, _) => Ending::Finished(Outcome::Failed(error.to_string(), Some(json!(report)))),
    }
}

/// Chunks of a file, read on a thread of their own, a little ahead.
struct Chunks {
    receiver: mpsc::Receiver<Chunk>,
    thread: tokio::task::JoinHandle<Result<(), ReadError>>,
}

impl Chunks {
    fn open(context: &JobContext, request: &ImportRequest, from: &ImportProgress, keep_rows: bool) -> Chunks {
        let (sender, receiver) = mpsc::channel(2);
        let source = source(request, from, keep_rows, context.stop.clone());
        let thread =
            tokio::task::spawn_blocking(move || source.read(|chunk| sender.blocking_send(chunk).is_ok()));
        Chunks { receiver, thread }
    }

    async fn next(&mut self) -> Option<Chunk> {
        self.receiver.recv().await
    }

    async fn end(self) -> anyhow::Result<Result<(), ReadError>> {
        Ok(self.thread.await?)
    }
}
