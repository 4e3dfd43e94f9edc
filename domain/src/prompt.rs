//! Prompts are conversations; responses are what models said next.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Who speaks in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    System,
    User,
    Assistant,
}

impl Speaker {
    /// The spelling in files and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Speaker::System => "system",
            Speaker::User => "user",
            Speaker::Assistant => "assistant",
        }
    }

    /// As pages name them.
    pub fn name(self) -> &'static str {
        match self {
            Speaker::System => "System",
            Speaker::User => "Person",
            Speaker::Assistant => "Assistant",
        }
    }
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Message {
    pub role: Speaker,
    pub content: String,
}

/// A conversation up to the turn to be answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    pub id: Uuid,
    pub messages: Vec<Message>,
    pub category: Option<String>,
    /// BCP 47 tag.
    pub language: Option<String>,
}

/// One answer to a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    pub id: Uuid,
    pub prompt_id: Uuid,
    pub content: String,
    /// The model that wrote it; hidden from those who judge.
    pub model: Option<String>,
}

/// The identity of a conversation within a project: hex SHA-256 over roles and contents.
pub fn conversation_hash(messages: &[Message]) -> String {
    let mut hasher = Sha256::new();
    for message in messages {
        hash_part(&mut hasher, message.role.as_str());
        hash_part(&mut hasher, &message.content);
    }
    hex(&hasher.finalize())
}

/// The identity of a text: hex SHA-256.
pub fn text_hash(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// Length first, so that no two lists of parts hash the same bytes.
fn hash_part(hasher: &mut Sha256, part: &str) {
    hasher.update((part.len() as u64).to_le_bytes());
    hasher.update(part.as_bytes());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
