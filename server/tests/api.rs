//! The HTTP API: that it describes itself truly, and answers errors in JSON with a sentence.

#[expect(dead_code, reason = "not all of it is needed here")]
mod support;

use std::{collections::BTreeSet, fs, path::Path};

use axum::http::{Method, StatusCode};
use domain::permission::Role;
use serde_json::{Value, json};
use support::{Browser, TestApp};

async fn description(app: &TestApp) -> Value {
    let answer = app.browser().get("/api/v1/openapi.json").await;
    assert_eq!(answer.status, StatusCode::OK);
    serde_json::from_str(&answer.body).unwrap()
}

/// What a reference points to.
fn resolve<'a>(api: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(place) => {
            let found = api.pointer(place.strip_prefix('#').expect("a reference within"));
            found.unwrap_or_else(|| panic!("{place} is nowhere"))
        }
        None => schema,
    }
}

/// Whether a value fits a schema, as far as this API's schemas go.
fn fits(api: &Value, schema: &Value, value: &Value) -> bool {
    let schema = resolve(api, schema);
    if let Some(choices) = schema["oneOf"].as_array() {
        return choices.iter().filter(|choice| fits(api, choice, value)).count() == 1;
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.contains(value);
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        kind => kind.as_str().into_iter().collect(),
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let is_number = kind == "integer" && kinds.contains(&"number");
    if !kinds.contains(&kind) && !is_number {
        return false;
    }
    match value {
        Value::Array(values) => values.iter().all(|value| fits(api, &schema["items"], value)),
        Value::Object(fields) => {
            let required = schema["required"].as_array().into_iter().flatten();
            let known = |name: &str| schema["properties"].get(name);
            required
                .filter_map(Value::as_str)
                .all(|name| fields.contains_key(name))
                && fields.iter().all(|(name, value)| match known(name) {
                    Some(schema) => fits(api, schema, value),
                    None => schema["additionalProperties"] != false,
                })
        }
        _ => true,
    }
}

#[tokio::test]
async fn the_description_is_whole() {
    let app = TestApp::new().await;
    let api = description(&app).await;
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut names = BTreeSet::new();
    for (path, methods) in api["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let place = format!("{method} {path}");
            assert!(
                names.insert(operation["operationId"].as_str().unwrap().to_owned()),
                "{place}"
            );
            assert!(
                operation["description"]
                    .as_str()
                    .or(operation["summary"].as_str())
                    .is_some(),
                "{place}"
            );
            let given: BTreeSet<&str> = operation["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|parameter| parameter["in"] == "path")
                .filter_map(|parameter| parameter["name"].as_str())
                .collect();
            let wanted: BTreeSet<&str> = path.split(['{', '}']).skip(1).step_by(2).collect();
            assert_eq!(given, wanted, "{place}");
            for (status, answer) in operation["responses"].as_object().unwrap() {
                let (status, said) = (status.parse::<u16>().unwrap(), answer["description"].as_str());
                assert!(
                    (200..600).contains(&status) && said.is_some_and(|text| !text.is_empty()),
                    "{place}"
                );
            }
        }
    }
    every_reference_leads_somewhere(&api, &api);
}

fn every_reference_leads_somewhere(api: &Value, value: &Value) {
    resolve(api, value);
    match value {
        Value::Object(fields) => fields
            .values()
            .for_each(|value| every_reference_leads_somewhere(api, value)),
        Value::Array(values) => values
            .iter()
            .for_each(|value| every_reference_leads_somewhere(api, value)),
        _ => {}
    }
}

/// The addresses under `/api/v1` that the sources name as routes.
fn routes(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            routes(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let named = text
                .split("route(")
                .skip(1)
                .filter_map(|rest| rest.trim_start().strip_prefix('"'));
            let named = named.filter_map(|rest| rest.split('"').next());
            found.extend(
                named
                    .filter(|route| route.starts_with("/api/v1/"))
                    .map(str::to_owned),
            );
        }
    }
}

