//! `touchstone import`.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, bail};
use app::text;
use domain::{
    formats::{Format, Making},
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
    reading::Input,
    worker::{
        Stop, StopReason, WorkerContext,
        jobs::import::check::{check_file, refusal},
    },
};

/// The command's own flags. Lines that bring responses which nobody has judged become comparisons as --make says; how many is told
/// before anything is written.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// JSON lines, a JSON list, or a table (CSV, TSV); plain, gzip or zip; - for standard input.
    file: PathBuf,
    /// The project's name; it is made if there is none of that name.
    #[arg(long, value_name = "NAME")]
    project: String,
    /// trl, trl-implicit, hh, columns or unjudged [default: each line by what it holds].
    #[arg(long)]
    format: Option<Format>,
    /// stop: import nothing if a line is broken; skip: import the rest.
    #[arg(long, default_value = "stop")]
    on_error: OnError,
    /// Whose judgements the file's preferences become [default: the file's name].
    #[arg(long, value_name = "NAME")]
    annotator: Option<String>,
    /// What is made of responses that nobody has judged: ranking (all to a prompt in one order), all-pairs or random-pairs.
    #[arg(long, value_parser = Making::NAMES)]
    make: Option<String>,
    /// How many pairs of each prompt are drawn.
    #[arg(long, value_name = "K", requires = "make", value_parser = clap::value_parser!(u32).range(1..=36))]
    pairs_per_prompt: Option<u32>,
    /// What these are drawn by: the same seed draws the same pairs.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Read the file and say what it would become; write nothing.
    #[arg(long)]
    dry_run: bool,
}

impl Args {
    fn making(&self) -> anyhow::Result<Option<Making>> {
        let Some(make) = &self.make else { return Ok(None) };
        let making = Making::named(make, self.pairs_per_prompt.unwrap_or(0), self.seed)?;
        match (making, self.pairs_per_prompt) {
            (Making::RandomPairs { .. }, None) => {
                bail!("--make random-pairs: say how many with --pairs-per-prompt")
            }
            (Making::Ranking | Making::AllPairs, Some(_)) => {
                bail!("--pairs-per-prompt: goes with --make random-pairs alone")
            }
            _ => Ok(Some(making)),
        }
    }
}

/// Runs the command: the same job that the page would queue, done at once. The file is read for broken lines first, so that
/// nothing is there of an import that is refused, not even its project.
pub async fn run(config: Config, args: Args) -> anyhow::Result<()> {
    let input = Input::at(&args.file, &std::env::temp_dir())?;
    let path = std::path::absolute(input.path())?;
    let file = path
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let mut request = ImportRequest {
        path: path.to_str().context("the file's path is not UTF-8")?.to_owned(),
        annotator: args
            .annotator
            .clone()
            .unwrap_or_else(|| domain::import::dataset_name(&file)),
        file,
        format: args.format,
        on_error: args.on_error,
        making: args.making()?,
        checked: true,
        remove_file: false,
    };
    let stop = Stop::default();
    let interrupted = stop.clone();
    let on_interrupt = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            interrupted.raise(StopReason::Cancelled);
        }
    });
    let checked = check(&request, stop.clone()).await?;
    request.making = making(&checked, request.making)?;
    if args.dry_run {
        print!("{}", plan(&checked, request.making));
        return Ok(());
    }
    if let Some(making) = request.making.filter(|_| checked.unjudged() > 0) {
        eprintln!("Made of unjudged responses: {}.", made(&checked, making));
    }
    let store = open_store(&config).await?;
    let ended = import(&config, &store, &args.project, &request, stop).await;
    on_interrupt.abort();
    store.close().await?;
    report(&ended?, &request)
}

