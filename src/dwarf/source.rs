//! Where in the source something was written: for people, a DIE at a time.
//!
//! This is far from the hot loop, so that gimli reads it, and what is damaged or missing is merely not told.

use std::cell::RefCell;
use std::rc::Rc;

use gimli::constants as dw;
use gimli::{
    Abbreviations, AttributeValue, DebugAbbrev, DebugInfo, DebugInfoOffset, DebugLine, DebugLineStr,
    DebugStr, DebugStrOffsets, DebugStrOffsetsBase, DebuggingInformationEntry, EndianSlice,
    IncompleteLineProgram, RunTimeEndian, UnitOffset,
};

use super::program::{Place, Program, Sections};
use super::unit::UnitHeader;

type Slice<'a> = EndianSlice<'a, RunTimeEndian>;
type Entry<'a> = DebuggingInformationEntry<Slice<'a>>;

/// How many DIEs may say about each other that they are the same thing.
const MAX_ORIGINS: usize = 4;

/// Where a DIE lies, and what was written there.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The name of the unit; empty if it has none.
    pub unit: String,
    /// Offset of the unit in its section, in bytes.
    pub unit_offset: u64,
    /// Offset of the DIE in the same section, in bytes.
    pub die_offset: u64,
    /// The file that it was written in.
    pub file: Option<String>,
    /// The line there, from 1.
    pub line: Option<u64>,
}

type LineProgram<'p> = Rc<IncompleteLineProgram<Slice<'p>>>;

/// Tells where DIEs come from. What several units share is read once for those in a row.
pub struct Sources<'p> {
    program: &'p Program<'p>,
    lines: Option<&'p [u8]>,
    abbreviations: RefCell<Option<(u32, u64, Rc<Abbreviations>)>>,
    /// With the file and the offset that it was read at.
    line_program: RefCell<Option<(u32, usize, LineProgram<'p>)>>,
}

impl<'p> Sources<'p> {
    /// Those of `program`. `lines` is the section `.debug_line` of its first file; without it no file can be told.
    pub fn new(program: &'p Program<'p>, lines: Option<&'p [u8]>) -> Self {
        Sources { program, lines, abbreviations: RefCell::new(None), line_program: RefCell::new(None) }
    }

    /// Says where the DIE at `place` comes from.
    pub fn of(&self, place: Place) -> Source {
        let Some(header) = self.program.units().get(place.unit as usize) else { return Source::default() };
        let die_offset = header.offset + u64::from(place.offset);
        let mut source = Source { unit_offset: header.offset, die_offset, ..Source::default() };
        let sections = self.program.sections(header);
        if !sections.is_types {
            // What cannot be told is left out.
            let _ = self.tell(sections, header, place.offset, &mut source);
        }
        source
    }

    fn tell(
        &self,
        sections: &Sections<'p>,
        unit: &UnitHeader,
        offset: u32,
        source: &mut Source,
    ) -> Option<()> {
        let slice = |bytes| EndianSlice::new(bytes, sections.endian);
        let info = DebugInfo::from(slice(sections.info));
        let header = info.header_from_offset(DebugInfoOffset(usize::try_from(unit.offset).ok()?)).ok()?;
        let known = self.abbreviations.take().filter(|k| (k.0, k.1) == (unit.file, unit.abbrev_offset));
        let abbreviations = match known {
            Some((.., known)) => known,
            None => Rc::new(header.abbreviations(&DebugAbbrev::from(slice(sections.abbrev))).ok()?),
        };
        self.abbreviations.replace(Some((unit.file, unit.abbrev_offset, abbreviations.clone())));
        let mut cursor = header.entries(&abbreviations);
        let root = cursor.next_dfs().ok()??.clone();
        let strings = Strings { sections, format: header.format(), base: strings_base(&root, &header) };
        let name = root.attr_value(dw::DW_AT_name);
        source.unit = name.and_then(|name| strings.text(name)).unwrap_or_default();

        let entry = |offset| header.entry(&abbreviations, UnitOffset(offset)).ok();
        let (file, line) = written_at(entry(offset as usize)?, entry)?;
        source.line = line;
        let AttributeValue::DebugLineRef(at) = root.attr_value(dw::DW_AT_stmt_list)? else { return None };
        let lines = self.lines.filter(|_| unit.file == 0)?;
        let known = self.line_program.take().filter(|k| (k.0, k.1) == (unit.file, at.0));
        let program = match known {
            Some((.., known)) => known,
            None => {
                let program = DebugLine::from(slice(lines)).program(at, header.address_size(), None, None);
                Rc::new(program.ok()?)
            }
        };
        self.line_program.replace(Some((unit.file, at.0, program.clone())));
        let header = program.header();
        let Some(file) = header.file(file) else {
            // Number 0 of DWARF up to 4 is the unit's own source.
            source.file = Some(source.unit.clone()).filter(|name| file == 0 && !name.is_empty());
            return None;
        };
        let path = strings.text(file.path_name())?;
        // Directory 0 is where the compiler ran, and says nothing about the source.
        let directory = if file.directory_index() == 0 { None } else { file.directory(header) };
        source.file = Some(match directory.and_then(|directory| strings.text(directory)) {
            Some(directory) if !path.starts_with('/') => format!("{directory}/{path}"),
            _ => path,
        });
        Some(())
    }
}

