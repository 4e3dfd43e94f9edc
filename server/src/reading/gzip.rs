//! Gzip with several members, and with zeros behind the last one, as tapes and some tools pad it.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

use super::ReadError;

/// The unpacked bytes.
pub(super) struct Gunzip<R> {
    /// None behind the last member.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Gunzip<R> {
    pub fn new(packed: R) -> Gunzip<R> {
        Gunzip {
            member: Some(GzDecoder::new(packed)),
        }
    }
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let count = member.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let packed = self.member.take().map(GzDecoder::into_inner);
            if let Some(mut packed) = packed
                && has_more(&mut packed)?
            {
                self.member = Some(GzDecoder::new(packed));
            }
        }
        Ok(0)
    }
}

/// Goes over zeros to the next member; false at the end.
fn has_more(packed: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let chunk = packed.fill_buf()?;
        let zeros = chunk.iter().take_while(|byte| **byte == 0).count();
        match chunk.get(zeros) {
            Some(0x1f) => {
                packed.consume(zeros);
                return Ok(true);
            }
            Some(_) => return Err(io::Error::other(ReadError::Damaged)),
            None if chunk.is_empty() => return Ok(false),
            None => packed.consume(zeros),
        }
    }
}
