//! What gathers while the server runs, cleared away every hour: expired sessions and leases, and uploads that no job
//! waits for
//! because the server died between keeping the file and queueing its import.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use domain::{import::ImportRequest, job::JobKind};
use store::Store;

use crate::data_folder::uploads;

const EVERY: Duration = Duration::from_secs(60 * 60);

/// No upload takes this long: a file older than this is not on its way into the queue.
const UPLOAD_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// Clears up now and every hour; never ends.
pub async fn keep_house(store: Store, data_dir: PathBuf) {
    let mut hours = tokio::time::interval(EVERY);
    loop {
        hours.tick().await;
        if let Err(error) = store.delete_expired_sessions().await {
            tracing::warn!(%error, "expired sessions stay");
        }
        if let Err(error) = store.delete_expired_assignments().await {
            tracing::warn!(%error, "leases that ran out stay");
        }
        match remove_orphans(&store, &data_dir, UPLOAD_AGE).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "uploads that no job waits for"),
            Err(error) => tracing::warn!(error = format!("{error:#}"), "uploads stay"),
        }
    }
}

/// Removes uploads of at least this age that no job waits for; says how many.
async fn remove_orphans(store: &Store, data_dir: &Path, age: Duration) -> anyhow::Result<u64> {
    let folder = uploads(data_dir)?;
    if !folder.exists() {
        return Ok(0);
    }
    let jobs = store.list_unfinished_jobs(JobKind::Import).await?;
    let awaited: HashSet<PathBuf> = jobs
        .iter()
        .filter_map(|job| serde_json::from_value::<ImportRequest>(job.payload.clone()).ok())
        .map(|request| request.path.into())
        .collect();
    let mut removed = 0;
    let mut files = tokio::fs::read_dir(&folder).await?;
    while let Some(file) = files.next_entry().await? {
        let modified = file.metadata().await?.modified()?;
        let is_old = SystemTime::now()
            .duration_since(modified)
            .is_ok_and(|of| of >= age);
        if is_old && !awaited.contains(&file.path()) {
            tokio::fs::remove_file(file.path()).await?;
            removed += 1;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use domain::import::OnError;
    use serde_json::json;
    use store::{TestDb, job::NewJob};

    use super::*;

    #[tokio::test]
    async fn only_uploads_that_no_job_waits_for_go() {
        let db = TestDb::sqlite().await;
        let data = std::env::temp_dir().join(format!("touchstone-house-{}", uuid::Uuid::new_v4().simple()));
        let folder = uploads(&data).unwrap();
        std::fs::create_dir_all(&folder).unwrap();
        let (awaited, orphan) = (folder.join("awaited"), folder.join("orphan"));
        std::fs::write(&awaited, "{}").unwrap();
        std::fs::write(&orphan, "{}").unwrap();
        let request = ImportRequest {
            path: awaited.to_str().unwrap().to_owned(),
            file: "a.jsonl".into(),
            annotator: "a".into(),
            format: None,
            on_error: OnError::default(),
            making: None,
            checked: false,
            remove_file: true,
        };
        let job = NewJob {
            kind: JobKind::Import,
            project_id: None,
            run_id: None,
            payload: json!(request),
            created_by: None,
        };
        Store::enqueue_job(db.writer(), job).await.unwrap();
        let store = db.store();
        assert_eq!(remove_orphans(&store, &data, UPLOAD_AGE).await.unwrap(), 0);
        assert_eq!(remove_orphans(&store, &data, Duration::ZERO).await.unwrap(), 1);
        assert!(awaited.exists() && !orphan.exists());
        std::fs::remove_dir_all(&data).unwrap();
    }
}
