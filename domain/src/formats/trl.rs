//! TRL's preference format: with `prompt`, or with a beginning that `chosen` and `rejected` share.

use super::{
    Fault, Problem, Row,
    fields::{Fields, Text},
    preference,
};
use crate::prompt::{Message, Speaker};

/// `prompt`, `chosen`, `rejected`: strings or message lists, also mixed. Some datasets repeat the prompt at the start
/// of chosen and rejected; it is taken off.
pub(super) fn read_explicit(fields: &mut Fields) -> Result<Row, Fault> {
    let prompt = match fields.text("prompt")? {
        Text::Plain(content) => vec![user(content)],
        Text::Conversation(messages) if messages.is_empty() => {
            return Err(fields.fault(Problem::NoMessages, "prompt"));
        }
        Text::Conversation(messages) => messages,
    };
    let chosen = answer(fields, "chosen", &prompt)?;
    let rejected = answer(fields, "rejected", &prompt)?;
    preference(fields, prompt, chosen, rejected)
}

/// `chosen` and `rejected` are whole conversations or whole strings.
pub(super) fn read_implicit(fields: &mut Fields) -> Result<Row, Fault> {
    match (fields.text("chosen")?, fields.text("rejected")?) {
        (Text::Plain(chosen), Text::Plain(rejected)) => {
            if chosen == rejected {
                return Err(Problem::Identical.on(fields.line()));
            }
            let cut = shared_words(&chosen, &rejected);
            let prompt = chosen[..cut].trim();
            if prompt.is_empty() {
                return Err(Problem::NoSharedPrompt.on(fields.line()));
            }
            let rest = |text: &str| text[cut..].trim_start().to_owned();
            preference(
                fields,
                vec![user(prompt.to_owned())],
                rest(&chosen),
                rest(&rejected),
            )
        }
        (Text::Conversation(mut chosen), Text::Conversation(rejected)) => {
            if chosen == rejected && !chosen.is_empty() {
                return Err(Problem::Identical.on(fields.line()));
            }
            let shared = chosen.iter().zip(&rejected).take_while(|(a, b)| a == b).count();
            let chosen_answer = single(fields, "chosen", &chosen[shared..])?;
            let rejected_answer = single(fields, "rejected", &rejected[shared..])?;
            if shared == 0 {
                return Err(Problem::NoSharedPrompt.on(fields.line()));
            }
            chosen.truncate(shared);
            preference(fields, chosen, chosen_answer, rejected_answer)
        }
        (Text::Plain(_), Text::Conversation(_)) => Err(mixed(fields, "text", "a list")),
        (Text::Conversation(_), Text::Plain(_)) => Err(mixed(fields, "a list of messages", "text")),
    }
}

fn user(content: String) -> Message {
    Message {
        role: Speaker::User,
        content,
    }
}

fn mixed(fields: &Fields, expected: &'static str, found: &'static str) -> Fault {
    fields.fault(Problem::WrongType { expected, found }, "rejected")
}

fn answer(fields: &mut Fields, name: &str, prompt: &[Message]) -> Result<String, Fault> {
    match fields.text(name)? {
        Text::Plain(content) => Ok(content),
        Text::Conversation(messages) => {
            let own = match messages.strip_prefix(prompt) {
                Some(rest) if !rest.is_empty() => rest,
                _ => &messages,
            };
            single(fields, name, own)
        }
    }
}

/// The one message that a response must be.
fn single(fields: &Fields, name: &str, messages: &[Message]) -> Result<String, Fault> {
    match messages {
        [] => Err(fields.fault(Problem::NoMessages, name)),
        [message] if message.role == Speaker::Assistant => Ok(message.content.clone()),
        [message] => Err(fields.fault(Problem::NotAssistant(message.role.as_str()), name)),
        several => Err(fields.fault(Problem::SeveralMessages(several.len()), name)),
    }
}

/// Where the words end that both texts begin with: a place at which both have white space, or end.
fn shared_words(left: &str, right: &str) -> usize {
    let same = left
        .char_indices()
        .zip(right.chars())
        .take_while(|((_, a), b)| a == b);
    let shared = same.map(|((at, c), _)| at + c.len_utf8()).last().unwrap_or(0);
    let ends_word = |text: &str| text[shared..].chars().next().is_none_or(char::is_whitespace);
    if ends_word(left) && ends_word(right) {
        return shared;
    }
    left[..shared]
        .char_indices()
        .rev()
        .find(|(_, c)| c.is_whitespace())
        .map_or(0, |(at, c)| at + c.len_utf8())
}
