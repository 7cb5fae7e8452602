//! What a file says about others that hold parts of its debugging information.

use object::{Endianness, U16, U32, elf as spec};

use super::Image;

/// The file that holds the debugging information of a stripped one (`.gnu_debuglink`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DebugLink<'a> {
    /// The name of the file, without a directory.
    pub name: &'a [u8],
    /// The CRC-32 of its content.
    pub checksum: u32,
}

/// The supplementary file, to which dwz moved what several files have in common (`.gnu_debugaltlink`, or
/// `.debug_sup` of DWARF 5, section 7.3.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SupplementaryLink<'a> {
    /// The path of the file; relative ones begin where the file lies that refers.
    pub path: &'a [u8],
    /// What the file says of itself, see [`Image::supplementary_id`].
    pub id: &'a [u8],
}

const NOTE_BUILD_ID: u32 = 3;

impl Image {
    /// The file that holds the debugging information of this one.
    pub fn debug_link(&self) -> Option<DebugLink<'_>> {
        let content = self.content_of(b".gnu_debuglink").ok()?;
        let name = &content[..content.iter().position(|&b| b == 0)?];
        let at = (name.len() + 1).next_multiple_of(4);
        let checksum = self.word(content.get(at..at + 4)?)?;
        Some(DebugLink { name, checksum }).filter(|link| !link.name.is_empty())
    }

    /// The supplementary file of this one.
    pub fn supplementary_link(&self) -> Option<SupplementaryLink<'_>> {
        if let Some((false, path, id)) = self.debug_sup() {
            return Some(SupplementaryLink { path, id });
        }
        let content = self.content_of(b".gnu_debugaltlink").ok()?;
        let end = content.iter().position(|&b| b == 0)?;
        Some(SupplementaryLink { path: &content[..end], id: &content[end + 1..] })
    }

    /// What tells this file from others that those who refer to it as supplementary could mean.
    pub fn supplementary_id(&self) -> Option<&[u8]> {
        match self.debug_sup() {
            Some((true, _, id)) => Some(id),
            _ => self.build_id(),
        }
    }

    /// The build id (`.note.gnu.build-id`).
    pub fn build_id(&self) -> Option<&[u8]> {
        let notes = self.sections.iter().filter(|s| s.kind == spec::SHT_NOTE);
        notes.filter_map(|section| self.content(section).ok()).find_map(|notes| self.build_id_in(notes))
    }

    fn build_id_in<'a>(&self, mut notes: &'a [u8]) -> Option<&'a [u8]> {
        loop {
            let word = |i: usize| self.word(notes.get(4 * i..4 * i + 4)?);
            let (name, length, kind) = (word(0)? as usize, word(1)? as usize, word(2)?);
            let start = name.checked_next_multiple_of(4)?.checked_add(12)?;
            let content = notes.get(start..)?;
            if kind == NOTE_BUILD_ID && notes.get(12..12 + name) == Some(b"GNU\0") {
                return content.get(..length);
            }
            notes = content.get(length.checked_next_multiple_of(4)?..)?;
        }
    }

    /// `.debug_sup`: whether this is the supplementary file, the path of the other, and the checksum.
    fn debug_sup(&self) -> Option<(bool, &[u8], &[u8])> {
        let content = self.content_of(b".debug_sup").ok()?;
        let version: [u8; 2] = content.get(..2)?.try_into().ok()?;
        if U16::<Endianness>::from_bytes(version).get(self.endian) != 5 {
            return None;
        }
        let (&is_supplementary, rest) = content.get(2..)?.split_first()?;
        let (path, rest) = rest.split_at_checked(rest.iter().position(|&b| b == 0)?)?;
        // Its length is a LEB128 number; no checksum is longer than 127 bytes.
        let (&length, checksum) = rest.get(1..)?.split_first()?;
        Some((is_supplementary != 0, path, checksum.get(..usize::from(length))?))
    }

    fn word(&self, bytes: &[u8]) -> Option<u32> {
        Some(U32::<Endianness>::from_bytes(bytes.try_into().ok()?).get(self.endian))
    }

    /// The CRC-32 of the whole file.
    pub fn checksum(&self) -> u32 {
        crc32fast::hash(&self.map)
    }
}
