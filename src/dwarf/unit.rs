//! Units: the headers of all, and one of them made ready for the walk.

use std::borrow::Cow;

use gimli::constants as dw;
use gimli::{EndianSlice, RunTimeEndian};

use super::form::Encoding;
use super::layout::{Layouts, WINDOW};
use super::name::NameId;
use super::program::Program;
use super::{Die, Sections, Value};
use crate::{Error, Result};

/// What a unit holds (DWARF 5, section 7.5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitKind {
    /// What a compiler made of one source, or a part of that which several share.
    Normal,
    /// One type, to which others refer by signature.
    Type {
        /// Its signature.
        signature: u64,
        /// Offset of its DIE from the start of the unit, in bytes.
        offset: u32,
    },
    /// Only the name of the file that holds the rest, and the number that the unit there has as well: split
    /// DWARF.
    Skeleton(u64),
    /// The rest, with the number of its skeleton.
    Split(u64),
}

/// The header of one unit.
#[derive(Debug, Clone, Copy)]
pub struct UnitHeader {
    /// The number of the file that it lies in.
    pub file: u32,
    /// Offset of the header in `.debug_info`, in bytes.
    pub offset: u64,
    /// Bytes of the whole unit, header included.
    pub length: u32,
    /// Bytes of the header.
    pub header_length: u32,
    /// Offset of its abbreviation table in `.debug_abbrev`, in bytes.
    pub abbrev_offset: u64,
    /// The DWARF version.
    pub version: u16,
    /// Bytes of a target address.
    pub address_size: u8,
    /// Bytes of a section offset, 4 or 8.
    pub offset_size: u8,
    /// What it holds.
    pub kind: UnitKind,
}

/// Bytes of a unit that are too many. The largest of a kernel has some hundred thousand; the bits above serve
/// to tell references apart.
const MAX_UNIT: u32 = 1 << 30;

impl UnitHeader {
    pub(crate) fn encoding(&self) -> Encoding {
        Encoding { version: self.version, address_size: self.address_size, offset_size: self.offset_size }
    }
}

/// Adds the headers of the units of file number `file`, in file order, that `next` reads one after another.
pub(super) fn list_units<R: gimli::Reader<Offset = usize>>(
    file: u32,
    units: &mut Vec<UnitHeader>,
    mut next: impl FnMut() -> gimli::Result<Option<gimli::UnitHeader<R>>>,
) -> Result<()> {
    let mut at = 0u64;
    loop {
        let header = match next() {
            Ok(Some(header)) => header,
            Ok(None) => return Ok(()),
            Err(error) => {
                return Err(Error::input(format!("unit header: {error}"))
                    .in_unit(at)
                    .hint("DWARF 2 to 5 is understood; otherwise the file is damaged"));
            }
        };
        let offset = header.offset().0 as u64;
        let length = header.length_including_self();
        let too_long = || Error::input("a unit of 1 GiB or more is not supported").in_unit(offset);
        let length = u32::try_from(length).ok().filter(|&l| l < MAX_UNIT).ok_or_else(too_long)?;
        at = offset + u64::from(length);
        let encoding = header.encoding();
        if !matches!(encoding.address_size, 1 | 2 | 4 | 8) {
            let message = format!("an address of {} bytes", encoding.address_size);
            return Err(Error::input(message).in_unit(offset));
        }
        let kind = match header.type_() {
            gimli::UnitType::Type { type_signature, type_offset }
            | gimli::UnitType::SplitType { type_signature, type_offset } => UnitKind::Type {
                signature: type_signature.0,
                offset: u32::try_from(type_offset.0).unwrap_or(u32::MAX),
            },
            gimli::UnitType::Skeleton(id) => UnitKind::Skeleton(id.0),
            gimli::UnitType::SplitCompilation(id) => UnitKind::Split(id.0),
            _ => UnitKind::Normal,
        };
        units.push(UnitHeader {
            file,
            offset,
            length,
            header_length: header.header_size() as u32,
            abbrev_offset: header.debug_abbrev_offset().0 as u64,
            version: encoding.version,
            address_size: encoding.address_size,
            offset_size: encoding.format.word_size(),
            kind,
        });
    }
}

/// One unit made ready for the walk.
#[derive(Debug)]
pub struct Unit<'a> {
    /// Its header.
    pub header: UnitHeader,
    /// The files that its names lie in.
    pub program: &'a Program<'a>,
    /// The sections it lies in.
    pub sections: &'a Sections<'a>,
    /// The number of the file whose strings its offsets mean.
    pub(crate) names: u32,
    /// From the unit's first byte to a window of bytes after its last one, at least.
    pub(crate) bytes: Cow<'a, [u8]>,
    pub(crate) big_endian: bool,
    /// `DW_AT_language` of its root, 0 if there is none.
    pub language: u16,
    /// `DW_AT_producer` names clang.
    pub is_clang: bool,
    /// The tag of its root.
    pub root_tag: dw::DwTag,
    pub(crate) str_offsets_base: u64,
    /// Offset of the unit's part of `.debug_addr`, in bytes.
    pub addr_base: u64,
    pub(crate) loclists_base: u64,
}

