//! The hot reader of DWARF held against gimli.
//!
//! gimli reads each entry by its general reader, the crate under test by its compiled layouts, and every
//! value that the encoder may ask for must be the same. The rules by which a wanted attribute is a number, a
//! name or a reference are written down here once more, from the DWARF standard.

use std::collections::BTreeMap;
use std::path::Path;
use std::slice;

use btfgen::dwarf::{
    Die, Has, Layouts, NameForm, Program, Sections, Slot, Target, Unit, UnitHeader, Value, ValueForm,
    Visitor, walk,
};
use btfgen::{DebugSections, Image, Result};
use gimli::constants as dw;
use gimli::{
    Abbreviations, AttributeValue, DebugAbbrev, DebugInfo, DebugInfoOffset, DebuggingInformationEntry,
    EndianSlice, RunTimeEndian,
};

type Slice<'a> = EndianSlice<'a, RunTimeEndian>;
type Entry<'a> = DebuggingInformationEntry<Slice<'a>>;
type Attribute<'a> = AttributeValue<Slice<'a>>;

/// What was compared.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    pub units: u64,
    pub dies: u64,
    pub attributes: u64,
    pub str_names: u64,
    pub inline_names: u64,
    pub indexed_names: u64,
    pub types: u64,
    pub sizes: u64,
    pub values: u64,
    pub bits: u64,
    pub bit_offsets: u64,
    pub blocks: u64,
}

impl Seen {
    pub fn add(&mut self, other: &Seen) {
        self.units += other.units;
        self.dies += other.dies;
        self.attributes += other.attributes;
        self.str_names += other.str_names;
        self.inline_names += other.inline_names;
        self.indexed_names += other.indexed_names;
        self.types += other.types;
        self.sizes += other.sizes;
        self.values += other.values;
        self.bits += other.bits;
        self.bit_offsets += other.bit_offsets;
        self.blocks += other.blocks;
    }

    pub fn by_slot(&self) -> BTreeMap<&'static str, u64> {
        [
            ("types", self.types),
            ("sizes", self.sizes),
            ("values", self.values),
            ("bits", self.bits),
            ("bit offsets", self.bit_offsets),
            ("names by index", self.indexed_names),
        ]
        .into()
    }
}

/// Compares every DIE of a file; panics at the first difference.
pub fn compare(path: &Path) -> Seen {
    let image = Image::open(path).unwrap();
    if image.debug_section(b".debug_info").unwrap().is_empty() {
        return Seen::default();
    }
    let sections = DebugSections::read(&image).unwrap();
    compare_units(path, &sections.program().unwrap(), |_| true)
}

/// Compares the DIEs of the units whose number `wanted` likes.
pub fn compare_units(path: &Path, program: &Program<'_>, wanted: impl Fn(usize) -> bool) -> Seen {
    let mut seen = Seen::default();
    let mut layouts = Layouts::default();
    let sections = &program.files()[0];
    let info = DebugInfo::new(sections.info, sections.endian);
    let abbrev = DebugAbbrev::new(sections.abbrev, sections.endian);
    let mut theirs = info.units();
    for (number, &header) in program.units().iter().enumerate().filter(|(_, unit)| unit.file == 0) {
        let their = theirs.next().unwrap().expect("gimli sees fewer units");
        assert_eq!(
            their.offset().to_debug_info_offset(&their),
            Some(DebugInfoOffset(header.offset as usize))
        );
        assert_eq!(their.length_including_self(), header.length as usize);
        if !wanted(number) {
            continue;
        }
        let place = format!("{}: unit {:#x}", path.display(), header.offset);
        layouts.compile(sections.abbrev, &header).unwrap_or_else(|e| panic!("{place}: {e}"));
        let unit = Unit::new(program, header, &layouts).unwrap_or_else(|e| panic!("{place}: {e}"));
        let abbreviations = their.abbreviations(&abbrev).unwrap();
        let mut check = Check {
            place,
            sections,
            header,
            entries: entries(&their, &abbreviations),
            next: 0,
            open: Vec::new(),
            seen: &mut seen,
        };
        check.unit(&unit);
        walk(&unit, &layouts, &mut check).unwrap_or_else(|e| panic!("{}: {e}", check.place));
        check.finish();
        seen.units += 1;
    }
    assert!(theirs.next().unwrap().is_none(), "gimli sees more units");
    seen
}

