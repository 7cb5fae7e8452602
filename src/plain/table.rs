//! The entries of a unit as a list, and references from one to another through all units.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use gimli::constants as dw;
use gimli::{
    Abbreviations, AttributeValue, DebugStrOffsetsBase, DebuggingInformationEntry, DwAt, Dwarf, Reader as _,
    Section as _, UnitHeader, UnitOffset,
};

use super::{Slice, damaged};
use crate::error::{Error, Result};

/// As many units are kept that others refer into.
const KEPT: usize = 64;

/// An entry with its place in the tree.
pub(super) struct Entry<'a> {
    pub(super) die: DebuggingInformationEntry<Slice<'a>>,
    pub(super) children: Vec<usize>,
    pub(super) depth: isize,
}

/// The entries of a unit in their order.
pub(super) struct Table<'a> {
    pub(super) number: usize,
    pub(super) entries: Vec<Entry<'a>>,
}

/// An entry of a unit.
#[derive(Clone)]
pub(super) struct Ref<'a> {
    pub(super) table: Rc<Table<'a>>,
    pub(super) index: usize,
}

impl<'a> Ref<'a> {
    pub(super) fn entry(&self) -> Option<&Entry<'a>> {
        self.table.entries.get(self.index)
    }

    /// The unit and the place in it, which no other entry has.
    pub(super) fn place(&self) -> (usize, usize) {
        (self.table.number, self.index)
    }

    pub(super) fn tag(&self) -> gimli::DwTag {
        self.entry().map_or(dw::DW_TAG_null, |e| e.die.tag)
    }

    pub(super) fn has(&self, name: DwAt) -> bool {
        self.entry().is_some_and(|e| e.die.has_attr(name))
    }

    pub(super) fn children(&self) -> Vec<Ref<'a>> {
        let children = self.entry().map_or(&[][..], |e| &e.children);
        children.iter().map(|&index| Ref { table: self.table.clone(), index }).collect()
    }

    /// A constant: 1, 2, 4 or 8 bytes are no sign.
    pub(super) fn number(&self, name: DwAt) -> Option<i64> {
        Some(match self.entry()?.die.attr(name)?.raw_value() {
            AttributeValue::Data1(v) => i64::from(v),
            AttributeValue::Data2(v) => i64::from(v),
            AttributeValue::Data4(v) => i64::from(v),
            AttributeValue::Data8(v) | AttributeValue::Udata(v) => v as i64,
            AttributeValue::Sdata(v) => v,
            AttributeValue::Flag(v) => i64::from(v),
            _ => return None,
        })
    }

    pub(super) fn flag(&self, name: DwAt) -> bool {
        self.number(name).is_some_and(|v| v != 0)
    }
}

/// A unit before its entries are read. Not gimli's, which wants line numbers that files may lack.
struct Unit<'a> {
    header: UnitHeader<Slice<'a>>,
    abbreviations: Arc<Abbreviations>,
    /// Where its part of `.debug_str_offsets` begins.
    strings: DebugStrOffsetsBase,
}

/// The units of a file.
pub(super) struct Program<'a, 'd> {
    dwarf: &'d Dwarf<Slice<'a>>,
    units: Vec<Unit<'a>>,
    /// Of `.debug_info`: where units begin.
    starts: Vec<(usize, usize)>,
    signatures: HashMap<u64, (usize, UnitOffset)>,
    kept: HashMap<usize, Rc<Table<'a>>>,
}

impl<'a, 'd> Program<'a, 'd> {
    pub(super) fn new(dwarf: &'d Dwarf<Slice<'a>>) -> Result<Self> {
        let mut headers = Vec::new();
        let mut units = dwarf.units();
        while let Some(header) = units.next().map_err(damaged)? {
            headers.push(header);
        }
        let mut types = dwarf.type_units();
        while let Some(header) = types.next().map_err(damaged)? {
            headers.push(header);
        }
        let mut program = Program {
            dwarf,
            units: Vec::new(),
            starts: Vec::new(),
            signatures: HashMap::new(),
            kept: HashMap::new(),
        };
        for header in headers {
            let number = program.units.len();
            if let Some(offset) = header.debug_info_offset() {
                program.starts.push((offset.0, number));
            }
            if let gimli::UnitType::Type { type_signature, type_offset }
            | gimli::UnitType::SplitType { type_signature, type_offset } = header.type_()
            {
                program.signatures.insert(type_signature.0, (number, type_offset));
            }
            if matches!(header.type_(), gimli::UnitType::Skeleton(_)) {
                return Err(Error::input("DWARF: lies in other files, which are not compared"));
            }
            let abbreviations = dwarf.abbreviations(&header).map_err(damaged)?;
            let mut strings = DebugStrOffsetsBase(match header.format() {
                _ if header.version() < 5 => 0,
                gimli::Format::Dwarf32 => 8,
                gimli::Format::Dwarf64 => 16,
            });
            let mut cursor = header.entries(&abbreviations);
            if let Some(root) = cursor.next_dfs().map_err(damaged)?
                && let Some(AttributeValue::DebugStrOffsetsBase(base)) =
                    root.attr_value(dw::DW_AT_str_offsets_base)
            {
                strings = base;
            }
            program.units.push(Unit { header, abbreviations, strings });
        }
        Ok(program)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    pub(super) fn is_little(&self) -> bool {
        self.dwarf.debug_info.reader().endian() == gimli::RunTimeEndian::Little
    }

    pub(super) fn len(&self) -> usize {
        self.units.len()
    }

    /// The entries of a unit.
    pub(super) fn table(&mut self, number: usize) -> Result<Rc<Table<'a>>> {
        if let Some(known) = self.kept.get(&number) {
            return Ok(known.clone());
        }
        let no = || Error::input("DWARF: a reference to no unit");
        let unit = self.units.get(number).ok_or_else(no)?;
        let mut entries: Vec<Entry<'a>> = Vec::new();
        let mut parents: Vec<usize> = Vec::new();
        let mut cursor = unit.header.entries(&unit.abbreviations);
        while let Some(die) = cursor.next_dfs().map_err(damaged)? {
            let depth = die.depth();
            let index = entries.len();
            parents.truncate(usize::try_from(depth).unwrap_or(0));
            if let Some(parent) = parents.last().and_then(|&p| entries.get_mut(p)) {
                parent.children.push(index);
            }
            parents.push(index);
            entries.push(Entry { die: die.clone(), children: Vec::new(), depth });
        }
        let table = Rc::new(Table { number, entries });
        if self.kept.len() >= KEPT {
            self.kept.clear();
        }
        self.kept.insert(number, table.clone());
        Ok(table)
    }

