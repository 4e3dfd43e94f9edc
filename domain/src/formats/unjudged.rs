//! Prompts with responses that nobody has judged: `responses`, or columns such as `response_a` and `response_b`.

use serde_json::{Map, Value};

use super::{
    Fault, Problem, ResponseText, Row,
    answers::Answer,
    fields::{self, Fields},
    messages::{self, Text},
    notes::RowNotes,
    prompt_columns,
};

/// What columns of responses are called, with a letter or a number behind.
const NAMES: [&str; 4] = ["response", "answer", "output", "completion"];

/// How the columns of responses are told apart: from a on, from 0 on, from 1 on.
const SUFFIXES: [[&str; 9]; 3] = [
    ["a", "b", "c", "d", "e", "f", "g", "h", "i"],
    ["0", "1", "2", "3", "4", "5", "6", "7", "8"],
    ["1", "2", "3", "4", "5", "6", "7", "8", "9"],
];

/// Columns that say which response is better, in shapes that are not read yet.
const VERDICTS: [&str; 16] = [
    "winner",
    "preference",
    "overall_preference",
    "preferred",
    "choice",
    "vote",
    "votes",
    "better",
    "label",
    "gold",
    "rank",
    "ranks",
    "ranking",
    "rankings",
    "scores",
    "judgment",
];

/// Whether the line holds responses side by side.
pub(super) fn has_responses(fields: &Fields) -> bool {
    fields.contains("responses") || !columns(fields).is_empty()
}

/// The columns of two responses or more, with what tells them apart.
fn columns(fields: &Fields) -> Vec<(String, &'static str)> {
    for name in NAMES {
        for joint in ["_", ""] {
            for suffixes in SUFFIXES {
                let column = |suffix: &&'static str| (format!("{name}{joint}{suffix}"), *suffix);
                let there: Vec<_> = suffixes
                    .iter()
                    .map(column)
                    .take_while(|(name, _)| fields.contains(name))
                    .collect();
                if there.len() > 1 {
                    return there;
                }
            }
        }
    }
    Vec::new()
}

/// A prompt and its responses; nothing is compared until someone says how.
pub(super) fn read(fields: &mut Fields) -> Result<Row, Fault> {
    let judgements = verdicts(fields);
    let prompt = prompt_columns::read(fields)?;
    let responses = match fields.contains("responses") {
        true => of_list(fields)?,
        false => of_columns(fields)?,
    };
    let (prompt, original) = messages::split(prompt);
    let (category, language) = (fields.label("category"), fields.label("language"));
    let (columns, unkept) = fields.rest();
    Ok(Row {
        prompt,
        original,
        category,
        language,
        responses,
        comparisons: Vec::new(),
        columns,
        notes: RowNotes {
            unkept,
            judgements,
            ..RowNotes::default()
        },
    })
}

/// Columns in which the line says more of its responses than they themselves.
fn verdicts(fields: &Fields) -> Vec<String> {
    let is_verdict = |name: &str| {
        let lower = name.to_lowercase();
        let numbered = |base: &str| {
            let rest = lower.strip_prefix(base).map(|rest| rest.trim_start_matches('_'));
            rest.is_some_and(|rest| SUFFIXES.as_flattened().contains(&rest))
        };
        VERDICTS.contains(&lower.as_str())
            || ["winner_", "preference_", "better_", "preferred_"]
                .iter()
                .any(|start| lower.starts_with(start))
            || ["score", "rating", "annotator", "rank"].into_iter().any(numbered)
    };
    let names = fields.iter().map(|(name, _)| name);
    let told = names.filter(|name| fields.holds(name) && is_verdict(name));
    told.map(str::to_owned).collect()
}

fn of_list(fields: &mut Fields) -> Result<Vec<ResponseText>, Fault> {
    let list = match fields.take("responses")? {
        Value::Array(list) if list.is_empty() => return Err(fields.fault(Problem::NoResponses, "responses")),
        Value::Array(list) => list,
        other => return Err(fields.wrong("responses", "a list", &other)),
    };
    let read = list.into_iter().enumerate();
    read.map(|(index, value)| response(fields, value, &format!("responses[{index}]")))
        .collect()
}

fn of_columns(fields: &mut Fields) -> Result<Vec<ResponseText>, Fault> {
    let columns = columns(fields);
    if columns.is_empty() {
        return Err(fields.fault(Problem::Missing, "responses"));
    }
    let mut responses = Vec::with_capacity(columns.len());
    for (name, suffix) in columns {
        let value = fields.take(&name)?;
        let read = response(fields, value, &name)?;
        let model = [format!("model_{suffix}"), format!("model{suffix}")]
            .iter()
            .find_map(|name| fields.label(name));
        responses.push(ResponseText {
            model: read.model.or(model),
            ..read
        });
    }
    Ok(responses)
}

/// A text, a message or several, or an object with `text` or `content` of which the rest is kept.
fn response(fields: &Fields, value: Value, path: &str) -> Result<ResponseText, Fault> {
    let object = match value {
        Value::Object(object) if !object.contains_key("role") && !object.contains_key("from") => object,
        value => return message(fields, value, path),
    };
    let Some(name) = ["text", "content", "response", "completion"]
        .into_iter()
        .find(|name| object.contains_key(*name))
    else {
        return Err(fields.fault(Problem::Missing, &format!("{path}.text")));
    };
    let mut rest: Map<String, Value> = object;
    let said = rest.remove(name).unwrap_or_default();
    let read = message(fields, said, &format!("{path}.{name}"))?;
    let model = match rest.remove("model") {
        Some(Value::String(model)) if !model.trim().is_empty() => {
            Some(fields.checked(model, &format!("{path}.model"))?)
        }
        Some(other) => {
            rest.insert("model".to_owned(), other);
            None
        }
        None => None,
    };
    rest.retain(|_, value| !value.is_null());
    let (columns, _) = fields::kept(rest);
    Ok(ResponseText {
        model,
        columns,
        ..read
    })
}

fn message(fields: &Fields, value: Value, path: &str) -> Result<ResponseText, Fault> {
    match messages::text(value, path, fields.line())? {
        Text::Plain(content) => Ok(Answer::plain(content).into_response()),
        Text::Turns(turns) => Ok(Answer::of(fields, path, turns)?.into_response()),
    }
}
