//! Compressed sections: what their headers say, and decompression within limits.
//!
//! There are two spellings. A section with `SHF_COMPRESSED` begins with an `Elf32_Chdr` or `Elf64_Chdr`;
//! the older `.zdebug_*` begins with the letters `ZLIB` and eight big-endian bytes of size.
//!
//! A size that a header declares is believed only within [`check_total`], and reading stops there.

use std::borrow::BorrowMut;
use std::io::{self, Read};

use flate2::bufread::ZlibDecoder;
use object::{Endianness, elf as spec};
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use super::{Image, Section};
use crate::Result;

/// How the content of a section is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Plain,
    Zlib,
    Zstd,
}

/// A section as it is in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coded<'a> {
    pub coding: Coding,
    /// What follows the header.
    pub bytes: &'a [u8],
    /// Bytes of the content, declared by the header.
    pub size: u64,
}

/// Bytes that one compressed byte may stand for: more than deflate can do (1032).
pub(super) const MAX_RATIO: u64 = 1100;

/// Bytes that all sections of one name may have beyond that ratio. The address tables of an object file
/// are zeros before relocation, of which Zstandard writes 32768 as one byte.
const ALLOWANCE: u64 = 64 << 20;

/// Bytes that all sections of one name may decompress to: what the offsets of 32-bit DWARF reach.
const MAX_SIZE: u64 = 1 << 32;

/// Holds the declared sizes of all sections of one name together against what their compressed bytes
/// can be. Returns the sum.
pub(super) fn check_total(parts: &[Coded<'_>]) -> Result<u64, String> {
    let sum = |part: fn(&Coded<'_>) -> u64| parts.iter().fold(0u64, |sum, p| sum.saturating_add(part(p)));
    let stored = sum(|p| p.bytes.len() as u64);
    let declared = sum(|p| p.size);
    let limit = stored.saturating_mul(MAX_RATIO).saturating_add(ALLOWANCE);
    if parts.iter().any(|p| p.coding != Coding::Plain) && declared > limit.min(MAX_SIZE) {
        let limit = limit.min(MAX_SIZE);
        return Err(format!(
            "its {stored} compressed bytes declare {declared} bytes of content, and {limit} is the limit"
        ));
    }
    Ok(declared)
}

impl Image {
    /// Reads the compression header of a section, if it has one.
    pub(super) fn coding(&self, section: &Section) -> Result<Coded<'_>> {
        let stored = self.stored(section)?;
        let damaged = || section.error("has a damaged compression header");
        if section.is_compressed() {
            let (kind, size, bytes) = if self.is_64 {
                let (header, bytes) = object::from_bytes::<spec::CompressionHeader64<Endianness>>(stored)
                    .map_err(|()| damaged())?;
                (header.ch_type.get(self.endian), header.ch_size.get(self.endian), bytes)
            } else {
                let (header, bytes) = object::from_bytes::<spec::CompressionHeader32<Endianness>>(stored)
                    .map_err(|()| damaged())?;
                (header.ch_type.get(self.endian), header.ch_size.get(self.endian).into(), bytes)
            };
            let coding = match kind {
                spec::ELFCOMPRESS_ZLIB => Coding::Zlib,
                spec::ELFCOMPRESS_ZSTD => Coding::Zstd,
                other => {
                    let message = format!("is compressed by method {}, which is not known", other.0);
                    return Err(section.error(&message).hint("zlib (1) and Zstandard (2) are"));
                }
            };
            return Ok(Coded { coding, bytes, size });
        }
        if section.name.starts_with(b".zdebug_") && section.kind != spec::SHT_NOBITS {
            let size = stored.strip_prefix(b"ZLIB").and_then(|rest| rest.split_first_chunk());
            let (size, bytes) = size.ok_or_else(damaged)?;
            return Ok(Coded { coding: Coding::Zlib, bytes, size: u64::from_be_bytes(*size) });
        }
        Ok(Coded { coding: Coding::Plain, bytes: stored, size: stored.len() as u64 })
    }
}

impl Coded<'_> {
    /// Appends the content to `out`: exactly as many bytes as the header declares.
    pub fn append_to(&self, out: &mut Vec<u8>) -> Result<(), String> {
        let end = self.size.saturating_add(out.len() as u64);
        let mut input = self.bytes;
        match self.coding {
            Coding::Plain => out.extend_from_slice(input),
            Coding::Zlib => {
                // Linkers put several streams one behind the other.
                while (out.len() as u64) < end && !input.is_empty() {
                    copy(ZlibDecoder::new(&mut input), out, end)?;
                }
            }
            Coding::Zstd => {
                let mut decoder = FrameDecoder::new();
                while (out.len() as u64) < end && !input.is_empty() {
                    match StreamingDecoder::new_with_decoder(&mut input, decoder.borrow_mut()) {
                        Ok(frame) => copy(frame, out, end)?,
                        Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                            length,
                            ..
                        })) => input = input.get(length as usize..).unwrap_or_default(),
                        Err(error) => return Err(damaged(&error)),
                    }
                }
            }
        }
        match (out.len() as u64).cmp(&end) {
            std::cmp::Ordering::Equal => Ok(()),
            _ => {
                let missing = end.saturating_sub(out.len() as u64);
                Err(format!("it decompresses to {missing} bytes less than its header declares"))
            }
        }
    }
}

/// Appends what `stream` gives, until `out` holds `end` bytes. Then the stream must end.
fn copy(mut stream: impl Read, out: &mut Vec<u8>, end: u64) -> Result<(), String> {
    let damaged = |e: io::Error| damaged(&e);
    let room = end.saturating_sub(out.len() as u64);
    stream.by_ref().take(room).read_to_end(out).map_err(damaged)?;
    // Reading on also has the stream check its sum.
    if out.len() as u64 == end && stream.read(&mut [0]).map_err(damaged)? > 0 {
        return Err("it decompresses to more bytes than its header declares".into());
    }
    Ok(())
}

fn damaged(error: &dyn std::error::Error) -> String {
    format!("its compressed data is damaged: {error}")
}
