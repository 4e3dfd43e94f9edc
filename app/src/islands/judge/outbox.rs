//! Judgements on their way to the server. Each is kept in the browser's storage until the server has it on its disk:
//! a lost connection, a reload or a closed window loses nothing. A refused one is shown, not dropped.

use std::time::Duration;

use domain::task::Submission;
use leptos::{prelude::*, task::spawn_local};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{error::AppError, islands::storage, server_fns::judge::submit_judgement};

/// What waits, in the order in which it was said.
#[derive(Clone, Copy)]
pub struct Outbox {
    project: Uuid,
    user: Uuid,
    entries: RwSignal<Vec<Entry>>,
    /// Why the last attempt failed, if it did.
    pub trouble: RwSignal<Option<String>>,
    /// The last attempt found nobody signed in.
    pub signed_out: RwSignal<bool>,
    sending: StoredValue<bool>,
    failures: StoredValue<u32>,
}

/// One judgement that the server has not acknowledged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    project: Uuid,
    /// When it was said, in milliseconds.
    at: f64,
    pub submission: Submission,
    /// The server's sentence, if it refused.
    pub refused: Option<String>,
}

impl Outbox {
    /// An empty one; [`Outbox::open`] fills it from the browser's storage.
    pub fn new(project: Uuid, user: Uuid) -> Outbox {
        Outbox {
            project,
            user,
            entries: RwSignal::new(Vec::new()),
            trouble: RwSignal::new(None),
            signed_out: RwSignal::new(false),
            sending: StoredValue::new(false),
            failures: StoredValue::new(0),
        }
    }

    /// Takes up what an earlier page left behind.
    pub fn open(self) {
        let found = storage::with_prefix(&self.prefix());
        let mut left: Vec<Entry> = found
            .iter()
            .filter_map(|(_, text)| serde_json::from_str(text).ok())
            .collect();
        left.sort_by(|a, b| a.at.total_cmp(&b.at));
        self.entries.set(left);
        self.pump();
    }

    /// Keeps a judgement and starts to send it.
    pub fn push(self, submission: Submission) {
        let entry = Entry {
            project: self.project,
            at: js_sys::Date::now(),
            submission,
            refused: None,
        };
        self.keep(&entry);
        self.entries.update(|entries| entries.push(entry));
        self.pump();
    }

    /// How many wait to be sent.
    pub fn waiting(self) -> usize {
        self.entries
            .with(|entries| entries.iter().filter(|entry| entry.refused.is_none()).count())
    }

    /// Those that the server refused.
    pub fn refused(self) -> Vec<(Uuid, String)> {
        let refused = |entry: &Entry| Some((entry.submission.id, entry.refused.clone()?));
        self.entries
            .with(|entries| entries.iter().filter_map(refused).collect())
    }

    /// The comparisons that something waits for.
    pub fn comparisons(self) -> Vec<Uuid> {
        self.entries.with_untracked(|entries| {
            entries
                .iter()
                .map(|entry| entry.submission.comparison_id)
                .collect()
        })
    }

    /// The last that waits for one comparison.
    pub fn last_about(self, comparison: Uuid) -> Option<Submission> {
        self.entries.with_untracked(|entries| {
            let mut about = entries.iter().rev().map(|entry| &entry.submission);
            about
                .find(|submission| submission.comparison_id == comparison)
                .cloned()
        })
    }

    /// Drops one: the server has it, or the person has read why it was refused.
    pub fn forget(self, id: Uuid) {
        storage::remove(&format!("{}{id}", self.prefix()));
        self.entries
            .update(|entries| entries.retain(|entry| entry.submission.id != id));
    }

    /// Sends the next, if nothing is being sent.
    pub fn pump(self) {
        if self.sending.get_value() {
            return;
        }
        let next = self
            .entries
            .with_untracked(|entries| entries.iter().find(|entry| entry.refused.is_none()).cloned());
        let Some(entry) = next else { return };
        self.sending.set_value(true);
        spawn_local(async move {
            let id = entry.submission.id;
            let answer = submit_judgement(entry.project, entry.submission).await;
            self.sending.set_value(false);
            match answer {
                Ok(()) => {
                    self.failures.set_value(0);
                    self.trouble.set(None);
                    self.signed_out.set(false);
                    self.forget(id);
                    self.pump();
                }
                Err(error) if error.may_retry() || error == AppError::SignedOut => self.wait(&error),
                Err(error) => {
                    self.refuse(id, error.to_string());
                    self.pump();
                }
            }
        });
    }

    /// Tries again later: after 1, 2, 4, … up to 60 seconds.
    fn wait(self, error: &AppError) {
        let failures = self.failures.get_value();
        self.failures.set_value(failures + 1);
        self.trouble.set(Some(error.to_string()));
        self.signed_out.set(*error == AppError::SignedOut);
        let seconds = 1u64.checked_shl(failures.min(6)).unwrap_or(64).min(60);
        set_timeout(move || self.pump(), Duration::from_secs(seconds));
    }

    fn refuse(self, id: Uuid, sentence: String) {
        self.entries.update(|entries| {
            if let Some(entry) = entries.iter_mut().find(|entry| entry.submission.id == id) {
                entry.refused = Some(sentence);
            }
        });
        let entry = self
            .entries
            .with_untracked(|entries| entries.iter().find(|entry| entry.submission.id == id).cloned());
        if let Some(entry) = entry {
            self.keep(&entry);
        }
    }

    fn keep(self, entry: &Entry) {
        if let Ok(text) = serde_json::to_string(entry) {
            storage::set(&format!("{}{}", self.prefix(), entry.submission.id), &text);
        }
    }

    /// Per person: another one at the same browser must not send this one's judgements.
    fn prefix(self) -> String {
        format!("touchstone.outbox.{}.", self.user)
    }
}
