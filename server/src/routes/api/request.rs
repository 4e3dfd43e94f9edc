//! A request to score, read from JSON: what cannot be used is named by its place, in a sentence.

use domain::{
    prompt::{Message, Speaker},
    score::{PromptText, ScoreItem},
};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

/// Which model, and what to score. Give `run` or `project`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ScoreRequest)]
pub struct ScoreRequest {
    /// The run whose model scores.
    pub run: Option<Uuid>,
    /// The name or identifier of a project: its newest finished run scores.
    pub project: Option<String>,
    /// At most 64 items with 256 responses and 2,000,000 characters in all.
    #[schema(value_type = Vec<Item>)]
    pub items: Vec<ScoreItem>,
}

/// A prompt with responses.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "describes `domain::score::ScoreItem`, which knows nothing of OpenAPI"
)]
pub struct Item {
    prompt: Prompt,
    /// One or more.
    #[schema(min_items = 1)]
    responses: Vec<String>,
}

/// What a person says, or a conversation, oldest turn first.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes `domain::score::PromptText`")]
pub enum Prompt {
    Text(String),
    Conversation(Vec<Turn>),
}

/// One turn of a conversation.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes `domain::prompt::Message`")]
pub struct Turn {
    role: Role,
    content: String,
}

/// Who speaks.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    System,
    User,
    Assistant,
}

impl ScoreRequest {
    /// Reads a request.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn read(body: Value) -> Result<ScoreRequest, String> {
        let mut fields = fields("The request", body, &["run", "project", "items"])?;
        let mut text = |name: &str| match fields.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(&format!("“{name}”"), "a text", &other)),
        };
        let (run, project) = (text("run")?, text("project")?);
        let run = run.map(|id| {
            id.parse()
                .map_err(|_| format!("“run” is no identifier of a run: {id}."))
        });
        let items = fields.remove("items").ok_or("“items” is missing.")?;
        let items = list("“items”", items)?.into_iter().enumerate();
        Ok(ScoreRequest {
            run: run.transpose()?,
            project,
            items: items
                .map(|(index, item)| read_item(&format!("items[{index}]"), item))
                .collect::<Result<_, _>>()?,
        })
    }
}

fn read_item(place: &str, item: Value) -> Result<ScoreItem, String> {
    let mut fields = fields(place, item, &["prompt", "responses"])?;
    let missing = |name: &str| format!("{place}: “{name}” is missing.");
    let prompt = match fields.remove("prompt").ok_or_else(|| missing("prompt"))? {
        Value::String(text) => PromptText::Plain(text),
        Value::Array(turns) => PromptText::Conversation(
            turns
                .into_iter()
                .enumerate()
                .map(|(index, turn)| read_turn(&format!("{place}.prompt[{index}]"), turn))
                .collect::<Result<_, _>>()?,
        ),
        other => {
            let wanted = "a text or a list of messages";
            return Err(wrong(&format!("{place}.prompt"), wanted, &other));
        }
    };
    let responses = fields.remove("responses").ok_or_else(|| missing("responses"))?;
    let responses = list(&format!("{place}.responses"), responses)?;
    let responses = responses
        .into_iter()
        .enumerate()
        .map(|(index, response)| match response {
            Value::String(text) => Ok(text),
            other => Err(wrong(&format!("{place}.responses[{index}]"), "a text", &other)),
        });
    Ok(ScoreItem {
        prompt,
        responses: responses.collect::<Result<_, _>>()?,
    })
}

fn read_turn(place: &str, turn: Value) -> Result<Message, String> {
    let mut fields = fields(place, turn, &["role", "content"])?;
    let mut text = |name: &str| match fields.remove(name) {
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(wrong(&format!("{place}.{name}"), "a text", &other)),
        None => Err(format!("{place}: “{name}” is missing.")),
    };
    let (role, content) = (text("role")?, text("content")?);
    let known = [Speaker::System, Speaker::User, Speaker::Assistant];
    match known.into_iter().find(|speaker| speaker.as_str() == role) {
        Some(role) => Ok(Message { role, content }),
        None => Err(format!(
            "{place}.role is system, user or assistant, not “{role}”."
        )),
    }
}

/// The fields of an object, none of which may be unknown: what is ignored might have mattered.
fn fields(place: &str, value: Value, known: &[&str]) -> Result<Map<String, Value>, String> {
    let Value::Object(fields) = value else {
        return Err(wrong(place, "an object", &value));
    };
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(fields),
        Some(unknown) => {
            let known: Vec<String> = known.iter().map(|name| format!("“{name}”")).collect();
            let unknown: String = unknown.chars().take(60).collect();
            Err(format!(
                "{place} has an unknown field “{unknown}”. Known are {}.",
                known.join(", ")
            ))
        }
    }
}

fn list(place: &str, value: Value) -> Result<Vec<Value>, String> {
    match value {
        Value::Array(values) => Ok(values),
        other => Err(wrong(place, "a list", &other)),
    }
}

fn wrong(place: &str, wanted: &str, value: &Value) -> String {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    format!("{place} must be {wanted}, not {kind}.")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_kinds_of_prompt_are_read() {
        let turns = json!([{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Why?"}]);
        let body = json!({"project": "P", "items": [
            {"prompt": "Why?", "responses": ["a", ""]}, {"prompt": turns, "responses": ["b"]},
        ]});
        let read = ScoreRequest::read(body).unwrap();
        assert_eq!((read.run, read.project.as_deref()), (None, Some("P")));
        assert_eq!(read.items[0].prompt, PromptText::Plain("Why?".into()));
        assert!(matches!(&read.items[1].prompt, PromptText::Conversation(turns) if turns.len() == 2));
    }

    #[test]
    fn what_cannot_be_used_is_named_by_its_place_in_a_sentence() {
        let item =
            |item: Value| json!({"run": Uuid::nil(), "items": [{"prompt": "p", "responses": ["r"]}, item]});
        let turn = |turn: Value| item(json!({"prompt": [turn], "responses": ["r"]}));
        let refused = [
            (json!([]), "The request must be an object, not a list."),
            (
                json!({"run": 3, "items": []}),
                "“run” must be a text, not a number.",
            ),
            (
                json!({"run": "x", "items": []}),
                "“run” is no identifier of a run: x.",
            ),
            (json!({"project": "P"}), "“items” is missing."),
            (
                json!({"items": [], "temperature": 1}),
                "The request has an unknown field “temperature”. Known are “run”, “project”, “items”.",
            ),
            (
                item(json!({"prompt": "p", "responses": ["r"], "model": "m"})),
                "items[1] has an unknown field “model”. Known are “prompt”, “responses”.",
            ),
            (
                item(json!({"prompt": {"text": "p"}, "responses": ["r"]})),
                "items[1].prompt must be a text or a list of messages, not an object.",
            ),
            (
                item(json!({"prompt": "p", "responses": "r"})),
                "items[1].responses must be a list, not a text.",
            ),
            (
                item(json!({"prompt": "p", "responses": ["r", null]})),
                "items[1].responses[1] must be a text, not null.",
            ),
            (
                turn(json!({"role": "user"})),
                "items[1].prompt[0]: “content” is missing.",
            ),
            (
                turn(json!({"role": "robot", "content": "c"})),
                "items[1].prompt[0].role is system, user or assistant, not “robot”.",
            ),
        ];
        for (body, sentence) in refused {
            assert_eq!(ScoreRequest::read(body).unwrap_err(), sentence);
        }
    }
}
