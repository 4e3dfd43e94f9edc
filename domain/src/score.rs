//! Scores: what a run's model makes of responses, beside what people made of them.

use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    formats::conversation_of,
    prompt::{Message, Speaker},
    stats::Proportion,
};

/// The most items in one request to score.
pub const MAX_ITEMS: usize = 64;
/// The most responses in one request to score, over all items.
pub const MAX_RESPONSES: usize = 256;
/// The most characters in one request to score: of each response with its prompt, since the model reads the prompt anew for
/// each.
pub const MAX_CHARACTERS: usize = 2_000_000;

/// A prompt with responses to score.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoreItem {
    pub prompt: PromptText,
    pub responses: Vec<String>,
}

/// A conversation, or the words of a single user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum PromptText {
    Plain(String),
    Conversation(Vec<Message>),
}

impl<'de> Deserialize<'de> for PromptText {
    /// Messages are read as in files: with the roles and contents that they come with there, and faults in sentences.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(PromptText::Plain(text)),
            value => match conversation_of(value, "prompt") {
                Ok(messages) => Ok(PromptText::Conversation(messages)),
                Err(fault) => Err(D::Error::custom(format!(
                    "{}: {}",
                    fault.field.as_deref().unwrap_or("prompt"),
                    fault.sentence
                ))),
            },
        }
    }
}

/// What the model makes of one response.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    pub reward: f64,
    /// Standard deviation of the rewards of an ensemble's members; none for a single model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<f64>,
    /// Tokens read.
    pub tokens: u64,
    /// Tokens left out at the beginning because the text was too long.
    pub cut_tokens: u64,
}

/// Why items cannot be scored, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScoreItemError {
    #[error("Give at least one item with at least one response.")]
    Empty,
    #[error("These are {0} items: one request holds at most {MAX_ITEMS}.")]
    TooManyItems(usize),
    #[error("These are {0} responses: one request holds at most {MAX_RESPONSES}.")]
    TooManyResponses(usize),
    #[error(
        "These are {0} characters: one request holds at most {MAX_CHARACTERS}, and a prompt counts once for each of its responses."
    )]
    TooLong(usize),
}

impl PromptText {
    /// As messages, oldest first; an empty text is an empty conversation.
    pub fn into_messages(self) -> Vec<Message> {
        match self {
            PromptText::Conversation(messages) => messages,
            PromptText::Plain(text) if text.is_empty() => Vec::new(),
            PromptText::Plain(content) => vec![Message {
                role: Speaker::User,
                content,
            }],
        }
    }

    fn characters(&self) -> usize {
        match self {
            PromptText::Plain(text) => text.chars().count(),
            PromptText::Conversation(messages) => messages.iter().map(|m| m.content.chars().count()).sum(),
        }
    }
}

/// Checks the size of a request.
pub fn check_items(items: &[ScoreItem]) -> Result<(), ScoreItemError> {
    let responses: usize = items.iter().map(|item| item.responses.len()).sum();
    if items.is_empty() || items.iter().any(|item| item.responses.is_empty()) {
        return Err(ScoreItemError::Empty);
    }
    if items.len() > MAX_ITEMS {
        return Err(ScoreItemError::TooManyItems(items.len()));
    }
    if responses > MAX_RESPONSES {
        return Err(ScoreItemError::TooManyResponses(responses));
    }
    let in_item = |item: &ScoreItem| -> usize {
        let responses: usize = item.responses.iter().map(|r| r.chars().count()).sum();
        item.prompt.characters() * item.responses.len() + responses
    };
    let characters = items.iter().map(in_item).sum::<usize>();
    if characters > MAX_CHARACTERS {
        return Err(ScoreItemError::TooLong(characters));
    }
    Ok(())
}

/// One preference of a person (or of a dataset) beside the model's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgedPair {
    pub prompt_id: Uuid,
    pub comparison_id: Uuid,
    pub chosen: Uuid,
    pub rejected: Uuid,
    /// How clearly people prefer, 1 to 3 steps; None for rankings and datasets without grades.
    pub strength: Option<i32>,
    pub category: Option<String>,
    /// Whether its prompt is held out: the model has learnt from none of its pairs.
    pub held_out: bool,
    /// Said after the run's pairs were selected: the model has not learnt from it, and the run has not measured it.
    pub newer: bool,
    /// The chosen reward less the rejected one: below 0 the model disagrees.
    pub margin: f64,
    /// The chosen length less the rejected one, in characters.
    pub longer_by: i64,
}

/// How a model does on some pairs, and what always choosing the longer response reaches on the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    pub model: Proportion,
    pub longest: Proportion,
}

/// The head of a run's page of scores.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ScoreSummary {
    /// Responses with a score.
    pub responses: u64,
    /// Of the pairs that the run had, those held out.
    pub held_out: Agreement,
    /// All pairs that the run had.
    pub all: Agreement,
    /// What was said since.
    pub newer: Agreement,
    /// Held-out pairs of the run that are corrections: it measured them, and they have no score.
    pub held_out_corrections: u64,
    /// By category of the prompt, most pairs first.
    pub categories: Vec<(String, Agreement)>,
    /// Rank correlation of reward and length in characters over all responses.
    pub length_correlation: Option<f64>,
    /// Responses of which the model has not read the whole conversation.
    pub cut: u64,
}

/// A response with its score, for the list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoredResponse {
    pub id: Uuid,
    pub prompt_id: Uuid,
    /// The last turn of the conversation, shortened.
    pub prompt: String,
    pub category: Option<String>,
    pub content: String,
    pub model: Option<String>,
    pub reward: f64,
    pub cut_tokens: i64,
    /// How often people prefer it over another response to the same prompt.
    pub preferred: Proportion,
    /// Its place by reward among the scored responses to its prompt, from 1, and how many those are.
    pub place: (u64, u64),
}

/// A pair with its texts, for the list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgedPairView {
    pub pair: JudgedPair,
    pub prompt: Vec<Message>,
    pub chosen: String,
    pub rejected: String,
    pub chosen_reward: f64,
    pub rejected_reward: f64,
}

impl Agreement {
    /// Over some pairs. Equal rewards, and equal lengths, count as half a hit.
    pub fn of<'a>(pairs: impl IntoIterator<Item = &'a JudgedPair>) -> Agreement {
        let mut agreement = Agreement::default();
        for pair in pairs {
            agreement.model.add_difference(pair.margin);
            agreement.longest.add_difference(pair.longer_by as f64);
        }
        agreement
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(prompt: usize, responses: usize) -> ScoreItem {
        ScoreItem {
            prompt: PromptText::Plain("p".repeat(prompt)),
            responses: vec!["r".into(); responses],
        }
    }

    #[test]
    fn a_prompt_counts_for_each_of_its_responses() {
        assert_eq!(check_items(&[item(MAX_CHARACTERS - 1, 1)]), Ok(()));
        assert_eq!(check_items(&[item(7_811, 256)]), Ok(()));
        let told = check_items(&[item(MAX_CHARACTERS / 2, 256)]).unwrap_err();
        assert_eq!(told, ScoreItemError::TooLong(256_000_256));
        assert!(told.to_string().contains("at most 2000000"));
    }

    #[test]
    fn a_refused_request_names_the_limit() {
        let told = check_items(&vec![item(1, 1); 65]).unwrap_err().to_string();
        assert_eq!(told, "These are 65 items: one request holds at most 64.");
    }
}