/// An entry as gimli sees it, and how deep it lies.
struct Their<'a> {
    entry: Entry<'a>,
    depth: isize,
}

fn entries<'a>(unit: &gimli::UnitHeader<Slice<'a>>, abbreviations: &Abbreviations) -> Vec<Their<'a>> {
    let mut raw = unit.entries_raw(abbreviations, None).unwrap();
    let mut entries: Vec<Their<'a>> = Vec::new();
    while !raw.is_empty() {
        let mut entry = Entry::null();
        let depth = raw.next_depth();
        if raw.read_entry(&mut entry).unwrap() {
            entries.push(Their { entry, depth });
        }
    }
    entries
}

struct Check<'c, 'a> {
    place: String,
    sections: &'c Sections<'a>,
    header: UnitHeader,
    entries: Vec<Their<'a>>,
    next: usize,
    /// For each open DIE, how deep its children lie.
    open: Vec<isize>,
    seen: &'c mut Seen,
}

impl<'a> Check<'_, 'a> {
    fn unit(&self, unit: &Unit<'_>) {
        let Some(root) = self.entries.first() else { return };
        let language = root.entry.attr_value_raw(dw::DW_AT_language).and_then(number);
        assert_eq!(u64::from(unit.language), language.unwrap_or(0), "{}: language", self.place);
        assert_eq!(unit.root_tag, root.entry.tag(), "{}: root tag", self.place);
        let producer = self.string(&root.entry, dw::DW_AT_producer).unwrap_or_default();
        let clang = producer.windows(5).any(|w| w == b"clang");
        assert_eq!(unit.is_clang, clang, "{}: producer", self.place);
    }

    fn finish(&self) {
        if let Some(their) = self.entries.get(self.next) {
            panic!("{}: DIE at {:#x} was not visited", self.place, their.entry.offset().0);
        }
        assert!(self.open.is_empty(), "{}: DIEs left open", self.place);
    }

    /// The walk leaves out call sites and inlined subroutines with what is below them.
    fn skip_hopped_over(&mut self, offset: usize) {
        while let Some(their) = self.entries.get(self.next) {
            if their.entry.offset().0 >= offset {
                return;
            }
            let index = self.next;
            let below = |i: usize| {
                let mut depth = self.entries[index].depth;
                for their in self.entries[..=i].iter().rev() {
                    if their.depth < depth {
                        depth = their.depth;
                        if is_hopped_over(&their.entry) {
                            return true;
                        }
                    }
                }
                false
            };
            assert!(
                is_hopped_over(&their.entry) || below(index),
                "{}: DIE at {:#x} was not visited",
                self.place,
                their.entry.offset().0
            );
            self.next += 1;
        }
    }

    fn string(&self, entry: &Entry<'a>, at: dw::DwAt) -> Option<Vec<u8>> {
        let c_string = |section: &[u8], offset: usize| {
            let rest = section.get(offset..)?;
            Some(rest[..rest.iter().position(|&b| b == 0)?].to_vec())
        };
        match entry.attr_value_raw(at)? {
            AttributeValue::String(s) => Some(s.slice().to_vec()),
            AttributeValue::DebugStrRef(offset) => c_string(self.sections.str, offset.0),
            AttributeValue::DebugLineStrRef(offset) => c_string(self.sections.line_str, offset.0),
            AttributeValue::DebugStrOffsetsIndex(index) => {
                let base = match self.entries[0].entry.attr_value_raw(dw::DW_AT_str_offsets_base) {
                    Some(AttributeValue::SecOffset(base)) => base,
                    Some(AttributeValue::DebugStrOffsetsBase(base)) => base.0,
                    _ => 2 * usize::from(self.header.offset_size),
                };
                let size = usize::from(self.header.offset_size);
                let at = base + index.0 * size;
                let word = self.sections.str_offsets.get(at..at + size)?;
                c_string(self.sections.str, uint(word, self.sections.endian) as usize)
            }
            _ => None,
        }
    }
}

fn is_hopped_over(entry: &Entry<'_>) -> bool {
    matches!(entry.tag(), dw::DW_TAG_inlined_subroutine | dw::DW_TAG_call_site | dw::DW_TAG_GNU_call_site)
}

