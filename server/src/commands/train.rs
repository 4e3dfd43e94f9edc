//! `touchstone train`.

use std::{path::Path, time::Duration};

use anyhow::{Context, bail};
use app::{
    measures::{alike_sentence, better_sentence, measure_rows},
    scoring::Scoring,
};
use domain::{
    job::Job,
    run::{
        Metrics, Run, State,
        data::{DataChoice, HeldOut, JudgementSource},
        event::{RunEvent, SeqEvent},
        progress::{Progress, Stage},
    },
};
use recipe::{Method, Recipe};
use store::{Store, job::Lease, run::NewRun};
use uuid::Uuid;

use super::{
    open_store,
    setting_flags::SettingFlags,
    train_files::{self, FileArgs, FileChoice},
};
use crate::{
    config::Config,
    data_folder,
    scoring::ScoringService,
    standalone::summary::peak_memory_mib,
    worker::{Stop, StopReason, WorkerContext, live},
};

/// The command's own flags. Learns from a project, or with --data from files alone; settings that are not given are
/// the method's defaults.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The project's name.
    #[arg(
        long,
        value_name = "NAME",
        required_unless_present_any = ["data", "resume"],
        conflicts_with = "data"
    )]
    project: Option<String>,
    /// Go on with a project's run that was stopped, cancelled or failed, with the data and settings that it has.
    #[arg(long, value_name = "RUN_ID", conflicts_with_all = ["data", "project"], value_parser = run_id)]
    resume: Option<Uuid>,
    #[command(flatten)]
    files: FileArgs,
    /// head: one layer on the frozen model, seconds; lora: low-rank matrices beside its layers; layers: its last layers;
    /// full: every weight, minutes [default: head].
    #[arg(long)]
    method: Option<Method>,
    /// With --project the prompts held out, of a hundred [default: 10]; with --data files to hold the model against
    /// instead of a share of the data.
    #[arg(long, num_args = 1.., value_name = "PERCENT|FILE")]
    held_out: Vec<String>,
    /// Decides which prompts are held out.
    #[arg(long, default_value_t = 0)]
    split_seed: u64,
    /// Hold the model against this project instead of a share of its own prompts.
    #[arg(long, value_name = "NAME", conflicts_with = "data")]
    held_out_project: Option<String>,
    /// all, people or imported.
    #[arg(long, default_value = "all", conflicts_with = "data")]
    source: JudgementSource,
    /// Learn from judgements that are marked for review, too.
    #[arg(long, conflicts_with = "data")]
    include_flagged: bool,
    /// Do not learn from corrections.
    #[arg(long, conflicts_with = "data")]
    no_corrections: bool,
    /// Do not learn from rankings.
    #[arg(long, conflicts_with = "data")]
    no_rankings: bool,
    /// Learn from rankings without ties as wholes (Plackett and Luce) instead of pairs.
    #[arg(long, conflicts_with_all = ["data", "no_rankings"])]
    whole_rankings: bool,
    /// Ask for a larger lead where the preference is clearer.
    #[arg(long, conflicts_with = "data")]
    margins: bool,
    /// The run's name [default: method and number].
    #[arg(long, default_value = "", hide_default_value = true, conflicts_with = "data")]
    name: String,
    #[command(flatten)]
    settings: SettingFlags,
}

/// A run's identifier, as its page's address has it.
pub fn run_id(text: &str) -> Result<Uuid, String> {
    text.parse()
        .map_err(|_| format!("“{text}” is no identifier of a run: it is the end of the run page's address"))
}

/// Runs the command.
pub async fn run(config: Config, args: Args) -> anyhow::Result<()> {
    match (args.resume, args.project.clone()) {
        (Some(run), _) => resume(config, run, &args).await,
        (None, Some(project)) => run_project(config, &project, args).await,
        (None, None) => {
            let choice = FileChoice {
                files: args.files,
                method: args.method,
                held_out: args.held_out,
                split_seed: args.split_seed,
                base_model: config.base_model,
                settings: args.settings,
            };
            train_files::run(choice).await
        }
    }
}

