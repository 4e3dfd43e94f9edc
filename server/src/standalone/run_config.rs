//! A run's settings: the method's defaults, over them a TOML file whose keys are [`Recipe`]'s fields, over that the
//! command's flags. Knows no field by name but `method`: what the engine adds can be set here at once.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use recipe::{Method, Recipe, UnknownChoice};
use reward_model::check_recipe;
use serde_json::{Map, Value, json};
use toml::de::{DeTable, DeValue};

/// A settings file: its keys, their values and where they stand.
#[derive(Debug)]
struct Settings {
    path: PathBuf,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    key: String,
    value: Value,
    line: usize,
}

/// The settings of a run, checked. `flags` win over the file; both over the defaults, among which is `base_model`.
pub fn load(
    file: Option<&Path>,
    flags: Map<String, Value>,
    base_model: Option<&Path>,
) -> anyhow::Result<Recipe> {
    let settings = file.map(Settings::read).transpose()?;
    let entries = settings.as_ref().map_or(&[][..], |settings| &settings.entries);
    let method = match (
        flags.get("method"),
        entries.iter().find(|one| one.key == "method"),
    ) {
        (Some(flag), _) => method_of(flag).map_err(|error| anyhow!("--method: {error}"))?,
        (None, Some(entry)) => method_of(&entry.value)
            .map_err(|error| anyhow!("{}", place(settings.as_ref(), "method", &error)))?,
        (None, None) => Method::Head,
    };
    let mut defaults = Recipe::of(method);
    if let Some(folder) = base_model {
        defaults.base_model = folder.to_owned();
    }
    let Value::Object(mut merged) = serde_json::to_value(&defaults)? else {
        bail!("the settings are no table");
    };
    for entry in entries {
        if let Err(problem) = check(&merged, entry) {
            bail!("{}", place(settings.as_ref(), &entry.key, &problem));
        }
        merged.insert(entry.key.clone(), entry.value.clone());
    }
    let config: Recipe =
        serde_json::from_value(Value::Object(merged)).context("the settings cannot be used")?;
    let config = config.with(flags.clone())?;
    if let Err(refused) = check_recipe(&config) {
        let field = refused.field();
        let message = match refused.setting {
            "base_model" => "name the folder of a base model, with --base or in the file".to_owned(),
            whole if whole == field => refused.reason,
            part => format!("{part}: {}", refused.reason),
        };
        let source = settings.as_ref().filter(|_| !flags.contains_key(field));
        bail!("{}", place(source, field, &message));
    }
    Ok(config)
}

/// Whether a settings file sets a key.
///
/// # Errors
/// When the file cannot be read.
pub fn sets(file: Option<&Path>, key: &str) -> anyhow::Result<bool> {
    let settings = file.map(Settings::read).transpose()?;
    Ok(settings.is_some_and(|settings| settings.entries.iter().any(|one| one.key == key)))
}

fn method_of(value: &Value) -> Result<Method, String> {
    match value {
        Value::String(text) => text.parse().map_err(|unknown: UnknownChoice| unknown.to_string()),
        other => Err(format!("must be head, lora, layers or full, not {other}")),
    }
}

/// What is wrong with a key, with the file and line that it comes from, if it comes from there.
fn place(settings: Option<&Settings>, key: &str, problem: &str) -> String {
    let found = settings.and_then(|settings| {
        let entry = settings.entries.iter().find(|one| one.key == key)?;
        Some(format!("{}:{}", settings.path.display(), entry.line))
    });
    match found {
        Some(place) => format!("{place}: {key}: {problem}"),
        None => format!("setting {key}: {problem}"),
    }
}

