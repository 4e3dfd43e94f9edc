//! Reading a file of preferences in chunks, within bounds, stopped when asked.

use std::{
    io::{self, Read},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use domain::formats::{Fault, FileNotes, Format, Making, Row, RowReader};

use crate::{
    reading::{ReadError, Records},
    worker::Stop,
};

/// A chunk is full at so many lines, or so many bytes of them. Small enough that a judgement which waits for the
/// writing connection hardly notices, large enough that the commits cost little.
const CHUNK_LINES: usize = 250;
const CHUNK_BYTES: usize = 4 << 20;

/// What to read, and how far to go.
pub struct Source {
    pub path: PathBuf,
    pub format: Option<Format>,
    /// What is made of responses that nobody has judged; None while that is to be asked.
    pub making: Option<Making>,
    /// Lines up to here were dealt with before; they are passed over unread.
    pub behind_line: u64,
    /// Rows that count already.
    pub rows_before: u64,
    pub max_rows: u64,
    pub deadline: Instant,
    /// Whether rows are wanted, or only their faults and their number.
    pub keep_rows: bool,
    pub stop: Stop,
}

/// Some lines of the file.
#[derive(Default)]
pub struct Chunk {
    pub rows: Vec<Row>,
    pub faults: Vec<Fault>,
    /// Lines in this chunk, sound or not.
    pub count: u64,
    /// The last of them.
    pub line: u64,
    /// Bytes of the file read up to here.
    pub bytes: u64,
    /// How its lines were read.
    pub notes: FileNotes,
}

impl Source {
    /// Reads to the end, handing over chunks until `send` wants no more.
    pub fn read(self, mut send: impl FnMut(Chunk) -> bool) -> Result<(), ReadError> {
        let read = Arc::new(AtomicU64::new(0));
        let mut records = Records::open(&self.path, Arc::clone(&read), &|bytes| self.watched(bytes))?;
        let reader = RowReader { format: self.format };
        let (mut chunk, mut size, mut rows) = (Chunk::default(), 0, self.rows_before);
        while let Some((number, record)) = records.next_record()? {
            if number <= self.behind_line {
                continue;
            }
            rows += 1;
            if rows > self.max_rows {
                return Err(ReadError::TooManyRows(self.max_rows));
            }
            size += record.as_ref().map_or(0, |record| record.len());
            let row = record
                .map_err(|problem| problem.on(number))
                .and_then(|record| reader.read(number, record)?.into_importable(number));
            match row {
                Ok(row) => self.take(row, &mut chunk),
                Err(fault) => chunk.faults.push(fault),
            }
            chunk.count += 1;
            chunk.line = number;
            if chunk.count as usize >= CHUNK_LINES || size >= CHUNK_BYTES {
                chunk.bytes = read.load(Ordering::Relaxed);
                size = 0;
                if !send(std::mem::take(&mut chunk)) {
                    return Ok(());
                }
            }
        }
        if chunk.count > 0 {
            chunk.bytes = read.load(Ordering::Relaxed);
            send(chunk);
        }
        Ok(())
    }

    fn take(&self, mut row: Row, chunk: &mut Chunk) {
        chunk.notes.add(&row);
        if !self.keep_rows {
            return;
        }
        if let (true, Some(making)) = (row.is_unjudged(), self.making) {
            row.make_comparisons(making);
        }
        chunk.rows.push(row);
    }

    fn watched(&self, bytes: Box<dyn Read + Send>) -> Box<dyn Read + Send> {
        Box::new(Watched {
            inner: bytes,
            stop: self.stop.clone(),
            deadline: self.deadline,
        })
    }
}

/// Breaks off at the deadline or when asked, also within a line that never ends.
struct Watched {
    inner: Box<dyn Read + Send>,
    stop: Stop,
    deadline: Instant,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.is_raised() {
            return Err(io::Error::other(ReadError::Stopped));
        }
        if Instant::now() > self.deadline {
            return Err(io::Error::other(ReadError::TooSlow));
        }
        self.inner.read(buffer)
    }
}
