//! `touchstone import`.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use domain::{
    formats::Format,
    import::{ImportPhase, ImportProgress, ImportReport, ImportRequest, OnError},
    job::{Job, JobKind},
    project::Project,
    run::State,
};
use serde_json::json;
use store::{Store, job::NewJob, project::NewProject};

use super::open_store;
use crate::{
    config::Config,
    worker::{Stop, StopReason, WorkerContext},
};

/// The command's own flags.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// JSONL, plain or gzip.
    file: PathBuf,
    /// The project's name; it is made if there is none of that name.
    #[arg(long, value_name = "NAME")]
    project: String,
    /// trl, trl-implicit or hh [default: found out from the file].
    #[arg(long)]
    format: Option<Format>,
    /// stop: import nothing if a line is broken; skip: import the rest.
    #[arg(long, default_value = "stop")]
    on_error: OnError,
    /// Whose judgements the file's preferences become [default: the file's name].
    #[arg(long, value_name = "NAME")]
    annotator: Option<String>,
}

/// Runs the command: the same job that the page would queue, done at once.
pub async fn run(config: Config, args: Args) -> anyhow::Result<()> {
    let path = args
        .file
        .canonicalize()
        .with_context(|| format!("cannot find {}", args.file.display()))?;
    let file = path
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let store = open_store(&config).await?;
    let project = find_or_make_project(&store, &args.project).await?;
    let request = ImportRequest {
        path: path.to_str().context("the file's path is not UTF-8")?.to_owned(),
        annotator: args.annotator.unwrap_or_else(|| dataset_name(&file)),
        file,
        format: args.format,
        on_error: args.on_error,
        remove_file: false,
    };
    let job = NewJob {
        kind: JobKind::Import,
        project_id: Some(project.id),
        run_id: None,
        payload: json!(request),
        created_by: None,
    };
    let worker = WorkerContext::new(store.clone(), &config.data_dir, config.base_model.clone());
    let (job, lease) = Store::start_job(store.writer(), job, &worker.name).await?;
    let id = job.id;
    let stop = Stop::default();
    let interrupted = stop.clone();
    let on_interrupt = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            interrupted.raise(StopReason::Cancelled);
        }
    });
    tokio::select! {
        () = worker.run_job(job, lease, stop) => {}
        () = print_progress(&store, id) => {}
    }
    on_interrupt.abort();
    let ended = store.find_job(id).await?;
    store.close().await?;
    report(&ended, &request.file)
}

/// The name of the annotator that stands for a file: its own, without the endings.
pub fn dataset_name(file: &str) -> String {
    let mut name = file;
    for ending in [".gz", ".jsonl", ".json", ".ndjson"] {
        name = name.strip_suffix(ending).unwrap_or(name);
    }
    match name.trim() {
        "" => "dataset".to_owned(),
        name => name.chars().take(120).collect(),
    }
}

async fn find_or_make_project(store: &Store, name: &str) -> anyhow::Result<Project> {
    if let Some(project) = store.find_project_by_name(name).await? {
        return Ok(project);
    }
    let new = NewProject {
        name: name.to_owned(),
        instructions: String::new(),
        demo: false,
        created_by: None,
    };
    Ok(store.insert_project(new).await?)
}

/// Tells on standard error how far the job is, for as long as it is waited for.
async fn print_progress(store: &Store, id: uuid::Uuid) {
    let mut last = String::new();
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let Ok(job) = store.find_job(id).await else {
            continue;
        };
        let Some(progress) = job.progress::<ImportProgress>() else {
            continue;
        };
        let what = match progress.phase {
            ImportPhase::Checking => "checking",
            ImportPhase::Importing => "importing",
        };
        let line = format!("{what}: line {}, {} %", progress.line, progress.percent());
        if line != last {
            eprintln!("{line}");
            last = line;
        }
    }
}

fn report(job: &Job, file: &str) -> anyhow::Result<()> {
    let report: Option<ImportReport> = job.result();
    if let Some(report) = &report {
        for fault in &report.faults {
            let what = if fault.broken { "" } else { "left out: " };
            eprintln!("{what}{}", fault.located(file));
        }
        match report.unlisted_faults() {
            0 => {}
            more => eprintln!("… and {more} more lines like these"),
        }
    }
    match job.state {
        State::Done => {
            println!("{}", report.map_or_else(String::new, |report| report.to_string()));
            Ok(())
        }
        State::Cancelled => match report {
            Some(report) => bail!("interrupted: {report}"),
            None => bail!("interrupted"),
        },
        _ => bail!(
            "{}{}",
            job.error.as_deref().unwrap_or("The import did not end."),
            match report {
                Some(report) if report.refused > 0 => " Use --on-error skip to import the rest.",
                _ => "",
            }
        ),
    }
}
