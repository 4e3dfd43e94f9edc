//! Jobs: work that a worker does outside of a request, and how far it is.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{Millis, run::State};

/// What a job does; a worker dispatches on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Reads a file of preferences into a project.
    Import,
    /// Trains a reward model.
    Train,
}

impl JobKind {
    pub const ALL: [JobKind; 2] = [JobKind::Import, JobKind::Train];

    /// The spelling in the database and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            JobKind::Import => "import",
            JobKind::Train => "train",
        }
    }
}

/// A job as it stands in the queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    pub id: Uuid,
    pub kind: JobKind,
    pub state: State,
    pub project_id: Option<Uuid>,
    pub run_id: Option<Uuid>,
    /// What to do; its shape depends on the kind.
    pub payload: serde_json::Value,
    /// How far it is; its shape depends on the kind.
    pub progress: Option<serde_json::Value>,
    /// What came out; its shape depends on the kind.
    pub result: Option<serde_json::Value>,
    /// Why it failed: a sentence.
    pub error: Option<String>,
    /// How often a worker has claimed it without finishing or handing it back.
    pub attempts: i32,
    pub cancel_requested: bool,
    pub created_by: Option<Uuid>,
    pub created_at: Millis,
    pub started_at: Option<Millis>,
    pub finished_at: Option<Millis>,
}

impl Job {
    /// The payload as the kind's own type.
    pub fn payload<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(&self.payload)
    }

    /// The progress as the kind's own type; `None` before the first report, or if it is of another shape.
    pub fn progress<T: DeserializeOwned>(&self) -> Option<T> {
        self.progress
            .as_ref()
            .and_then(|value| T::deserialize(value).ok())
    }

    /// The result as the kind's own type; `None` before the end, or if it is of another shape.
    pub fn result<T: DeserializeOwned>(&self) -> Option<T> {
        self.result.as_ref().and_then(|value| T::deserialize(value).ok())
    }
}
