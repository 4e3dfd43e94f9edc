//! Texts and lists of messages: as they are shown and learnt from, and as they came in.

use serde_json::{Map, Value, json};

use super::{
    Fault, Problem,
    fields::Fields,
    json::type_name,
    message_text::{self, NoText},
};
use crate::prompt::{Message, Speaker};

/// A conversation or a plain string: both stand for text.
#[derive(Debug)]
pub(super) enum Text {
    Plain(String),
    Turns(Vec<Turn>),
}

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Turn {
    pub message: Message,
    /// As it came in, where role and content do not say it all.
    pub original: Option<Value>,
}

impl Turn {
    pub fn plain(role: Speaker, content: String) -> Turn {
        let message = Message { role, content };
        Turn {
            message,
            original: None,
        }
    }

    pub fn role(&self) -> Speaker {
        self.message.role
    }

    /// The same speaker saying the same, but for white space around it.
    pub fn resembles(&self, other: &Turn) -> bool {
        self.role() == other.role() && self.message.content.trim() == other.message.content.trim()
    }

    fn into_value(self) -> Value {
        let Message { role, content } = self.message;
        self.original
            .unwrap_or_else(|| json!({"role": role.as_str(), "content": content}))
    }
}

/// The messages, and all of them as they came in if one is more than its role and content.
pub(super) fn split(turns: Vec<Turn>) -> (Vec<Message>, Option<Vec<Value>>) {
    let messages = turns.iter().map(|turn| turn.message.clone()).collect();
    let is_more = turns.iter().any(|turn| turn.original.is_some());
    let original = is_more.then(|| turns.into_iter().map(Turn::into_value).collect());
    (messages, original)
}

/// A conversation, or the words of a single user, from outside of a file: what is wrong with it is told as the fault of a line 1.
pub fn conversation_of(value: Value, name: &str) -> Result<Vec<Message>, Fault> {
    match text(value, name, 1)? {
        Text::Plain(content) => Ok(vec![Message {
            role: Speaker::User,
            content,
        }]),
        Text::Turns(turns) => Ok(split(turns).0),
    }
}

impl Fields {
    /// A field that must be text, a message or a list of messages.
    pub fn text(&mut self, name: &str) -> Result<Text, Fault> {
        text(self.take(name)?, name, self.line())
    }
}

/// The value of that path as text, a message or a list of messages.
pub(super) fn text(value: Value, path: &str, line: u64) -> Result<Text, Fault> {
    let read = match value {
        Value::String(text) if text.contains('\0') => return Err(Problem::Nul.at(line, Some(path.into()))),
        Value::String(text) => return Ok(Text::Plain(text)),
        Value::Object(message) => vec![turn(message, path, line)?],
        Value::Array(list) => {
            let turns = list.into_iter().enumerate().map(|(index, value)| {
                let path = format!("{path}[{index}]");
                match value {
                    Value::Object(message) => turn(message, &path, line),
                    other => Err(wrong(&path, "a message with role and content", &other, line)),
                }
            });
            turns.collect::<Result<_, _>>()?
        }
        other => return Err(wrong(path, "text or a list of messages", &other, line)),
    };
    Ok(Text::Turns(read))
}

fn wrong(path: &str, expected: &'static str, found: &Value, line: u64) -> Fault {
    let found = type_name(found);
    Problem::WrongType { expected, found }.at(line, Some(path.to_owned()))
}

/// A message with `role` and `content`, or as ShareGPT has it with `from` and `value`.
fn turn(message: Map<String, Value>, path: &str, line: u64) -> Result<Turn, Fault> {
    let [role_name, content_name] = match message.contains_key("role") || !message.contains_key("from") {
        true => ["role", "content"],
        false => ["from", "value"],
    };
    let at = |name: &str| format!("{path}.{name}");
    let role = match message.get(role_name) {
        Some(Value::String(role)) => role,
        Some(other) => return Err(wrong(&at(role_name), "text", other, line)),
        None => return Err(Problem::Missing.at(line, Some(at(role_name)))),
    };
    let Some(speaker) = speaker(role) else {
        return Err(Problem::UnknownRole(role.chars().take(40).collect()).at(line, Some(at(role_name))));
    };
    let content = message_text::of_message(&message).map_err(|why| match why {
        NoText::Missing => Problem::Missing.at(line, Some(at(content_name))),
        NoText::WrongType => wrong(&at(content_name), "text", &message[content_name], line),
    })?;
    if message.values().any(has_nul) {
        return Err(Problem::Nul.at(line, Some(at(content_name))));
    }
    let says_no_more = message.len() == 2
        && message[content_name].is_string()
        && (role_name == "from" || role == speaker.as_str());
    Ok(Turn {
        message: Message {
            role: speaker,
            content,
        },
        original: (!says_no_more).then_some(Value::Object(message)),
    })
}

/// Who speaks, by the names that tools and datasets give them.
fn speaker(role: &str) -> Option<Speaker> {
    Some(match role.to_lowercase().as_str() {
        "system" | "developer" => Speaker::System,
        "user" | "human" | "prompter" => Speaker::User,
        "assistant" | "gpt" | "bot" | "chatbot" | "model" | "ai" | "function_call" => Speaker::Assistant,
        "tool" | "function" | "ipython" | "observation" => Speaker::Tool,
        _ => return None,
    })
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(list) => list.iter().any(has_nul),
        Value::Object(object) => {
            object.values().any(has_nul) || object.keys().any(|name| name.contains('\0'))
        }
        _ => false,
    }
}
