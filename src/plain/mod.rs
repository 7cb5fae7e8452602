//! A second reader of DWARF, plain and slow, that shares nothing with the encoder: what any encoder made of a
//! file can be compared with what the file says.
//!
//! In: the debug sections of a file. Out: a [`Catalogue`] of every definition that is there, in the words of
//! BTF. One thread reads unit after unit with gimli; every entry is looked at by itself, and references are
//! followed as they are met, into other units too. What functions and variables are encoded, and which of
//! several versions, is not its business.

mod table;
mod types;

use std::collections::HashSet;

use gimli::{DebugTypes, Dwarf, EndianSlice, RunTimeEndian, SectionId};

use crate::diff::model::{Catalogue, Symbol, Symbols};
use crate::error::{Error, Result};
use table::Program;
use types::Reader;

type Slice<'a> = EndianSlice<'a, RunTimeEndian>;

/// The sections that are read, by name.
pub const SECTIONS: [&str; 6] =
    [".debug_info", ".debug_types", ".debug_abbrev", ".debug_str", ".debug_line_str", ".debug_str_offsets"];

/// What of functions and variables is wanted: those with these names. Types are always read.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Functions, `None` for all.
    pub functions: Option<HashSet<Symbol>>,
    /// Variables, `None` for all.
    pub variables: Option<HashSet<Symbol>>,
    /// Whether arrays of several dimensions are one of as many elements.
    pub flat_arrays: bool,
}

/// Reads the DWARF of a file.
///
/// # Errors
///
/// It has none, it is damaged, or it refers to other files.
pub fn catalogue<'a>(
    big_endian: bool,
    mut section: impl FnMut(&'static str) -> &'a [u8],
    symbols: &mut Symbols,
    wanted: &Wanted,
) -> Result<Catalogue> {
    let endian = if big_endian { RunTimeEndian::Big } else { RunTimeEndian::Little };
    let load = |id: SectionId| {
        let known = SECTIONS.iter().find(|name| **name == id.name());
        Ok::<_, gimli::Error>(EndianSlice::new(known.map_or(&[][..], |name| section(name)), endian))
    };
    let mut dwarf: Dwarf<Slice<'a>> = Dwarf::load(load).map_err(damaged)?;
    dwarf.debug_types = DebugTypes::from(EndianSlice::new(section(".debug_types"), endian));
    let program = Program::new(&dwarf)?;
    if program.is_empty() {
        return Err(Error::input("has no DWARF debugging information"));
    }
    let mut reader = Reader::new(program, symbols, wanted);
    reader.read()
}

/// What gimli says, as an error of this crate.
fn damaged(error: gimli::Error) -> Error {
    Error::input(format!("DWARF: {error}"))
}
