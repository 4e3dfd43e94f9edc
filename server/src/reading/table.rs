//! Tables: rows of cells as JSON objects by the names of their columns.

use std::{
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use csv::{ByteRecord, ReaderBuilder};
use domain::formats::{MAX_LINE_BYTES, Problem, Record};
use serde_json::{Map, Value};

use super::ReadError;

/// The rows of a table with names in its first row.
pub(super) struct Table {
    rows: csv::Reader<Allowed>,
    /// Up to which byte may be read for the row at hand.
    until: Arc<AtomicU64>,
    names: Vec<String>,
    record: ByteRecord,
    object: Vec<u8>,
}

/// Bytes up to a bound: a row whose quotation never ends would be held whole.
struct Allowed {
    inner: Box<dyn Read + Send>,
    given: u64,
    until: Arc<AtomicU64>,
}

impl Read for Allowed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given > self.until.load(Ordering::Relaxed) {
            return Err(io::Error::other(ReadError::RowTooLong(MAX_LINE_BYTES)));
        }
        let count = self.inner.read(buffer)?;
        self.given += count as u64;
        Ok(count)
    }
}

impl Table {
    pub fn new(text: Box<dyn Read + Send>, delimiter: u8) -> Result<Table, ReadError> {
        let until = Arc::new(AtomicU64::new(MAX_LINE_BYTES as u64));
        let text = Allowed {
            inner: text,
            given: 0,
            until: Arc::clone(&until),
        };
        let mut rows = ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .from_reader(text);
        let name = |cell: &[u8]| {
            let name = String::from_utf8_lossy(cell);
            name.trim_start_matches('\u{feff}').trim().to_owned()
        };
        let names = rows.byte_headers().map_err(of_csv)?.iter().map(name).collect();
        Ok(Table {
            rows,
            until,
            names,
            record: ByteRecord::new(),
            object: Vec::new(),
        })
    }

    /// The next row as the text of an object, with the number of its line.
    pub fn next_row(&mut self) -> Result<Option<Record<'_>>, ReadError> {
        let allowed = self.rows.position().byte() + 2 * MAX_LINE_BYTES as u64;
        self.until.store(allowed, Ordering::Relaxed);
        if !self.rows.read_byte_record(&mut self.record).map_err(of_csv)? {
            return Ok(None);
        }
        let number = self.record.position().map_or(0, csv::Position::line);
        let object = self.object();
        Ok(Some((
            number,
            object.map(|object| {
                self.object = object;
                self.object.as_slice()
            }),
        )))
    }

    fn object(&self) -> Result<Vec<u8>, Problem> {
        if self.record.len() != self.names.len() {
            return Err(Problem::OtherCells {
                found: self.record.len(),
                names: self.names.len(),
            });
        }
        let mut object = Map::new();
        for (name, cell) in self.names.iter().zip(&self.record) {
            let cell =
                std::str::from_utf8(cell).map_err(|error| Problem::NotUtf8(error.valid_up_to() + 1))?;
            object.insert(name.clone(), value(name, cell));
        }
        serde_json::to_vec(&object).map_err(|error| Problem::NotJson(error.to_string()))
    }
}

/// A cell: messages and lists of responses as JSON, `margin` and `strength` as numbers, all else as text.
fn value(name: &str, cell: &str) -> Value {
    let read = || serde_json::from_str::<Value>(cell).ok();
    let found = match (name, cell.trim_start().chars().next()) {
        ("margin" | "strength", None) => Some(Value::Null),
        ("margin" | "strength", _) => read().filter(Value::is_number),
        (_, Some('[' | '{')) => read().filter(|value| is_said(name, value)),
        _ => None,
    };
    found.unwrap_or_else(|| Value::from(cell))
}

/// Whether the value is messages or responses, and not a text that happens to be JSON.
fn is_said(name: &str, value: &Value) -> bool {
    let is_message = |value: &Value| value.get("role").or_else(|| value.get("from")).is_some();
    match value {
        Value::Array(list) => name == "responses" || (!list.is_empty() && list.iter().all(is_message)),
        other => is_message(other),
    }
}

fn of_csv(error: csv::Error) -> ReadError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error.into(),
        _ => ReadError::Damaged,
    }
}
