//! `touchstone train --data`: from files of preferences to a model folder, without a database.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use anyhow::{Context, anyhow, bail};
use domain::import::OnError;
use recipe::Method;
use recipe::Recipe;
use reward_model::{About, Encoder, Event, TrainError, TrainOutcome, TrainRequest, longest_text};
use serde_json::json;

use super::{serve::stop_signal, setting_flags::SettingFlags};
use crate::{
    folder_lock::FolderLock,
    hub,
    reading::Input,
    standalone::{
        curves,
        history::{History, Recorder},
        preference_files::{self, LeftOut},
        progress::Progress,
        refused::Reads,
        run_config,
        split::{Source, Split},
        summary::{self, Rows, peak_memory_mib},
    },
    worker::{Stop, StopReason},
};

/// The flags of training on files.
#[derive(Debug, clap::Args)]
pub struct FileArgs {
    /// Learn from files instead of a project, in the forms that import takes: JSON lines, a JSON list or a table, plain, gzip or zip.
    #[arg(long, num_args = 1.., value_name = "FILE", requires = "out")]
    data: Vec<PathBuf>,
    /// Folder of the base model, or its name on the Hugging Face hub [default: as --config or --base-model say]. With --project the
    /// identifier of a run whose model goes on, a folder among the data folder's models, or a name on the hub.
    #[arg(long, value_name = "NAME|FOLDER", conflicts_with = "resume")]
    pub base: Option<PathBuf>,
    /// TOML with settings by the engine's names, such as `epochs = 2`; flags win over it.
    #[arg(long, value_name = "FILE", requires = "data", conflicts_with = "project")]
    config: Option<PathBuf>,
    /// Folder for the model, its curves and metrics, and for checkpoints on the way; the same command goes on where it
    /// was stopped.
    #[arg(long, value_name = "FOLDER", requires = "data", conflicts_with = "project")]
    out: Option<PathBuf>,
    /// Share of the prompts held out [default: 0.1].
    #[arg(long, value_name = "SHARE", requires = "data", conflicts_with_all = ["held_out", "project"])]
    held_out_share: Option<f64>,
    /// Folder of embeddings that runs of a head share [default: in the folder of --out].
    #[arg(long, value_name = "FOLDER", requires = "data", conflicts_with = "project")]
    cache: Option<PathBuf>,
    /// stop: train on nothing if a line is broken; skip: train on the rest.
    #[arg(long, value_name = "stop|skip", requires = "data", conflicts_with = "project")]
    on_error: Option<OnError>,
}

/// All that was asked for.
#[derive(Debug)]
pub struct FileChoice {
    pub files: FileArgs,
    pub method: Option<Method>,
    /// Files.
    pub held_out: Vec<String>,
    pub split_seed: u64,
    /// What the program's own configuration names.
    pub base_model: Option<PathBuf>,
    pub settings: SettingFlags,
}

/// Runs the command. Ctrl-C stops with a checkpoint, a second one at once.
pub async fn run(choice: FileChoice) -> anyhow::Result<()> {
    let stop = Stop::default();
    let raised = stop.clone();
    let on_signal = tokio::spawn(async move {
        stop_signal().await;
        raised.raise(StopReason::Cancelled);
        eprintln!("Stops after the step at hand, with a checkpoint. Once more: stops at once.");
        stop_signal().await;
        std::process::exit(130);
    });
    let done = tokio::task::spawn_blocking(move || train(choice, &stop.flag())).await;
    on_signal.abort();
    done?
}

