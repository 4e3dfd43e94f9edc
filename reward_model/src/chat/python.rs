//! Jinja as transformers sets it up, with what it adds: `_cached_compile_jinja_template` of
//! transformers 5.23.
//!
//! The date is the one difference: for `strftime_now` it is always 26 July 2024, midnight, the day that Llama 3.2's
//! template falls back to. With the day of the call, a text would have other tokens tomorrow: a run could not go on to the
//! same numbers, embeddings in the cache would be for nothing, and a response's reward would change overnight.

use std::fmt;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Value};

use super::{bounds, strings};

/// What `raise_exception` was called with.
#[derive(Debug)]
struct Raised(String);

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Raised {}

/// What the template said when it raised this error itself.
pub(super) fn raised(error: &Error) -> Option<&str> {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(Raised(message)) = error.downcast_ref() {
            return Some(message);
        }
        source = error.source();
    }
    None
}

/// An environment without templates.
pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
        .expect("the usual delimiters differ");
    environment.set_syntax(syntax);
    bounds::set(&mut environment);
    environment.set_unknown_method_callback(strings::method);
    environment.add_filter("trim", strings::trim);
    // minijinja also goes through none, as through a list without items, and tells strings from lists.
    environment.add_test("iterable", |value: &Value| {
        iterable(value) || value.kind() == ValueKind::Iterable
    });
    environment.add_test("sequence", iterable);
    environment.add_function("raise_exception", |message: &Value| -> Result<Value, Error> {
        let raised = Raised(message.to_string());
        Err(Error::new(ErrorKind::InvalidOperation, "raise_exception").with_source(raised))
    });
    environment.add_function("strftime_now", strftime_now);
    environment
}

/// What has items in Python, and a length.
fn iterable(value: &Value) -> bool {
    matches!(
        value.kind(),
        ValueKind::String | ValueKind::Seq | ValueKind::Map | ValueKind::Undefined
    )
}

/// `datetime.now().strftime(format)` on 26 July 2024 at midnight.
fn strftime_now(format: &str) -> Result<String, Error> {
    let (mut written, mut characters) = (String::new(), format.chars());
    while let Some(character) = characters.next() {
        if character != '%' {
            written.push(character);
            continue;
        }
        let mut directive = characters.next();
        // GNU's way to leave out a leading zero.
        let bare = directive == Some('-');
        if bare {
            directive = characters.next();
        }
        let field = match directive {
            Some('Y') => "2024",
            Some('y') => "24",
            Some('m') => "07",
            Some('B') => "July",
            Some('b' | 'h') => "Jul",
            Some('d' | 'e') => "26",
            Some('j') => "208",
            Some('A') => "Friday",
            Some('a') => "Fri",
            Some('u' | 'w') => "5",
            Some('H' | 'M' | 'S') => "00",
            Some('f') => "000000",
            Some('I') => "12",
            Some('p') => "AM",
            Some('F') => "2024-07-26",
            Some('T' | 'X') => "00:00:00",
            Some('R') => "00:00",
            Some('D' | 'x') => "07/26/24",
            Some('c') => "Fri Jul 26 00:00:00 2024",
            // The day knows no time zone.
            Some('z' | 'Z') => "",
            Some('%') => "%",
            other => {
                let name = other.map_or(String::new(), String::from);
                let message = format!("strftime_now does not know %{name}");
                return Err(Error::new(ErrorKind::InvalidOperation, message));
            }
        };
        written.push_str(match (bare, field) {
            (true, "00") => "0",
            (true, field) => field.strip_prefix('0').unwrap_or(field),
            (false, field) => field,
        });
    }
    Ok(written)
}