/// The same job that the page would queue, done at once. A run of the project that asks for the same and is not over
/// is gone on with: so a command that was killed does not leave a second run beside the first.
async fn run_project(config: Config, project: &str, args: Args) -> anyhow::Result<()> {
    let store = open_store(&config).await?;
    let new = new_run(&store, &config, project, args).await?;
    let worker = WorkerContext::new(store.clone(), &config.data_dir, config.base_model.clone());
    let unfinished = store.list_runs(new.project_id, UNFINISHED).await?;
    let work = match unfinished.into_iter().find(|run| asks_the_same(run, &new)) {
        Some(run) => {
            eprintln!(
                "Run {} ({}) asks for the same and is not over: goes on with it. Another --name begins another.",
                run.name, run.id
            );
            (run, None)
        }
        None => {
            let (run, lease) = store.start_run(new, &worker.name).await?;
            eprintln!("Run {} of {} begins.", run.name, run.id);
            let job = store.find_job(lease.job).await?;
            (run, Some((job, lease)))
        }
    };
    finish(config, store, worker, work).await
}

/// Where the newest runs of a project are looked through for one that is not over.
const UNFINISHED: u64 = 200;

fn asks_the_same(run: &Run, new: &NewRun) -> bool {
    let named = new.name.trim().is_empty() || new.name.trim() == run.name;
    !run.state.is_final() && named && run.settings == new.settings && run.data.choice == new.choice
}

/// Goes on with a run that is named.
async fn resume(config: Config, id: Uuid, args: &Args) -> anyhow::Result<()> {
    if args.method.is_some() || !args.settings.given()?.is_empty() {
        bail!("--resume: a run goes on with the method and settings that it has; leave out the others");
    }
    let store = open_store(&config).await?;
    let run = store.find_run(id).await?;
    match run.state {
        State::Done => eprintln!("Run {} is done already.", run.name),
        State::Failed | State::Cancelled => store.resume_run(id, None).await?,
        State::Queued | State::Running => {}
    }
    let worker = WorkerContext::new(store.clone(), &config.data_dir, config.base_model.clone());
    finish(config, store, worker, (run, None)).await
}

/// Works on the run, or follows it where another process does, until it is over.
async fn finish(
    config: Config,
    store: Store,
    worker: WorkerContext,
    (run, mut held): (Run, Option<(Job, Lease)>),
) -> anyhow::Result<()> {
    worker.free_dead_leases().await?;
    let mut told = Told::default();
    let run = loop {
        if held.is_none() {
            held = store.claim_job_of_run(&worker.name, run.id).await?;
        }
        if let Some((job, lease)) = held.take() {
            work(&worker, &run, job, lease, &mut told).await;
        }
        let now = store.find_run(run.id).await?;
        if now.state.is_final() {
            break now;
        }
        // In the hands of another process, which may yet die: then it is claimed here.
        for event in store.list_run_events(run.id, told.progress.seq, 1_000).await? {
            told.take(&event);
        }
        told.print_line();
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    store.close().await?;
    report(&run, &config)
}

/// Does a job that is held; Ctrl-C cancels it.
async fn work(worker: &WorkerContext, run: &Run, job: Job, lease: Lease, told: &mut Told) {
    let stop = Stop::default();
    let interrupted = stop.clone();
    let on_interrupt = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            interrupted.raise(StopReason::Cancelled);
        }
    });
    tokio::select! {
        () = worker.run_job(job, lease, stop) => {}
        () = print_progress(run, told) => {}
    }
    on_interrupt.abort();
}

async fn new_run(store: &Store, config: &Config, project: &str, args: Args) -> anyhow::Result<NewRun> {
    let find = async |name: &str| -> anyhow::Result<Uuid> {
        let found = store.find_project_by_name(name).await?;
        Ok(found.with_context(|| format!("there is no project “{name}”"))?.id)
    };
    let project_id = find(project).await?;
    let held_out = match &args.held_out_project {
        Some(name) if find(name).await? == project_id => {
            bail!("choose another project to hold the run against")
        }
        Some(name) => HeldOut::Project {
            id: find(name).await?,
        },
        None => HeldOut::Share {
            percent: percent(&args.held_out)?,
            seed: args.split_seed,
        },
    };
    let scoring = ScoringService::on(&config.data_dir, config.base_model.clone());
    let method = args.method.unwrap_or_default();
    args.settings.check_method(method)?;
    let base = args
        .files
        .base
        .as_deref()
        .map_or("".into(), Path::to_string_lossy);
    let settings = Recipe {
        base_model: base.as_ref().into(),
        ..scoring.defaults(method, &base).with(args.settings.given()?)?
    };
    scoring.check(&settings)?;
    Ok(NewRun {
        project_id,
        name: args.name,
        choice: DataChoice {
            source: args.source,
            annotators: Vec::new(),
            exclude_flagged: !args.include_flagged,
            corrections: !args.no_corrections,
            rankings: !args.no_rankings,
            whole_rankings: args.whole_rankings,
            margins: args.margins,
            ties: settings.ties.is_some(),
            held_out,
        },
        settings,
        created_by: None,
    })
}

