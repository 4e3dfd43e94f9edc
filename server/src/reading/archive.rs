//! A zip archive with one file in it.

use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::Path,
    sync::{Arc, atomic::AtomicU64},
};

use flate2::bufread::DeflateDecoder;
use zip::{CompressionMethod, ZipArchive, result::ZipError};

use super::{BLOCK, Counted, ReadError};

/// The unpacked bytes of the only file in an archive. Its place is looked up; it is read from there without the archive, so that
/// it can go on to another thread.
pub(super) fn only_member(path: &Path, read: Arc<AtomicU64>) -> Result<Box<dyn Read + Send>, ReadError> {
    let mut archive = ZipArchive::new(BufReader::new(File::open(path)?)).map_err(in_words)?;
    let names = archive
        .file_names()
        .map(|name| name.map(|name| name.into_owned()));
    let mut names = names.collect::<Result<Vec<String>, _>>().map_err(in_words)?;
    // Folders, and what macOS adds.
    names.retain(|name| {
        !name.ends_with('/') && !name.starts_with("__MACOSX/") && !name.ends_with(".DS_Store")
    });
    let [name] = names.as_slice() else {
        return Err(ReadError::SeveralMembers(names.len()));
    };
    let member = archive.by_name(name).map_err(in_words)?;
    let (bytes, method) = (member.compressed_size(), member.compression());
    let start = member
        .data_start()
        .ok_or_else(|| ReadError::BadZip("its file has no data".to_owned()))?;
    drop(member);
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(start))?;
    let packed = BufReader::with_capacity(BLOCK, Counted { inner: file, read }.take(bytes));
    match method {
        CompressionMethod::Stored => Ok(Box::new(packed)),
        CompressionMethod::Deflated => Ok(Box::new(DeflateDecoder::new(packed))),
        other => Err(ReadError::BadZip(format!(
            "it is packed by {other}; pack it as an ordinary zip, or as gzip"
        ))),
    }
}

fn in_words(error: ZipError) -> ReadError {
    match error {
        ZipError::Io(error) => error.into(),
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) | ZipError::InvalidPassword => {
            ReadError::BadZip("it has a password".to_owned())
        }
        ZipError::UnsupportedArchive(_) | ZipError::CompressionMethodNotSupported(_) => ReadError::BadZip(
            "it is packed in a way that is not read here; pack it as an ordinary zip, or as gzip".to_owned(),
        ),
        _ => ReadError::BadZip("it is damaged, or a part of it is missing".to_owned()),
    }
}
