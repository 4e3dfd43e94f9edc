//! Lines of a file, one at a time, with a bound on their length.

use std::io::{self, BufRead};

use super::Problem;

/// The longest line that is read, in bytes: some 2 million words.
pub const MAX_LINE_BYTES: usize = 16 << 20;

/// The text of a line, or of another part of a file that holds one object, with its number from 1: an I/O error ends the file, a
/// problem only the record.
pub type Record<'a> = (u64, Result<&'a [u8], Problem>);

/// Reads lines without ever holding more than one of them. Blank lines are counted but not given; a byte order mark
/// and carriage returns are dropped.
#[derive(Debug)]
pub struct Lines<R> {
    reader: R,
    limit: usize,
    number: u64,
    buffer: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    pub fn new(reader: R) -> Lines<R> {
        Lines::with_limit(reader, MAX_LINE_BYTES)
    }

    /// With another bound than [`MAX_LINE_BYTES`].
    pub fn with_limit(reader: R, limit: usize) -> Lines<R> {
        Lines {
            reader,
            limit,
            number: 0,
            buffer: Vec::new(),
        }
    }

    /// The next line that is not blank, with its number from 1; `None` at the end of the file.
    pub fn next_line(&mut self) -> io::Result<Option<Record<'_>>> {
        loop {
            let Some(fits) = self.fill()? else {
                return Ok(None);
            };
            self.number += 1;
            if !fits {
                return Ok(Some((self.number, Err(Problem::LineTooLong(self.limit)))));
            }
            if self.number == 1 && self.buffer.starts_with(b"\xef\xbb\xbf") {
                self.buffer.drain(..3);
            }
            if !self.buffer.trim_ascii().is_empty() {
                break;
            }
        }
        Ok(Some((self.number, Ok(self.buffer.trim_ascii()))))
    }

    /// Reads up to the next line feed into the buffer; tells whether the line fitted, `None` at the end.
    fn fill(&mut self) -> io::Result<Option<bool>> {
        self.buffer.clear();
        let (mut fits, mut any) = (true, false);
        loop {
            let chunk = match self.reader.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if chunk.is_empty() {
                return Ok(any.then_some(fits));
            }
            any = true;
            let end = chunk.iter().position(|&byte| byte == b'\n');
            let part = &chunk[..end.unwrap_or(chunk.len())];
            fits &= self.buffer.len() + part.len() <= self.limit;
            if fits {
                self.buffer.extend_from_slice(part);
            }
            let used = end.map_or(chunk.len(), |end| end + 1);
            self.reader.consume(used);
            if end.is_some() {
                return Ok(Some(fits));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], limit: usize) -> Vec<(u64, Result<String, Problem>)> {
        let mut lines = Lines::with_limit(io::BufReader::with_capacity(3, bytes), limit);
        let mut out = Vec::new();
        while let Some((number, line)) = lines.next_line().unwrap() {
            out.push((number, line.map(|line| String::from_utf8(line.to_vec()).unwrap())));
        }
        out
    }

    #[test]
    fn byte_order_mark_carriage_returns_and_blank_lines_are_dropped() {
        let lines = read(b"\xef\xbb\xbf{1}\r\n\r\n  \n{2}\n\n{3}", 100);
        assert_eq!(
            lines,
            [
                (1, Ok("{1}".into())),
                (4, Ok("{2}".into())),
                (6, Ok("{3}".into()))
            ]
        );
    }

    #[test]
    fn a_line_too_long_is_named_and_the_next_one_read() {
        let lines = read(b"short\nmuch too long\nshort\n", 6);
        assert_eq!(
            lines,
            [
                (1, Ok("short".into())),
                (2, Err(Problem::LineTooLong(6))),
                (3, Ok("short".into()))
            ]
        );
    }
}
