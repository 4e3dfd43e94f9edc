//! The prompt of a line: in `prompt`, or in the columns by which other datasets call it.

use serde_json::Value;

use super::{
    Fault, Problem,
    fields::Fields,
    messages::{Text, Turn},
};
use crate::prompt::Speaker;

/// Columns that hold a prompt, the likeliest first.
const PROMPT: [&str; 8] = [
    "prompt",
    "question",
    "instruction",
    "query",
    "input",
    "conversations",
    "conversation",
    "messages",
];

/// Columns that hold what is said to the model beforehand.
const SYSTEM: [&str; 2] = ["system", "system_prompt"];

/// Columns of text that are known to say something else than the prompt.
const LABELS: [&str; 20] = [
    "id",
    "uuid",
    "uid",
    "source",
    "category",
    "language",
    "lang",
    "model",
    "dataset",
    "subset",
    "split",
    "task",
    "type",
    "domain",
    "topic",
    "url",
    "license",
    "version",
    "annotator",
    "date",
];

/// The column that holds the prompt, if one says something.
pub(super) fn find(fields: &Fields) -> Option<&'static str> {
    PROMPT.into_iter().find(|name| fields.holds(name))
}

pub(super) fn has_system(fields: &Fields) -> bool {
    SYSTEM.iter().any(|name| fields.holds(name))
}

/// Columns that may hold a prompt under a name that is not known: text, or lists of objects.
pub(super) fn candidates(fields: &Fields, answers: [&str; 2]) -> Vec<String> {
    let may = |(name, value): &(&str, &Value)| {
        let text = match value {
            Value::String(text) => !text.trim().is_empty(),
            Value::Array(list) => list.first().is_some_and(Value::is_object),
            _ => false,
        };
        let lower = name.to_lowercase();
        let is_label = LABELS.contains(&lower.as_str())
            || ["_id", "_model", "_at", "_source", "_type", "_name"]
                .iter()
                .any(|ending| lower.ends_with(ending));
        text && !is_label && !answers.contains(name)
    };
    fields
        .iter()
        .filter(may)
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// The conversation up to the answer; one that is only said to be empty is an empty text of the user.
pub(super) fn read(fields: &mut Fields) -> Result<Vec<Turn>, Fault> {
    let name = find(fields).unwrap_or("prompt");
    let mut turns = match fields.text(name)? {
        Text::Plain(content) => {
            let content = match name {
                "instruction" => with_input(fields, content)?,
                _ => content,
            };
            vec![Turn::plain(Speaker::User, content)]
        }
        Text::Turns(turns) if turns.is_empty() => return Err(fields.fault(Problem::NoMessages, name)),
        Text::Turns(turns) => turns,
    };
    add_system(fields, &mut turns)?;
    Ok(turns)
}

/// Puts what `system` says before the conversation, unless one stands there already.
pub(super) fn add_system(fields: &mut Fields, turns: &mut Vec<Turn>) -> Result<(), Fault> {
    let Some(name) = SYSTEM.into_iter().find(|name| fields.holds(name)) else {
        return Ok(());
    };
    let content = fields.string(name)?;
    if turns.first().is_none_or(|first| first.role() != Speaker::System) {
        turns.insert(0, Turn::plain(Speaker::System, content));
    }
    Ok(())
}

/// Alpaca's `input` is what the instruction is about.
fn with_input(fields: &mut Fields, instruction: String) -> Result<String, Fault> {
    if !fields.holds("input") {
        return Ok(instruction);
    }
    let input = fields.string("input")?;
    Ok(format!("{instruction}\n\n{input}"))
}
