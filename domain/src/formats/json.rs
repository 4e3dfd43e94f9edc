//! A line as a JSON object, within bounds; what is wrong with its JSON, in words for people.

use serde_json::{Map, Value};

use super::{Fault, Problem};

/// The most values in one line. Each takes some hundred bytes of memory, while two bytes of a file can hold one.
pub(super) const MAX_VALUES: usize = 200_000;

/// The longest name of a field that a fault shows, in characters.
const MAX_NAME: usize = 200;

/// The object on the line of that number.
pub(super) fn object(bytes: &[u8], line: u64) -> Result<Map<String, Value>, Fault> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let at = error.valid_up_to();
            return Err(Problem::NotUtf8(at + 1).at(line, field_at(&bytes[..at])));
        }
    };
    if values(bytes) > MAX_VALUES {
        return Err(Problem::TooManyValues(MAX_VALUES).on(line));
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(other) => Err(Problem::NotAnObject(type_name(&other)).on(line)),
        Err(error) => {
            // The text has one line or, as an item of a list, several.
            let before: usize = text
                .split_inclusive('\n')
                .take(error.line() - 1)
                .map(str::len)
                .sum();
            let at = (before + error.column()).min(bytes.len());
            Err(problem(&error, bytes, at).at(line, field_at(&bytes[..at])))
        }
    }
}

/// What kind of value that is, with its article.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The beginning of a value as it is written.
pub(super) fn excerpt(value: &Value) -> String {
    value.to_string().chars().take(40).collect()
}

/// About how many values the text holds: one for each comma, colon or bracket outside of a string.
fn values(bytes: &[u8]) -> usize {
    let (mut count, mut in_string, mut escaped) = (0, false, false);
    for &byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b',' | b':' | b'[' | b'{' if !in_string => count += 1,
            _ => {}
        }
    }
    count
}

/// serde_json says by words alone what is wrong; its message ends with the place.
fn problem(error: &serde_json::Error, bytes: &[u8], at: usize) -> Problem {
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default();
    let word = word_at(bytes, at);
    if ["nan", "inf", "infinity", "none", "true", "false", "undefined"]
        .contains(&word.to_lowercase().trim_start_matches('-'))
    {
        return Problem::NoJsonValue(word);
    }
    let what = match message {
        "lone leading surrogate in hex escape" | "unexpected end of hex escape" => {
            return Problem::LoneSurrogate;
        }
        _ if error.is_eof() => "it ends in the middle",
        "expected value" | "expected ident" => "a value is missing or misspelt",
        "trailing characters" => "something follows where it should end",
        "expected `,` or `}`" | "expected `,` or `]`" => "a comma or a closing bracket is missing",
        "expected `:`" => "a colon is missing",
        "trailing comma" => "nothing follows a comma",
        "key must be a string" => "a field's name must stand in double quotes",
        "control character (\\u0000-\\u001F) found while parsing a string" => {
            "a text holds a line break or another control character that must be written as an escape"
        }
        "invalid escape" => "a backslash stands before what it cannot escape",
        "invalid number" => "a number is misspelt",
        "number out of range" => "a number is too large",
        "recursion limit exceeded" => "lists and objects are nested more than 128 deep",
        _ => "it is misspelt",
    };
    Problem::NotJson(format!("{what} at byte {at}"))
}

/// The word that the byte at that place, counted from 1, belongs to.
fn word_at(bytes: &[u8], at: usize) -> String {
    let is_word = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'-';
    let at = at.saturating_sub(1);
    let start = bytes[..at.min(bytes.len())]
        .iter()
        .rposition(|byte| !is_word(byte))
        .map_or(0, |before| before + 1);
    let word = bytes[start..].iter().take_while(|byte| is_word(byte)).take(20);
    word.map(|&byte| char::from(byte)).collect()
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
    field.map(|name| String::from_utf8_lossy(name).chars().take(MAX_NAME).collect())
}
