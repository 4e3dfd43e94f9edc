//! The filter `tojson` as transformers defines it: Python's `json.dumps`, with nothing escaped for HTML.

use std::io::{Result, Write};

use minijinja::value::Kwargs;
use minijinja::{Error, ErrorKind, Value};
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// `json.dumps(x, ensure_ascii=False, indent=None, separators=None)`.
pub(super) fn tojson(value: &Value, options: Kwargs) -> std::result::Result<Value, Error> {
    let ascii: Option<bool> = options.get("ensure_ascii")?;
    let indent: Option<Value> = options.get("indent")?;
    let separators: Option<Vec<String>> = options.get("separators")?;
    options.assert_all_used()?;
    let wrong = |message: String| Error::new(ErrorKind::InvalidOperation, format!("tojson: {message}"));
    let indent = match indent.filter(|indent| !indent.is_none()) {
        None => None,
        Some(indent) => match (indent.as_str(), indent.as_usize()) {
            (Some(word), _) => Some(word.to_owned()),
            (None, Some(spaces)) if spaces <= 64 => Some(" ".repeat(spaces)),
            _ => return Err(wrong(format!("indent cannot be {indent}"))),
        },
    };
    let [between, behind_key] = match separators.map(<[String; 2]>::try_from) {
        Some(Ok(given)) => given,
        Some(Err(given)) => return Err(wrong(format!("separators are two, not {}", given.len()))),
        None => [if indent.is_some() { "," } else { ", " }, ": "].map(str::to_owned),
    };
    let style = Style {
        between,
        behind_key,
        indent,
        depth: 0,
        empty: true,
    };
    let mut written = Vec::new();
    value
        .serialize(&mut Serializer::with_formatter(&mut written, style))
        .map_err(|error| wrong(error.to_string()))?;
    let written = String::from_utf8(written).map_err(|error| wrong(error.to_string()))?;
    Ok(Value::from(match ascii {
        Some(true) => ascii_only(&written),
        _ => written,
    }))
}

fn ascii_only(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii() {
            written.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                written.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    written
}

/// Separators and line breaks where Python puts them.
struct Style {
    between: String,
    behind_key: String,
    indent: Option<String>,
    depth: usize,
    /// Whether the list or object at hand has had no item yet.
    empty: bool,
}

impl Style {
    fn line(&self, to: &mut (impl Write + ?Sized)) -> Result<()> {
        if let Some(indent) = &self.indent {
            write!(to, "\n{}", indent.repeat(self.depth))?;
        }
        Ok(())
    }

    fn open(&mut self, to: &mut (impl Write + ?Sized), bracket: &[u8]) -> Result<()> {
        self.depth += 1;
        self.empty = true;
        to.write_all(bracket)
    }

    fn item(&mut self, to: &mut (impl Write + ?Sized), first: bool) -> Result<()> {
        if !first {
            to.write_all(self.between.as_bytes())?;
        }
        self.empty = false;
        self.line(to)
    }

    fn close(&mut self, to: &mut (impl Write + ?Sized), bracket: &[u8]) -> Result<()> {
        self.depth -= 1;
        if !self.empty {
            self.line(to)?;
        }
        self.empty = false;
        to.write_all(bracket)
    }
}

impl Formatter for Style {
    fn begin_array<W: Write + ?Sized>(&mut self, to: &mut W) -> Result<()> {
        self.open(to, b"[")
    }

    fn begin_array_value<W: Write + ?Sized>(&mut self, to: &mut W, first: bool) -> Result<()> {
        self.item(to, first)
    }

    fn end_array<W: Write + ?Sized>(&mut self, to: &mut W) -> Result<()> {
        self.close(to, b"]")
    }

    fn begin_object<W: Write + ?Sized>(&mut self, to: &mut W) -> Result<()> {
        self.open(to, b"{")
    }

    fn begin_object_key<W: Write + ?Sized>(&mut self, to: &mut W, first: bool) -> Result<()> {
        self.item(to, first)
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, to: &mut W) -> Result<()> {
        to.write_all(self.behind_key.as_bytes())
    }

    fn end_object<W: Write + ?Sized>(&mut self, to: &mut W) -> Result<()> {
        self.close(to, b"}")
    }
}