fn train(mut choice: FileChoice, stop: &AtomicBool) -> anyhow::Result<()> {
    // What comes through a stream is gone through several times.
    let data = Input::all_at(&choice.files.data)?;
    choice.files.data = data.iter().map(|input| input.path().to_owned()).collect();
    let out = choice.files.out.clone().context("name a folder with --out")?;
    let config = config(&choice)?;
    let reads =
        Reads::by(Encoder::load(&config.base_model, config.max_tokens).map_err(|error| anyhow!("{error}"))?);
    let split = split(&choice, reads)?;
    let request = TrainRequest {
        config,
        train: split.train,
        held_out: split.held_out,
        cache_dir: choice.files.cache.unwrap_or_else(|| out.join("embeddings")),
        run_dir: out.clone(),
        threads: None,
    };
    let unwritten = || format!("cannot keep the run's course in {}", out.display());
    let Some(_alone) =
        FolderLock::try_take(&out).with_context(|| format!("cannot write to {}", out.display()))?
    else {
        bail!(
            "another training works in {}: wait for it, or name another folder",
            out.display()
        );
    };
    let mut recorder = Recorder::open(&out).with_context(unwritten)?;
    let (mut problem, mut has_begun) = (None, false);
    let progress = Progress::new("starts");
    let mut on_event = |event: Event| {
        progress.follow(&event);
        has_begun |= matches!(event, Event::Embedding { .. } | Event::Started { .. });
        if let Err(error) = recorder.record(&event) {
            problem.get_or_insert(error);
        }
        if let Event::Evaluated { .. } = event
            && let Err(error) = write_curves(&out, &recorder.history)
        {
            problem.get_or_insert(error);
        }
    };
    let outcome = reward_model::train(&request, &mut on_event, stop);
    progress.end();
    // The engine's sentences hold their causes already.
    let outcome = outcome.map_err(|error| match error {
        TrainError::NoPairs if request.held_out.is_empty() => anyhow!("the files hold no pairs to learn from"),
        TrainError::NoPairs => anyhow!(
            "there is nothing to learn from: all {} pairs are held out, which goes by prompt; give --held-out-share or --held-out",
            request.held_out.len()
        ),
        error => anyhow!("{error}"),
    })?;
    if let Some(problem) = problem {
        return Err(problem).with_context(unwritten);
    }
    write_curves(&out, &recorder.history).with_context(unwritten)?;
    match outcome {
        TrainOutcome::Stopped { step } => {
            bail!("stopped after step {step}; the same command goes on from there")
        }
        TrainOutcome::Finished { model_dir, about } => {
            if !has_begun {
                eprintln!(
                    "This run has ended before: nothing is trained anew, and what it came to is told once more. Another --out begins another run."
                );
            }
            write_metrics(&out, &about).with_context(unwritten)?;
            print!("{}", summary::table(&rows(&model_dir, &about)));
            Ok(())
        }
    }
}

fn config(choice: &FileChoice) -> anyhow::Result<Recipe> {
    let mut flags = choice.settings.given()?;
    if let Some(method) = choice.method {
        flags.insert("method".to_owned(), json!(method.as_str()));
    }
    if let Some(base) = &choice.files.base {
        let base = base.to_str().context("the path of the base model is not UTF-8")?;
        flags.insert("base_model".to_owned(), json!(base));
    }
    let file = choice.files.config.as_deref();
    let is_asked = flags.contains_key(MAX_TOKENS) || run_config::sets(file, MAX_TOKENS)?;
    let mut config = run_config::load(file, flags, choice.base_model.as_deref())?;
    choice.settings.check_method(config.method)?;
    config.base_model = hub::find_or_fetch(&config.base_model)?;
    if !is_asked {
        // The default is for models that read as much; others read what they can.
        let longest = longest_text(&config.base_model).map_err(|error| anyhow!("{error}"))?;
        config.max_tokens = config.max_tokens.min(longest);
    }
    Ok(config)
}

const MAX_TOKENS: &str = "max_tokens";

