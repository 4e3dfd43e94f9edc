//! What is being written about the comparison on the screen. The browser keeps it until the judgement is given, so that
//! a reload, the way to the editor and back, or a closed window loses nothing.

use domain::task::{Task, Written};
use leptos::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::islands::storage;

/// A draft that nobody came back to is given up after a month, in milliseconds.
const KEPT_FOR: f64 = 30.0 * 24.0 * 3_600_000.0;

/// The parts of a draft, each followed by itself.
#[derive(Clone, Copy)]
pub struct Draft {
    pub flagged: RwSignal<bool>,
    pub justification: RwSignal<String>,
    pub confidence: RwSignal<Option<i32>>,
    /// One for each response.
    pub places: RwSignal<Vec<Option<u8>>>,
    /// The reason is being written: its box has the focus.
    pub writing: RwSignal<bool>,
    user: Uuid,
    /// What it is about; None while there is nothing to keep.
    about: StoredValue<Option<About>>,
}

#[derive(Clone)]
struct About {
    key: String,
    /// What the server knows already.
    begun: Written,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    at: f64,
    written: Written,
    #[serde(default)]
    writing: bool,
}

impl Draft {
    /// As the server rendered it.
    pub fn new(user: Uuid, task: Option<&Task>) -> Draft {
        let written = task.map(|task| task.written.clone()).unwrap_or_default();
        Draft {
            flagged: RwSignal::new(written.flagged),
            justification: RwSignal::new(written.justification),
            confidence: RwSignal::new(written.confidence),
            places: RwSignal::new(padded(written.places, task)),
            writing: RwSignal::new(false),
            user,
            about: StoredValue::new(None),
        }
    }

    /// Takes up what was begun about a task, here or in an earlier judgement. Whether the browser had kept some of it.
    pub fn begin(self, task: Option<&Task>) -> bool {
        let Some(shown) = task else {
            self.about.set_value(None);
            self.put(Written::default(), None);
            self.writing.set(false);
            return false;
        };
        let key = format!("{}{}", self.prefix(), shown.comparison_id);
        let kept = storage::get(&key)
            .and_then(|text| serde_json::from_str::<Kept>(&text).ok())
            .filter(|kept| kept.written != shown.written);
        let restored = kept.is_some();
        let writing = kept.as_ref().is_some_and(|kept| kept.writing);
        self.put(
            kept.map_or_else(|| shown.written.clone(), |kept| kept.written),
            task,
        );
        self.writing.set(writing);
        self.about.set_value(Some(About {
            key,
            begun: shown.written.clone(),
        }));
        restored
    }

    /// All of it, followed by whoever asks.
    pub fn read(self) -> Written {
        let places = self.places.get();
        Written {
            flagged: self.flagged.get(),
            justification: self.justification.get(),
            confidence: self.confidence.get(),
            places: match places.iter().all(Option::is_none) {
                true => Vec::new(),
                false => places,
            },
        }
    }

    /// Keeps it in the browser at every change.
    pub fn keep(self) {
        let (written, writing) = (self.read(), self.writing.get());
        self.about.with_value(|about| {
            let Some(about) = about else { return };
            if written == about.begun {
                storage::remove(&about.key);
            } else if let Ok(text) = serde_json::to_string(&Kept {
                at: js_sys::Date::now(),
                written,
                writing,
            }) {
                storage::set(&about.key, &text);
            }
        });
    }

    /// The judgement was given: it has everything.
    pub fn forget(self) {
        if let Some(about) = self.about.get_value() {
            storage::remove(&about.key);
        }
        self.about.set_value(None);
    }

    /// Gives up what nobody came back to.
    pub fn forget_old(self) {
        let now = js_sys::Date::now();
        for (key, text) in storage::with_prefix(&self.prefix()) {
            let fresh = serde_json::from_str::<Kept>(&text).is_ok_and(|kept| now - kept.at < KEPT_FOR);
            if !fresh {
                storage::remove(&key);
            }
        }
    }

    fn put(self, written: Written, task: Option<&Task>) {
        self.flagged.set(written.flagged);
        self.justification.set(written.justification);
        self.confidence.set(written.confidence);
        self.places.set(padded(written.places, task));
    }

    /// Per person: another one at the same browser has drafts of their own.
    fn prefix(self) -> String {
        format!("touchstone.judging.{}.", self.user)
    }
}

fn padded(mut places: Vec<Option<u8>>, task: Option<&Task>) -> Vec<Option<u8>> {
    places.resize(task.map_or(0, |task| task.responses.len()), None);
    places
}
