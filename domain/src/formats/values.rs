//! The values of a JSON text that is no list of lines: the items of one list, or objects written over several lines.

use std::io::{self, BufRead};

use super::{MAX_LINE_BYTES, Problem, Record};

/// Reads values without ever holding more than one of them. Their numbers count them from 1.
#[derive(Debug)]
pub struct Values<R> {
    reader: R,
    limit: usize,
    number: u64,
    buffer: Vec<u8>,
    /// Whether the bracket of a list around them was read.
    in_list: bool,
    ended: bool,
}

/// Where the text stands within one value.
#[derive(Default)]
struct Inside {
    depth: u32,
    in_string: bool,
    escaped: bool,
}

impl<R: BufRead> Values<R> {
    pub fn new(reader: R) -> Values<R> {
        Values::with_limit(reader, MAX_LINE_BYTES)
    }

    /// With another bound than [`MAX_LINE_BYTES`].
    pub fn with_limit(reader: R, limit: usize) -> Values<R> {
        Values {
            reader,
            limit,
            number: 0,
            buffer: Vec::new(),
            in_list: false,
            ended: false,
        }
    }

    /// The next value's text, with its number from 1; `None` at the end of the list or the file.
    pub fn next_value(&mut self) -> io::Result<Option<Record<'_>>> {
        if self.ended || !self.find_start()? {
            return Ok(None);
        }
        self.number += 1;
        let fits = self.fill()?;
        let text = match fits {
            true => Ok(self.buffer.trim_ascii()),
            false => Err(Problem::LineTooLong(self.limit)),
        };
        Ok(Some((self.number, text)))
    }

    /// Goes to where the next value begins; false if none does.
    fn find_start(&mut self) -> io::Result<bool> {
        while let Some(byte) = self.peek()? {
            match byte {
                b'[' if self.number == 0 && !self.in_list => self.in_list = true,
                b']' if self.in_list => {
                    self.ended = true;
                    return Ok(false);
                }
                b',' => {}
                byte if byte.is_ascii_whitespace() => {}
                _ => return Ok(true),
            }
            self.reader.consume(1);
        }
        Ok(false)
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            match self.reader.fill_buf() {
                Ok(chunk) => return Ok(chunk.first().copied()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads one value into the buffer; tells whether it fitted.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.clear();
        let (mut inside, mut fits) = (Inside::default(), true);
        loop {
            let chunk = match self.reader.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if chunk.is_empty() {
                return Ok(fits);
            }
            let end = chunk.iter().position(|&byte| inside.ends_at(byte));
            // The closing bracket belongs to the value; what ends a number or a word does not.
            let used = match end {
                Some(at) => at + usize::from(matches!(chunk[at], b'}' | b']') && inside.depth == 0),
                None => chunk.len(),
            };
            fits &= self.buffer.len() + used <= self.limit;
            if fits {
                self.buffer.extend_from_slice(&chunk[..used]);
            }
            self.reader.consume(used);
            if end.is_some() {
                return Ok(fits);
            }
        }
    }
}

impl Inside {
    /// Whether the value ends with this byte, or before it. A bracket that closes what the value is in leaves the depth below
    /// 0, so that it is not taken for the value's own.
    fn ends_at(&mut self, byte: u8) -> bool {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' if self.in_string => self.escaped = true,
            b'"' => self.in_string = !self.in_string,
            _ if self.in_string => {}
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' if self.depth == 0 => {
                self.depth = u32::MAX;
                return true;
            }
            b'}' | b']' => {
                self.depth -= 1;
                return self.depth == 0;
            }
            b',' => return self.depth == 0,
            _ => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, limit: usize) -> Vec<Result<String, Problem>> {
        let mut values = Values::with_limit(io::BufReader::with_capacity(2, text.as_bytes()), limit);
        let mut out = Vec::new();
        while let Some((number, value)) = values.next_value().unwrap() {
            out.push(value.map(|value| String::from_utf8(value.to_vec()).unwrap()));
            assert_eq!(number, out.len() as u64);
        }
        out
    }

    #[test]
    fn items_of_a_list_and_objects_over_several_lines_are_told_apart() {
        let items = ["{\"a\": \"]},\\\"\"}", "[1, [2]]", "3", "\"x\"", "{}"];
        let expected: Vec<_> = items.map(|item| Ok(item.to_owned())).into();
        assert_eq!(read(&format!(" [{}]\n", items.join(" ,\n")), 99), expected);
        assert_eq!(
            read("{\n \"a\": 1\n}\n{\"b\":\n2}", 99),
            [Ok("{\n \"a\": 1\n}".to_owned()), Ok("{\"b\":\n2}".to_owned())]
        );
        assert!(read("[]", 9).is_empty() && read("", 9).is_empty());
    }

    #[test]
    fn an_item_too_long_is_named_and_the_next_one_read() {
        let read = read("[{\"a\": \"much too long\"}, {}]", 6);
        assert_eq!(read, [Err(Problem::LineTooLong(6)), Ok("{}".to_owned())]);
    }

    #[test]
    fn a_list_that_breaks_off_gives_what_there_is() {
        assert_eq!(
            read("[{}, {\"a\": ", 99),
            [Ok("{}".to_owned()), Ok("{\"a\":".to_owned())]
        );
    }
}