/// Reads the whole file without a database; tells its faults.
async fn check(request: &ImportRequest, stop: Stop) -> anyhow::Result<ImportReport> {
    let asked = request.clone();
    let read = tokio::task::spawn_blocking(move || {
        let mut told = Instant::now();
        check_file(&asked, stop, &mut |progress| {
            if told.elapsed() > Duration::from_secs(1) {
                eprintln!("checking: line {}, {} %", progress.line, progress.percent());
                told = Instant::now();
            }
        })
    });
    let checked = read
        .await?
        .map_err(|error| anyhow!("cannot read {}: {error}", request.file))?;
    match refusal(request, &checked) {
        None => Ok(checked),
        Some(refusal) => {
            tell(&checked);
            let remedy = match (request.on_error, checked.refused < checked.rows) {
                (OnError::Stop, true) => " Use --on-error skip to import the rest.",
                _ => "",
            };
            bail!("{refusal}{remedy}")
        }
    }
}

/// What is made of responses that nobody has judged: what was asked for, or a pair where there are never more than two.
fn making(checked: &ImportReport, asked: Option<Making>) -> anyhow::Result<Option<Making>> {
    let most = checked.notes.unjudged.keys().max();
    match (asked, most) {
        (Some(making), _) => Ok(Some(making)),
        (None, None) => Ok(None),
        (None, Some(2)) => Ok(Some(Making::Ranking)),
        (None, Some(most)) => bail!(
            "{} prompts come with up to {most} responses each that nobody has judged. Say what is made of them:\n{}",
            checked.unjudged(),
            choices(checked)
        ),
    }
}

/// The choices with what each comes to.
fn choices(checked: &ImportReport) -> String {
    let random = |per_prompt| checked.made_by(Making::RandomPairs { per_prompt, seed: 0 });
    format!(
        "  --make ranking: {}\n  --make all-pairs: {}\n  --make random-pairs --pairs-per-prompt K: {} comparisons with K = 1, {} with 3, {} with 5\n",
        comparisons(checked.made_by(Making::Ranking)),
        comparisons(checked.made_by(Making::AllPairs)),
        random(1),
        random(3),
        random(5),
    )
}

fn comparisons(number: u64) -> String {
    let (number, noun) = text::count(number, "comparison", "comparisons");
    format!("{number} {noun}")
}

/// `12 comparisons of 3 prompts`.
fn made(checked: &ImportReport, making: Making) -> String {
    let (prompts, noun) = text::count(checked.unjudged(), "prompt", "prompts");
    format!("{} of {prompts} {noun}", comparisons(checked.made_by(making)))
}

/// What a file would become.
fn plan(checked: &ImportReport, making: Option<Making>) -> String {
    let mut plan = format!(
        "{} rows: {} left out, {} refused\n",
        checked.rows, checked.left_out, checked.refused
    );
    for (format, lines) in &checked.notes.formats {
        plan.push_str(&format!("  {}: {lines}\n", format.label()));
    }
    for told in checked.notes.sentences() {
        plan.push_str(&format!("  {told}\n"));
    }
    if let Some(making) = making.filter(|_| checked.unjudged() > 0) {
        plan.push_str(&format!(
            "would be made of unjudged responses: {}\n",
            made(checked, making)
        ));
    }
    plan.push_str("nothing is written\n");
    plan
}

/// Runs the job to its end.
async fn import(
    config: &Config,
    store: &Store,
    project: &str,
    request: &ImportRequest,
    stop: Stop,
) -> anyhow::Result<Job> {
    let project = find_or_make_project(store, project).await?;
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
    tokio::select! {
        () = worker.run_job(job, lease, stop) => {}
        () = print_progress(store, id) => {}
    }
    Ok(store.find_job(id).await?)
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

/// The lines that are not imported, and how the others were read, on standard error.
fn tell(report: &ImportReport) {
    for fault in &report.faults {
        let what = if fault.broken { "" } else { "left out: " };
        eprintln!("{what}{}", fault.located(&report.file));
    }
    match report.unlisted_faults() {
        0 => {}
        more => eprintln!("… and {more} more lines like these"),
    }
    for told in report.notes.sentences() {
        eprintln!("{told}");
    }
}

fn report(job: &Job, request: &ImportRequest) -> anyhow::Result<()> {
    let report: Option<ImportReport> = job.result();
    if let Some(report) = &report {
        tell(report);
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
            "cannot import {}: {}",
            request.file,
            job.error.as_deref().unwrap_or("The import did not end.")
        ),
    }
}
