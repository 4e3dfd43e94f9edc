//! After training: a score for every response of the run's projects that has none yet.

use std::{path::Path, sync::Arc, time::Instant};

use domain::run::event::RunEvent;
use recipe::Method;
use reward_model::{Example, ModelError, Scorer};
use store::score::scored_projects;

use super::{Failure, RECORD, Training};
use crate::data_folder;
use crate::model;

/// Responses per step: between two steps the job can be stopped.
const STEP: u64 = 128;

/// As [`STEP`], for a head: most of its texts are in the cache, which is read anew for each step.
const HEAD_STEP: u64 = 1024;

/// Scores what has no score and gives how many have one in the end; nothing if it was stopped.
pub async fn score_responses(
    training: &Training<'_>,
    base: &Path,
    model_dir: &Path,
) -> Result<Option<u64>, Failure> {
    let store = &training.context.worker.store;
    let run = training.run;
    let projects = scored_projects(run);
    let (mut done, mut of) = (0, 0);
    for project in &projects {
        let (scored, all) = store.count_scored_responses(run.id, *project).await?;
        done += scored;
        of += all;
    }
    training.tell(vec![RunEvent::Scoring { done, of }]).await;
    let (folder, base) = (model_dir.to_owned(), base.to_owned());
    let cache = data_folder::embeddings(&training.context.worker.data_dir);
    let load = move || Scorer::load(&folder)?.with_cache(&cache, &base);
    let scorer = Arc::new(tokio::task::spawn_blocking(load).await??);
    let step = match run.settings.method {
        Method::Head => HEAD_STEP,
        Method::Lora | Method::Layers | Method::Full => STEP,
    };
    let mut told = Instant::now();
    for project in projects {
        loop {
            if training.context.stop.is_raised() {
                return Ok(None);
            }
            let responses = store.list_unscored_responses(run.id, project, step).await?;
            if responses.is_empty() {
                break;
            }
            let (ids, examples): (Vec<_>, Vec<_>) = responses
                .into_iter()
                .map(|response| {
                    let prompt = model::messages(&response.prompt);
                    (
                        response.id,
                        Example {
                            prompt,
                            response: response.content,
                        },
                    )
                })
                .unzip();
            let scorer = Arc::clone(&scorer);
            let scored = tokio::task::spawn_blocking(move || scorer.score(&examples, &mut |_, _| {})).await?;
            let scored = scored.map_err(explained)?;
            let scores: Vec<_> = ids.into_iter().zip(scored.iter().map(model::scored)).collect();
            store
                .upsert_scores(run.id, &training.context.lease, &scores)
                .await?;
            done += scores.len() as u64;
            if told.elapsed() >= RECORD {
                training.tell(vec![RunEvent::Scoring { done, of }]).await;
                told = Instant::now();
            }
        }
    }
    training.tell(vec![RunEvent::Scoring { done, of }]).await;
    Ok(Some(done))
}

/// What the model itself is to blame for is told on the run.
fn explained(error: ModelError) -> Failure {
    match error {
        ModelError::NotFinite { cause, .. } => {
            Failure::Sentence(format!("The model gives a response no finite reward: {cause}."))
        }
        ModelError::Refused { reason, .. } => Failure::Sentence(format!(
            "A response cannot be scored: the model's chat template refuses its conversation: {reason}."
        )),
        error => error.into(),
    }
}
