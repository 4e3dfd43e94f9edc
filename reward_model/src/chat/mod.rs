//! Chat templates: a decoder that was taught to chat reads a conversation as its folder's Jinja template writes it. The
//! text is what `apply_chat_template(messages, tokenize=False)` of transformers 5.23 gives, but for the date: see
//! [`python`].

mod bounds;
mod find;
mod generation;
mod json;
mod python;
mod strings;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use minijinja::{Environment, Value, context};

use crate::backbone::{Family, ModelConfig};
use crate::base::backbone_folder;
use crate::data::Message;
use crate::error::ModelError;
pub(crate) use find::{SPECIAL_TOKENS, TEMPLATE_FILE, special_tokens};

const NAME: &str = "chat_template";

/// A model's chat template, ready to write conversations.
#[derive(Clone)]
pub(crate) struct ChatTemplate {
    folder: PathBuf,
    source: String,
    /// `bos_token`, `eos_token` and so on, which the template sees as variables.
    tokens: BTreeMap<String, String>,
    environment: Arc<Environment<'static>>,
}

impl ChatTemplate {
    /// The template of a model folder; nothing when it has none, or is no decoder's.
    ///
    /// # Errors
    /// When a file cannot be read, or the template is not Jinja.
    pub fn of_model(folder: &Path) -> Result<Option<Self>, ModelError> {
        let folder = &backbone_folder(folder)?;
        if !Family::of(&ModelConfig::load(folder)?)?.is_decoder() {
            return Ok(None);
        }
        let Some(source) = find::template(folder)? else {
            return Ok(None);
        };
        Self::new(folder, source, special_tokens(folder)?).map(Some)
    }

    fn new(folder: &Path, source: String, tokens: BTreeMap<String, String>) -> Result<Self, ModelError> {
        let mut environment = python::environment();
        environment
            .add_template_owned(NAME, generation::without_marks(&source))
            .map_err(|error| {
                let line = error
                    .line()
                    .map_or(String::new(), |line| format!(", line {line}"));
                ModelError::content(
                    folder,
                    format!("the chat template cannot be read{line}: {}", words(&error)),
                )
            })?;
        Ok(Self {
            folder: folder.to_owned(),
            source,
            tokens,
            environment: Arc::new(environment),
        })
    }

    /// The text of a conversation that ends with the assistant's `response`.
    ///
    /// # Errors
    /// When the template refuses the conversation, or does what cannot be done.
    pub fn render(&self, prompt: &[Message], response: &str) -> Result<String, ModelError> {
        let message = |role: &str, content: &str| -> Value {
            context! { role, content }
        };
        let messages: Vec<Value> = prompt
            .iter()
            .map(|said| message(&said.role, &said.content))
            .chain([message("assistant", response)])
            .collect();
        let tokens = Value::from_pairs(self.tokens.clone());
        let wrong = |message: String| ModelError::content(&self.folder, message);
        let rendered = self
            .environment
            .get_template(NAME)
            .and_then(|template| {
                let always =
                    context! { messages, tools => (), documents => (), add_generation_prompt => false };
                template.render(context! { ..always, ..tokens })
            })
            .map_err(|error| match python::raised(&error) {
                Some(message) => ModelError::Refused {
                    folder: self.folder.clone(),
                    reason: message.to_owned(),
                },
                None => {
                    let line = error
                        .line()
                        .map_or(String::new(), |line| format!(" in line {line}"));
                    wrong(format!("the chat template fails{line}: {}", words(&error)))
                }
            })?;
        if rendered.is_empty() {
            return Err(wrong(
                "the chat template wrote nothing for a conversation".to_owned(),
            ));
        }
        Ok(rendered)
    }

    /// All that decides what is written, for hashes.
    pub fn identity(&self) -> String {
        format!("{:?} {:?}", self.source, self.tokens)
    }
}

fn words(error: &minijinja::Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

#[cfg(test)]
mod tests;
