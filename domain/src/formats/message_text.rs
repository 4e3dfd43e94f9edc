//! A message as text: what is shown of it and learnt from, also where its content has parts, reasoning or calls of tools.

use serde_json::{Map, Value};

/// Where a model's thoughts stand that are not part of its answer.
const REASONING: [&str; 3] = ["reasoning_content", "reasoning", "thinking"];

/// Why a message has no text.
pub(super) enum NoText {
    Missing,
    /// The content is of a kind that holds none.
    WrongType,
}

/// The words of a message: its reasoning, its content, then the calls of tools, the first and the last in the marks that open
/// models write them with.
pub(super) fn of_message(message: &Map<String, Value>) -> Result<String, NoText> {
    let mut blocks = Vec::new();
    let thoughts = REASONING
        .iter()
        .filter_map(|name| message.get(*name)?.as_str())
        .find(|text| !text.is_empty());
    blocks.extend(thoughts.map(|text| format!("<think>\n{text}\n</think>")));
    let content = message.get("content").or_else(|| message.get("value"));
    let content = content.map(of_content).transpose()?.flatten();
    let calls = calls(message);
    if content.is_none() && calls.is_empty() && blocks.is_empty() {
        return match message.contains_key("content") || message.contains_key("value") {
            true => Err(NoText::WrongType),
            false => Err(NoText::Missing),
        };
    }
    blocks.extend(content.filter(|text| calls.is_empty() || !text.is_empty()));
    blocks.extend(calls);
    Ok(blocks.join("\n\n"))
}

/// Text, or parts of which those with text give theirs and others their kind; None for null.
fn of_content(content: &Value) -> Result<Option<String>, NoText> {
    match content {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Array(parts) if !parts.is_empty() => {
            let parts: Result<Vec<_>, _> = parts.iter().map(of_part).collect();
            Ok(Some(parts?.join("\n")))
        }
        _ => Err(NoText::WrongType),
    }
}

fn of_part(part: &Value) -> Result<String, NoText> {
    let field = |name: &str| part.get(name).and_then(Value::as_str);
    match (part, field("text"), field("type")) {
        (Value::String(text), ..) => Ok(text.clone()),
        (_, Some(text), _) => Ok(text.to_owned()),
        (_, None, Some(kind)) => Ok(format!("[{kind}]")),
        (_, None, None) => Err(NoText::WrongType),
    }
}

fn calls(message: &Map<String, Value>) -> Vec<String> {
    let several = message.get("tool_calls").and_then(Value::as_array);
    let one = message.get("function_call").filter(|call| call.is_object());
    several.into_iter().flatten().chain(one).map(of_call).collect()
}

fn of_call(call: &Value) -> String {
    let function = call.get("function").unwrap_or(call);
    let mut written = Map::new();
    if let Some(name) = function.get("name") {
        written.insert("name".into(), name.clone());
    }
    if let Some(arguments) = function.get("arguments") {
        // Written as JSON within a text by some, as JSON by others.
        let read = arguments
            .as_str()
            .and_then(|text| serde_json::from_str(text).ok());
        written.insert("arguments".into(), read.unwrap_or_else(|| arguments.clone()));
    }
    let written = match written.is_empty() {
        true => call.clone(),
        false => Value::Object(written),
    };
    format!("<tool_call>\n{written}\n</tool_call>")
}
