//! From a conversation to token ids: how it is written as text, and what is left out when it is too long.

use std::path::Path;

use rayon::prelude::*;
use recipe::Truncation;
use serde::{Deserialize, Serialize};
use tokenizers::Tokenizer;

use crate::base::backbone_folder;
use crate::chat::ChatTemplate;
use crate::error::{ModelError, TrainError};

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `user`, `assistant` or `system`; anything else is written as it stands.
    pub role: String,
    /// What was said.
    pub content: String,
}

/// A response to score, in its conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// The conversation before the response, oldest turn first.
    pub prompt: Vec<Message>,
    /// The response itself.
    pub response: String,
}

/// A judgement: one response was preferred over another, or neither was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// The caller's name for it; only ever handed back in messages.
    pub id: String,
    /// The conversation before the responses, oldest turn first.
    pub prompt: Vec<Message>,
    /// The preferred response.
    pub chosen: String,
    /// The other one.
    pub rejected: String,
    /// By how much the chosen reward should lead, in units of reward; 0 for the plain loss.
    pub margin: f32,
    /// Weight in the loss, usually 1.
    pub weight: f32,
    /// Probability that the chosen response is the better one, as some annotators' votes may say; 1 for a plain judgement.
    #[serde(default = "certain")]
    pub belief: f32,
    /// Neither was better; which one is called chosen then means nothing.
    #[serde(default)]
    pub tied: bool,
    /// Responses that were ranked below the rejected one, each worse than the one before it. With some, the loss is Plackett and
    /// Luce's, into which neither margin nor belief enters.
    #[serde(default)]
    pub lower: Vec<String>,
}

fn certain() -> f32 {
    1.0
}

impl Pair {
    /// A plain judgement: no margin, weight 1.
    pub fn new(
        id: impl Into<String>,
        prompt: Vec<Message>,
        chosen: impl Into<String>,
        rejected: impl Into<String>,
    ) -> Self {
        Self {
            id: id.into(),
            prompt,
            chosen: chosen.into(),
            rejected: rejected.into(),
            margin: 0.0,
            weight: 1.0,
            belief: certain(),
            tied: false,
            lower: Vec::new(),
        }
    }

    /// Its responses, best first.
    pub fn responses(&self) -> impl Iterator<Item = &str> {
        let two = [&self.chosen, &self.rejected];
        two.into_iter().chain(&self.lower).map(String::as_str)
    }

    /// The pairs that a ranking says: each response before each that is below it. A plain judgement is its own.
    pub fn pairs(&self) -> Vec<Pair> {
        if self.lower.is_empty() {
            return vec![self.clone()];
        }
        let all: Vec<&str> = self.responses().collect();
        let each = (0..all.len()).flat_map(|i| (i + 1..all.len()).map(move |j| (i, j)));
        each.map(|(i, j)| Pair {
            weight: self.weight,
            ..Pair::new(&self.id, self.prompt.clone(), all[i], all[j])
        })
        .collect()
    }
}

/// The text that a model without a chat template reads: `Human: …`, blank line, `Assistant: …`, and so on, the response last.
pub fn render(prompt: &[Message], response: &str) -> String {
    let mut text = String::new();
    for message in prompt {
        let speaker = match message.role.as_str() {
            "user" => "Human",
            "assistant" => "Assistant",
            "system" => "System",
            other => other,
        };
        text.push_str(speaker);
        text.push_str(": ");
        text.push_str(&message.content);
        text.push_str("\n\n");
    }
    text.push_str("Assistant: ");
    text.push_str(response);
    text
}

/// How many texts were too long, and what that cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Texts looked at.
    pub texts: usize,
    /// Those of which a part was left out.
    pub cut_texts: usize,
    /// Tokens read, the special ones included.
    pub tokens: usize,
    /// Tokens left out.
    pub cut_tokens: usize,
}

impl Cut {
    pub(crate) fn add(&mut self, tokens: usize, cut_tokens: usize) {
        self.texts += 1;
        self.cut_texts += usize::from(cut_tokens > 0);
        self.tokens += tokens;
        self.cut_tokens += cut_tokens;
    }
}

