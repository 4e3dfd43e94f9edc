//! UTF-16 as UTF-8.

use std::io::{self, Read};

/// Units that are decoded at a time.
const UNITS: usize = 1 << 14;

/// The same text in UTF-8; half of a pair becomes the replacement character.
pub(super) struct Utf8<R> {
    inner: R,
    big_endian: bool,
    /// Bytes that are no whole character yet.
    rest: Vec<u8>,
    ready: io::Cursor<Vec<u8>>,
}

impl<R: Read> Utf8<R> {
    pub fn new(inner: R, big_endian: bool) -> Utf8<R> {
        Utf8 {
            inner,
            big_endian,
            rest: Vec::new(),
            ready: io::Cursor::default(),
        }
    }

    /// Decodes what comes next; false at the end.
    fn refill(&mut self) -> io::Result<bool> {
        let before = self.rest.len();
        self.rest.resize(2 * UNITS, 0);
        let count = loop {
            match self.inner.read(&mut self.rest[before..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.rest.truncate(before + count);
        let at_end = count == 0;
        if at_end && self.rest.is_empty() {
            return Ok(false);
        }
        let unit = |pair: &[u8]| match self.big_endian {
            true => u16::from_be_bytes([pair[0], pair[1]]),
            false => u16::from_le_bytes([pair[0], pair[1]]),
        };
        let mut units: Vec<u16> = self.rest.chunks_exact(2).map(unit).collect();
        // The second half of a pair may not have come yet.
        if !at_end && units.last().is_some_and(|unit| (0xd800..0xdc00).contains(unit)) {
            units.pop();
        }
        let used = match at_end {
            true => self.rest.len(),
            false => 2 * units.len(),
        };
        let decoded = char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER));
        self.ready = io::Cursor::new(decoded.collect::<String>().into_bytes());
        self.rest.drain(..used);
        Ok(true)
    }
}

impl<R: Read> Read for Utf8<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.ready.read(buffer)?;
            if count > 0 || buffer.is_empty() || !self.refill()? {
                return Ok(count);
            }
        }
    }
}
