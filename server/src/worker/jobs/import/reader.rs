//! Reading a file of preferences in chunks: plain or gzip, within bounds, stopped when asked.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use domain::formats::{Fault, FileNotes, Format, Lines, Making, Row, RowReader};
use flate2::bufread::MultiGzDecoder;

use crate::worker::Stop;

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

/// Why a file was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("The file cannot be read: {0}.")]
    Io(io::Error),
    #[error("The file is compressed with zstd, which is not read yet: unpack it, or use gzip.")]
    Zstd,
    #[error("The file ends in the middle of its compressed data: it is incomplete.")]
    Truncated,
    #[error("The file has more than {0} rows. Split it.")]
    TooManyRows(u64),
    #[error(
        "This has taken too long. What is imported stays; importing the file again goes on with the rest."
    )]
    TooSlow,
    #[error("Stopped.")]
    Stopped,
}

impl Source {
    /// Reads to the end, handing over chunks until `send` wants no more.
    pub fn read(self, mut send: impl FnMut(Chunk) -> bool) -> Result<(), ReadError> {
        let read = Arc::new(AtomicU64::new(0));
        let mut lines = Lines::new(self.open(Arc::clone(&read))?);
        let reader = RowReader { format: self.format };
        let (mut chunk, mut size, mut rows) = (Chunk::default(), 0, self.rows_before);
        loop {
            let next = lines.next_line().map_err(|error| self.explain(error))?;
            let Some((number, line)) = next else { break };
            if number <= self.behind_line {
                continue;
            }
            rows += 1;
            if rows > self.max_rows {
                return Err(ReadError::TooManyRows(self.max_rows));
            }
            size += line.as_ref().map_or(0, |line| line.len());
            match line
                .map_err(|problem| problem.on(number))
                .and_then(|line| reader.read(number, line)?.into_importable(number))
            {
                Ok(mut row) => {
                    chunk.notes.add(&row);
                    if self.keep_rows {
                        if let (true, Some(making)) = (row.is_unjudged(), self.making) {
                            row.make_comparisons(making);
                        }
                        chunk.rows.push(row);
                    }
                }
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

    fn open(&self, read: Arc<AtomicU64>) -> Result<Box<dyn BufRead>, ReadError> {
        let file = File::open(&self.path).map_err(ReadError::Io)?;
        let file = BufReader::with_capacity(1 << 16, Counted { file, read });
        let plain = unpacked(file)?;
        let bounded = Bounded {
            inner: plain,
            stop: self.stop.clone(),
            deadline: self.deadline,
        };
        Ok(Box::new(BufReader::with_capacity(1 << 16, bounded)))
    }

    fn explain(&self, error: io::Error) -> ReadError {
        match error.kind() {
            _ if self.stop.is_raised() => ReadError::Stopped,
            io::ErrorKind::TimedOut => ReadError::TooSlow,
            io::ErrorKind::UnexpectedEof => ReadError::Truncated,
            _ => ReadError::Io(error),
        }
    }
}

/// The content of a file that may be compressed with gzip.
pub fn unpacked<R: BufRead + 'static>(mut file: R) -> Result<Box<dyn Read>, ReadError> {
    let start = file.fill_buf().map_err(ReadError::Io)?;
    let (gzip, zstd) = (
        start.starts_with(b"\x1f\x8b"),
        start.starts_with(b"\x28\xb5\x2f\xfd"),
    );
    match (gzip, zstd) {
        (_, true) => Err(ReadError::Zstd),
        (true, _) => Ok(Box::new(MultiGzDecoder::new(file))),
        _ => Ok(Box::new(file)),
    }
}

/// Counts the bytes of the file itself, compressed or not.
struct Counted {
    file: File,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Breaks off at the deadline or when asked, also within a line that never ends.
struct Bounded {
    inner: Box<dyn Read>,
    stop: Stop,
    deadline: Instant,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.is_raised() {
            return Err(io::Error::other("stopped"));
        }
        if Instant::now() > self.deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.inner.read(buffer)
    }
}
