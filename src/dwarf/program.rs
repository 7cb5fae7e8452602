//! A program: the files that hold the debugging information of one encode, and their units.
//!
//! Most programs are one file. More there are where types lie in a section of their own (`.debug_types`), in
//! a supplementary file (dwz) or in files that the linker left alone (split DWARF). A reference may lead from
//! any unit into any other: [`Program::find`] says where.

use std::collections::HashMap;
use std::ops::Range;

use gimli::RunTimeEndian;

use super::die::Target;
use super::imports;
use super::name::MAX_FILES;
use super::unit::{UnitHeader, UnitKind, list_units};
use crate::{Error, Result};

/// The debug sections of one file. A section that the file lacks is empty.
#[derive(Debug, Clone, Copy)]
pub struct Sections<'a> {
    /// `.debug_info`, or `.debug_types` of a file that `is_types`.
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
    /// `.debug_rnglists`, address ranges of DWARF 5
    pub rnglists: &'a [u8],
    /// Byte order of the file.
    pub endian: RunTimeEndian,
    /// Its units are type units of DWARF 4, whose header differs.
    pub is_types: bool,
    /// The number of the file whose strings these are too; `None` if they are its own.
    pub names_of: Option<u32>,
    /// The number of the supplementary file; [`NO_FILE`] if there is none.
    pub supplementary: u32,
    /// It is the supplementary file of others: what nobody imports is none of their business.
    pub is_supplementary: bool,
    /// Of a file that was split from another: where its part of `.debug_addr`, which is that of the other,
    /// begins, in bytes.
    pub addr_base: Option<u64>,
}

/// The number of a file that does not exist.
pub const NO_FILE: u32 = u32::MAX;

impl<'a> Sections<'a> {
    /// A file without any section.
    pub fn empty(endian: RunTimeEndian) -> Self {
        let none = &[];
        Sections {
            info: none,
            abbrev: none,
            str: none,
            line_str: none,
            str_offsets: none,
            addr: none,
            loc: none,
            loclists: none,
            rnglists: none,
            endian,
            is_types: false,
            names_of: None,
            supplementary: NO_FILE,
            is_supplementary: false,
            addr_base: None,
        }
    }

    /// The names of the sections that [`load`](Self::load) asks for.
    pub const NAMES: [&'static str; 9] = [
        ".debug_info",
        ".debug_abbrev",
        ".debug_str",
        ".debug_line_str",
        ".debug_str_offsets",
        ".debug_addr",
        ".debug_loc",
        ".debug_loclists",
        ".debug_rnglists",
    ];

    /// All sections of a file; `get` finds one by its name.
    pub fn load(endian: RunTimeEndian, mut get: impl FnMut(&'static str) -> &'a [u8]) -> Self {
        let [info, abbrev, str, line_str, str_offsets, addr, loc, loclists, rnglists] =
            Self::NAMES.map(&mut get);
        Sections {
            info,
            abbrev,
            str,
            line_str,
            str_offsets,
            addr,
            loc,
            loclists,
            rnglists,
            ..Sections::empty(endian)
        }
    }
}

/// The place of a DIE: the number of its unit, and its offset from the start of that unit in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The number of the unit.
    pub unit: u32,
    /// Offset in the unit, in bytes.
    pub offset: u32,
}

/// The files that hold the debugging information of one encode, and their units.
#[derive(Debug)]
pub struct Program<'a> {
    files: Vec<Sections<'a>>,
    units: Vec<UnitHeader>,
    /// By file, which units are its; in the order of their offsets.
    ranges: Vec<Range<usize>>,
    /// By unit, whether it belongs to the program.
    wanted: Vec<bool>,
    /// Units that hold a type, by its signature.
    signatures: HashMap<u64, u32>,
}

impl<'a> Program<'a> {
    /// Lists the units of `files`. The place of a unit in this list is its number.
    ///
    /// # Errors
    /// A header is cut, of an unknown version, or says that its unit is longer than the section; or there are
    /// more than a million files.
    pub fn new(files: Vec<Sections<'a>>) -> Result<Self> {
        if files.len() > MAX_FILES {
            return Err(Error::input("its debugging information lies in more than a million files"));
        }
        let (units, ranges, wanted, signatures) = (Vec::new(), Vec::new(), Vec::new(), HashMap::new());
        let mut program = Program { files, units, ranges, wanted, signatures };
        for (number, sections) in program.files.iter().enumerate() {
            let first = program.units.len();
            list_units(number as u32, sections, &mut program.units)?;
            program.ranges.push(first..program.units.len());
            program.wanted.resize(program.units.len(), !sections.is_supplementary);
        }
        for (number, unit) in program.units.iter().enumerate() {
            if let UnitKind::Type { signature, .. } = unit.kind {
                // Objects that were not linked hold one type several times.
                program.signatures.entry(signature).or_insert(number as u32);
            }
        }
        if program.files.iter().any(|file| file.is_supplementary) {
            program.wanted = imports::reached(&program, program.wanted())?;
        }
        Ok(program)
    }

    /// Leaves out what only units in certain languages, `DW_LANG` codes, share. Such units themselves stay.
    ///
    /// # Errors
    /// A unit is damaged.
    pub fn leave_out(&mut self, leaves_out: impl Fn(u16) -> bool) -> Result<()> {
        let shared = imports::shared(self, self.wanted())?;
        if shared.is_empty() {
            return Ok(());
        }
        let mut own = Vec::new();
        for unit in self.wanted().filter(|unit| shared.binary_search(unit).is_err()) {
            if !leaves_out(imports::language(self, unit)?) {
                own.push(unit);
            }
        }
        let reached = imports::reached(self, own.into_iter())?;
        for unit in shared {
            self.wanted[unit as usize] = reached[unit as usize];
        }
        Ok(())
    }

    /// The numbers of the units that belong to the program.
    fn wanted(&self) -> impl Iterator<Item = u32> {
        (0..self.units.len() as u32).filter(|&unit| self.is_wanted(unit))
    }

    /// True if unit number `unit` belongs to the program. Of a supplementary file only those do that are
    /// imported, and of units in languages that were [left out](Self::leave_out) only what others share.
    pub fn is_wanted(&self, unit: u32) -> bool {
        self.wanted.get(unit as usize).copied().unwrap_or(false)
    }

    /// The files by number.
    pub fn files(&self) -> &[Sections<'a>] {
        &self.files
    }

    /// The units by number.
    pub fn units(&self) -> &[UnitHeader] {
        &self.units
    }

    /// The sections that a unit lies in.
    pub fn sections(&self, unit: &UnitHeader) -> &Sections<'a> {
        &self.files[unit.file as usize]
    }

    /// Where a reference of unit number `unit` leads. `None` if it leads out of all units, or there is no unit for
    /// that type.
    pub fn find(&self, unit: u32, target: Target) -> Option<Place> {
        let place = match target {
            Target::Unit(offset) => Place { unit, offset },
            Target::Info { file, offset } => {
                let range = self.ranges.get(file as usize)?.clone();
                let units = self.units.get(range.clone())?;
                let index = units.partition_point(|unit| unit.offset <= offset).checked_sub(1)?;
                let offset = u32::try_from(offset - units[index].offset).ok()?;
                Place { unit: (range.start + index) as u32, offset }
            }
            Target::Signature(signature) => {
                let &unit = self.signatures.get(&signature)?;
                let UnitKind::Type { offset, .. } = self.units[unit as usize].kind else { return None };
                Place { unit, offset }
            }
        };
        let header = self.units.get(place.unit as usize)?;
        (header.header_length..header.length).contains(&place.offset).then_some(place)
    }
}
