//! Pairs whose conversation the base model's chat template refuses, as some do two turns of one speaker.

use std::fmt;

use anyhow::bail;
use domain::import::OnError;
use reward_model::{Encoder, Example, ModelError, Pair};

/// Pairs that are listed; more are only counted.
const LISTED: usize = 20;

/// What a model can read.
#[derive(Clone)]
pub struct Reads(Option<Encoder>);

impl fmt::Debug for Reads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reads").field(&self.0.is_some()).finish()
    }
}

impl Reads {
    /// Everything, as a model without a chat template does.
    pub const ALL: Reads = Reads(None);

    /// As a model's chat template has it.
    pub fn by(encoder: Encoder) -> Reads {
        Reads(Some(encoder).filter(Encoder::has_chat_template))
    }

    /// Why a pair cannot be read; nothing if it can.
    pub fn refusal(&self, pair: &Pair) -> Option<String> {
        let encoder = self.0.as_ref()?;
        pair.responses()
            .find_map(|response| refusal(encoder.text(&pair.prompt, response).map(drop)))
    }
}

/// What a chat template says where it refuses a conversation.
pub fn refusal(read: Result<(), ModelError>) -> Option<String> {
    match read {
        Ok(()) => None,
        Err(ModelError::Content { message, .. }) => Some(message),
        Err(ModelError::Refused { reason, .. }) => {
            Some(format!("the chat template refuses a conversation: {reason}"))
        }
        Err(other) => Some(other.to_string()),
    }
}

/// The two texts of a pair.
pub fn examples(pair: &Pair) -> [Example; 2] {
    [&pair.chosen, &pair.rejected].map(|response| Example {
        prompt: pair.prompt.clone(),
        response: response.clone(),
    })
}

/// Those that were refused.
#[derive(Debug, Default)]
pub struct Refused {
    notes: Vec<String>,
    /// How many they are.
    pub pairs: usize,
}

impl Refused {
    /// Takes note of one, by its file and line.
    pub fn note(&mut self, pair: &Pair, reason: &str) {
        self.pairs += 1;
        if self.notes.len() < LISTED {
            self.notes.push(format!("{}: {reason}", pair.id));
        }
    }

    /// Tells what is left out, if that was asked for.
    ///
    /// # Errors
    /// All of them, unless they are to be left out.
    pub fn settle(&self, on_error: OnError) -> anyhow::Result<()> {
        if self.pairs == 0 {
            return Ok(());
        }
        let mut list = self.notes.join("\n");
        if self.pairs > self.notes.len() {
            list.push_str(&format!(
                "\n… and {} more like these",
                self.pairs - self.notes.len()
            ));
        }
        match on_error {
            OnError::Skip => eprintln!("left out:\n{list}"),
            OnError::Stop => {
                let pairs = self.pairs;
                bail!("{list}\n{pairs} refused: mend what is named, or leave it out with --on-error skip")
            }
        }
        Ok(())
    }
}
