//! Units: the headers of all, and one of them made ready for the walk.

use std::borrow::Cow;

use gimli::constants as dw;
use gimli::{EndianSlice, Reader, RunTimeEndian};

use super::form::Encoding;
use super::language;
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
    fn check(&self) -> Result<()> {
        if !VERSIONS.contains(&self.version) {
            return Err(Error::input(format!("unit header: version {}", self.version))
                .hint("DWARF 2 to 6 is understood; otherwise the file is damaged"));
        }
        if self.length >= MAX_UNIT {
            return Err(Error::input("a unit of 1 GiB or more is not supported"));
        }
        if !matches!(self.address_size, 1 | 2 | 4 | 8) {
            return Err(Error::input(format!("an address of {} bytes", self.address_size)));
        }
        Ok(())
    }

    pub(crate) fn encoding(&self) -> Encoding {
        Encoding { version: self.version, address_size: self.address_size, offset_size: self.offset_size }
    }
}

/// Versions of DWARF that are understood. Units of the sixth, as compilers write them before it is published, are
/// laid out like those of the fifth.
const VERSIONS: std::ops::RangeInclusive<u16> = 2..=6;

/// Adds the headers of the units of file number `file`, in its order (DWARF 5, section 7.5.1).
///
/// # Errors
/// A header is cut, of an unknown version, or says what cannot be.
pub(super) fn list_units(file: u32, sections: &Sections<'_>, units: &mut Vec<UnitHeader>) -> Result<()> {
    let mut rest = EndianSlice::new(sections.info, sections.endian);
    while !rest.is_empty() {
        let offset = (sections.info.len() - rest.len()) as u64;
        let header = read_header(file, offset, sections.is_types, &mut rest)
            .map_err(|e| Error::input(format!("unit header: {e}")).hint("the file is damaged"))
            .and_then(|header| header.check().map(|()| header));
        units.push(header.map_err(|e| e.in_unit(offset))?);
    }
    Ok(())
}

/// Reads a header from the beginning of `rest`, and takes the whole unit away.
fn read_header(
    file: u32,
    offset: u64,
    is_types: bool,
    rest: &mut EndianSlice<'_, RunTimeEndian>,
) -> gimli::Result<UnitHeader> {
    let whole = rest.len();
    let (length, format) = rest.read_initial_length()?;
    let mut unit = rest.split(length)?;
    let length = whole - rest.len();
    let version = unit.read_u16()?;
    let offset_size = format.word_size();
    let mut header = UnitHeader {
        file,
        offset,
        length: u32::try_from(length).unwrap_or(u32::MAX),
        header_length: 0,
        abbrev_offset: 0,
        version,
        address_size: 0,
        offset_size,
        kind: UnitKind::Normal,
    };
    // What follows is not known of other versions.
    if !VERSIONS.contains(&version) {
        return Ok(header);
    }
    let mut kind = if is_types { dw::DW_UT_type } else { dw::DW_UT_compile };
    if version >= 5 {
        kind = dw::DwUt(unit.read_u8()?);
        header.address_size = unit.read_u8()?;
        header.abbrev_offset = unit.read_word(format)? as u64;
    } else {
        header.abbrev_offset = unit.read_word(format)? as u64;
        header.address_size = unit.read_u8()?;
    }
    header.kind = match kind {
        dw::DW_UT_type | dw::DW_UT_split_type => UnitKind::Type {
            signature: unit.read_u64()?,
            offset: u32::try_from(unit.read_word(format)?).unwrap_or(u32::MAX),
        },
        dw::DW_UT_skeleton => UnitKind::Skeleton(unit.read_u64()?),
        dw::DW_UT_split_compile => UnitKind::Split(unit.read_u64()?),
        dw::DW_UT_compile | dw::DW_UT_partial => UnitKind::Normal,
        unknown => return Err(gimli::Error::UnknownUnitType(unknown)),
    };
    header.header_length = (length - unit.len()) as u32;
    Ok(header)
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
    /// The `DW_LANG` code of its language, 0 if it does not say.
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
        let (mut name, mut edition) = (0, 0);
        let (mut strings, mut addresses, mut lists) =
            (self.str_offsets_base, self.addr_base, self.loclists_base);
        let tag = root.layout.tag;
        root.each_attribute(|at, value| match (at, value) {
            (dw::DW_AT_language, Value::Constant(code)) => language = code as u16,
            (language::DW_AT_LANGUAGE_NAME, Value::Constant(code)) => name = code,
            (language::DW_AT_LANGUAGE_VERSION, Value::Constant(code)) => edition = code,
            (dw::DW_AT_str_offsets_base, Value::Offset(base)) => strings = base,
            (dw::DW_AT_addr_base | dw::DW_AT_GNU_addr_base, Value::Offset(base)) => addresses = base,
            (dw::DW_AT_loclists_base, Value::Offset(base)) => lists = base,
            (dw::DW_AT_producer, value) => producer = Some(value),
            _ => {}
        })?;
        (self.str_offsets_base, self.addr_base, self.loclists_base) = (strings, addresses, lists);
        self.language = if language == 0 { language::code(name, edition) } else { language };
        self.root_tag = tag;
        let producer = producer.and_then(|p| self.name_of(p));
        let producer = producer.and_then(|p| p.find(self.program.files()));
        self.is_clang = producer.is_some_and(|p| p.windows(5).any(|w| w == b"clang"));
        Ok(())
    }

    /// True for a part of others that is in no language of its own: as those are that it is shared by.
    pub fn is_shared(&self) -> bool {
        self.root_tag == dw::DW_TAG_partial_unit && self.language == 0
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
            // The last one that gimli knows; expressions are the same.
            version: self.header.version.min(5),
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