/// A text as the model takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// Token ids with the special ones around them, at most `max_tokens`.
    pub ids: Vec<u32>,
    /// Tokens left out.
    pub cut_tokens: usize,
}

/// Writes a conversation as its model reads it, and a tokenizer that keeps the end of what is too long.
#[derive(Clone)]
pub struct Encoder {
    tokenizer: Tokenizer,
    chat: Option<ChatTemplate>,
    /// Special tokens before and behind every text; none where a chat template writes them.
    around: [Vec<u32>; 2],
    /// A token that does not count where it ends a text.
    padding: Option<u32>,
    max_tokens: usize,
    truncation: Truncation,
}

impl Encoder {
    /// Reads `tokenizer.json` of a model folder, and a decoder's chat template if it has one. `max_tokens` counts the
    /// special tokens.
    ///
    /// # Errors
    /// When a file is missing or broken.
    pub fn load(folder: &Path, max_tokens: usize) -> Result<Self, ModelError> {
        let folder = &backbone_folder(folder)?;
        let path = folder.join("tokenizer.json");
        let text = std::fs::read_to_string(&path).map_err(ModelError::file(&path))?;
        let mut tokenizer: Tokenizer =
            unbroken(|| text.parse()).map_err(|error| ModelError::content(&path, error))?;
        // Published tokenizers carry their trainer's truncation and padding; ours are decided here.
        tokenizer
            .with_truncation(None)
            .map_err(|error| ModelError::content(&path, error))?;
        tokenizer.with_padding(None);
        let chat = ChatTemplate::of_model(folder)?;
        let around = match chat {
            Some(_) => Default::default(),
            None => {
                unbroken(|| special_tokens(&tokenizer)).map_err(|error| ModelError::content(&path, error))?
            }
        };
        let max_tokens = max_tokens.max(around[0].len() + around[1].len() + 1);
        Ok(Self {
            tokenizer,
            chat,
            around,
            padding: None,
            max_tokens,
            truncation: Truncation::default(),
        })
    }

    /// For a model that reads the reward at the last token that is not padding.
    pub(crate) fn without_padding(self, padding: Option<u32>) -> Self {
        Self { padding, ..self }
    }

    /// With another part left out of texts that are too long.
    pub(crate) fn truncating(self, truncation: Truncation) -> Self {
        Self { truncation, ..self }
    }

    /// What is left out of texts that are too long.
    pub(crate) fn truncation(&self) -> Truncation {
        self.truncation
    }

    /// Id of a token, if there is such a one.
    pub(crate) fn id_of(&self, token: &str) -> Option<u32> {
        self.tokenizer.token_to_id(token)
    }

    /// Longest text in tokens, the special ones included.
    pub fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// Largest token id plus one.
    pub(crate) fn vocabulary(&self) -> usize {
        self.tokenizer
            .get_vocab(true)
            .values()
            .chain(self.around.iter().flatten())
            .max()
            .map_or(0, |id| *id as usize + 1)
    }

    /// The tokenizer as `tokenizer.json` holds it, without truncation and padding.
    pub(crate) fn to_json(&self) -> Result<String, ModelError> {
        self.tokenizer
            .to_string(false)
            .map_err(|error| ModelError::Tokenizer(error.to_string()))
    }

    /// Whether conversations are written by a chat template, which may refuse some.
    pub fn has_chat_template(&self) -> bool {
        self.chat.is_some()
    }

    /// The text that the model reads: the chat template's, as transformers renders it, or [`render`]'s without one.
    ///
    /// # Errors
    /// When the template refuses the conversation or fails.
    pub fn text(&self, prompt: &[Message], response: &str) -> Result<String, ModelError> {
        match &self.chat {
            Some(chat) => chat.render(prompt, response),
            None => Ok(render(prompt, response)),
        }
    }

