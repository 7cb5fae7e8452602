//! The types of a program as its DWARF has them, held against those of a BTF all the way down.
//!
//! Both are walked at once from each variable and function that only one thing can be meant by; what they
//! reach must agree in everything that BTF can say. A declaration in the DWARF agrees with a declaration or
//! a definition of its name in the BTF; a definition agrees with its equal only.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use btfgen::btf::{Btf, Kind, TypeId};
use btfgen::{DebugSections, Image};
use gimli::constants as dw;
use gimli::{AttributeValue, DebugAbbrev, DebugInfo, EndianSlice, RunTimeEndian};

use super::dwarf::number;

type Slice<'a> = EndianSlice<'a, RunTimeEndian>;

/// A DIE as far as types ask.
#[derive(Debug, Clone, Default)]
struct Die {
    tag: Option<dw::DwTag>,
    name: String,
    /// Offset in `.debug_info` of its type; 0 is void.
    ty: usize,
    has_type: bool,
    size: Option<u64>,
    count: Option<u64>,
    location: Option<u64>,
    data_bit_offset: Option<u64>,
    bit_size: Option<u64>,
    value: Option<u64>,
    declaration: bool,
    external_parameters: bool,
    specification: Option<usize>,
    origin: Option<usize>,
    has_location: bool,
    has_low_pc: bool,
    parent: Option<usize>,
    children: Vec<usize>,
}

/// The DIEs of a file by their offset in `.debug_info`.
struct Dies(HashMap<usize, Die>);

impl Dies {
    fn read(path: &Path) -> Dies {
        let image = Image::open(path).unwrap();
        let sections = DebugSections::read(&image).unwrap();
        let program = sections.program().unwrap();
        let sections = &program.files()[0];
        let endian = sections.endian;
        let slice = |bytes| EndianSlice::new(bytes, endian);
        let dwarf = gimli::Dwarf {
            debug_info: DebugInfo::new(sections.info, endian),
            debug_abbrev: DebugAbbrev::new(sections.abbrev, endian),
            // Opening a unit reads the header of its lines.
            debug_line: gimli::DebugLine::from(slice(image.content_of(b".debug_line").unwrap())),
            debug_addr: gimli::DebugAddr::from(slice(sections.addr)),
            debug_str: gimli::DebugStr::from(slice(sections.str)),
            debug_line_str: gimli::DebugLineStr::from(slice(sections.line_str)),
            debug_str_offsets: gimli::DebugStrOffsets::from(slice(sections.str_offsets)),
            ..gimli::Dwarf::default()
        };
        let mut dies: HashMap<usize, Die> = HashMap::new();
        let mut headers = dwarf.units();
        while let Some(header) = headers.next().unwrap() {
            let start = header.debug_info_offset().unwrap().0;
            let unit = dwarf.unit(header).unwrap();
            let mut raw = unit.entries_raw(None).unwrap();
            let mut open: Vec<usize> = Vec::new();
            while !raw.is_empty() {
                let mut entry = gimli::DebuggingInformationEntry::null();
                let depth = raw.next_depth();
                if !raw.read_entry(&mut entry).unwrap() {
                    continue;
                }
                open.truncate(depth.max(0) as usize);
                let offset = start + entry.offset().0;
                let mut die = Die { tag: Some(entry.tag()), parent: open.last().copied(), ..Die::default() };
                for attribute in entry.attrs() {
                    let value = attribute.raw_value();
                    let reference = || match attribute.raw_value() {
                        AttributeValue::UnitRef(target) => Some(start + target.0),
                        AttributeValue::DebugInfoRef(target) => Some(target.0),
                        _ => None,
                    };
                    match attribute.name() {
                        dw::DW_AT_name => {
                            let name = dwarf.attr_string(&unit, value).unwrap();
                            die.name = name.to_string_lossy().into_owned();
                        }
                        dw::DW_AT_type => (die.ty, die.has_type) = (reference().unwrap_or(0), true),
                        dw::DW_AT_byte_size => die.size = number(value),
                        dw::DW_AT_upper_bound => die.count = number(value).map(|v| v.wrapping_add(1)),
                        dw::DW_AT_count => die.count = number(value),
                        dw::DW_AT_data_member_location => {
                            // DWARF 2 has an expression here: add a number.
                            die.location = number(value).or_else(|| match value {
                                AttributeValue::Block(mut bytes) => {
                                    gimli::Reader::read_u8(&mut bytes).ok()?;
                                    gimli::Reader::read_uleb128(&mut bytes).ok()
                                }
                                _ => None,
                            });
                        }
                        dw::DW_AT_data_bit_offset => die.data_bit_offset = number(value),
                        dw::DW_AT_bit_size => die.bit_size = number(value),
                        dw::DW_AT_const_value => die.value = number(value),
                        dw::DW_AT_declaration => die.declaration = true,
                        dw::DW_AT_specification => die.specification = reference(),
                        dw::DW_AT_abstract_origin => die.origin = reference(),
                        dw::DW_AT_location => die.has_location = true,
                        dw::DW_AT_low_pc | dw::DW_AT_ranges => die.has_low_pc = true,
                        _ => {}
                    }
                }
                if let Some(parent) = die.parent {
                    dies.get_mut(&parent).unwrap().children.push(offset);
                }
                dies.insert(offset, die);
                if entry.has_children() {
                    open.push(offset);
                }
            }
        }
        Dies(dies)
    }