    fn find(&mut self, number: usize, offset: UnitOffset) -> Result<Option<Ref<'a>>> {
        let table = self.table(number)?;
        let found = table.entries.binary_search_by_key(&offset, |e| e.die.offset());
        Ok(found.ok().map(|index| Ref { table, index }))
    }

    /// What an attribute refers to.
    pub(super) fn follow(&mut self, from: &Ref<'a>, name: DwAt) -> Result<Option<Ref<'a>>> {
        let Some(value) = from.entry().and_then(|e| e.die.attr_value(name)) else { return Ok(None) };
        match value {
            AttributeValue::UnitRef(offset) => {
                let found = from.table.entries.binary_search_by_key(&offset, |e| e.die.offset());
                Ok(found.ok().map(|index| Ref { table: from.table.clone(), index }))
            }
            AttributeValue::DebugInfoRef(offset) => {
                let after = self.starts.partition_point(|(start, _)| *start <= offset.0);
                let unit = after.checked_sub(1).and_then(|i| self.starts.get(i)).copied();
                let Some((start, number)) = unit else { return Ok(None) };
                self.find(number, UnitOffset(offset.0 - start))
            }
            AttributeValue::DebugTypesRef(signature) => match self.signatures.get(&signature.0).copied() {
                Some((number, offset)) => self.find(number, offset),
                None => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// The bytes of a string attribute.
    pub(super) fn string(&self, of: &Ref<'a>, name: DwAt) -> Option<&'a [u8]> {
        let value = of.entry()?.die.attr_value(name)?;
        let unit = self.units.get(of.table.number)?;
        let string = match value {
            AttributeValue::String(string) => string,
            AttributeValue::DebugStrRef(offset) => self.dwarf.string(offset).ok()?,
            AttributeValue::DebugLineStrRef(offset) => self.dwarf.line_string(offset).ok()?,
            AttributeValue::DebugStrOffsetsIndex(index) => {
                let offsets = &self.dwarf.debug_str_offsets;
                let offset = offsets.get_str_offset(unit.header.format(), unit.strings, index);
                self.dwarf.string(offset.ok()?).ok()?
            }
            _ => return None,
        };
        Some(string.slice())
    }

    /// Whether a variable lies at an address.
    pub(super) fn has_address(&self, of: &Ref<'a>) -> bool {
        let value = of.entry().and_then(|e| e.die.attr_value(dw::DW_AT_location));
        let Some(AttributeValue::Exprloc(mut expression)) = value else { return false };
        let first = expression.0.read_u8().map(gimli::DwOp);
        matches!(first, Ok(dw::DW_OP_addr | dw::DW_OP_addrx | dw::DW_OP_GNU_addr_index))
    }

    /// The offset in a member's location: a number, or the operand of the first operation.
    pub(super) fn member_offset(&self, of: &Ref<'a>) -> Option<i64> {
        let constant = of.number(dw::DW_AT_data_member_location);
        if constant.is_some() {
            return constant;
        }
        let value = of.entry()?.die.attr_value(dw::DW_AT_data_member_location)?;
        let mut block = match value {
            AttributeValue::Exprloc(expression) => expression.0,
            AttributeValue::Block(block) => block,
            _ => return None,
        };
        match gimli::DwOp(block.read_u8().ok()?) {
            dw::DW_OP_plus_uconst | dw::DW_OP_constu => i64::try_from(block.read_uleb128().ok()?).ok(),
            _ => None,
        }
    }
}
