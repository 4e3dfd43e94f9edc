//! Uploads: a file goes to the disk as it comes, and a job for it into the queue.

use std::{
    path::{Path as FilePath, PathBuf},
    time::Duration,
};

use app::{error::AppError, flash::Flash};
use axum::{
    Router,
    extract::{DefaultBodyLimit, Multipart, Path, State, multipart::Field},
    response::{IntoResponse, Response},
    routing::post,
};
use domain::{
    formats::Format,
    import::{ImportRequest, OnError},
    job::JobKind,
    permission::Permission,
};
use serde_json::json;
use store::{Store, job::NewJob};
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use crate::{
    auth::{
        Viewer,
        forms::{answer, refuse},
    },
    data_folder,
    state::AppState,
};

/// The longest that one upload may take.
const MAX_TIME: Duration = Duration::from_secs(60 * 60);

/// The longest of the form's other fields, in bytes.
const MAX_FIELD: usize = 1_000;

/// The routes of this file; the upload has a bound of its own on the body.
pub fn routes(max_upload_mb: u32) -> Router<AppState> {
    // The form's other fields and the multipart frame come on top of the file.
    let limit = max_upload_mb as usize * 1_000_000 + 64 * 1024;
    let upload = post(upload).layer(DefaultBodyLimit::max(limit));
    Router::new().route("/projects/{id}/import/upload", upload)
}

/// `POST /projects/{id}/import/upload`: multipart with `file`, and `format`, `on_error` and `annotator` if chosen.
/// Needs the permission ManageProjects.
async fn upload(
    State(state): State<AppState>,
    viewer: Viewer,
    Path(project): Path<Uuid>,
    form: Multipart,
) -> Response {
    let who = match viewer.may(Permission::ManageProjects) {
        Ok(who) => who,
        Err(error) => return error.into_response(),
    };
    let page = format!("/projects/{project}/import");
    if let Err(error) = state.store().find_project(project).await {
        return refuse(&state, "/", error);
    }
    let received = tokio::time::timeout(MAX_TIME, receive(&state, form)).await;
    let (request, upload) = match received {
        Ok(Ok(received)) => received,
        Ok(Err(error)) => return refuse(&state, &page, error),
        Err(_) => {
            return refuse(
                &state,
                &page,
                AppError::Invalid("The upload took too long.".into()),
            );
        }
    };
    let file = request.file.clone();
    let job = NewJob {
        kind: JobKind::Import,
        project_id: Some(project),
        run_id: None,
        payload: json!(request),
        created_by: Some(who.id),
    };
    match Store::enqueue_job(state.store().writer(), job).await {
        Ok(id) => {
            upload.keep();
            tracing::info!(by = %who.id, %project, job = %id, "import queued");
            answer(
                &state,
                &page,
                Flash::done(format!("{file} is uploaded; the import begins.")),
            )
        }
        Err(error) => refuse(&state, &page, error),
    }
}

/// A file on the disk, gone when dropped unless a job has it.
struct Upload(Option<PathBuf>);

impl Upload {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            // Best effort: what stays behind is in the uploads folder.
            drop(std::fs::remove_file(path));
        }
    }
}

async fn receive(state: &AppState, mut form: Multipart) -> Result<(ImportRequest, Upload), AppError> {
    let (mut format, mut on_error, mut annotator) = (None, OnError::default(), String::new());
    let mut file: Option<(String, PathBuf, Upload)> = None;
    let max = state.settings.max_upload_mb;
    while let Some(field) = form.next_field().await.map_err(|error| unreadable(&error, max))? {
        match field.name().unwrap_or_default() {
            "file" if file.is_none() => {
                let name = field.file_name().unwrap_or_default().to_owned();
                if name.is_empty() {
                    return Err(AppError::Invalid("Choose a file first.".into()));
                }
                let (path, upload) = save(&state.services.data_dir, field, max).await?;
                file = Some((clean_name(&name), path, upload));
            }
            "format" => {
                let text = short(field).await?;
                format = match text.as_str() {
                    "" => None,
                    text => Some(text.parse::<Format>().map_err(invalid)?),
                };
            }
            "on_error" => on_error = short(field).await?.parse().map_err(invalid)?,
            "annotator" => annotator = short(field).await?,
            _ => {}
        }
    }
    let (file, path, upload) = file.ok_or_else(|| AppError::Invalid("Choose a file first.".into()))?;
    let annotator = match annotator.trim() {
        "" => domain::import::dataset_name(&file),
        name => name.chars().filter(|c| !c.is_control()).take(120).collect(),
    };
    let request = ImportRequest {
        path: path.to_str().ok_or(AppError::Internal)?.to_owned(),
        file,
        annotator,
        format,
        on_error,
        making: None,
        checked: false,
        remove_file: true,
    };
    Ok((request, upload))
}

/// Streams a field to a file in the uploads folder; it is on the disk when this returns.
async fn save(data_dir: &FilePath, mut field: Field<'_>, max: u32) -> Result<(PathBuf, Upload), AppError> {
    let folder = data_folder::uploads(data_dir).map_err(AppError::internal)?;
    tokio::fs::create_dir_all(&folder)
        .await
        .map_err(AppError::internal)?;
    let path = folder.join(Uuid::new_v4().simple().to_string());
    let upload = Upload(Some(path.clone()));
    let mut file = tokio::fs::File::create_new(&path)
        .await
        .map_err(AppError::internal)?;
    while let Some(bytes) = field.chunk().await.map_err(|error| unreadable(&error, max))? {
        file.write_all(&bytes).await.map_err(full)?;
    }
    file.flush().await.map_err(full)?;
    file.sync_all().await.map_err(full)?;
    Ok((path, upload))
}

async fn short(mut field: Field<'_>) -> Result<String, AppError> {
    let mut text = Vec::new();
    while let Some(bytes) = field.chunk().await.map_err(|error| unreadable(&error, 0))? {
        text.extend_from_slice(&bytes);
        if text.len() > MAX_FIELD {
            return Err(AppError::Invalid("A field of the form is too long.".into()));
        }
    }
    String::from_utf8(text).map_err(|_| AppError::Invalid("A field of the form is not UTF-8.".into()))
}

/// What people see of a file's name: its last part, without control characters.
fn clean_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    last.chars().filter(|c| !c.is_control()).take(200).collect()
}

fn invalid(error: impl std::fmt::Display) -> AppError {
    AppError::Invalid(format!("{error}."))
}

fn unreadable(error: &axum::extract::multipart::MultipartError, max: u32) -> AppError {
    match error.status() {
        axum::http::StatusCode::PAYLOAD_TOO_LARGE => AppError::Invalid(format!(
            "The file is larger than {max} MB: split it, or import it with the command touchstone import."
        )),
        _ => AppError::Invalid("The upload broke off. Please try again.".into()),
    }
}

fn full(error: std::io::Error) -> AppError {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            AppError::Unavailable("The server's disk is full.".into())
        }
        _ => AppError::internal(error),
    }
}