fn uint(bytes: &[u8], endian: RunTimeEndian) -> u64 {
    let fold = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
    match endian {
        RunTimeEndian::Big => bytes.iter().fold(0, fold),
        RunTimeEndian::Little => bytes.iter().rev().fold(0, fold),
    }
}

/// The value of a form of the class constant, in two's complement.
/// The value of an attribute of a class of numbers.
pub fn number(value: Attribute<'_>) -> Option<u64> {
    match value {
        AttributeValue::Data1(v) => Some(v.into()),
        AttributeValue::Data2(v) => Some(v.into()),
        AttributeValue::Data4(v) => Some(v.into()),
        AttributeValue::Data8(v) | AttributeValue::Udata(v) => Some(v),
        AttributeValue::Sdata(v) => Some(v as u64),
        _ => None,
    }
}

impl Visitor for Check<'_, '_> {
    fn enter(&mut self, die: &Die<'_, '_>) -> Result<()> {
        let offset = die.offset as usize;
        self.skip_hopped_over(offset);
        let Some(their) = self.entries.get(self.next) else {
            panic!("{}: DIE at {offset:#x} is not there", self.place)
        };
        self.next += 1;
        self.seen.dies += 1;
        let entry = their.entry.clone();
        let place = format!("{}: DIE {:#x} ({})", self.place, die.info_offset(), entry.tag());
        assert_eq!(entry.offset().0, offset, "{place}: offset");
        assert_eq!(die.info_offset(), self.header.offset + offset as u64, "{place}: offset in the section");
        assert_eq!(die.layout.tag, entry.tag(), "{place}: tag");
        assert_eq!(die.layout.has_children, entry.has_children(), "{place}: children");
        assert_eq!(self.open.len() as isize, their.depth, "{place}: depth");
        if entry.has_children() {
            self.open.push(their.depth + 1);
        }
        self.name(die, &entry, &place);
        self.reference(die, &entry, &place);
        self.numbers(die, &entry, &place);
        presence(die, &entry, &place);
        self.attributes(die, &entry, &place);
        Ok(())
    }

    fn leave(&mut self) -> Result<()> {
        assert!(self.open.pop().is_some(), "{}: more ends than beginnings", self.place);
        Ok(())
    }
}

