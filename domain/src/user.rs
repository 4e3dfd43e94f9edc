//! People, and the imported annotators of datasets.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Millis, permission::Role};

/// Someone whose judgements are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub id: Uuid,
    pub kind: UserKind,
    pub name: String,
    /// None for an imported annotator.
    pub email: Option<String>,
    pub role: Role,
    pub created_at: Millis,
    pub disabled_at: Option<Millis>,
}

/// A person signs in; an imported annotator stands for whoever judged a dataset elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserKind {
    Person,
    Imported,
}

impl UserKind {
    /// The spelling in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            UserKind::Person => "person",
            UserKind::Imported => "imported",
        }
    }
}
