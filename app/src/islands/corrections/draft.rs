//! A correction that is being written, kept in the browser until the server has it. There is one per comparison: what
//! was typed stays, whatever response it is then said to correct.

use leptos::prelude::{GetValue, StoredValue, WithValue};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::EditorStart;
use crate::islands::storage;

/// Where the draft of one comparison lies, and what need not be kept.
#[derive(Clone, Copy)]
pub struct Draft(StoredValue<Place>);

#[derive(Clone)]
struct Place {
    key: String,
    /// What the server gave.
    content: String,
    origin: Option<Uuid>,
    supersedes: Option<Uuid>,
}

/// What the browser had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    Nothing,
    /// Written for the response that is corrected now.
    Here,
    /// Written for another one.
    Elsewhere,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    text: String,
    origin: Option<Uuid>,
    /// The correction that stood when it was written.
    supersedes: Option<Uuid>,
    /// It is on its way to the server.
    sent: bool,
}

impl Draft {
    pub fn new(start: &EditorStart) -> Draft {
        Draft(StoredValue::new(Place {
            key: format!("touchstone.correcting.{}.{}", start.user, start.comparison),
            content: start.content.clone(),
            origin: start.response.as_ref().map(|(id, _)| *id),
            supersedes: start.supersedes,
        }))
    }

    /// What was typed and not saved, and for which response.
    pub fn find(self) -> (Option<String>, Found) {
        let place = self.0.get_value();
        let kept = storage::get(&place.key).and_then(|text| serde_json::from_str::<Kept>(&text).ok());
        let Some(kept) = kept else {
            return (None, Found::Nothing);
        };
        // Sent, and something has been saved since: that was it.
        let saved = kept.sent && kept.supersedes != place.supersedes;
        if saved || kept.text == place.content {
            storage::remove(&place.key);
            return (None, Found::Nothing);
        }
        let how = match kept.origin == place.origin {
            true => Found::Here,
            false => Found::Elsewhere,
        };
        (Some(kept.text), how)
    }

    /// Keeps what is typed, unless it is what the server gave.
    pub fn keep(self, text: &str) {
        self.write(text, false);
    }

    /// As [`Draft::keep`], before it goes to the server: a refused one is still there.
    pub fn send(self, text: &str) {
        self.write(text, true);
    }

    fn write(self, text: &str, sent: bool) {
        self.0.with_value(|place| {
            if text == place.content {
                storage::remove(&place.key);
                return;
            }
            let kept = Kept {
                text: text.to_owned(),
                origin: place.origin,
                supersedes: place.supersedes,
                sent,
            };
            if let Ok(kept) = serde_json::to_string(&kept) {
                storage::set(&place.key, &kept);
            }
        });
    }
}