/// Whether the engine takes this key with this value, among others that it takes.
fn check(sound: &Map<String, Value>, entry: &Entry) -> Result<(), String> {
    let unknown = || {
        let known: Vec<&str> = sound.keys().map(String::as_str).collect();
        format!("is no setting; there are {}", known.join(", "))
    };
    if not_finite(&entry.value) {
        return Err("must be a finite number".to_owned());
    }
    let mut with = sound.clone();
    with.insert(entry.key.clone(), entry.value.clone());
    let config: Recipe = serde_json::from_value(Value::Object(with))
        .map_err(|error| in_words(&error.to_string(), sound.get(&entry.key), &entry.value))?;
    let kept = serde_json::to_value(config).map_err(|error| error.to_string())?;
    match kept.get(&entry.key) {
        None => Err(unknown()),
        Some(kept) => match lost(&entry.value, kept) {
            Some(path) => Err(format!("{}{path} is no setting", entry.key)),
            None => Ok(()),
        },
    }
}

/// What serde says of a value that the engine does not take, as a sentence about the setting; `sound` is what it takes.
fn in_words(error: &str, sound: Option<&Value>, given: &Value) -> String {
    let plain = |words: &str| words.replace('`', "");
    if let Some((_, choices)) = error
        .strip_prefix("unknown variant ")
        .and_then(|rest| rest.split_once("expected "))
    {
        let choices = plain(choices.trim_start_matches("one of "));
        return format!("must be one of {choices}, not {given}");
    }
    if let Some(field) = error.strip_prefix("missing field ") {
        return format!("lacks {}", plain(field));
    }
    let expected = match sound {
        Some(Value::Number(number)) if number.is_f64() => "must be a number",
        Some(Value::Number(_)) => "must be a whole number of 0 or more",
        Some(Value::Bool(_)) => "must be true or false",
        Some(Value::Object(_)) => "must be a table",
        // The engine's own sentences, of words that it reads itself.
        Some(Value::String(_)) if given.is_string() => return error.to_owned(),
        Some(Value::String(_)) => "must be a word in quotes",
        _ => "cannot have such a value",
    };
    format!("{expected}, not {given}")
}

/// A key within a table that the engine did not keep, as a path that begins with a point.
fn lost(given: &Value, kept: &Value) -> Option<String> {
    let (Value::Object(given), Value::Object(kept)) = (given, kept) else {
        return None;
    };
    given.iter().find_map(|(key, value)| {
        let inner = kept.get(key).map(|kept| lost(value, kept));
        match inner {
            None => Some(format!(".{key}")),
            Some(path) => path.map(|path| format!(".{key}{path}")),
        }
    })
}

/// TOML has no null: here it stands for a number that JSON cannot write.
fn not_finite(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(table) => table.values().any(not_finite),
        Value::Array(list) => list.iter().any(not_finite),
        _ => false,
    }
}

impl Settings {
    fn read(path: &Path) -> anyhow::Result<Settings> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let line = |at: usize| 1 + text.bytes().take(at).filter(|&byte| byte == b'\n').count();
        let table = DeTable::parse(&text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            anyhow!("{}:{}: {}", path.display(), line(at), error.message())
        })?;
        let mut entries: Vec<Entry> = table
            .get_ref()
            .iter()
            .map(|(key, value)| Entry {
                key: key.get_ref().to_string(),
                value: to_json(value.get_ref()),
                line: line(key.span().start),
            })
            .collect();
        entries.sort_by_key(|entry| entry.line);
        Ok(Settings {
            path: path.to_owned(),
            entries,
        })
    }
}