impl<'a> Check<'_, 'a> {
    fn name(&mut self, die: &Die<'_, '_>, entry: &Entry<'a>, place: &str) {
        // A string outside its section is no name for either.
        let theirs = self.string(entry, dw::DW_AT_name);
        let ours = die.name().ok().and_then(|name| {
            (die.layout.name_form != NameForm::None).then_some(())?;
            name.find(slice::from_ref(self.sections)).map(|bytes| bytes.to_vec())
        });
        assert_eq!(
            ours.as_deref().map(String::from_utf8_lossy),
            theirs.as_deref().map(String::from_utf8_lossy),
            "{place}: name"
        );
        assert_eq!(ours, theirs, "{place}: bytes of the name");
        match die.layout.name_form {
            NameForm::Str => self.seen.str_names += 1,
            NameForm::Inline => self.seen.inline_names += 1,
            NameForm::Index => self.seen.indexed_names += 1,
            _ => {}
        }
    }

    fn reference(&mut self, die: &Die<'_, '_>, entry: &Entry<'a>, place: &str) {
        let (start, length) = (self.header.offset as usize, self.header.length as usize);
        let theirs = match entry.attr_value_raw(dw::DW_AT_type) {
            None => Some(0),
            Some(AttributeValue::UnitRef(target)) => Some(target.0).filter(|&t| t < length),
            Some(AttributeValue::DebugInfoRef(target)) => {
                target.0.checked_sub(start).filter(|&local| local < length)
            }
            // A signature, or a DIE of another file.
            Some(_) => None,
        };
        let ours = die.type_target().ok().and_then(|target| match target {
            Target::Unit(offset) => Some(offset as usize),
            _ => None,
        });
        assert_eq!(ours, theirs, "{place}: type");
        self.seen.types += u64::from(theirs.is_some_and(|t| t > 0));
    }

    fn numbers(&mut self, die: &Die<'_, '_>, entry: &Entry<'a>, place: &str) {
        let tag = entry.tag();
        let get = |at: dw::DwAt| entry.attr_value_raw(at).and_then(number);
        let size = get(dw::DW_AT_byte_size);
        assert_eq!(die.slot(Slot::Size), size.unwrap_or(0), "{place}: byte_size");
        self.seen.sizes += u64::from(size.is_some());

        let bit_offset = get(dw::DW_AT_data_bit_offset);
        assert_eq!(die.slot(Slot::BitOffset), bit_offset.unwrap_or(0), "{place}: data_bit_offset");
        self.seen.bit_offsets += u64::from(bit_offset.is_some());

        let bits = match tag {
            dw::DW_TAG_subrange_type => get(dw::DW_AT_count).or_else(|| get(dw::DW_AT_bit_size)),
            _ => get(dw::DW_AT_bit_size),
        };
        assert_eq!(die.slot(Slot::Bits), bits.unwrap_or(0), "{place}: bit_size or count");
        self.seen.bits += u64::from(bits.is_some());

        let wanted = match tag {
            dw::DW_TAG_member | dw::DW_TAG_inheritance => dw::DW_AT_data_member_location,
            dw::DW_TAG_enumerator => dw::DW_AT_const_value,
            dw::DW_TAG_subrange_type => dw::DW_AT_upper_bound,
            dw::DW_TAG_base_type => dw::DW_AT_encoding,
            _ => return,
        };
        let value = entry.attr_value_raw(wanted);
        let is_number = value.and_then(number).is_some();
        assert_eq!(die.layout.value_form == ValueForm::Constant, is_number, "{place}: {wanted} is a number");
        if let Some(theirs) = value.and_then(number) {
            assert_eq!(die.slot(Slot::Value), theirs, "{place}: {wanted}");
            self.seen.values += 1;
        }
        if tag == dw::DW_TAG_member {
            let theirs = match value {
                None => Some(0),
                Some(AttributeValue::Block(bytes))
                | Some(AttributeValue::Exprloc(gimli::Expression(bytes))) => {
                    self.seen.blocks += 1;
                    let mut rest = bytes;
                    let op = gimli::Reader::read_u8(&mut rest).ok().map(dw::DwOp);
                    matches!(op, Some(dw::DW_OP_plus_uconst | dw::DW_OP_constu))
                        .then(|| gimli::Reader::read_uleb128(&mut rest).ok())
                        .flatten()
                }
                value => value.and_then(number),
            };
            assert_eq!(die.member_location(), theirs, "{place}: member location");
        }
    }

    /// All attributes in their order, one by one.
    fn attributes(&mut self, die: &Die<'_, '_>, entry: &Entry<'a>, place: &str) {
        let mut theirs = entry.attrs().iter();
        let end = die.each_attribute(|at, value| {
            let attribute = theirs.next().unwrap_or_else(|| panic!("{place}: {at} is not there"));
            assert_eq!(attribute.name(), at, "{place}: order of attributes");
            assert!(
                agrees(value, &attribute.raw_value(), &self.header, self.sections),
                "{place}: {at} ({}) is {value:?}, not {:?}",
                attribute.form(),
                attribute.raw_value()
            );
            self.seen.attributes += 1;
        });
        end.unwrap_or_else(|e| panic!("{place}: {e}"));
        assert!(theirs.next().is_none(), "{place}: attributes are missing");
        for attribute in entry.attrs() {
            assert!(die.attribute(attribute.name()).unwrap().is_some(), "{place}: {}", attribute.name());
        }
    }
}

