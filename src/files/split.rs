//! Split DWARF: the files that the linker left alone (DWARF 5, section 7.3.2, and GNU's of DWARF 4).
//!
//! What was linked holds skeletons: units that only name a file, and the number (`dwo_id`) that the unit in
//! that file has as well. A package (`.dwp`) holds many such files, with an index by number.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use gimli::constants as dw;
use gimli::{DebugCuIndex, DebugTuIndex, IndexSectionId, RunTimeEndian, UnitIndex};

use super::DebugSections;
use super::links::directory;
use crate::dwarf::{Layouts, Program, Sections, Unit, UnitHeader, UnitKind, Value, with_die};
use crate::elf::Image;
use crate::options::Search;
use crate::{Error, Result};

/// What a skeleton says.
#[derive(Debug, Clone)]
struct Skeleton {
    /// Offset of the unit in `.debug_info`, in bytes.
    unit: u64,
    id: Option<u64>,
    name: PathBuf,
    directory: PathBuf,
    addr_base: u64,
}

/// The files of split DWARF that an image's skeletons name; none if it has no skeleton.
#[derive(Debug)]
pub enum Parts {
    /// Each by itself.
    Files(Vec<Part>),
    /// All in a package.
    Package(Package),
}

/// A file that the linker left alone.
#[derive(Debug)]
pub struct Part {
    image: Image,
    skeleton: Skeleton,
}

/// A package of them.
#[derive(Debug)]
pub struct Package {
    image: Image,
    skeletons: Vec<Skeleton>,
}

impl Parts {
    /// Opens all files that the skeletons of an image name, whose debug sections are `own`.
    ///
    /// # Errors
    /// One is not found or cannot be read.
    pub fn open(image: &Image, own: &DebugSections<'_>, search: &Search) -> Result<Parts> {
        let skeletons = skeletons(own)?;
        if skeletons.is_empty() {
            return Ok(Parts::Files(Vec::new()));
        }
        let beside = PathBuf::from([image.path().as_os_str(), OsStr::new(".dwp")].join(OsStr::new("")));
        if let Some(path) = search.package.clone().or_else(|| Some(beside).filter(|path| path.exists())) {
            return Ok(Parts::Package(Package { image: Image::open(path)?, skeletons }));
        }
        let here = directory(image.path());
        let part = |skeleton: Skeleton| {
            let path = find(&here, &skeleton).ok_or_else(|| {
                let name = skeleton.name.display();
                Error::input(format!("its debugging information lies in {name}, which was not found"))
                    .in_unit(skeleton.unit)
                    .hint(
                        "keep the .dwo files where the compiler put them, or beside this one; or name a \
                         package with --dwp",
                    )
            })?;
            Ok(Part { image: Image::open(path)?, skeleton })
        };
        skeletons.into_iter().map(part).collect::<Result<_>>().map(Parts::Files)
    }

    /// Reads the debug sections of each file.
    ///
    /// # Errors
    /// One cannot be decompressed.
    pub(super) fn read(&self) -> Result<Vec<DebugSections<'_>>> {
        match self {
            Parts::Files(parts) => parts.iter().map(|p| DebugSections::read_split(&p.image)).collect(),
            Parts::Package(package) => Ok(vec![DebugSections::read_split(&package.image)?]),
        }
    }

    /// Adds what was [`read`](Self::read) to the files of a program, the first of which holds the addresses.
    ///
    /// # Errors
    /// The index of a package is damaged, or lacks a unit.
    pub(super) fn add_to<'s>(
        &self,
        files: &mut Vec<Sections<'s>>,
        contents: &'s [DebugSections<'_>],
    ) -> Result<()> {
        let addr = files.first().map_or(&[][..], |file| file.addr);
        match self {
            Parts::Files(parts) => {
                for (part, contents) in parts.iter().zip(contents) {
                    part.add_to(files, contents, addr);
                }
                Ok(())
            }
            Parts::Package(package) => {
                contents.iter().try_for_each(|contents| package.add_to(files, contents, addr))
            }
        }
    }

    /// Checks that every file is that of its skeleton.
    ///
    /// # Errors
    /// One is of another build.
    pub(super) fn check(&self, program: &Program<'_>) -> Result<()> {
        let Parts::Files(parts) = self else { return Ok(()) };
        if parts.is_empty() {
            return Ok(());
        }
        let id = |unit: &UnitHeader| match unit.kind {
            UnitKind::Split(id) => Some(id),
            _ => None,
        };
        let ids: HashSet<u64> = program.units().iter().filter_map(id).collect();
        // The units of DWARF 4 tell their number in the root.
        let is_missing = |part: &&Part| part.skeleton.id.is_some_and(|id| !ids.contains(&id));
        match parts.iter().find(is_missing).filter(|_| !ids.is_empty()) {
            Some(part) => Err(Error::input(format!("{} is of another build", part.image.path().display()))
                .in_unit(part.skeleton.unit)
                .hint("its number is not the one that the linked file asks for: build both together")),
            None => Ok(()),
        }
    }
}

/// The file of a skeleton: where the compiler put it, or at the same place below or in the directory `here`.
fn find(here: &Path, skeleton: &Skeleton) -> Option<PathBuf> {
    let compiled = skeleton.directory.join(&skeleton.name);
    let beside = skeleton.name.file_name().map(|name| here.join(name));
    let candidates = [here.join(&compiled), here.join(&skeleton.name)];
    candidates.into_iter().chain(beside).find(|path| path.is_file())
}