fn to_json(value: &DeValue) -> Value {
    match value {
        DeValue::String(text) => json!(text),
        DeValue::Integer(number) => {
            let (text, radix) = (number.as_str(), number.radix());
            match (u64::from_str_radix(text, radix), i64::from_str_radix(text, radix)) {
                (Ok(number), _) => json!(number),
                (_, Ok(number)) => json!(number),
                _ => json!(text),
            }
        }
        DeValue::Float(number) => json!(number.as_str().parse::<f64>().unwrap_or(f64::NAN)),
        DeValue::Boolean(yes) => json!(yes),
        DeValue::Datetime(when) => json!(when.to_string()),
        DeValue::Array(list) => list.iter().map(|one| to_json(one.get_ref())).collect(),
        DeValue::Table(table) => Value::Object(
            table
                .iter()
                .map(|(key, value)| (key.get_ref().to_string(), to_json(value.get_ref())))
                .collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_text(text: &str, flags: Value) -> Result<Recipe, String> {
        let path = std::env::temp_dir().join(format!("touchstone-{}.toml", uuid::Uuid::new_v4()));
        std::fs::write(&path, text).unwrap();
        let flags = flags.as_object().cloned().unwrap_or_default();
        let config = load(Some(&path), flags, None).map_err(|error| format!("{error:#}"));
        std::fs::remove_file(&path).unwrap();
        config
    }

    /// JSON's values are TOML's too, but for tables.
    fn as_toml(value: &Value) -> String {
        let Value::Object(table) = value else {
            return value.to_string();
        };
        let entries = table
            .iter()
            .map(|(key, value)| format!("{key} = {}", as_toml(value)));
        format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
    }

    /// Every field that the engine has, whichever they are, can be set.
    #[test]
    fn each_field_is_taken_and_what_is_missing_is_the_methods() {
        let full = Recipe {
            base_model: "b".into(),
            ..Recipe::of(Method::Full)
        };
        let Value::Object(fields) = serde_json::to_value(&full).unwrap() else {
            panic!("no table")
        };
        let text: String = fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| format!("{key} = {}\n", as_toml(value)))
            .collect();
        assert_eq!(load_text(&text, json!({})).unwrap(), full);
        let few = load_text("method = \"full\"\nseed = 0x10\nbase_model = \"b\"", json!({})).unwrap();
        assert_eq!(few, Recipe { seed: 16, ..full });
    }

    #[test]
    fn flags_win_over_the_file() {
        let text = "method = \"full\"\nepochs = 3\nbase_model = \"a\"";
        let config = load_text(text, json!({"method": "head", "base_model": "b"})).unwrap();
        let head = Recipe {
            epochs: 3,
            base_model: "b".into(),
            ..Recipe::of(Method::Head)
        };
        assert_eq!(config, head);
        let text = "lora = { rank = 4, alpha = 8.0, dropout = 0.0, target_modules = [] }\nbase_model = \"b\"";
        let lora = load_text(text, json!({"lora": {"rank": 2}})).unwrap().lora;
        assert_eq!((lora.rank, lora.alpha), (2, 8.0));
        // What a table does not name is the default.
        let lora = load_text("base_model = \"b\"\n[lora]\nrank = 4", json!({}))
            .unwrap()
            .lora;
        assert_eq!((lora.rank, lora.alpha), (4, 32.0));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, said) in [
            ("\nlearning_rat = 1", ":2: learning_rat: is no setting; there are"),
            (
                "epochs = 1\nseed = \"x\"",
                ":2: seed: must be a whole number of 0 or more, not \"x\"",
            ),
            (
                "epochs = -1",
                ":1: epochs: must be a whole number of 0 or more, not -1",
            ),
            ("dropout = true", ":1: dropout: must be a number, not true"),
            ("shuffle = 1", ":1: shuffle: must be true or false, not 1"),
            (
                "keep = \"first\"",
                ":1: keep: must be one of last or best, not \"first\"",
            ),
            ("device = \"gpu\"", ":1: device: “gpu” is not a device"),
            ("ties = { model = \"davidson\" }", ":1: ties: lacks weight"),
            ("lora = 3", ":1: lora: must be a table, not 3"),
            (
                "learning_rate = nan",
                ":1: learning_rate: must be a finite number",
            ),
            ("learning_rate = 7.0", ":1: learning_rate: must be above 0"),
            ("method = \"half\"", ":1: method: “half” is not a method"),
            ("seed = 1\nseed = 2", ":2: "),
            ("seed =", ":1: "),
            (
                "ties = { model = \"davidson\", weight = 1.0, wait = 2 }",
                ":1: ties: ties.wait is no setting",
            ),
            (
                "optimizer = \"adamw\"\nseed = 1979-05-27",
                ":2: seed: must be a whole number of 0 or more",
            ),
        ] {
            let error = load_text(text, json!({"base_model": "b"})).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
        let error = load_text("", json!({})).unwrap_err();
        assert!(error.contains("--base"), "{error}");
    }
}