    fn get(&self, offset: usize) -> &Die {
        self.0.get(&offset).unwrap_or_else(|| panic!("no DIE at {offset:#x}"))
    }

    /// Name and type of a DIE, from what it completes if it has none.
    fn name(&self, die: &Die) -> String {
        let from = die.specification.or(die.origin).filter(|_| die.name.is_empty());
        from.map_or_else(|| die.name.clone(), |from| self.name(self.get(from)))
    }

    fn ty(&self, die: &Die) -> usize {
        match die.specification.or(die.origin) {
            Some(from) if !die.has_type => self.ty(self.get(from)),
            _ => die.ty,
        }
    }

    fn children(&self, die: &Die, tag: dw::DwTag) -> Vec<&Die> {
        die.children.iter().map(|&c| self.get(c)).filter(|c| c.tag == Some(tag)).collect()
    }

    /// References that lead past the end or the beginning of their unit.
    fn between_units(&self) -> usize {
        let root = |mut offset: usize| {
            while let Some(parent) = self.0.get(&offset).and_then(|die| die.parent) {
                offset = parent;
            }
            offset
        };
        let leaves = |&(&offset, die): &(&usize, &Die)| {
            let targets = [die.specification, die.origin, Some(die.ty).filter(|&ty| ty != 0)];
            targets.into_iter().flatten().any(|target| root(target) != root(offset))
        };
        self.0.iter().filter(leaves).count()
    }

    /// Past what BTF has no word for.
    fn skip(&self, mut offset: usize) -> usize {
        for _ in 0..100 {
            match self.0.get(&offset).and_then(|d| d.tag) {
                Some(dw::DW_TAG_atomic_type) => offset = self.get(offset).ty,
                Some(dw::DW_TAG_unspecified_type) => return 0,
                _ => break,
            }
        }
        offset
    }
}

/// How many roots and pairs of types were compared.
#[derive(Debug, Default, Clone, Copy)]
pub struct Compared {
    pub roots: usize,
    pub pairs: usize,
    /// References from one unit into another.
    pub between_units: usize,
}

/// Compares what the variables and functions of `path` lead to with what those of the BTF lead to.
///
/// # Panics
/// They differ; the message has the path from the root.
pub fn compare(path: &Path, bytes: &[u8]) -> Compared {
    let dies = Dies::read(path);
    let btf = Btf::parse(bytes).unwrap();
    let mut check = Check { dies: &dies, btf: &btf, seen: HashSet::new(), todo: Vec::new() };
    let mut compared = Compared { between_units: dies.between_units(), ..Compared::default() };
    for (kind, tag) in [(Kind::Var, dw::DW_TAG_variable), (Kind::Func, dw::DW_TAG_subprogram)] {
        let mut ours: HashMap<String, Vec<TypeId>> = HashMap::new();
        for ty in btf.types().filter(|t| t.kind() == kind) {
            ours.entry(String::from_utf8_lossy(ty.name()).into_owned()).or_default().push(ty.id());
        }
        let mut theirs: HashMap<String, Vec<usize>> = HashMap::new();
        for (&offset, die) in &dies.0 {
            let is_there = if kind == Kind::Var { die.has_location } else { die.has_low_pc };
            let top = die.parent.is_some_and(|p| dies.get(p).tag == Some(dw::DW_TAG_compile_unit));
            if die.tag == Some(tag) && !die.declaration && is_there && top {
                theirs.entry(dies.name(die)).or_default().push(offset);
            }
        }
        for (name, ids) in ours {
            // Only where one thing can be meant.
            let (&[id], Some(&[offset])) = (&ids[..], theirs.get(&name).map(Vec::as_slice)) else { continue };
            let target = btf.ty(id).unwrap().target().unwrap();
            match kind {
                Kind::Var => check.todo.push((dies.ty(dies.get(offset)), target, name)),
                _ => check.function(offset, target, &name),
            }
            compared.roots += 1;
        }
    }
    while let Some((die, id, trail)) = check.todo.pop() {
        check.pair(die, id, &trail);
    }
    compared.pairs = check.seen.len();
    compared
}