fn skeletons(own: &DebugSections<'_>) -> Result<Vec<Skeleton>> {
    let program = own.program()?;
    let mut layouts = Layouts::default();
    let mut found = Vec::new();
    for header in program.units().iter().filter(|unit| may_be_skeleton(unit)) {
        layouts.compile(program.sections(header).abbrev, header).map_err(|e| e.in_unit(header.offset))?;
        let unit = Unit::new(&program, *header, &layouts)?;
        found.extend(skeleton(&unit, &layouts)?);
    }
    Ok(found)
}

/// Bytes of a skeleton of GNU's split DWARF, which only its root tells; it holds a few attributes, two of them
/// paths.
const MAX_SKELETON: u32 = 16 << 10;

fn may_be_skeleton(header: &UnitHeader) -> bool {
    match header.kind {
        UnitKind::Skeleton(_) => true,
        UnitKind::Normal => header.version < 5 && header.length <= MAX_SKELETON,
        _ => false,
    }
}

fn skeleton(unit: &Unit<'_>, layouts: &Layouts) -> Result<Option<Skeleton>> {
    let mut id = match unit.header.kind {
        UnitKind::Skeleton(id) => Some(id),
        _ => None,
    };
    let (mut name, mut directory) = (None, None);
    with_die(unit, layouts, unit.header.header_length, |die| {
        die.each_attribute(|at, value| match (at, value) {
            (dw::DW_AT_dwo_name | dw::DW_AT_GNU_dwo_name, value) => name = path(unit, value),
            (dw::DW_AT_comp_dir, value) => directory = path(unit, value),
            (dw::DW_AT_GNU_dwo_id, Value::Constant(number)) => id = Some(number),
            _ => {}
        })
    })?;
    let directory = directory.unwrap_or_default();
    let (offset, addr_base) = (unit.header.offset, unit.addr_base);
    Ok(name.map(|name| Skeleton { unit: offset, id, name, directory, addr_base }))
}

fn path(unit: &Unit<'_>, value: Value) -> Option<PathBuf> {
    let name = unit.name_of(value)?;
    Some(PathBuf::from(OsStr::from_bytes(&name.find(unit.program.files())?)))
}

impl Part {
    /// Adds the file to those of a program whose addresses are in `addr`.
    fn add_to<'s>(&self, files: &mut Vec<Sections<'s>>, contents: &'s DebugSections<'_>, addr: &'s [u8]) {
        let number = files.len() as u32;
        let addr_base = Some(self.skeleton.addr_base);
        let file = Sections { addr, addr_base, ..contents.sections() };
        files.push(file);
        files.extend(contents.types(&file, number));
    }
}

impl Package {
    /// Adds the units of all skeletons, and all types, to the files of a program.
    ///
    /// # Errors
    /// An index is damaged, or lacks a unit.
    fn add_to<'s>(
        &self,
        files: &mut Vec<Sections<'s>>,
        contents: &'s DebugSections<'_>,
        addr: &'s [u8],
    ) -> Result<()> {
        let whole = contents.sections();
        let names = files.len() as u32;
        let damaged = |e: gimli::Error| {
            Error::input(format!("{}: the index is damaged: {e}", self.image.path().display()))
        };
        let units = self.image.content_of(b".debug_cu_index")?;
        let types = self.image.content_of(b".debug_tu_index")?;
        let cut = Cut { whole, types: &contents.types, names };
        // The strings are those of all; the first file stands for them.
        files.push(Sections { info: &[], addr, addr_base: Some(0), ..whole });
        let index = DebugCuIndex::new(units, whole.endian).index().map_err(damaged)?;
        for skeleton in &self.skeletons {
            let row = skeleton.id.and_then(|id| index.find(id)).ok_or_else(|| {
                let message = format!("{} lacks {}", self.image.path().display(), skeleton.name.display());
                Error::input(message).in_unit(skeleton.unit).hint("make the package anew from all .dwo files")
            })?;
            files.push(Sections {
                addr,
                addr_base: Some(skeleton.addr_base),
                ..cut.row(&index, row).map_err(damaged)?
            });
        }
        let index = DebugTuIndex::new(types, whole.endian).index().map_err(damaged)?;
        for row in 1..=index.unit_count() {
            files.push(Sections { addr, addr_base: Some(0), ..cut.row(&index, row).map_err(damaged)? });
        }
        Ok(())
    }
}

/// The sections of a package, to be cut along its index.
struct Cut<'s> {
    whole: Sections<'s>,
    types: &'s [u8],
    /// The number of the file that stands for the strings.
    names: u32,
}

impl<'s> Cut<'s> {
    /// The parts of the sections that one row of the index means.
    fn row<'i>(
        &self,
        index: &UnitIndex<gimli::EndianSlice<'i, RunTimeEndian>>,
        row: u32,
    ) -> gimli::Result<Sections<'s>> {
        let mut file = Sections { names_of: Some(self.names), ..self.whole };
        for section in index.sections(row)? {
            let part = |bytes: &'s [u8]| {
                let start = section.offset as usize;
                bytes.get(start..start.saturating_add(section.size as usize)).unwrap_or_default()
            };
            match section.section {
                IndexSectionId::DebugInfo => file.info = part(self.whole.info),
                IndexSectionId::DebugTypes => (file.info, file.is_types) = (part(self.types), true),
                IndexSectionId::DebugAbbrev => file.abbrev = part(self.whole.abbrev),
                IndexSectionId::DebugStrOffsets => file.str_offsets = part(self.whole.str_offsets),
                IndexSectionId::DebugLoc => file.loc = part(self.whole.loc),
                IndexSectionId::DebugLocLists => file.loclists = part(self.whole.loclists),
                IndexSectionId::DebugRngLists => file.rnglists = part(self.whole.rnglists),
                _ => {}
            }
        }
        Ok(file)
    }
}
