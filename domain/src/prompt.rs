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
    /// What a tool gave back.
    Tool,
}

impl Speaker {
    /// The spelling in files and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Speaker::System => "system",
            Speaker::User => "user",
            Speaker::Assistant => "assistant",
            Speaker::Tool => "tool",
        }
    }

    /// As pages name them.
    pub fn name(self) -> &'static str {
        match self {
            Speaker::System => "System",
            Speaker::User => "Person",
            Speaker::Assistant => "Assistant",
            Speaker::Tool => "Tool",
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

/// The same for conversations that differ in white space alone, at the ends of lines or between words: they are one prompt
/// where prompts are held out. Indentation counts. The [`conversation_hash`] of a conversation that has no such space.
pub fn near_hash(messages: &[Message]) -> String {
    let plain = messages.iter().map(|message| Message {
        role: message.role,
        content: without_loose_space(&message.content),
    });
    conversation_hash(&plain.collect::<Vec<_>>())
}

fn without_loose_space(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for (index, line) in text.trim().lines().enumerate() {
        if index > 0 {
            plain.push('\n');
        }
        let words = line.trim_start();
        plain.push_str(&line[..line.len() - words.len()]);
        for (index, word) in words.split_whitespace().enumerate() {
            if index > 0 {
                plain.push(' ');
            }
            plain.push_str(word);
        }
    }
    plain
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

#[cfg(test)]
mod tests {
    use super::*;

    fn said(content: &str) -> [Message; 1] {
        [Message {
            role: Speaker::User,
            content: content.to_owned(),
        }]
    }

    #[test]
    fn prompts_that_differ_by_white_space_are_near_and_others_are_not() {
        let plain = said("Sort these.\n    two words");
        assert_eq!(near_hash(&plain), conversation_hash(&plain));
        for near in [
            "Sort these. \n    two words",
            " Sort  these.\r\n    two\u{a0}words\n",
        ] {
            assert_eq!(near_hash(&said(near)), near_hash(&plain), "{near:?}");
            assert_ne!(conversation_hash(&said(near)), conversation_hash(&plain));
        }
        for other in [
            "Sort these.\n  two words",
            "Sort these.\n\n    two words",
            "Sortthese.\n    two words",
        ] {
            assert_ne!(near_hash(&said(other)), near_hash(&plain), "{other:?}");
        }
    }
}
