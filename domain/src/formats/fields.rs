//! The fields of one line, taken out with their type checked; what is left is kept as the line's columns.

use serde_json::{Map, Value};

use super::{
    Columns, Fault, Problem,
    json::{self, excerpt, type_name},
};
use crate::judgement::Strength;

/// The longest category, language or model name, in characters.
const MAX_LABEL: usize = 200;

/// The most that is kept of a line's other columns, in bytes of JSON: figures and names, not texts once more.
const MAX_COLUMNS_BYTES: usize = 16 << 10;

/// What an export writes of where a line comes from; a line with all of them is one of ours.
const OWN: [&str; 4] = ["source", "source_id", "annotator", "created_at"];

/// A JSON object on one line, whose fields are taken out one by one.
pub(super) struct Fields {
    line: u64,
    object: Map<String, Value>,
}

impl Fields {
    pub fn parse(bytes: &[u8], line: u64) -> Result<Fields, Fault> {
        let object = json::object(bytes, line)?;
        Ok(Fields { line, object })
    }

    pub fn line(&self) -> u64 {
        self.line
    }

    /// The names of what is there, not more than a sentence can hold.
    pub fn names(&self) -> Vec<String> {
        let short = |name: &String| name.chars().take(40).collect();
        self.object.keys().take(20).map(short).collect()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.object.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Whether the field is there, be it null.
    pub fn contains(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    /// Whether the field is there and says something.
    pub fn holds(&self, name: &str) -> bool {
        match self.object.get(name) {
            None | Some(Value::Null) => false,
            Some(Value::String(text)) => !text.trim().is_empty(),
            Some(Value::Array(list)) => !list.is_empty(),
            Some(_) => true,
        }
    }

    pub fn peek_str(&self, name: &str) -> Option<&str> {
        self.object.get(name)?.as_str()
    }

    pub fn fault(&self, problem: Problem, field: &str) -> Fault {
        problem.at(self.line, Some(field.to_owned()))
    }

    /// The value of a field that must be there.
    pub fn take(&mut self, name: &str) -> Result<Value, Fault> {
        let value = self.object.remove(name);
        value.ok_or_else(|| self.fault(Problem::Missing, name))
    }

    /// A field that must be text.
    pub fn string(&mut self, name: &str) -> Result<String, Fault> {
        match self.take(name)? {
            Value::String(text) => self.checked(text, name),
            other => Err(self.wrong(name, "text", &other)),
        }
    }

    /// A short text, number or list of such, from the line itself or from its `metadata`. It is optional: one that is of another
    /// kind, or too long, stays among the columns.
    pub fn label(&mut self, name: &str) -> Option<String> {
        let inner = |object: &Map<String, Value>| object.get(name).and_then(as_label);
        if let Some(label) = inner(&self.object) {
            self.object.remove(name);
            return Some(label);
        }
        let metadata = self.object.get_mut("metadata").and_then(Value::as_object_mut)?;
        let label = inner(metadata);
        if label.is_some() || metadata.get(name).is_some_and(says_nothing) {
            metadata.remove(name);
        }
        label
    }

    /// How strong the preference is, on Touchstone's own scale: `strength` as it writes it, 0 where nobody said.
    pub fn strength(&mut self) -> Result<Option<Strength>, Fault> {
        let value = self.object.remove("strength").unwrap_or_default();
        let steps = value.as_i64().and_then(|steps| i32::try_from(steps).ok());
        if value.is_null() || steps == Some(0) {
            return Ok(None);
        }
        let known = steps.and_then(|steps| Strength::ALL.into_iter().find(|s| s.steps() == steps));
        match known {
            Some(strength) => Ok(Some(strength)),
            None => Err(self.fault(Problem::BadStrength(excerpt(&value)), "strength")),
        }
    }

    /// `margin` as TRL means it: by how much the chosen reward should lead. Training computes with it as f32.
    pub fn margin(&mut self) -> Result<Option<f64>, Fault> {
        let value = self.object.remove("margin").unwrap_or_default();
        match value.as_f64() {
            None if value.is_null() => Ok(None),
            Some(0.0) if self.is_ours() => Ok(None),
            Some(margin) if margin >= 0.0 && margin <= f64::from(f32::MAX) => Ok(Some(margin)),
            _ => Err(self.fault(Problem::BadMargin(excerpt(&value)), "margin")),
        }
    }

    /// What is left: the line's other columns, those of `metadata` among them, and the names of those that are too large to be
    /// kept. Null says nothing.
    pub fn rest(&mut self) -> (Columns, Vec<String>) {
        let ours = self.is_ours();
        let mut object = std::mem::take(&mut self.object);
        if ours {
            OWN.iter().for_each(|name| drop(object.remove(*name)));
        }
        if let Some(Value::Object(mut metadata)) = object.remove("metadata") {
            if ours && let Some(Value::String(columns)) = metadata.remove("columns") {
                object.extend(serde_json::from_str::<Columns>(&columns).unwrap_or_default());
            }
            object.extend(metadata);
        }
        object.retain(|_, value| !says_nothing(value));
        kept(object)
    }

    fn is_ours(&self) -> bool {
        OWN.iter().all(|name| self.object.contains_key(*name))
    }

    /// PostgreSQL's text cannot hold NUL; what one database refuses, the other does too.
    pub fn checked(&self, text: String, path: &str) -> Result<String, Fault> {
        match text.contains('\0') {
            true => Err(self.fault(Problem::Nul, path)),
            false => Ok(text),
        }
    }

    pub fn wrong(&self, path: &str, expected: &'static str, found: &Value) -> Fault {
        let found = type_name(found);
        self.fault(Problem::WrongType { expected, found }, path)
    }
}

/// Null, or a text without a word.
fn says_nothing(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// A short text for a number, a truth value, a text or a list of such.
fn as_label(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.replace('\0', "\u{fffd}"),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Array(list) if list.iter().all(|item| !item.is_array()) => {
            list.iter().map(as_label).collect::<Option<Vec<_>>>()?.join(", ")
        }
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    (!text.trim().is_empty() && text.chars().count() <= MAX_LABEL).then_some(text)
}

/// The columns that fit together, smallest names first as JSON has them, and the names of the others.
pub(super) fn kept(object: Columns) -> (Columns, Vec<String>) {
    let (mut columns, mut unkept, mut room) = (Columns::new(), Vec::new(), MAX_COLUMNS_BYTES);
    for (name, value) in object {
        let name = name.replace('\0', "\u{fffd}");
        let bytes = name.len() + value.to_string().len();
        match room.checked_sub(bytes) {
            Some(left) => {
                room = left;
                columns.insert(name, without_nul(value));
            }
            None => unkept.push(name.chars().take(MAX_LABEL).collect()),
        }
    }
    (columns, unkept)
}

/// The value with NUL shown as the replacement character: a column beside the texts does not cost the line.
fn without_nul(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace('\0', "\u{fffd}")),
        Value::Array(list) => list.into_iter().map(without_nul).collect(),
        Value::Object(object) => {
            let clean = |(name, value): (String, Value)| (name.replace('\0', "\u{fffd}"), without_nul(value));
            Value::Object(object.into_iter().map(clean).collect())
        }
        other => other,
    }
}
