//! What a file is, by its first bytes.

use std::{
    fmt,
    io::{self, Read},
};

use domain::formats::Format;

/// What bytes are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Gzip,
    Zip,
    Utf16 {
        big_endian: bool,
    },
    /// Text in UTF-8, or in something near enough to be told line by line.
    Text,
    Other(What),
}

/// What a text is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Text {
    /// One object a line.
    Lines,
    /// One list, or objects written over several lines.
    Values,
    Table {
        delimiter: u8,
    },
    /// None of these; how it begins.
    Other(String),
}

/// A kind of file that is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct What {
    name: &'static str,
    remedy: &'static str,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "This is {}, which is not read: {}.", self.name, self.remedy)
    }
}

const UNPACK: &str = "unpack it, or pack it with gzip";
const AS_LINES: &str = "write it as JSON lines, in Python with to_json(orient=\"records\", lines=True)";
const EXPORT: &str = "export what it holds as JSON lines or CSV";

/// First bytes, and what they begin.
const SIGNATURES: [(&[u8], &str, &str); 16] = [
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", UNPACK),
    (b"BZh", "compressed with bzip2", UNPACK),
    (b"\xfd7zXZ\0", "compressed with xz", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", UNPACK),
    (b"Rar!", "a RAR archive", UNPACK),
    (b"PAR1", "a Parquet file", AS_LINES),
    (b"ARROW1", "an Arrow file", AS_LINES),
    (b"\xff\xff\xff\xff", "an Arrow stream", AS_LINES),
    (b"\x93NUMPY", "an array of NumPy", AS_LINES),
    (b"\x80\x04", "a pickle of Python", AS_LINES),
    (b"SQLite format 3\0", "an SQLite database", EXPORT),
    (b"%PDF", "a PDF file", EXPORT),
    (b"\xd0\xcf\x11\xe0", "a file of Microsoft Office", EXPORT),
    (
        b"version https://git-lfs",
        "a pointer of Git LFS and not the file itself",
        "fetch the file with git lfs pull",
    ),
    (b"<?xml", "an XML file", EXPORT),
    (b"{\\rtf", "a rich text", EXPORT),
];

const HTML: What = What {
    name: "a web page and not a file of data",
    remedy: "download the file itself, which may need a sign-in there",
};

const TAR: What = What {
    name: "a tar archive",
    remedy: "unpack it, and name the files in it",
};

/// What bytes that begin so are.
pub(super) fn of(start: &[u8]) -> Kind {
    if start.starts_with(b"\x1f\x8b") {
        return Kind::Gzip;
    }
    if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
        return Kind::Zip;
    }
    let known = SIGNATURES.iter().find(|(bytes, ..)| start.starts_with(bytes));
    if let Some(&(_, name, remedy)) = known {
        return Kind::Other(What { name, remedy });
    }
    if start.get(257..262) == Some(b"ustar") {
        return Kind::Other(TAR);
    }
    let head = start.trim_ascii_start();
    let begins = |tag: &[u8]| {
        head.get(..tag.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(tag))
    };
    if begins(b"<!doctype html") || begins(b"<html") {
        return Kind::Other(HTML);
    }
    match start {
        [0xff, 0xfe, ..] | [b'{' | b'[', 0, ..] => Kind::Utf16 { big_endian: false },
        [0xfe, 0xff, ..] | [0, b'{' | b'[', ..] => Kind::Utf16 { big_endian: true },
        _ => Kind::Text,
    }
}

/// What a text that begins so is.
pub(super) fn text_of(start: &[u8]) -> Text {
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let mut lines = start
        .split(|&byte| byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty());
    let (first, second) = (lines.next().unwrap_or_default(), lines.next());
    match first.first() {
        None => Text::Lines,
        Some(b'[') => Text::Values,
        Some(b'{') if is_open(first) && second.is_some_and(|line| matches!(line[0], b'"' | b'}')) => {
            Text::Values
        }
        Some(b'{') => Text::Lines,
        Some(_) => match delimiter(first) {
            Some(delimiter) => Text::Table { delimiter },
            // One line that is no JSON may have good ones behind it.
            None if second.into_iter().chain(lines).any(|line| line[0] == b'{') => Text::Lines,
            None => Text::Other(String::from_utf8_lossy(first).chars().take(60).collect()),
        },
    }
}

/// Whether an object begins here and does not end.
fn is_open(line: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(line).is_err_and(|error| error.is_eof())
}

/// What parts the names of a table's columns, if the line holds such names.
fn delimiter(line: &[u8]) -> Option<u8> {
    let line = std::str::from_utf8(line).ok()?;
    [',', '\t', ';'].into_iter().find_map(|delimiter| {
        let name = |cell: &str| cell.trim().trim_matches('"').to_owned();
        let names: serde_json::Map<_, _> = line
            .split(delimiter)
            .map(|cell| (name(cell), serde_json::Value::from("x")))
            .collect();
        let is_table = names.len() > 1
            && Format::detect(serde_json::Value::Object(names).to_string().as_bytes()).is_some();
        is_table.then_some(delimiter as u8)
    })
}

/// The beginning of what is read: up to `most` bytes, but no more than it takes to see two lines of which the first is an
/// object, so that nobody who sends a line and waits for its answer waits for ever.
pub(super) fn start_of(bytes: &mut impl Read, most: usize) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    let mut block = vec![0; most];
    while start.len() < most && !has_two_lines(&start) {
        let room = most - start.len();
        match bytes.read(&mut block[..room]) {
            Ok(0) => break,
            Ok(count) => start.extend_from_slice(&block[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(start)
}

fn has_two_lines(start: &[u8]) -> bool {
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    start.trim_ascii_start().starts_with(b"{") && start.iter().filter(|&&byte| byte == b'\n').count() > 1
}
