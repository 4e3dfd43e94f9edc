//! Methods of Python's strings, where minijinja-contrib's `pycompat` lacks them or takes other characters for space.

use minijinja::value::{StringInput, from_args};
use minijinja::{Error, State, Value};

/// `str.isspace` of Python, which has four more than Unicode.
fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\x1c'..='\x1f').contains(&character)
}

/// Where `str.splitlines` of Python ends a line.
fn ends_line(character: char) -> bool {
    matches!(
        character,
        '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

/// The filter `trim`.
pub(super) fn trim(text: StringInput<'_>, chars: Option<String>) -> String {
    let text = text.as_str();
    match chars {
        Some(chars) => text.trim_matches(|c| chars.contains(c)).to_owned(),
        None => text.trim_matches(is_space).to_owned(),
    }
}

/// A method of a string, list or dictionary that minijinja itself does not know.
pub(super) fn method(
    state: &mut State,
    value: &Value,
    name: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    let bare = arguments.iter().all(Value::is_none);
    Ok(match (value.as_str(), name) {
        (Some(text), "strip") if bare => text.trim_matches(is_space).into(),
        (Some(text), "lstrip") if bare => text.trim_start_matches(is_space).into(),
        (Some(text), "rstrip") if bare => text.trim_end_matches(is_space).into(),
        (Some(text), "split") if bare => text.split(is_space).filter(|word| !word.is_empty()).collect(),
        (Some(text), "splitlines") => {
            let (keep_ends,): (Option<bool>,) = from_args(arguments)?;
            lines(text, keep_ends.unwrap_or(false)).into_iter().collect()
        }
        (Some(text), "title") if bare => title(text).into(),
        (Some(text), "removeprefix") => {
            let (prefix,): (&str,) = from_args(arguments)?;
            text.strip_prefix(prefix).unwrap_or(text).into()
        }
        (Some(text), "removesuffix") => {
            let (suffix,): (&str,) = from_args(arguments)?;
            text.strip_suffix(suffix).unwrap_or(text).into()
        }
        _ => return minijinja_contrib::pycompat::unknown_method_callback(state, value, name, arguments),
    })
}

fn lines(text: &str, keep_ends: bool) -> Vec<&str> {
    let (mut lines, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let line = rest.find(ends_line).unwrap_or(rest.len());
        let end = match &rest[line..] {
            both if both.starts_with("\r\n") => 2,
            one => one.chars().next().map_or(0, char::len_utf8),
        };
        lines.push(&rest[..if keep_ends { line + end } else { line }]);
        rest = &rest[line + end..];
    }
    lines
}

/// Every run of letters begins with a large one, whatever stands before it.
fn title(text: &str) -> String {
    let (mut written, mut inside) = (String::with_capacity(text.len()), false);
    for character in text.chars() {
        if inside {
            written.extend(character.to_lowercase());
        } else {
            written.extend(character.to_uppercase());
        }
        inside = character.is_lowercase() || character.is_uppercase();
    }
    written
}