struct Check<'c> {
    dies: &'c Dies,
    btf: &'c Btf<'c>,
    seen: HashSet<(usize, TypeId)>,
    /// Pairs to be compared, with the way that led to them.
    todo: Vec<(usize, TypeId, String)>,
}

impl Check<'_> {
    fn name(&self, off: btfgen::btf::StrOff) -> String {
        String::from_utf8_lossy(self.btf.name(off)).into_owned()
    }

    fn function(&mut self, offset: usize, proto: TypeId, trail: &str) {
        let die = self.dies.get(offset);
        let proto = self.btf.ty(proto).unwrap();
        assert_eq!(proto.kind(), Kind::FuncProto, "{trail}");
        let named = self.dies.children(die, dw::DW_TAG_formal_parameter);
        let params: Vec<_> = proto.params().filter(|p| p.name.0 != 0 || p.ty != TypeId::VOID).collect();
        assert_eq!(named.len(), params.len(), "{trail}: number of parameters");
        for (theirs, ours) in named.into_iter().zip(params) {
            let name = self.dies.name(theirs);
            assert_eq!(name, self.name(ours.name), "{trail}: name of a parameter");
            self.todo.push((self.dies.ty(theirs), ours.ty, format!("{trail}({name})")));
        }
        self.todo.push((self.dies.ty(die), proto.target().unwrap(), format!("{trail}()")));
    }

    fn pair(&mut self, offset: usize, mut id: TypeId, trail: &str) {
        let offset = self.dies.skip(offset);
        // Type tags stand between a pointer and its target; tests of their own look at them.
        while let Some(ty) = self.btf.ty(id).filter(|t| t.kind() == Kind::TypeTag) {
            id = ty.target().unwrap();
        }
        if !self.seen.insert((offset, id)) {
            return;
        }
        if offset == 0 || id == TypeId::VOID {
            assert!(offset == 0 && id == TypeId::VOID, "{trail}: DIE {offset:#x}, but type {id}");
            return;
        }
        let dies = self.dies;
        let die = dies.get(offset);
        let ty = self.btf.ty(id).unwrap();
        let kind = ty.kind();
        let place = format!("{trail}: DIE {offset:#x} and [{id}] {kind} '{}'", self.name(ty.name_off()));
        let target = ty.target();
        let same_name = || assert_eq!(die.name, self.name(ty.name_off()), "{place}");
        match die.tag.unwrap() {
            dw::DW_TAG_base_type => {
                // Those that are arrays in the BTF have tests of their own.
                if kind != Kind::Array {
                    assert!(matches!(kind, Kind::Int | Kind::Float), "{place}");
                    same_name();
                    assert_eq!(ty.size_bytes().map(u64::from), die.size, "{place}: size");
                }
            }
            dw::DW_TAG_typedef => {
                assert_eq!(kind, Kind::Typedef, "{place}");
                same_name();
                self.todo.push((die.ty, target.unwrap(), format!("{trail} = {}", die.name)));
            }
            tag @ (dw::DW_TAG_pointer_type
            | dw::DW_TAG_const_type
            | dw::DW_TAG_volatile_type
            | dw::DW_TAG_restrict_type) => {
                let wanted = match tag {
                    dw::DW_TAG_pointer_type => Kind::Ptr,
                    dw::DW_TAG_const_type => Kind::Const,
                    dw::DW_TAG_volatile_type => Kind::Volatile,
                    _ => Kind::Restrict,
                };
                assert_eq!(kind, wanted, "{place}");
                let step = if wanted == Kind::Ptr { "*" } else { "'" };
                self.todo.push((die.ty, target.unwrap(), format!("{trail}{step}")));
            }
            dw::DW_TAG_array_type => {
                let mut element = id;
                for dimension in dies.children(die, dw::DW_TAG_subrange_type) {
                    let array = self.btf.ty(element).and_then(|t| t.array());
                    let array = array.unwrap_or_else(|| panic!("{place}: too few dimensions"));
                    assert_eq!(u64::from(array.count), dimension.count.unwrap_or(0), "{place}: elements");
                    element = array.element;
                }
                self.todo.push((die.ty, element, format!("{trail}[]")));
            }
            dw::DW_TAG_subroutine_type => {
                assert_eq!(kind, Kind::FuncProto, "{place}");
                let theirs = dies.children(die, dw::DW_TAG_formal_parameter);
                let variadic = !dies.children(die, dw::DW_TAG_unspecified_parameters).is_empty();
                let ours: Vec<_> = ty.params().collect();
                assert_eq!(ours.len(), theirs.len() + usize::from(variadic), "{place}: parameters");
                for (theirs, ours) in theirs.into_iter().zip(ours) {
                    self.todo.push((theirs.ty, ours.ty, format!("{trail}(_)")));
                }
                self.todo.push((die.ty, target.unwrap(), format!("{trail}()")));
            }
            tag @ (dw::DW_TAG_structure_type | dw::DW_TAG_union_type) => {
                same_name();
                let is_union = tag == dw::DW_TAG_union_type;
                let wanted = if is_union { Kind::Union } else { Kind::Struct };
                if kind == Kind::Fwd {
                    assert!(die.declaration, "{place}: a definition became a declaration");
                    assert_eq!(ty.kind_flag(), is_union, "{place}");
                    return;
                }
                assert_eq!(kind, wanted, "{place}");
                if die.declaration {
                    return;
                }
                assert_eq!(ty.size_bytes().map(u64::from), die.size, "{place}: size");
                let theirs = dies.children(die, dw::DW_TAG_member);
                assert_eq!(theirs.len(), ty.members().count(), "{place}: members");
                for (theirs, ours) in theirs.into_iter().zip(ty.members()) {
                    let name = self.name(ours.name);
                    assert_eq!(theirs.name, name, "{place}: name of a member");
                    let offset = u64::from(ours.offset_bits(ty.kind_flag()));
                    let bits = u64::from(ours.bitfield_bits(ty.kind_flag()));
                    assert_eq!(bits, theirs.bit_size.unwrap_or(0), "{place}: width of {name}");
                    if let Some(wanted) = theirs.data_bit_offset {
                        assert_eq!(offset, wanted, "{place}: offset of {name}");
                    } else if bits == 0 {
                        // Bitfields of DWARF 2 and 3 are told in bytes and bits from the other end.
                        assert_eq!(offset, 8 * theirs.location.unwrap_or(0), "{place}: offset of {name}");
                    }
                    self.todo.push((theirs.ty, ours.ty, format!("{trail}.{name}")));
                }
            }
            dw::DW_TAG_enumeration_type => {
                assert!(matches!(kind, Kind::Enum | Kind::Enum64), "{place}");
                same_name();
                let theirs = dies.children(die, dw::DW_TAG_enumerator);
                if die.declaration || theirs.is_empty() {
                    return;
                }
                assert_eq!(ty.size_bytes().map(u64::from), die.size, "{place}: size");
                assert_eq!(theirs.len(), ty.enumerators().count(), "{place}: values");
                for (theirs, ours) in theirs.into_iter().zip(ty.enumerators()) {
                    assert_eq!(theirs.name, self.name(ours.name), "{place}");
                    // Compilers choose among the forms of a number; the low bits are what counts.
                    let bits = 8 * die.size.unwrap_or(4).min(8);
                    let low = |v: u64| v << (64 - bits) >> (64 - bits);
                    assert_eq!(low(theirs.value.unwrap_or(0)), low(ours.value), "{place}: {}", theirs.name);
                }
            }
            other => panic!("{place}: {other} as a type"),
        }
    }
}