impl<'a> Unit<'a> {
    /// Reads the root DIE of a unit whose abbreviations were compiled to `layouts`.
    ///
    /// # Errors
    /// The root DIE is cut or has no declared abbreviation.
    pub fn new(program: &'a Program<'a>, header: UnitHeader, layouts: &Layouts) -> Result<Self> {
        let sections = program.sections(&header);
        let start = usize::try_from(header.offset).unwrap_or(usize::MAX);
        let outside = || Error::input("the unit lies outside .debug_info").in_unit(header.offset);
        let rest = sections.info.get(start..).ok_or_else(outside)?;
        let length = header.length as usize;
        let unit = rest.get(..length).ok_or_else(outside)?;
        // A window may reach past the last DIE. Only the units at the very end of a section need a copy.
        let bytes = if rest.len() >= length + WINDOW {
            Cow::Borrowed(rest)
        } else {
            let mut copy = Vec::with_capacity(length + WINDOW);
            copy.extend_from_slice(unit);
            copy.resize(length + WINDOW, 0);
            Cow::Owned(copy)
        };
        let table_base = match header.version {
            ..5 => 0,
            _ if header.offset_size == 8 => 16,
            _ => 8,
        };
        let mut unit = Unit {
            header,
            program,
            sections,
            names: sections.names_of.unwrap_or(header.file),
            bytes,
            big_endian: sections.endian == RunTimeEndian::Big,
            language: 0,
            is_clang: false,
            root_tag: dw::DwTag(0),
            // Of a unit that says nothing, the tables begin behind the first header (DWARF 5, 7.26), which
            // GNU's split DWARF does not have.
            str_offsets_base: table_base,
            addr_base: sections.addr_base.unwrap_or(table_base),
            loclists_base: if header.offset_size == 8 { 20 } else { 12 },
        };
        unit.read_root(layouts).map_err(|e| e.in_unit(header.offset))?;
        Ok(unit)
    }

    fn read_root(&mut self, layouts: &Layouts) -> Result<()> {
        let mut scratch = [0; WINDOW];
        let offset = self.header.header_length;
        let Some(abbreviation) = Die::abbreviation(self, layouts, offset)? else { return Ok(()) };
        let (window, _) = Die::window(self, layouts, offset, abbreviation, &mut scratch)?;
        let root = Die::new(self, layouts, offset, abbreviation, window);
        let (mut language, mut producer) = (0, None);
        let (mut strings, mut addresses, mut lists) =
            (self.str_offsets_base, self.addr_base, self.loclists_base);
        let tag = root.layout.tag;
        root.each_attribute(|at, value| match (at, value) {
            (dw::DW_AT_language, Value::Constant(code)) => language = code as u16,
            (dw::DW_AT_str_offsets_base, Value::Offset(base)) => strings = base,
            (dw::DW_AT_addr_base | dw::DW_AT_GNU_addr_base, Value::Offset(base)) => addresses = base,
            (dw::DW_AT_loclists_base, Value::Offset(base)) => lists = base,
            (dw::DW_AT_producer, value) => producer = Some(value),
            _ => {}
        })?;
        (self.str_offsets_base, self.addr_base, self.loclists_base) = (strings, addresses, lists);
        self.language = language;
        self.root_tag = tag;
        let producer = producer.and_then(|p| self.name_of(p));
        let mut short = [0; 8];
        let producer = producer.and_then(|p| p.bytes(self.program.files(), &mut short)).unwrap_or_default();
        self.is_clang = producer.windows(5).any(|w| w == b"clang");
        Ok(())
    }

    /// The name that a string value is, if its table index is valid.
    pub fn name_of(&self, value: Value) -> Option<NameId> {
        match value {
            Value::Name(name) => Some(name),
            Value::NameIndex(index) => self.indexed_name(index),
            _ => None,
        }
    }

    /// Entry `index` of the unit's part of `.debug_str_offsets` (DWARF 5, section 7.26).
    #[inline]
    pub(crate) fn indexed_name(&self, index: u64) -> Option<NameId> {
        let size = u64::from(self.header.offset_size);
        let at = index.checked_mul(size)?.checked_add(self.str_offsets_base)?;
        self.read_word(self.sections.str_offsets, at, self.header.offset_size)
            .map(|offset| NameId::in_str(self.names, offset))
    }

    /// Entry `index` of the unit's part of `.debug_addr`.
    pub(crate) fn indexed_address(&self, index: u64) -> Option<u64> {
        let at = index.checked_mul(u64::from(self.header.address_size))?.checked_add(self.addr_base)?;
        self.read_word(self.sections.addr, at, self.header.address_size)
    }

    fn read_word(&self, section: &[u8], at: u64, width: u8) -> Option<u64> {
        let at = usize::try_from(at).ok()?;
        let bytes = section.get(at..at.checked_add(usize::from(width))?)?;
        Some(read_uint(bytes, self.big_endian))
    }

    /// The address that a value is.
    pub fn address_of(&self, value: Value) -> Option<u64> {
        match value {
            Value::Address(address) => Some(address),
            Value::AddressIndex(index) => self.indexed_address(index),
            _ => None,
        }
    }

    /// The bytes of an expression of this unit.
    pub(crate) fn block(&self, offset: u32, length: u32) -> &[u8] {
        let start = offset as usize;
        self.bytes.get(start..start.saturating_add(length as usize)).unwrap_or_default()
    }

    pub(crate) fn gimli_encoding(&self) -> gimli::Encoding {
        gimli::Encoding {
            address_size: self.header.address_size,
            format: if self.header.offset_size == 8 {
                gimli::Format::Dwarf64
            } else {
                gimli::Format::Dwarf32
            },
            version: self.header.version,
        }
    }

    pub(crate) fn slice<'s>(&self, bytes: &'s [u8]) -> EndianSlice<'s, RunTimeEndian> {
        EndianSlice::new(bytes, self.sections.endian)
    }
}

/// Up to eight bytes as a number.
#[inline]
pub(crate) fn read_uint(bytes: &[u8], big_endian: bool) -> u64 {
    if let (Ok(word), false) = (bytes.try_into(), big_endian) {
        return u64::from(u32::from_le_bytes(word));
    }
    let fold = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
    if big_endian { bytes.iter().fold(0, fold) } else { bytes.iter().rev().fold(0, fold) }
}
