//! Where the bytes of a file are: mapped, or in memory if it is small or was decompressed as a whole.

use std::fs::File;
use std::io::{Cursor, Read, Write};
use std::ops::Deref;

use memmap2::{Mmap, UncheckedAdvice};

use super::inflate::MAX_RATIO;
use crate::{Error, Result};

/// The bytes of a file.
#[derive(Debug)]
pub(super) enum Storage {
    Mapped(Mmap),
    /// What a small file holds.
    Read(Vec<u8>),
    /// What a compressed file holds, such as `x.ko.xz`.
    Unpacked(Vec<u8>),
}

/// How whole files are compressed, by what they begin with.
#[derive(Debug, Clone, Copy)]
enum Packing {
    Gzip,
    Xz,
    Zstd,
}

/// Bytes of the largest file that is read: up to here a copy takes less time than to find page after page when it is
/// first touched, and to take the map away from all threads in the end. Nine of ten modules of a kernel are smaller.
const MAX_READ: u64 = 2 << 20;

/// Bytes that a compressed file may hold: the largest modules of kernels, with DWARF, have one fourth of it.
const MAX_UNPACKED: u64 = 4 << 30;

impl Storage {
    /// Reads or maps a regular file of `size` bytes, of which there are some, or decompresses it.
    pub(super) fn open(file: &File, size: u64) -> Result<Storage> {
        if size <= MAX_READ {
            let mut bytes = Vec::with_capacity(size as usize + 1);
            file.take(size).read_to_end(&mut bytes).map_err(|e| Error::io("cannot read", e))?;
            return match packing(&bytes) {
                Some(packing) => unpack(&bytes, packing).map(Storage::Unpacked),
                None => Ok(Storage::Read(bytes)),
            };
        }
        // SAFETY: the map is private to this process and never written; that the file does not change
        // meanwhile is the documented duty of the caller, and what every reader of a mapped file relies on.
        #[allow(unsafe_code)]
        let map = unsafe { Mmap::map(file) }.map_err(|e| Error::io("cannot map", e))?;
        match packing(&map) {
            Some(packing) => unpack(&map, packing).map(Storage::Unpacked),
            None => Ok(Storage::Mapped(map)),
        }
    }

    /// Lets the system take back the memory that it can read from the file again.
    pub(super) fn release(&self) {
        let Storage::Mapped(map) = self else { return };
        // SAFETY: the map is shared with a file and never written, so that a page which is dropped comes
        // back with the same content.
        #[allow(unsafe_code)]
        let released = unsafe { map.unchecked_advise(UncheckedAdvice::DontNeed) };
        // Advice that is not taken costs memory, nothing else.
        let _ = released;
    }

    /// True if the file holds other bytes, these in few.
    pub(super) fn is_unpacked(&self) -> bool {
        matches!(self, Storage::Unpacked(_))
    }

    /// Bytes of memory that hold them, which the system cannot read again from the file.
    pub(super) fn held_bytes(&self) -> u64 {
        match self {
            Storage::Mapped(_) => 0,
            Storage::Read(bytes) | Storage::Unpacked(bytes) => bytes.len() as u64,
        }
    }
}

impl Deref for Storage {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Storage::Mapped(map) => map,
            Storage::Read(bytes) | Storage::Unpacked(bytes) => bytes,
        }
    }
}

fn packing(bytes: &[u8]) -> Option<Packing> {
    match bytes {
        [0x1f, 0x8b, 8, ..] => Some(Packing::Gzip),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Packing::Xz),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Packing::Zstd),
        _ => None,
    }
}

fn unpack(packed: &[u8], packing: Packing) -> Result<Vec<u8>> {
    let limit = (packed.len() as u64).saturating_mul(MAX_RATIO).min(MAX_UNPACKED);
    let mut out = Limited { bytes: Vec::new(), limit: usize::try_from(limit).unwrap_or(usize::MAX) };
    let damaged = |e: String| Error::input(format!("the compressed file is damaged: {e}"));
    let unpacked = match packing {
        Packing::Gzip => copy(flate2::read::MultiGzDecoder::new(packed), &mut out),
        Packing::Zstd => match ruzstd::decoding::StreamingDecoder::new(packed) {
            Ok(stream) => copy(stream, &mut out),
            Err(error) => Err(error.to_string()),
        },
        Packing::Xz => {
            let mut input = Cursor::new(packed);
            lzma_rs::xz_decompress(&mut input, &mut out).map_err(|error| format!("{error:?}"))
        }
    };
    if out.bytes.len() >= out.limit {
        return Err(Error::input(format!("its {} compressed bytes hold more than {limit}", packed.len()))
            .hint("no module compresses that well; decompress it first if it is one"));
    }
    unpacked.map_err(damaged)?;
    Ok(out.bytes)
}

fn copy(stream: impl Read, out: &mut Limited) -> Result<(), String> {
    let room = out.limit as u64;
    stream.take(room).read_to_end(&mut out.bytes).map(drop).map_err(|e| e.to_string())
}

/// Takes bytes up to a limit.
struct Limited {
    bytes: Vec<u8>,
    limit: usize,
}

impl Write for Limited {
    fn write(&mut self, part: &[u8]) -> std::io::Result<usize> {
        let room = self.limit - self.bytes.len();
        if part.len() >= room {
            self.bytes.extend_from_slice(&part[..room]);
            return Err(std::io::Error::other("too much"));
        }
        self.bytes.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
