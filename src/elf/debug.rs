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

/// The type of a unit that stands for one in another file (DWARF 5, section 7.5.1).
const DW_UT_SKELETON: u8 = 4;

/// What the headers of units say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UnitHeads {
    /// How many there are.
    pub count: u64,
    /// The largest, in bytes.
    pub largest_bytes: u64,
    /// Some stand for units in other files (split DWARF).
    pub are_split: bool,
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

    /// The units of `.debug_info`, by their headers alone: the first `most` of them. `None` if they cannot be seen
    /// without decompressing.
    pub fn debug_info_units(&self, most: usize) -> Option<UnitHeads> {
        let is_wanted = |s: &&Section| !s.is_loaded() && *linked_name(&s.name) == *b".debug_info";
        // Before version 5 nothing but split DWARF had addresses apart.
        let are_old_split = self.section(b".debug_addr").is_some();
        let mut heads = UnitHeads::default();
        for section in self.sections.iter().filter(is_wanted) {
            let coded = self.coding(section).ok().filter(|coded| coded.coding == Coding::Plain)?;
            let mut rest = coded.bytes;
            while let Some((size, is_split)) = self.unit_head(rest).filter(|_| heads.count < most as u64) {
                let is_split = is_split.unwrap_or(are_old_split);
                heads.count += 1;
                // What is damaged may claim any size.
                heads.largest_bytes = heads.largest_bytes.max(size.min(rest.len() as u64));
                heads.are_split |= is_split;
                rest = usize::try_from(size).ok().and_then(|size| rest.get(size..)).unwrap_or_default();
            }
        }
        Some(heads)
    }

    /// Bytes of the unit that begins there, with its header, and whether it stands for one in another file; before
    /// version 5 a unit does not say.
    fn unit_head(&self, bytes: &[u8]) -> Option<(u64, Option<bool>)> {
        let (length, mut rest) = bytes.split_first_chunk::<4>()?;
        let mut size = 4 + u64::from(self.endian.read_u32(*length));
        if *length == [0xff; 4] {
            // 64-bit DWARF.
            let (length, behind) = rest.split_first_chunk::<8>()?;
            size = self.endian.read_u64(*length).checked_add(12)?;
            rest = behind;
        }
        let is_split = match rest.split_first_chunk::<2>() {
            Some((version, rest)) if self.endian.read_u16(*version) >= 5 => {
                Some(rest.first() == Some(&DW_UT_SKELETON))
            }
            _ => None,
        };
        Some((size, is_split))
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
