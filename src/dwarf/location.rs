//! Locations: the expressions that say where a parameter or a variable lies.

use gimli::{EndianSlice, Operation, RawLocListEntry, RawRngListEntry, RunTimeEndian};

use super::{Unit, Value};

/// One expression of a location.
pub type Location<'s> = gimli::Expression<EndianSlice<'s, RunTimeEndian>>;

/// Calls `visit` for every expression of a location attribute, in the order of the list; a plain
/// expression counts as a list of one. Returns false where the list is damaged, after the entries
/// before the damage.
pub fn location_entries(unit: &Unit<'_>, value: Value, mut visit: impl FnMut(usize, Location<'_>)) -> bool {
    let offset = match value {
        Value::Block(offset, length) => {
            visit(0, gimli::Expression(unit.slice(unit.block(offset, length))));
            return true;
        }
        // DWARF 2 and 3 wrote an offset into .debug_loc as a constant.
        Value::Offset(offset) => offset,
        Value::Constant(offset) if unit.header.version < 4 => offset,
        Value::ListIndex(index) => match list_offset(unit, index) {
            Some(offset) => offset,
            None => return false,
        },
        _ => return true,
    };
    let Ok(offset) = usize::try_from(offset) else { return false };
    let sections = &unit.sections;
    let lists = gimli::LocationLists::new(
        gimli::DebugLoc::from(unit.slice(sections.loc)),
        gimli::DebugLocLists::from(unit.slice(sections.loclists)),
    );
    let (offset, encoding) = (gimli::LocationListsOffset(offset), unit.gimli_encoding());
    let list = match sections.addr_base {
        Some(_) => lists.raw_locations_dwo(offset, encoding),
        None => lists.raw_locations(offset, encoding),
    };
    let Ok(mut list) = list else { return false };
    let mut index = 0;
    loop {
        let data = match list.next() {
            Ok(Some(entry)) => match entry {
                RawLocListEntry::AddressOrOffsetPair { data, .. }
                | RawLocListEntry::StartxEndx { data, .. }
                | RawLocListEntry::StartxLength { data, .. }
                | RawLocListEntry::OffsetPair { data, .. }
                | RawLocListEntry::DefaultLocation { data }
                | RawLocListEntry::StartEnd { data, .. }
                | RawLocListEntry::StartLength { data, .. } => data,
                RawLocListEntry::BaseAddress { .. } | RawLocListEntry::BaseAddressx { .. } => continue,
            },
            Ok(None) => return true,
            Err(_) => return false,
        };
        visit(index, data);
        index += 1;
    }
}

/// The offset of list `index` of the unit in `.debug_loclists` (DWARF 5, section 7.29).
fn list_offset(unit: &Unit<'_>, index: u64) -> Option<u64> {
    let lists = gimli::DebugLocLists::from(unit.slice(unit.sections.loclists));
    let lists = gimli::LocationLists::new(gimli::DebugLoc::from(unit.slice(&[])), lists);
    let base = gimli::DebugLocListsBase(usize::try_from(unit.loclists_base).ok()?);
    let index = gimli::DebugLocListsIndex(usize::try_from(index).ok()?);
    lists.get_offset(unit.gimli_encoding(), base, index).ok().map(|offset| offset.0 as u64)
}

/// The address that an expression begins with, `DW_OP_addr` or `DW_OP_addrx`, with the operand of one
/// `DW_OP_plus_uconst` that may follow. `None` for every other expression.
pub fn first_address(unit: &Unit<'_>, value: Value) -> Option<u64> {
    let Value::Block(offset, length) = value else { return None };
    let mut operations =
        gimli::Expression(unit.slice(unit.block(offset, length))).operations(unit.gimli_encoding());
    let address = match operations.next().ok()?? {
        Operation::Address { address } => address,
        Operation::AddressIndex { index } => unit.indexed_address(index.0 as u64)?,
        _ => return None,
    };
    match operations.next().ok()? {
        None => Some(address),
        Some(Operation::PlusConstant { value }) if operations.next().ok()?.is_none() => {
            address.checked_add(value)
        }
        Some(_) => None,
    }
}

/// The address that a list of ranges begins with, of a unit that was split from its addresses. There compilers
/// write such a list for code that is in one piece, because a list needs no relocation.
pub fn first_in_ranges(unit: &Unit<'_>, value: Value) -> Option<u64> {
    let Value::RangeIndex(index) = value else { return None };
    unit.sections.addr_base?;
    let (encoding, none) = (unit.gimli_encoding(), gimli::DebugRanges::from(unit.slice(&[])));
    let lists = gimli::RangeLists::new(none, gimli::DebugRngLists::from(unit.slice(unit.sections.rnglists)));
    let base = gimli::DebugRngListsBase(if unit.header.offset_size == 8 { 20 } else { 12 });
    let index = gimli::DebugRngListsIndex(usize::try_from(index).ok()?);
    let mut ranges = lists.raw_ranges(lists.get_offset(encoding, base, index).ok()?, encoding).ok()?;
    let address = |index: gimli::DebugAddrIndex| unit.indexed_address(index.0 as u64);
    let mut start = 0;
    loop {
        return match ranges.next().ok()?? {
            RawRngListEntry::BaseAddress { addr } => {
                start = addr;
                continue;
            }
            RawRngListEntry::BaseAddressx { addr } => {
                start = address(addr)?;
                continue;
            }
            RawRngListEntry::StartxEndx { begin, .. } | RawRngListEntry::StartxLength { begin, .. } => {
                address(begin)
            }
            RawRngListEntry::StartEnd { begin, .. } | RawRngListEntry::StartLength { begin, .. } => {
                Some(begin)
            }
            RawRngListEntry::OffsetPair { begin, .. } => start.checked_add(begin),
            RawRngListEntry::AddressOrOffsetPair { .. } => None,
        };
    }
}
