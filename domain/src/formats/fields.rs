//! The fields of one line, taken out with their type checked.

use serde_json::{Map, Value};

use super::{Fault, Problem};
use crate::{
    judgement::Strength,
    prompt::{Message, Speaker},
};

/// The longest category, language or model name, in characters.
const MAX_LABEL: usize = 200;

/// A JSON object on one line, whose fields are taken out one by one.
pub(super) struct Fields {
    line: u64,
    object: Map<String, Value>,
}

/// A conversation or a plain string: both stand for text in these formats.
pub(super) enum Text {
    Plain(String),
    Conversation(Vec<Message>),
}

impl Fields {
    pub fn parse(bytes: &[u8], line: u64) -> Result<Fields, Fault> {
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let at = error.valid_up_to();
                return Err(Problem::NotUtf8(at + 1).at(line, field_at(&bytes[..at])));
            }
        };
        match serde_json::from_str(text) {
            Ok(Value::Object(object)) => Ok(Fields { line, object }),
            Ok(other) => Err(Problem::NotAnObject(type_name(&other)).on(line)),
            Err(error) => {
                let before = &bytes[..error.column().min(bytes.len())];
                Err(json_problem(&error).at(line, field_at(before)))
            }
        }
    }

    pub fn line(&self) -> u64 {
        self.line
    }

    pub fn has(&self, name: &str) -> bool {
        self.object.get(name).is_some_and(|value| !value.is_null())
    }

    pub fn peek_str(&self, name: &str) -> Option<&str> {
        self.object.get(name)?.as_str()
    }

    pub fn fault(&self, problem: Problem, field: &str) -> Fault {
        problem.at(self.line, Some(field.to_owned()))
    }

    /// A field that must be text.
    pub fn string(&mut self, name: &str) -> Result<String, Fault> {
        match self.take(name)? {
            Value::String(text) => self.checked(text, name),
            other => Err(self.wrong(name, "text", &other)),
        }
    }

    /// A field that must be text or a list of messages.
    pub fn text(&mut self, name: &str) -> Result<Text, Fault> {
        match self.take(name)? {
            Value::String(text) => Ok(Text::Plain(self.checked(text, name)?)),
            Value::Array(list) => {
                let messages = list.into_iter().enumerate();
                let read = messages.map(|(index, value)| self.message(value, &format!("{name}[{index}]")));
                Ok(Text::Conversation(read.collect::<Result<_, _>>()?))
            }
            other => Err(self.wrong(name, "text or a list of messages", &other)),
        }
    }

    /// A short text that may be missing, from the line itself or from its `metadata`.
    pub fn label(&mut self, name: &str) -> Result<Option<String>, Fault> {
        let (value, path) = match self.object.remove(name) {
            Some(value) => (value, name.to_owned()),
            None => {
                let metadata = self.object.get_mut("metadata").and_then(Value::as_object_mut);
                let inner = metadata.and_then(|metadata| metadata.remove(name));
                (inner.unwrap_or_default(), format!("metadata.{name}"))
            }
        };
        match value {
            Value::Null => Ok(None),
            Value::String(text) if text.trim().is_empty() => Ok(None),
            Value::String(text) if text.chars().count() > MAX_LABEL => {
                Err(self.fault(Problem::LabelTooLong(MAX_LABEL), &path))
            }
            Value::String(text) => self.checked(text, &path).map(Some),
            other => Err(self.wrong(&path, "text", &other)),
        }
    }

    /// How strong the preference is: `strength` as Touchstone writes it, else TRL's `margin` in steps (up to 1
    /// slightly, up to 2 clearly, beyond that much), else in the middle.
    pub fn strength(&mut self) -> Result<Strength, Fault> {
        if self.has("strength") {
            let value = self.take("strength")?;
            let steps = value.as_i64().and_then(|steps| i32::try_from(steps).ok());
            return steps
                .and_then(|steps| Strength::ALL.into_iter().find(|s| s.steps() == steps))
                .ok_or_else(|| self.fault(Problem::BadStrength(excerpt(&value)), "strength"));
        }
        if !self.has("margin") {
            return Ok(Strength::Clearly);
        }
        let value = self.take("margin")?;
        match value.as_f64() {
            Some(margin) if margin < 0.0 => Err(self.fault(Problem::BadMargin(excerpt(&value)), "margin")),
            Some(margin) if margin <= 1.0 => Ok(Strength::Slightly),
            Some(margin) if margin <= 2.0 => Ok(Strength::Clearly),
            Some(_) => Ok(Strength::Much),
            None => Err(self.fault(Problem::BadMargin(excerpt(&value)), "margin")),
        }
    }

    fn message(&self, value: Value, path: &str) -> Result<Message, Fault> {
        let Value::Object(mut message) = value else {
            return Err(self.wrong(path, "a message with role and content", &value));
        };
        let mut part = |name: &str| {
            let path = format!("{path}.{name}");
            match message.remove(name) {
                None => Err(self.fault(Problem::Missing, &path)),
                Some(Value::String(text)) => self.checked(text, &path),
                Some(other) => Err(self.wrong(&path, "text", &other)),
            }
        };
        let (role, content) = (part("role")?, part("content")?);
        let speaker = [Speaker::System, Speaker::User, Speaker::Assistant]
            .into_iter()
            .find(|speaker| speaker.as_str() == role)
            .ok_or_else(|| self.fault(Problem::UnknownRole(role), &format!("{path}.role")))?;
        Ok(Message {
            role: speaker,
            content,
        })
    }

    fn take(&mut self, name: &str) -> Result<Value, Fault> {
        let value = self.object.remove(name);
        value.ok_or_else(|| self.fault(Problem::Missing, name))
    }

    /// PostgreSQL's text cannot hold NUL; what one database refuses, the other does too.
    fn checked(&self, text: String, path: &str) -> Result<String, Fault> {
        match text.contains('\0') {
            true => Err(self.fault(Problem::Nul, path)),
            false => Ok(text),
        }
    }

    fn wrong(&self, path: &str, expected: &'static str, found: &Value) -> Fault {
        let found = type_name(found);
        self.fault(Problem::WrongType { expected, found }, path)
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn excerpt(value: &Value) -> String {
    value.to_string().chars().take(40).collect()
}

/// serde_json reports lone surrogates by words alone; its message ends with a place in a one-line text.
fn json_problem(error: &serde_json::Error) -> Problem {
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default();
    match message {
        "lone leading surrogate in hex escape" | "unexpected end of hex escape" => Problem::LoneSurrogate,
        other => Problem::NotJson(format!("{other} at byte {}", error.column())),
    }
}

/// The field of the outermost object in which the text breaks off.
fn field_at(before: &[u8]) -> Option<String> {
    let (mut depth, mut start, mut escaped) = (0, None, false);
    let (mut last_string, mut field) = (None, None);
    for (index, &byte) in before.iter().enumerate() {
        match (start, byte) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), b'\\') => escaped = true,
            (Some(from), b'"') => {
                last_string = Some(&before[from..index]);
                start = None;
            }
            (Some(_), _) => {}
            (None, b'"') => start = Some(index + 1),
            (None, b'{' | b'[') => depth += 1,
            (None, b'}' | b']') => depth -= 1,
            (None, b':') if depth == 1 => field = last_string,
            (None, b',') if depth == 1 => field = None,
            (None, _) => {}
        }
    }
    field.map(|name| String::from_utf8_lossy(name).chars().take(MAX_LABEL).collect())
}