#[tokio::test]
async fn every_route_of_the_api_is_described() {
    let app = TestApp::new().await;
    let api = description(&app).await;
    let mut found = BTreeSet::new();
    routes(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.len() >= 3, "{found:?}");
    let described: BTreeSet<String> = api["paths"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(described, found);
}

#[tokio::test]
async fn the_calls_of_the_readme_fit_the_description() {
    let app = TestApp::new().await;
    let api = description(&app).await;
    let schema =
        &api["paths"]["/api/v1/score"]["post"]["requestBody"]["content"]["application/json"]["schema"];
    let readme = include_str!("../../README.md");
    let bodies: Vec<&str> = readme
        .split("-d '")
        .skip(1)
        .filter_map(|rest| rest.split('\'').next())
        .collect();
    assert!(!bodies.is_empty());
    for body in bodies {
        let body: Value = serde_json::from_str(body).unwrap();
        assert!(fits(&api, schema, &body), "{body}");
    }
    let turns = json!([{"role": "user", "content": "Why?"}]);
    let item = |prompt: Value| json!({"project": "P", "items": [{"prompt": prompt, "responses": ["r"]}]});
    assert!(fits(&api, schema, &item(turns)));
    for wrong in [
        item(json!({})),
        item(json!([{"role": "robot", "content": ""}])),
        json!({"items": [], "x": 1}),
    ] {
        assert!(!fits(&api, schema, &wrong), "{wrong}");
    }
}

async fn refused(browser: &mut Browser, method: Method, path: &str, body: &str) -> (StatusCode, String) {
    let json = [("content-type", "application/json"), ("accept", "*/*")];
    let answer = browser.send(method, path, &json, body.to_owned()).await;
    let place = format!("{path} {body}: {} {}", answer.status, answer.body);
    let error: Value = serde_json::from_str(&answer.body).expect(&place);
    assert!(error["kind"].is_string(), "{place}");
    let message = error["message"].as_str().expect(&place).to_owned();
    assert!(
        message.ends_with('.') && !message.contains("untagged") && !message.contains("serde"),
        "{place}"
    );
    (answer.status, message)
}

#[tokio::test]
async fn an_error_of_the_api_is_json_with_a_sentence() {
    let app = TestApp::new().await;
    let mut lead = app.signed_in("lea", Role::Lead).await;
    let nowhere = "00000000-0000-0000-0000-000000000000";
    let export = format!("/api/v1/projects/{nowhere}/export.jsonl");
    let unknown = r#"{"project": "P", "items": [], "temperature": 0.5}"#;
    let cases = [
        (
            Method::POST,
            "/api/v1/score",
            "{",
            422,
            "not valid JSON: it breaks at line 1, column 1",
        ),
        (
            Method::POST,
            "/api/v1/score",
            unknown,
            422,
            "unknown field “temperature”",
        ),
        (
            Method::POST,
            "/api/v1/score",
            r#"{"project": "P", "items": [{"prompt": 3}]}"#,
            422,
            "items[0].prompt must be",
        ),
        (Method::GET, "/api/v1/score", "", 405, "takes POST alone"),
        (Method::POST, "/api/v1/openapi.json", "{}", 405, "takes GET alone"),
        (Method::GET, "/api/v1/nothing", "", 404, "nothing at this address"),
        (Method::GET, export.as_str(), "", 404, "was not found"),
        (Method::DELETE, export.as_str(), "", 405, "takes GET alone"),
        (
            Method::GET,
            "/api/v1/projects/first/export.jsonl",
            "",
            404,
            "was not found",
        ),
    ];
    for (method, path, body, status, sentence) in cases {
        let (got, message) = refused(&mut lead, method, path, body).await;
        assert_eq!(got.as_u16(), status, "{path} {body}: {message}");
        assert!(message.contains(sentence), "{path} {body}: {message}");
    }
    for query in ["corrections=perhaps", "judgement=people", "judgements=nobody"] {
        let (got, message) = refused(&mut lead, Method::GET, &format!("{export}?{query}"), "").await;
        assert!(
            got == StatusCode::UNPROCESSABLE_ENTITY || got == StatusCode::NOT_FOUND,
            "{query}: {message}"
        );
    }
    let mut trainer = app.signed_in("tom", Role::Trainer).await;
    assert_eq!(
        refused(&mut trainer, Method::GET, &export, "").await.0,
        StatusCode::FORBIDDEN
    );
    let mut nobody = app.browser();
    assert_eq!(
        refused(&mut nobody, Method::POST, "/api/v1/score", "{}").await.0,
        StatusCode::UNAUTHORIZED
    );
}
