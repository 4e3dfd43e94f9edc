//! `touchstone train`.

use std::time::Duration;

use anyhow::{Context, bail};
use app::{
    measures::{alike_sentence, better_sentence, measure_rows},
    scoring::Scoring,
};
use domain::run::{
    Method, Metrics, Run, Settings, State,
    data::{DataChoice, HeldOut, JudgementSource},
    event::RunEvent,
    progress::{Progress, Stage},
};
use serde_json::Value;
use store::{Store, run::NewRun};

use super::{
    open_store,
    setting_flags::SettingFlags,
    train_files::{self, FileArgs, FileChoice},
};
use crate::{
    config::Config,
    scoring::ScoringService,
    standalone::{run_config::overlay, summary::peak_memory_mib},
    worker::{Stop, StopReason, WorkerContext, jobs::train::run_folder, live},
};

/// The command's own flags. Learns from a project, or with --data from files alone; settings that are not given are
/// the method's defaults.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The project's name.
    #[arg(
        long,
        value_name = "NAME",
        required_unless_present = "data",
        conflicts_with = "data"
    )]
    project: Option<String>,
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
    #[arg(long, default_value = "", conflicts_with = "data")]
    name: String,
    #[command(flatten)]
    settings: SettingFlags,
}

/// Runs the command.
pub async fn run(config: Config, args: Args) -> anyhow::Result<()> {
    match args.project.clone() {
        Some(project) => run_project(config, &project, args).await,
        None => {
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

/// The same job that the page would queue, done at once.
async fn run_project(config: Config, project: &str, args: Args) -> anyhow::Result<()> {
    let store = open_store(&config).await?;
    let new = new_run(&store, &config, project, args).await?;
    let worker = WorkerContext::new(store.clone(), &config.data_dir, config.base_model.clone());
    let (run, lease) = store.start_run(new, &worker.name).await?;
    eprintln!("Run {} of {} begins.", run.name, run.id);
    let job = store.find_job(lease.job).await?;
    let stop = Stop::default();
    let interrupted = stop.clone();
    let on_interrupt = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            interrupted.raise(StopReason::Cancelled);
        }
    });
    tokio::select! {
        () = worker.run_job(job, lease, stop) => {}
        () = print_progress(&run) => {}
    }
    on_interrupt.abort();
    let run = store.find_run(run.id).await?;
    store.close().await?;
    report(&run, &config)
}

async fn new_run(store: &Store, config: &Config, project: &str, args: Args) -> anyhow::Result<NewRun> {
    let find = async |name: &str| -> anyhow::Result<uuid::Uuid> {
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
    let settings = settings(&scoring, args.method.unwrap_or_default(), &args.settings)?;
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

/// The method's settings with those that are given.
fn settings(scoring: &ScoringService, method: Method, given: &SettingFlags) -> anyhow::Result<Settings> {
    let Value::Object(mut merged) = serde_json::to_value(scoring.defaults(method))? else {
        bail!("the settings are no table");
    };
    overlay(&mut merged, given.given()?);
    Ok(serde_json::from_value(Value::Object(merged))?)
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

/// A line on standard error for each evaluation, and one for where it stands every few seconds; never ends.
async fn print_progress(run: &Run) {
    let mut told = live::subscribe(run.id);
    let mut progress = Progress::default();
    let mut tick = tokio::time::interval(Duration::from_secs(5));
    let mut printed = String::new();
    loop {
        tokio::select! {
            event = told.recv() => match event {
                Ok(event) => {
                    progress.apply(&event);
                    match event.event {
                        RunEvent::Evaluated(now) => {
                            eprintln!("step {}: held-out accuracy {}, loss {:.4}", now.step, now.correct, now.loss);
                        }
                        RunEvent::Note { text } => eprintln!("{text}"),
                        _ => {}
                    }
                }
                Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                Err(tokio::sync::broadcast::error::RecvError::Closed) => return std::future::pending().await,
            },
            _ = tick.tick() => {
                let line = line(&progress);
                if line != printed {
                    eprintln!("{line}");
                    printed = line;
                }
            }
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
        (State::Cancelled, _) => bail!("cancelled"),
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
        run_folder(&config.data_dir, run.id).join("model").display()
    );
}