/// Goes through the files, says what is left out, and divides the rest.
fn split(choice: &FileChoice, reads: Reads) -> anyhow::Result<Split> {
    let share = choice.files.held_out_share.unwrap_or(0.1);
    if !(0.0..1.0).contains(&share) {
        bail!("--held-out-share: must be at least 0 and below 1, not {share}");
    }
    let on_error = choice.files.on_error.unwrap_or_default();
    let source = Source {
        files: &choice.files.data,
        on_error,
        reads,
    };
    if choice.held_out.is_empty() {
        let split = source.by_share(share, choice.split_seed)?;
        tell_left_out(&split.left_out);
        split.refused.settle(on_error)?;
        return Ok(split);
    }
    let files: Vec<PathBuf> = choice.held_out.iter().map(PathBuf::from).collect();
    if let [word] = choice.held_out.as_slice()
        && let Ok(percent) = word.trim_end_matches('%').parse::<f64>()
        && !files[0].exists()
    {
        let share = percent / 100.0;
        bail!(
            "--held-out: with --data it names files; for {percent} % of the prompts give --held-out-share {share}"
        );
    }
    let held_out = preference_files::read(&files, on_error)?;
    let split = source.against(held_out.pairs)?;
    tell_left_out(&split.left_out);
    tell_left_out(&held_out.left_out);
    split.refused.settle(on_error)?;
    if split.overlapping > 0 {
        eprintln!(
            "{} pairs are not learnt from: their prompts are held out.",
            split.overlapping
        );
    }
    Ok(split)
}

/// Lines that are left out, on standard error.
pub fn tell_left_out(left_out: &LeftOut) {
    if left_out.lines > 0 {
        eprintln!("left out:\n{left_out}");
    }
    for told in left_out.told.reading() {
        eprintln!("{told}");
    }
}

fn rows(model_dir: &Path, about: &About) -> Rows {
    let pairs = format!(
        "{} to learn from, {} held out",
        about.train_pairs,
        held_out_pairs(about)
    );
    let mut rows = vec![("pairs", pairs)];
    if about.alike != [0, 0] {
        let [train, held_out] = about.alike;
        rows.push((
            "one text to the model",
            format!("{train} and {held_out} more, left out"),
        ));
    }
    match &about.metrics {
        Some(metrics) => rows.extend(summary::of_metrics(metrics)),
        None => rows.push(("accuracy", "not measured: no pairs are held out".to_owned())),
    }
    if let Some(better) = &about.better {
        let sentence = format!(
            "step {} had accuracy {:.1} % and log loss {:.4}; the last weights are saved, --keep best saves those",
            better.step,
            100.0 * better.metrics.accuracy.value,
            better.metrics.log_loss
        );
        rows.push(("better on the way", sentence));
    }
    let cut = about.train_cut;
    rows.push(("texts cut", format!("{} of {}", cut.cut_texts, cut.texts)));
    rows.push(("seconds", format!("{:.1}", about.seconds)));
    if let Some(peak) = peak_memory_mib() {
        rows.push(("peak memory", format!("{peak} MiB")));
    }
    rows.push(("model", model_dir.display().to_string()));
    rows
}

/// Models of version 0.1.0 say only how many were measured.
fn held_out_pairs(about: &About) -> usize {
    about
        .held_out_pairs
        .max(about.metrics.map_or(0, |metrics| metrics.pairs))
}

fn write_curves(out: &Path, history: &History) -> std::io::Result<()> {
    fs::write(out.join("curves.svg"), curves::svg(history))
}

fn write_metrics(out: &Path, about: &About) -> std::io::Result<()> {
    let content = json!({
        "metrics": about.metrics,
        "train_pairs": about.train_pairs,
        "held_out_pairs": held_out_pairs(about),
        "alike": { "train": about.alike[0], "held_out": about.alike[1] },
        "better": about.better,
        "train_cut": about.train_cut,
        "seconds": about.seconds,
        "peak_memory_mib": peak_memory_mib(),
        "config": about.config,
        "data_hash": about.data_hash,
        "code_version": about.code_version,
    });
    fs::write(out.join("metrics.json"), format!("{content:#}\n"))
}
