//! Reading DWARF: units, abbreviation layouts, the walk over DIEs, locations.
//!
//! In comes the content of the debug sections ([`Sections`]), out go DIEs in file order, given to a
//! [`Visitor`]. Nothing here knows what a DIE means to BTF, nor where the sections came from.
//!
//! The hot loop ([`walk`]) is our own: each abbreviation is compiled once to a [`Layout`] that tells
//! where the wanted attributes lie, so that reading one is a load, a mask and an addition. gimli
//! reads everything else, and is the oracle that tests hold the loop against.

mod die;
mod form;
mod layout;
mod location;
mod name;
mod unit;
mod walk;

pub use die::{Die, Value};
pub use layout::{Has, Layout, Layouts, NameForm, RefForm, Slot, ValueForm};
pub use location::{Location, first_address, location_entries};
pub use name::NameId;
pub use unit::{Unit, UnitHeader, list_units};
pub use walk::{Visitor, walk};

use gimli::RunTimeEndian;

/// The debug sections of one file. A section that the file lacks is empty.
#[derive(Debug, Clone, Copy)]
pub struct Sections<'a> {
    /// `.debug_info`
    pub info: &'a [u8],
    /// `.debug_abbrev`
    pub abbrev: &'a [u8],
    /// `.debug_str`
    pub str: &'a [u8],
    /// `.debug_line_str`
    pub line_str: &'a [u8],
    /// `.debug_str_offsets`
    pub str_offsets: &'a [u8],
    /// `.debug_addr`
    pub addr: &'a [u8],
    /// `.debug_loc`, location lists up to DWARF 4
    pub loc: &'a [u8],
    /// `.debug_loclists`, location lists of DWARF 5
    pub loclists: &'a [u8],
    /// Byte order of the file.
    pub endian: RunTimeEndian,
}
