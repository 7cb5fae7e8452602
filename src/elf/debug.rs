//! Debug sections as a linked file has them: all sections of one name together, decompressed, relocated.

use std::borrow::Cow;

use object::{Endian as _, elf as spec};

use super::inflate::{Coded, Coding, check_total};
use super::{Image, Section};
use crate::{Error, Result};

/// The name under which a section is asked for: `.debug_info` also of `.zdebug_info`.
pub(super) fn linked_name(name: &[u8]) -> Cow<'_, [u8]> {
    match name.strip_prefix(b".z") {
        Some(rest) if rest.starts_with(b"debug_") => Cow::Owned([b".", rest].concat()),
        _ => Cow::Borrowed(name),
    }
}

impl Image {
    /// Bytes of the content that [`debug_section`](Self::debug_section) would give, and how many of them would not
    /// be borrowed from the file, by the headers alone.
    ///
    /// # Errors
    /// A compression header is damaged.
    pub fn debug_section_size(&self, name: &[u8]) -> Result<(u64, u64)> {
        let (mut size, mut copied, mut count) = (0_u64, 0_u64, 0);
        for (i, section) in self.sections.iter().enumerate() {
            if section.is_loaded() || *linked_name(&section.name) != *name {
                continue;
            }
            let coded = self.coding(section).map_err(|e| e.in_file(&self.path))?;
            let is_relocation = |s: &&Section| {
                matches!(s.kind, spec::SHT_REL | spec::SHT_RELA | spec::SHT_CREL) && s.info as usize == i
            };
            let is_relocated = self.is_relocatable() && self.sections.iter().any(|s| is_relocation(&s));
            size = size.saturating_add(coded.size);
            count += 1;
            if is_relocated || !matches!(coded.coding, Coding::Plain) {
                copied = copied.saturating_add(coded.size);
            }
        }
        Ok((size, if count > 1 { size } else { copied }))
    }

    /// Units of `.debug_info`, and bytes of the largest, by their headers alone: of the first `most` of them. `None` if
    /// they cannot be seen without decompressing.
    pub fn debug_info_units(&self, most: usize) -> Option<(u64, u64)> {
        let is_wanted = |s: &&Section| !s.is_loaded() && *linked_name(&s.name) == *b".debug_info";
        let mut found = (0, 0);
        for section in self.sections.iter().filter(is_wanted) {
            let coded = self.coding(section).ok().filter(|coded| coded.coding == Coding::Plain)?;
            let mut rest = coded.bytes;
            while let Some(size) = self.unit_size(rest).filter(|_| found.0 < most as u64) {
                // What is damaged may claim any size.
                found = (found.0 + 1, found.1.max(size.min(rest.len() as u64)));
                rest = usize::try_from(size).ok().and_then(|size| rest.get(size..)).unwrap_or_default();
            }
        }
        Some(found)
    }

    /// Bytes of the unit that begins there, with its header.
    fn unit_size(&self, bytes: &[u8]) -> Option<u64> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let length = self.endian.read_u32(*length);
        if length != u32::MAX {
            return Some(4 + u64::from(length));
        }
        // 64-bit DWARF.
        let (length, _) = rest.split_first_chunk::<8>()?;
        self.endian.read_u64(*length).checked_add(12)
    }

    /// The content of all sections of that name that are not loaded, as a linker would put them together:
    /// one directly behind the other in the order of the file, decompressed, and relocated if this is an
    /// object file. Empty if there is none; borrowed from the file if nothing is to be done.
    ///
    /// Object files have several `.debug_info` if their types are in units of their own. Sections are not
    /// aligned: a unit begins where the one before it ends.
    ///
    /// # Errors
    /// A section reaches beyond the file; its compressed data is damaged, of an unknown method or out of
    /// proportion; a relocation is of a type that has no meaning in a debug section, lies outside of the
    /// section, names no symbol, or makes a value that does not fit.
    pub fn debug_section(&self, name: &[u8]) -> Result<Cow<'_, [u8]>> {
        self.linked_section(name).map_err(|e| e.in_file(&self.path))
    }

    fn linked_section(&self, name: &[u8]) -> Result<Cow<'_, [u8]>> {
        let is_wanted = |s: &Section| !s.is_loaded() && *linked_name(&s.name) == *name;
        let sections: Vec<usize> =
            (0..self.sections.len()).filter(|&i| is_wanted(&self.sections[i])).collect();
        let parts = sections.iter().map(|&i| self.coding(&self.sections[i]));
        let parts = parts.collect::<Result<Vec<Coded<'_>>>>()?;
        // By the place of their section in the list.
        let mut relocations: Vec<(usize, &Section)> = Vec::new();
        if self.is_relocatable() {
            let is_relocation = |s: &&Section| {
                matches!(s.kind, spec::SHT_REL | spec::SHT_RELA | spec::SHT_CREL) && s.size > 0
            };
            for table in self.sections.iter().filter(is_relocation) {
                if let Ok(at) = sections.binary_search(&(table.info as usize)) {
                    relocations.push((at, table));
                }
            }
        }
        match parts.as_slice() {
            [] => return Ok(Cow::Borrowed(&[])),
            [Coded { coding: Coding::Plain, bytes, .. }] if relocations.is_empty() => {
                return Ok(Cow::Borrowed(bytes));
            }
            _ => {}
        }
        let about = |message| Error::input(format!("section {}: {message}", String::from_utf8_lossy(name)));
        let tables: u64 = relocations.iter().fold(0, |sum, (_, table)| sum.saturating_add(table.size));
        if tables > self.map.len() as u64 {
            return Err(about("its relocations are larger than the file".into()));
        }
        let mut content = self.concatenation(&parts).map_err(about)?;
        for (at, table) in relocations {
            let section = &self.sections[sections[at]];
            let start = usize::try_from(section.address).unwrap_or(usize::MAX);
            let part = content.get_mut(start..).and_then(|rest| rest.get_mut(..parts[at].size as usize));
            let part = part.ok_or_else(|| about("it does not lie where it was placed".into()))?;
            self.relocate(part, section, table)?;
        }
        Ok(Cow::Owned(content))
    }

    fn concatenation(&self, parts: &[Coded<'_>]) -> Result<Vec<u8>, String> {
        let size = check_total(parts)?;
        // Of sections that overlap, many could be made from few bytes.
        let stored: u64 = parts.iter().fold(0, |sum, part| sum.saturating_add(part.bytes.len() as u64));
        if stored > self.map.len() as u64 {
            return Err("its parts are larger together than the file".into());
        }
        let mut content = Vec::new();
        let room = usize::try_from(size).ok().filter(|&size| content.try_reserve_exact(size).is_ok());
        if room.is_none() {
            return Err(format!("there is no memory for its {size} bytes"));
        }
        for part in parts {
            part.append_to(&mut content)?;
        }
        Ok(content)
    }
}
