//! The first reading of a file, which writes nothing: broken lines, bounds, and what there is to ask are known before the
//! project changes.

use std::time::{Duration, Instant};

use domain::import::{ImportProgress, ImportReport, ImportRequest, OnError};

use super::reader::{Chunk, Source};
use crate::{reading::ReadError, worker::Stop};

/// The most rows that one file may have.
const MAX_ROWS: u64 = 5_000_000;

/// The longest that one reading may take.
const MAX_TIME: Duration = Duration::from_secs(2 * 60 * 60);

/// Reads the file of a request from where an import of it is.
pub fn source(request: &ImportRequest, from: &ImportProgress, keep_rows: bool, stop: Stop) -> Source {
    Source {
        path: request.path.clone().into(),
        format: request.format,
        making: request.making,
        behind_line: from.line,
        rows_before: from.report.rows,
        max_rows: MAX_ROWS,
        deadline: Instant::now() + MAX_TIME,
        keep_rows,
        stop,
    }
}

/// Where the import of a file begins.
pub fn start(request: &ImportRequest) -> ImportProgress {
    ImportProgress {
        bytes_total: std::fs::metadata(&request.path).map_or(0, |metadata| metadata.len()),
        report: ImportReport {
            file: request.file.clone(),
            ..ImportReport::default()
        },
        ..ImportProgress::default()
    }
}

/// Adds what a chunk holds; its rows are for the caller.
pub fn note(progress: &mut ImportProgress, chunk: &mut Chunk) {
    progress.line = chunk.line;
    progress.bytes = chunk.bytes;
    progress.report.rows += chunk.count;
    progress.report.notes.merge(std::mem::take(&mut chunk.notes));
    for fault in std::mem::take(&mut chunk.faults) {
        progress.report.add_fault(fault);
    }
}

/// The whole file, read without a job.
///
/// # Errors
/// What ends the reading; broken lines are in the report.
pub fn check_file(
    request: &ImportRequest,
    stop: Stop,
    on_progress: &mut dyn FnMut(&ImportProgress),
) -> Result<ImportReport, ReadError> {
    let mut progress = start(request);
    source(request, &progress, false, stop).read(|mut chunk| {
        note(&mut progress, &mut chunk);
        on_progress(&progress);
        true
    })?;
    Ok(progress.report)
}

/// Why nothing of this file is imported, if so.
pub fn refusal(request: &ImportRequest, checked: &ImportReport) -> Option<String> {
    let ImportReport { rows, refused, .. } = *checked;
    match request.on_error {
        _ if rows == 0 => Some("The file has no lines to import.".into()),
        _ if refused == rows => Some("No line of the file can be read, so nothing was imported.".into()),
        OnError::Stop if refused == 1 => Some("One line is broken, so nothing was imported.".into()),
        OnError::Stop if refused > 0 => Some(format!("{refused} lines are broken, so nothing was imported.")),
        OnError::Stop | OnError::Skip => None,
    }
}
