//! The model thread: owns the models, takes requests together, answers each.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
};

use app::scoring::ScoringError;
use reward_model::{ModelError, Scorer};

use super::Request;

/// Models kept in memory, the last used ones.
const MODELS: usize = 3;

/// Examples taken together at most; a larger request goes alone.
const BATCH: usize = 256;

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
    let sizes: Vec<usize> = batch.iter().map(|request| request.examples.len()).collect();
    let examples: Vec<_> = batch
        .iter_mut()
        .flat_map(|request| std::mem::take(&mut request.examples))
        .collect();
    let score = || models.get(&batch[0].model_dir)?.score(&examples, &mut |_, _| {});
    let scored = match catch_unwind(AssertUnwindSafe(score)) {
        Ok(Ok(scored)) => Ok(scored),
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