/// The file, by its number, and the line that a DIE, or the one that it completes, says it was written at.
fn written_at<'a>(
    mut die: Entry<'a>,
    find: impl Fn(usize) -> Option<Entry<'a>>,
) -> Option<(u64, Option<u64>)> {
    for _ in 0..MAX_ORIGINS {
        let number = |name| die.attr_value(name).and_then(|value| number(&value));
        if let Some(file) = number(dw::DW_AT_decl_file) {
            return Some((file, number(dw::DW_AT_decl_line)));
        }
        let origin = die.attr_value(dw::DW_AT_abstract_origin);
        match origin.or_else(|| die.attr_value(dw::DW_AT_specification))? {
            AttributeValue::UnitRef(offset) => die = find(offset.0)?,
            _ => return None,
        }
    }
    None
}

fn number(value: &AttributeValue<Slice<'_>>) -> Option<u64> {
    match value {
        AttributeValue::FileIndex(number) => Some(*number),
        value => value.udata_value(),
    }
}

fn strings_base(root: &Entry<'_>, header: &gimli::UnitHeader<Slice<'_>>) -> DebugStrOffsetsBase {
    match root.attr_value(dw::DW_AT_str_offsets_base) {
        Some(AttributeValue::DebugStrOffsetsBase(base)) => base,
        _ if header.version() < 5 => DebugStrOffsetsBase(0),
        _ if header.format() == gimli::Format::Dwarf64 => DebugStrOffsetsBase(16),
        _ => DebugStrOffsetsBase(8),
    }
}

/// The strings of a file.
struct Strings<'s, 'a> {
    sections: &'s Sections<'a>,
    format: gimli::Format,
    base: DebugStrOffsetsBase,
}

impl<'a> Strings<'_, 'a> {
    fn text(&self, value: AttributeValue<Slice<'_>>) -> Option<String> {
        let bytes = match value {
            AttributeValue::String(text) => text.slice(),
            value => self.bytes(value)?,
        };
        Some(String::from_utf8_lossy(bytes).into_owned())
    }

    /// The bytes of a string that lies in a section of strings.
    fn bytes(&self, value: AttributeValue<Slice<'_>>) -> Option<&'a [u8]> {
        let slice = |bytes| EndianSlice::new(bytes, self.sections.endian);
        let strings = DebugStr::from(slice(self.sections.str));
        let string = match value {
            AttributeValue::DebugStrRef(offset) => strings.get_str(offset).ok()?,
            AttributeValue::DebugLineStrRef(offset) => {
                DebugLineStr::from(slice(self.sections.line_str)).get_str(offset).ok()?
            }
            AttributeValue::DebugStrOffsetsIndex(index) => {
                let offsets = DebugStrOffsets::from(slice(self.sections.str_offsets));
                strings.get_str(offsets.get_str_offset(self.format, self.base, index).ok()?).ok()?
            }
            _ => return None,
        };
        Some(string.slice())
    }
}
