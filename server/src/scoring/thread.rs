//! The model thread: owns the models, takes requests together, answers each.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
};

use app::scoring::ScoringError;
use reward_model::{Example, ModelError, Scored, Scorer};

use super::{Request, characters};

/// Models kept in memory, the last used ones.
const MODELS: usize = 3;

/// Examples taken together at most; a larger request goes alone.
const BATCH: usize = 256;

/// Characters that are scored before it is looked whether anybody still waits.
const PART: usize = 200_000;

/// Starts the thread; it ends when the sender is gone.
pub fn start(queue: usize) -> SyncSender<Request> {
    let (sender, receiver) = sync_channel(queue);
    let thread = std::thread::Builder::new().name("score".into());
    if let Err(error) = thread.spawn(move || work(&receiver)) {
        tracing::error!(%error, "cannot start the model thread");
    }
    sender
}

fn work(queue: &Receiver<Request>) {
    let mut models = Models::default();
    let mut next = None;
    while let Some(first) = next.take().or_else(|| queue.recv().ok()) {
        let mut batch = vec![first];
        let mut size = batch[0].examples.len();
        // What waits already for the same model goes along; the first that does not fit begins the next batch.
        while let Ok(request) = queue.try_recv() {
            size += request.examples.len();
            if request.model_dir != batch[0].model_dir || size > BATCH {
                next = Some(request);
                break;
            }
            batch.push(request);
        }
        answer(&mut models, batch);
    }
}

fn answer(models: &mut Models, mut batch: Vec<Request>) {
    // Nobody waits for the answers of those who have gone.
    batch.retain(|request| !request.reply.is_closed());
    let Some(first) = batch.first() else { return };
    let model_dir = first.model_dir.clone();
    let sizes: Vec<usize> = batch.iter().map(|request| request.examples.len()).collect();
    let examples: Vec<_> = batch
        .iter_mut()
        .flat_map(|request| std::mem::take(&mut request.examples))
        .collect();
    let is_over = || batch.iter().all(|request| request.reply.is_closed());
    let score = || score_in_parts(models.get(&model_dir)?, &examples, is_over);
    let scored = match catch_unwind(AssertUnwindSafe(score)) {
        Ok(Ok(Some(scored))) => Ok(scored),
        Ok(Ok(None)) => {
            tracing::info!("scoring stopped: whoever asked has gone");
            return;
        }
        Ok(Err(error)) => Err(failure(error)),
        Err(_) => Err(ScoringError::Failed("the model panicked".to_owned())),
    };
    let mut from = 0;
    for (request, size) in batch.into_iter().zip(sizes) {
        let part = match &scored {
            Ok(scored) => Ok(scored[from..from + size].to_vec()),
            Err(error) => Err(error.clone()),
        };
        from += size;
        // Fails when the one who asked has gone.
        drop(request.reply.send(part));
    }
}

/// The rewards of all examples; None if `is_over` before the last part.
fn score_in_parts(
    scorer: &Scorer,
    examples: &[Example],
    is_over: impl Fn() -> bool,
) -> Result<Option<Vec<Scored>>, ModelError> {
    let mut scored = Vec::with_capacity(examples.len());
    for part in parts(examples) {
        if is_over() {
            return Ok(None);
        }
        scored.extend(scorer.score(part, &mut |_, _| {})?);
    }
    Ok(Some(scored))
}

/// The examples in parts of some seconds' work at the most; what is smaller stays together.
fn parts(examples: &[Example]) -> Vec<&[Example]> {
    let mut parts = Vec::new();
    let (mut from, mut size) = (0, 0);
    for (at, example) in examples.iter().enumerate() {
        let more = characters(example);
        if at > from && size + more > PART {
            parts.push(&examples[from..at]);
            (from, size) = (at, 0);
        }
        size += more;
    }
    parts.push(&examples[from..]);
    parts
}

/// What is the model's own is told to whoever asked.
fn failure(error: ModelError) -> ScoringError {
    match error {
        ModelError::NotFinite { cause, .. } => ScoringError::NotFinite(cause),
        ModelError::Refused { reason, .. } => ScoringError::Refused(reason),
        error => ScoringError::Failed(error.to_string()),
    }
}

/// The models used last, newest last.
#[derive(Default)]
struct Models(VecDeque<(PathBuf, Scorer)>);

impl Models {
    fn get(&mut self, folder: &Path) -> Result<&Scorer, ModelError> {
        let kept = self.0.iter().position(|(path, _)| path == folder);
        let entry = match kept.and_then(|place| self.0.remove(place)) {
            Some(entry) => entry,
            None => (folder.to_owned(), Scorer::load(folder)?),
        };
        if self.0.len() == MODELS {
            self.0.pop_front();
        }
        self.0.push_back(entry);
        Ok(&self.0[self.0.len() - 1].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_work_is_cut_into_parts_between_which_it_can_stop() {
        let example = |length: usize| Example {
            prompt: Vec::new(),
            response: "x".repeat(length),
        };
        let sizes = |lengths: &[usize]| -> Vec<usize> {
            let examples: Vec<Example> = lengths.iter().map(|length| example(*length)).collect();
            parts(&examples).iter().map(|part| part.len()).collect()
        };
        assert_eq!(sizes(&[10; 256]), [256], "a usual request goes at once");
        assert_eq!(sizes(&[PART / 2, PART / 2, 1, PART, 3]), [2, 1, 1, 1]);
        assert_eq!(sizes(&[2 * PART, 1]), [1, 1]);
    }

    #[test]
    fn whoever_has_gone_is_not_scored_for() {
        let (reply, answer_to) = tokio::sync::oneshot::channel();
        drop(answer_to);
        let waiting = std::sync::Arc::default();
        let request = Request {
            // Loading it would fail, and be told.
            model_dir: "/nowhere".into(),
            examples: Vec::new(),
            reply,
            _room: super::super::Room::take(&waiting, 7).expect("room"),
        };
        answer(&mut Models::default(), vec![request]);
        assert_eq!(
            waiting.load(std::sync::atomic::Ordering::Acquire),
            0,
            "its room is free"
        );
    }
}
