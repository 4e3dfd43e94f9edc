//! Why a file is not read, as sentences.

use std::io;

use super::kind::What;

/// Why a file was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("{}", sentence(.0))]
    Io(io::Error),
    #[error("{0}")]
    Is(What),
    #[error(
        "This is text, but neither JSON lines, nor a JSON list, nor a table with a column of answers such as chosen, rejected or responses: it begins with “{0}”."
    )]
    NotJson(String),
    #[error("This is a folder: name the files in it.")]
    Folder,
    #[error("This is a zip archive with {0} files: unpack it, and name those to be read.")]
    SeveralMembers(usize),
    #[error("This zip archive cannot be read: {0}.")]
    BadZip(String),
    #[error("A zip archive is not read from a stream: save it as a file, or unpack it.")]
    ZipInStream,
    #[error("What is packed in this file is packed once more: unpack it first.")]
    PackedTwice,
    #[error("The file ends in the middle of its compressed data: it is incomplete.")]
    Truncated,
    #[error("The compressed data are damaged.")]
    Damaged,
    #[error(
        "The file unpacks to more than two hundred times its size, which no texts do: it is not read further."
    )]
    TooDense,
    #[error("A row of the table is longer than {0} bytes; a quotation mark may be missing.")]
    RowTooLong(usize),
    #[error("The file has more than {0} rows. Split it.")]
    TooManyRows(u64),
    #[error(
        "This has taken too long. What is imported stays; importing the file again goes on with the rest."
    )]
    TooSlow,
    #[error("Stopped.")]
    Stopped,
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> ReadError {
        match error.downcast::<ReadError>() {
            Ok(ours) => ours,
            Err(error) => match error.kind() {
                io::ErrorKind::TimedOut => ReadError::TooSlow,
                io::ErrorKind::UnexpectedEof => ReadError::Truncated,
                io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => ReadError::Damaged,
                io::ErrorKind::IsADirectory => ReadError::Folder,
                _ => ReadError::Io(error),
            },
        }
    }
}

/// What the system says of a file, without its numbers.
pub fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        io::ErrorKind::PermissionDenied => "this account may not do that there".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        io::ErrorKind::NotADirectory => "a part of its path is no folder".to_owned(),
        io::ErrorKind::AlreadyExists => "it is there already".to_owned(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "the disk is full".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => "the disk is read-only".to_owned(),
        io::ErrorKind::BrokenPipe => "whoever read it has gone".to_owned(),
        _ => error.to_string(),
    }
}

fn sentence(error: &io::Error) -> String {
    let words = in_words(error);
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), letters.as_str())
}
