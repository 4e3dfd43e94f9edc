//! What runs tell, handed on within this process: whoever watches a run that is trained here need not ask the
//! database.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
};

use domain::run::event::SeqEvent;
use tokio::sync::{broadcast, watch};
use uuid::Uuid;

/// One place for all: a run is trained by one worker, and those who watch it are anywhere.
static RUNS: LazyLock<Mutex<HashMap<Uuid, Channel>>> = LazyLock::new(Mutex::default);

/// Events that a slow watcher may be behind by; one further behind reads them from the database.
const ROOM: usize = 256;

struct Channel {
    sender: broadcast::Sender<SeqEvent>,
    here: bool,
}

/// Says that a run is trained in this process, as long as it lives.
#[derive(Debug)]
pub struct Here(Uuid);

impl Here {
    /// From now on, what this run tells is published here.
    pub fn begin(run: Uuid) -> Here {
        channel(&mut runs(), run).here = true;
        Here(run)
    }

    /// Hands events on.
    pub fn publish(&self, events: &[SeqEvent]) {
        publish(self.0, events);
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        let mut runs = runs();
        if let Some(channel) = runs.get_mut(&self.0) {
            channel.here = false;
        }
        runs.retain(|_, channel| channel.here || channel.sender.receiver_count() > 0);
    }
}

/// Whether this process is about to end.
static ENDING: LazyLock<watch::Sender<bool>> = LazyLock::new(|| watch::channel(false).0);

/// Lets go of everyone who watches, so that the server can end.
pub fn end_all() {
    ENDING.send_replace(true);
}

/// Waits until [`end_all`].
pub async fn ending() {
    // The sender is never dropped.
    drop(ENDING.subscribe().wait_for(|ending| *ending).await);
}

/// Hands events on to those who watch the run, if any.
pub fn publish(run: Uuid, events: &[SeqEvent]) {
    if let Some(channel) = runs().get(&run) {
        for event in events {
            // Fails when nobody watches.
            drop(channel.sender.send(event.clone()));
        }
    }
}

/// What the run tells in this process from now on.
pub fn subscribe(run: Uuid) -> broadcast::Receiver<SeqEvent> {
    channel(&mut runs(), run).sender.subscribe()
}

/// Whether the run is trained in this process.
pub fn is_here(run: Uuid) -> bool {
    runs().get(&run).is_some_and(|channel| channel.here)
}

fn channel(runs: &mut HashMap<Uuid, Channel>, run: Uuid) -> &mut Channel {
    runs.entry(run).or_insert_with(|| Channel {
        sender: broadcast::channel(ROOM).0,
        here: false,
    })
}

fn runs() -> MutexGuard<'static, HashMap<Uuid, Channel>> {
    RUNS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use domain::run::event::RunEvent;

    use super::*;

    #[tokio::test]
    async fn a_watcher_hears_what_is_published() {
        let run = Uuid::new_v4();
        let mut watcher = subscribe(run);
        assert!(!is_here(run));
        let here = Here::begin(run);
        assert!(is_here(run));
        let event = SeqEvent {
            seq: 1,
            event: RunEvent::Checkpointed { step: 4 },
        };
        here.publish(std::slice::from_ref(&event));
        assert_eq!(watcher.recv().await.unwrap(), event);
        drop(here);
        assert!(!is_here(run));
    }
}