/// Whether both say the same of one attribute.
fn agrees(ours: Value, theirs: &Attribute<'_>, header: &UnitHeader, sections: &Sections<'_>) -> bool {
    use AttributeValue as A;
    let name = |bytes: Option<&[u8]>| match ours {
        Value::Name(id) => id.find(slice::from_ref(sections)).as_deref() == bytes,
        _ => false,
    };
    let c_string = |section: &'_ [u8], offset: usize| -> Option<Vec<u8>> {
        let rest = section.get(offset..)?;
        Some(rest[..rest.iter().position(|&b| b == 0)?].to_vec())
    };
    match theirs {
        A::Data1(_) | A::Data2(_) | A::Data4(_) | A::Data8(_) | A::Sdata(_) | A::Udata(_) => {
            ours == Value::Constant(number(*theirs).unwrap())
        }
        A::Flag(flag) => ours == Value::Flag(*flag),
        A::Addr(address) => ours == Value::Address(*address),
        A::DebugAddrIndex(index) => ours == Value::AddressIndex(index.0 as u64),
        A::String(s) => name(Some(s.slice())),
        // The string lies in a file that is not at hand.
        A::DebugStrRefSup(_) => ours == Value::Other,
        A::DebugStrRef(offset) => name(c_string(sections.str, offset.0).as_deref()),
        A::DebugLineStrRef(offset) => name(c_string(sections.line_str, offset.0).as_deref()),
        A::DebugStrOffsetsIndex(index) => ours == Value::NameIndex(index.0 as u64),
        A::UnitRef(target) => ours == Value::UnitRef(target.0 as u64),
        A::DebugInfoRef(target) => ours == Value::InfoRef(target.0 as u64),
        A::DebugTypesRef(signature) => ours == Value::Signature(signature.0),
        A::DebugInfoRefSup(target) => ours == Value::Supplementary(target.0 as u64),
        A::DebugLocListsIndex(index) => ours == Value::ListIndex(index.0 as u64),
        A::DebugRngListsIndex(index) => ours == Value::RangeIndex(index.0 as u64),
        // What an offset leads to is decided by the attribute, which the hot reader leaves to its caller.
        A::SecOffset(offset) => match ours {
            Value::Offset(o) => o == *offset as u64,
            // In DWARF 2 and 3 it has the form of a constant.
            Value::Constant(o) => o == *offset as u64 && header.version < 4,
            _ => false,
        },
        A::Block(bytes) | A::Exprloc(gimli::Expression(bytes)) => match ours {
            Value::Block(offset, length) => {
                let start = header.offset as usize + offset as usize;
                sections.info.get(start..start + length as usize) == Some(bytes.slice())
            }
            _ => false,
        },
        _ => ours == Value::Other || matches!(ours, Value::ListIndex(_)),
    }
}

/// The bits that tell which attributes there are.
fn presence(die: &Die<'_, '_>, entry: &Entry<'_>, place: &str) {
    let always = [
        (Has::DECLARATION, dw::DW_AT_declaration),
        (Has::LOCATION, dw::DW_AT_location),
        (Has::CONST_VALUE, dw::DW_AT_const_value),
        (Has::BIT_OFFSET, dw::DW_AT_bit_offset),
        (Has::ABSTRACT_ORIGIN, dw::DW_AT_abstract_origin),
        (Has::SPECIFICATION, dw::DW_AT_specification),
        (Has::LOW_PC, dw::DW_AT_low_pc),
        (Has::RANGES, dw::DW_AT_ranges),
        (Has::ARTIFICIAL, dw::DW_AT_artificial),
        (Has::EXTERNAL, dw::DW_AT_external),
        (Has::UPPER_BOUND, dw::DW_AT_upper_bound),
        (Has::TYPE, dw::DW_AT_type),
        (Has::INLINE, dw::DW_AT_inline),
        (Has::CALLING_CONVENTION, dw::DW_AT_calling_convention),
        (Has::SIBLING, dw::DW_AT_sibling),
        (Has::DATA_MEMBER_LOCATION, dw::DW_AT_data_member_location),
        (Has::SIGNATURE, dw::DW_AT_signature),
        (Has::NAME, dw::DW_AT_name),
        (Has::GNU_ANNOTATION, dw::DwAt(0x2139)),
    ];
    for (has, at) in always {
        assert_eq!(die.layout.has.any(has), entry.attr(at).is_some(), "{place}: presence of {at}");
    }
    // These count only as numbers.
    let numbers = [
        (Has::BYTE_SIZE, dw::DW_AT_byte_size),
        (Has::BIT_SIZE, dw::DW_AT_bit_size),
        (Has::DATA_BIT_OFFSET, dw::DW_AT_data_bit_offset),
    ];
    for (has, at) in numbers {
        assert_eq!(
            die.layout.has.any(has),
            entry.attr_value_raw(at).and_then(number).is_some(),
            "{place}: presence of {at}"
        );
    }
}
