//! Files of prompts, responses and preferences as records, one JSON text each, whatever they are wrapped in.
//!
//! A file says by its first bytes what it is (`kind`). Gzip and a zip with one member are unpacked, UTF-16 becomes UTF-8; then
//! come lines, the items of one JSON list, objects over several lines, or the rows of a table. What is something else is refused
//! in one sentence instead of one for each line. Nothing here holds more than one record, and what is unpacked is bounded.

mod archive;
mod error;
mod gzip;
mod input;
mod kind;
mod table;
mod utf16;

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use domain::formats::{Lines, Record, Values};

pub use error::{ReadError, in_words};
pub use input::{Input, name_of};
use kind::{Kind, Text};
use table::Table;

/// How much is read at a time.
const BLOCK: usize = 1 << 16;

/// So much may be unpacked of anything; beyond it, a file may hold at most so many times the bytes that it has on the disk. Texts
/// shrink to a tenth, two hundredth is what nothing but a trap reaches.
const FREE_BYTES: u64 = 64 << 20;
const MAX_RATIO: u64 = 200;

/// What bytes are read through on their way out of the file: it may break them off.
type Guard<'a> = &'a dyn Fn(Box<dyn Read + Send>) -> Box<dyn Read + Send>;

/// The records of one file.
pub struct Records(Inner);

enum Inner {
    Lines(Lines<BufReader<Box<dyn Read + Send>>>),
    Values(Values<BufReader<Box<dyn Read + Send>>>),
    Table(Box<Table>),
}

impl Records {
    /// Those of the file at that path. Its bytes as they lie on the disk are counted as they are read, and what comes out of it
    /// unpacked goes through the guard.
    ///
    /// # Errors
    /// A file that cannot be opened, or that is of a kind that is not read.
    pub fn open(path: &Path, read: Arc<AtomicU64>, guard: Guard) -> Result<Records, ReadError> {
        let mut file = File::open(path)?;
        let start = kind::start_of(&mut file, BLOCK)?;
        if let Kind::Zip = kind::of(&start) {
            let member = archive::only_member(path, Arc::clone(&read))?;
            return Records::unpacked(guard(bounded(member, read)));
        }
        let file = Counted {
            inner: file,
            read: Arc::clone(&read),
        };
        Records::of(start, Box::new(file), read, guard)
    }

    /// Those of a file, read without being watched.
    ///
    /// # Errors
    /// As [`Records::open`].
    pub fn of_file(path: &Path) -> Result<Records, ReadError> {
        Records::open(path, Arc::default(), &|bytes| bytes)
    }

    /// Those of a stream that can be read once.
    ///
    /// # Errors
    /// As [`Records::open`].
    pub fn of_stream(stream: impl Read + Send + 'static) -> Result<Records, ReadError> {
        let read = Arc::default();
        let mut stream = Counted {
            inner: stream,
            read: Arc::clone(&read),
        };
        let start = kind::start_of(&mut stream, BLOCK)?;
        match kind::of(&start) {
            Kind::Zip => Err(ReadError::ZipInStream),
            _ => Records::of(start, Box::new(stream), read, &|bytes| bytes),
        }
    }

    fn of(
        start: Vec<u8>,
        rest: Box<dyn Read + Send>,
        read: Arc<AtomicU64>,
        guard: Guard,
    ) -> Result<Records, ReadError> {
        let kind = kind::of(&start);
        let whole = Box::new(io::Cursor::new(start).chain(rest));
        match kind {
            Kind::Gzip => {
                let packed = BufReader::with_capacity(BLOCK, whole);
                Records::unpacked(guard(bounded(Box::new(gzip::Gunzip::new(packed)), read)))
            }
            _ => Records::unpacked(guard(whole)),
        }
    }

    /// What is packed no more.
    fn unpacked(mut bytes: Box<dyn Read + Send>) -> Result<Records, ReadError> {
        let start = kind::start_of(&mut bytes, BLOCK)?;
        match kind::of(&start) {
            Kind::Text => Ok(Records::text(start, bytes)?),
            Kind::Utf16 { big_endian } => {
                let whole = io::Cursor::new(start).chain(bytes);
                let mut text = Box::new(utf16::Utf8::new(whole, big_endian));
                let start = kind::start_of(&mut text, BLOCK)?;
                Records::text(start, text)
            }
            Kind::Gzip | Kind::Zip => Err(ReadError::PackedTwice),
            Kind::Other(what) => Err(ReadError::Is(what)),
        }
    }

    fn text(start: Vec<u8>, rest: Box<dyn Read + Send>) -> Result<Records, ReadError> {
        let kind = kind::text_of(&start);
        let whole: Box<dyn Read + Send> = Box::new(io::Cursor::new(start).chain(rest));
        let buffered = |whole| BufReader::with_capacity(BLOCK, whole);
        Ok(Records(match kind {
            Text::Lines => Inner::Lines(Lines::new(buffered(whole))),
            Text::Values => Inner::Values(Values::new(buffered(whole))),
            Text::Table { delimiter } => Inner::Table(Box::new(Table::new(whole, delimiter)?)),
            Text::Other(beginning) => return Err(ReadError::NotJson(beginning)),
        }))
    }

    /// The next record as a JSON text, with its number from 1: that of its line, or of the item in a list. `None` at the end.
    ///
    /// # Errors
    /// What ends the file; a problem only ends the record.
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>, ReadError> {
        Ok(match &mut self.0 {
            Inner::Lines(lines) => lines.next_line()?,
            Inner::Values(values) => values.next_value()?,
            Inner::Table(table) => table.next_row()?,
        })
    }
}

/// Counts bytes as they are read.
struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// What is unpacked, as long as it is not too much for the bytes that it comes from.
fn bounded(unpacked: Box<dyn Read + Send>, packed: Arc<AtomicU64>) -> Box<dyn Read + Send> {
    Box::new(Bounded {
        inner: unpacked,
        packed,
        given: 0,
    })
}

struct Bounded {
    inner: Box<dyn Read + Send>,
    packed: Arc<AtomicU64>,
    given: u64,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.given += count as u64;
        let allowed = FREE_BYTES.max(MAX_RATIO * self.packed.load(Ordering::Relaxed));
        match self.given > allowed {
            true => Err(io::Error::other(ReadError::TooDense)),
            false => Ok(count),
        }
    }
}

#[cfg(test)]
mod tests;