/// Of a hundred prompts, how many are held out.
fn percent(given: &[String]) -> anyhow::Result<u8> {
    match given {
        [] => Ok(10),
        [one] => one.parse().map_err(|_| {
            anyhow::anyhow!("--held-out: with --project it is a whole number of percent, not “{one}”")
        }),
        _ => bail!("--held-out: with --project it is one number of percent; files go with --data"),
    }
}

/// What was printed of a run's course.
#[derive(Default)]
struct Told {
    progress: Progress,
    printed: String,
}

impl Told {
    /// A line on standard error for each evaluation and note.
    fn take(&mut self, event: &SeqEvent) {
        self.progress.apply(event);
        match &event.event {
            RunEvent::Evaluated(now) => {
                eprintln!(
                    "step {}: held-out accuracy {}, loss {:.4}",
                    now.step, now.correct, now.loss
                );
            }
            RunEvent::Note { text } => eprintln!("{text}"),
            _ => {}
        }
    }

    /// A line for where it stands, unless it is there already.
    fn print_line(&mut self) {
        let line = line(&self.progress);
        if line != self.printed {
            eprintln!("{line}");
            self.printed = line;
        }
    }
}

/// Prints what this process tells of the run, and every few seconds where it stands; never ends.
async fn print_progress(run: &Run, printed: &mut Told) {
    let mut told = live::subscribe(run.id);
    let mut tick = tokio::time::interval(Duration::from_secs(5));
    loop {
        tokio::select! {
            event = told.recv() => match event {
                Ok(event) => printed.take(&event),
                Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                Err(tokio::sync::broadcast::error::RecvError::Closed) => return std::future::pending().await,
            },
            _ = tick.tick() => printed.print_line(),
        }
    }
}

fn line(progress: &Progress) -> String {
    match progress.stage {
        Stage::Waiting => "reads the data and the base model".into(),
        Stage::Embedding { done, of } => format!("reads the texts: {done} of {of}"),
        Stage::Training => format!(
            "step {} of {}: loss {}, {:.1} pairs a second, {} left",
            progress.step,
            progress.steps,
            progress
                .points
                .last()
                .map_or_else(|| "–".to_owned(), |point| format!("{:.4}", point.loss)),
            progress.pairs_per_second.unwrap_or_default(),
            app::text::duration(progress.seconds_left.unwrap_or_default())
        ),
        Stage::Scoring { done, of } => format!("scores the responses: {done} of {of}"),
    }
}

fn report(run: &Run, config: &Config) -> anyhow::Result<()> {
    match (run.state, &run.metrics) {
        (State::Done, Some(metrics)) => print_table(run, metrics, config),
        (State::Cancelled, _) => bail!(
            "cancelled; `touchstone train --resume {}` goes on with it",
            run.id
        ),
        _ => bail!(
            "{}",
            run.error.as_deref().unwrap_or("the run did not end: see the log")
        ),
    }
    Ok(())
}

fn print_table(run: &Run, metrics: &Metrics, config: &Config) {
    let counts = run.data.counts.unwrap_or_default();
    println!("run                {}", run.id);
    println!(
        "pairs              {} to learn from, {} held out",
        counts.train, counts.held_out
    );
    if let (Some(model), Some(longest)) = (metrics.held_out, metrics.longest) {
        println!("held-out accuracy  {model}");
        println!("longest wins       {longest}");
    }
    for (what, value) in measure_rows(metrics) {
        println!("{what:18} {value}");
    }
    let sentences = [better_sentence(metrics, &run.settings), alike_sentence(metrics)];
    for sentence in sentences.iter().flatten() {
        println!("{sentence}");
    }
    println!("steps              {}", metrics.steps);
    println!("seconds            {:.1}", metrics.seconds);
    println!(
        "texts cut          {} of {}",
        metrics.cut.cut_texts, metrics.cut.texts
    );
    println!("responses scored   {}", metrics.scored);
    if let Some(peak) = peak_memory_mib() {
        println!("peak memory        {peak} MiB");
    }
    println!(
        "model              {}",
        data_folder::model(&config.data_dir, run.id).display()
    );
}
