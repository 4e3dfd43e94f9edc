//! An import: reads the whole file once for broken lines, then again into the project, batch by batch.
//!
//! Each batch is one transaction with the progress, so a worker that goes on after another has died begins behind the
//! last batch, and nothing is there twice. The first reading writes nothing: what the person chose for broken lines,
//! the bounds on rows and time, and a file that ends too early are all decided before the project changes.

pub mod reader;

use std::{path::Path, time::Instant};

use domain::import::{ImportPhase, ImportProgress, ImportReport, ImportRequest, OnError};
use reader::{Chunk, ReadError, Source};
use serde_json::json;
use store::{Store, import::Importer, job::Outcome};
use tokio::sync::mpsc;

use crate::worker::{Ending, INTERNAL, JobContext, StopReason, is_lease_lost};

/// The most rows that one file may have.
const MAX_ROWS: u64 = 5_000_000;

/// The longest that one import may take.
const MAX_TIME: std::time::Duration = std::time::Duration::from_secs(2 * 60 * 60);

/// How often the first reading tells how far it is.
const REPORT_EVERY: std::time::Duration = std::time::Duration::from_millis(400);

/// Imports the file that the job names; removes an upload once the job's end is written, for until then another worker
/// may have to go on with it.
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
    let ending = context.finish(outcome).await?;
    if request.remove_file
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
    let mut progress: ImportProgress = context.job.progress().unwrap_or_default();
    progress.report.file.clone_from(&request.file);
    progress.report.format = progress.report.format.or(request.format);
    progress.bytes_total = std::fs::metadata(&request.path).map_or(0, |metadata| metadata.len());
    if progress.phase == ImportPhase::Checking {
        progress.report = ImportReport {
            file: request.file.clone(),
            format: request.format,
            ..ImportReport::default()
        };
        if let Err(error) = check(context, request, &mut progress).await? {
            return Ok(ended_early(context, error, progress.report));
        }
        if let Some(refusal) = refusal(request, &progress.report) {
            return Ok(Ending::Finished(Outcome::Failed(
                refusal,
                Some(json!(progress.report)),
            )));
        }
        progress = ImportProgress {
            phase: ImportPhase::Importing,
            bytes_total: progress.bytes_total,
            report: ImportReport {
                file: request.file.clone(),
                format: progress.report.format,
                ..ImportReport::default()
            },
            ..ImportProgress::default()
        };
    }
    let store = &context.worker.store;
    let transaction = store.begin_held(&context.lease).await?;
    let annotator = Store::ensure_annotator_in(&transaction, &request.annotator).await?;
    transaction.commit().await?;
    let mut importer = Importer::new(store.clone(), project, context.job.id, Some(annotator));
    let mut chunks = Chunks::open(context, request, &progress, true);
    while let Some(chunk) = chunks.next().await {
        note(&mut progress, &chunk);
        chunk
            .faults
            .into_iter()
            .for_each(|fault| progress.report.add_fault(fault));
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
    progress.line = 0;
    let mut chunks = Chunks::open(context, request, progress, false);
    let mut told = Instant::now();
    while let Some(chunk) = chunks.next().await {
        note(progress, &chunk);
        chunk
            .faults
            .into_iter()
            .for_each(|fault| progress.report.add_fault(fault));
        if told.elapsed() > REPORT_EVERY {
            let store = &context.worker.store;
            Store::set_job_progress(store.writer(), &context.lease, json!(progress)).await?;
            told = Instant::now();
        }
    }
    chunks.end().await
}

fn note(progress: &mut ImportProgress, chunk: &Chunk) {
    progress.line = chunk.line;
    progress.bytes = chunk.bytes;
    progress.report.rows += chunk.count;
    progress.report.format = chunk.format;
}

/// Why nothing of this file is imported, if so.
fn refusal(request: &ImportRequest, checked: &ImportReport) -> Option<String> {
    let ImportReport { rows, refused, .. } = *checked;
    match request.on_error {
        _ if rows == 0 => Some("The file has no lines to import.".into()),
        _ if refused == rows => Some("No line of the file can be read, so nothing was imported.".into()),
        OnError::Stop if refused == 1 => Some("One line is broken, so nothing was imported.".into()),
        OnError::Stop if refused > 0 => Some(format!("{refused} lines are broken, so nothing was imported.")),
        OnError::Stop | OnError::Skip => None,
    }
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
        let source = Source {
            path: Path::new(&request.path).to_owned(),
            format: from.report.format,
            behind_line: from.line,
            rows_before: from.report.rows,
            max_rows: MAX_ROWS,
            deadline: Instant::now() + MAX_TIME,
            keep_rows,
            stop: context.stop.clone(),
        };
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