    /// The texts of a pair's responses.
    pub(crate) fn texts<'a>(
        &'a self,
        pair: &'a Pair,
    ) -> impl Iterator<Item = Result<String, TrainError>> + 'a {
        pair.responses().map(|response| {
            self.text(&pair.prompt, response)
                .map_err(|error| TrainError::Pair {
                    id: pair.id.clone(),
                    message: error.to_string(),
                })
        })
    }

    /// Token ids of a rendered text. The response stands last: leaving out the beginning keeps it whole if it fits, then as
    /// much of the latest conversation as fits; of a response that is itself too long the end remains.
    ///
    /// # Errors
    /// When the tokenizer fails.
    pub fn encode(&self, text: &str) -> Result<Encoded, ModelError> {
        let encoding = unbroken(|| self.tokenizer.encode_fast(text, false))
            .map_err(|error| ModelError::Tokenizer(error.to_string()))?;
        let all = encoding.get_ids();
        let [before, behind] = &self.around;
        let cut_tokens = (before.len() + all.len() + behind.len()).saturating_sub(self.max_tokens);
        let kept = all.len() - cut_tokens;
        let first = match self.truncation {
            Truncation::Beginning => 0,
            Truncation::Middle => kept / 2,
            Truncation::End => kept,
        };
        let mut ids = [before, &all[..first], &all[first + cut_tokens..], behind].concat();
        while ids.len() > 1 && self.padding.is_some() && ids.last().copied() == self.padding {
            ids.pop();
        }
        if ids.is_empty() {
            return Err(ModelError::Tokenizer("it made no token of a text".to_owned()));
        }
        Ok(Encoded { ids, cut_tokens })
    }

    /// [`Encoder::encode`] for many texts, on all cores.
    pub(crate) fn encode_all<T: AsRef<str> + Sync>(&self, texts: &[T]) -> Result<Vec<Encoded>, ModelError> {
        texts.par_iter().map(|text| self.encode(text.as_ref())).collect()
    }
}

/// The tokenizers crate panics on some broken files, as where a template names a token that is not there: an error here.
fn unbroken<T>(work: impl FnOnce() -> tokenizers::Result<T>) -> tokenizers::Result<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err("the tokenizer's file contradicts itself".into()))
}

/// What the tokenizer's template puts before and behind a text.
fn special_tokens(tokenizer: &Tokenizer) -> tokenizers::Result<[Vec<u32>; 2]> {
    let encoding = tokenizer.encode("a", true)?;
    let marked: Vec<(u32, bool)> = encoding
        .get_ids()
        .iter()
        .copied()
        .zip(encoding.get_special_tokens_mask().iter().map(|mark| *mark == 1))
        .collect();
    let ids = |tokens: &mut dyn Iterator<Item = &(u32, bool)>| tokens.map(|(id, _)| *id).collect::<Vec<_>>();
    let before = ids(&mut marked.iter().take_while(|(_, special)| *special));
    let mut behind = ids(&mut marked.iter().rev().take_while(|(_, special)| *special));
    behind.reverse();
    Ok(if before.len() == marked.len() {
        [before, Vec::new()]
    } else {
        [before, behind]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_loses_the_part_that_was_asked_for() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny");
        let text = "please help me to you the good is kind thanks";
        let all = Encoder::load(&folder, 100).unwrap().encode(text).unwrap().ids;
        let (start, end) = (&all[..1], &all[all.len() - 1..]);
        let inner = &all[1..all.len() - 1];
        let encoded = |truncation| {
            let encoder = Encoder::load(&folder, 7).unwrap().truncating(truncation);
            let encoded = encoder.encode(text).unwrap();
            assert_eq!(encoded.cut_tokens, all.len() - 7);
            encoded.ids
        };
        let last = |n: usize| &inner[inner.len() - n..];
        assert_eq!(encoded(Truncation::Beginning), [start, last(5), end].concat());
        assert_eq!(
            encoded(Truncation::Middle),
            [start, &inner[..2], last(3), end].concat()
        );
        assert_eq!(encoded(Truncation::End), [start, &inner[..5], end].concat());
    }
}
