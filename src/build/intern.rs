//! From the graph of a unit to entries of a table: look up by quick key, intern what is new.

use std::borrow::Cow;

use hashbrown::HashTable;

use super::graph::{Graph, Link, Node, NodeId, Shape};
use super::key::{Keys, class_of, is_signed, node_key, targets};
use super::seen::SeenTypes;
use super::warning::{Warning, Warnings};
use super::{Context, place};
use crate::btf::{Kind, Member, is_identifier};
use crate::dwarf::{Name, NameId, Program};
use crate::table::{
    Anchor, AnchorClass, AnchorId, Entry, EntryId, First, Key, Mentions, Part, Ref, StrId, Tables, Variant,
    key_of_bytes,
};
use crate::{Error, Result};

/// The strings of names.
#[derive(Debug, Default)]
struct KnownNames(HashTable<(NameId, StrId)>);

impl KnownNames {
    #[inline(always)]
    fn get(&self, name: NameId) -> Option<StrId> {
        self.0.find(spread(name), |known| known.0 == name).map(|known| known.1)
    }

    /// Adds one that is not there.
    fn add(&mut self, name: NameId, id: StrId) {
        self.0.insert_unique(spread(name), (name, id), |known| spread(known.0));
    }
}

/// The tables of one worker, and what it needs to find its way into them.
#[derive(Debug)]
pub(super) struct Interner<'a> {
    program: &'a Program<'a>,
    /// [`Options::kabi_prefix`](crate::Options::kabi_prefix)
    kabi_prefix: &'a [u8],
    pub(super) tables: Tables<'a>,
    seen: SeenTypes,
    /// The highest number of a unit so far.
    newest: u32,
    /// [`Context::names_by_content`]
    names_by_content: bool,
    identifiers: KnownNames,
    texts: KnownNames,
    /// By node of the current unit: its entry.
    entries: Vec<EntryId>,
    /// By node of the current unit: the usual anchor of its name, once something referred to it.
    anchors: Vec<AnchorId>,
    /// The names of the node that was named last, and of its parts.
    names: Vec<StrId>,
    mentioned: Vec<EntryId>,
    parts: Vec<Part>,
}

/// Types that may be remembered in any case: no more than the largest units have.
const MUCH: usize = 1 << 14;

const UNSET: EntryId = EntryId(u32::MAX);
const NO_ANCHOR: AnchorId = AnchorId(u32::MAX);

/// Room for the types and names of a module of usual size is made at once: 80 bytes of debugging information
/// make one type that is new, 40 one name. A kernel repeats itself more, and is not held up by growing tables.
/// Forecasts of memory know of this room.
const BYTES_PER_TYPE: usize = 80;
const BYTES_PER_NAME: usize = 40;
const MOST_TYPES: usize = 1 << 15;

/// Whether a name must be an identifier, or may be any text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameUse {
    Identifier,
    Text,
}

impl NameUse {
    /// Kernels do not look at the names of integers, floats and tags.
    #[inline(always)]
    pub(super) fn of(shape: Shape) -> NameUse {
        match shape {
            Shape::Int | Shape::Float | Shape::TypeTag => NameUse::Text,
            _ => NameUse::Identifier,
        }
    }
}

impl<'a> Interner<'a> {
    pub(super) fn new(context: &Context<'a>) -> Self {
        let Context { program, names_by_content, is_again, .. } = *context;
        let bytes = if is_again { 0 } else { program.files().iter().map(|file| file.info.len()).sum() };
        let types = (bytes / BYTES_PER_TYPE).min(MOST_TYPES);
        let names = (bytes / BYTES_PER_NAME).min(2 * MOST_TYPES);
        let mut tables = Tables::default();
        tables.types.reserve(types);
        tables.strings.reserve(names);
        Interner {
            program,
            kabi_prefix: &context.options.kabi_prefix,
            tables,
            seen: SeenTypes::with_capacity(types),
            newest: 0,
            names_by_content,
            identifiers: KnownNames(HashTable::with_capacity(names)),
            texts: KnownNames::default(),
            entries: Vec::new(),
            anchors: Vec::new(),
            names: Vec::new(),
            mentioned: Vec::new(),
            parts: Vec::new(),
        }
    }

    /// Takes in all types of a unit, whose quick keys are in `keys`.
    pub(super) fn unit(
        &mut self,
        graph: &Graph,
        keys: &Keys,
        unit: u32,
        warnings: &mut Warnings,
    ) -> Result<()> {
        self.begin(graph);
        for &id in &keys.order {
            self.look_up(graph, id, keys.refs[id.index()], unit, warnings)?;
        }
        for &id in &keys.anchors {
            let word = &mut |name, used| self.word(name, used, warnings);
            let quick = node_key(graph, graph.node(id), word, &mut |link| {
                graph.resolve(link).map_or(Key::VOID, |target| keys.refs[target.index()])
            });
            let entry = self.look_up(graph, id, quick, unit, warnings)?;
            self.mentioned.push(entry);
        }
        let foreign = self.foreign_anchors(graph, warnings)?;
        let entries = self.mentioned.as_slice().into();
        self.tables.mentions.push(Mentions { unit, entries, foreign });
        self.newest = self.newest.max(unit);
        Ok(())
    }

    /// What stands for a name in the keys by which this worker knows types.
    #[inline(always)]
    pub(super) fn word(&mut self, name: NameId, used: NameUse, warnings: &mut Warnings) -> u64 {
        if !self.names_by_content {
            return name.0;
        }
        // One that cannot be read is none here: whoever interns what has it will find that.
        self.intern(name, used, warnings).map_or(0, |id| self.tables.strings.hash(id))
    }

    /// Forgets what does not help with the next unit.
    pub(super) fn end_unit(&mut self) {
        if self.names_by_content && self.identifiers.0.len() > MUCH {
            self.identifiers.0.clear();
        }
    }

    fn count_seen(&mut self) {
        for seen in self.seen.iter() {
            self.tables.types.occur(seen.entry, First::NEVER, seen.count);
        }
    }

    /// The anchors of named structs, unions and enums that a unit refers to in others.
    fn foreign_anchors(&mut self, graph: &Graph, warnings: &mut Warnings) -> Result<Box<[AnchorId]>> {
        let mut anchors = Vec::with_capacity(graph.foreign.named().len());
        for &(id, _) in graph.foreign.named() {
            let node = graph.node(id);
            if let Some(class) = class_of(node) {
                let name = self.intern(node.name, NameUse::Identifier, warnings)?;
                let Tables { types, strings, .. } = &mut self.tables;
                anchors.push(types.anchor(class, name, Variant::Usual, strings));
            }
        }
        Ok(anchors.into())
    }

    /// Ends the worker's life: the counts go into the table.
    pub(super) fn finish(mut self) -> Tables<'a> {
        self.count_seen();
        self.tables
    }

    pub(super) fn begin(&mut self, graph: &Graph) {
        self.entries.clear();
        self.entries.resize(graph.nodes.len(), UNSET);
        self.anchors.clear();
        self.anchors.resize(graph.nodes.len(), NO_ANCHOR);
        self.mentioned.clear();
    }

    /// The entry of a node with that quick key.
    #[inline(always)]
    fn look_up(
        &mut self,
        graph: &Graph,
        id: NodeId,
        quick: Key,
        unit: u32,
        warnings: &mut Warnings,
    ) -> Result<EntryId> {
        let entry = match self.seen.find(quick) {
            Some(seen) => {
                // Units come in their order, so that what was seen was seen earlier; unless a test shuffles.
                if unit < self.newest {
                    self.tables.types.occur(seen.entry, place(unit, id), 0);
                }
                seen.entry
            }
            None => {
                let entry = self.add(graph, id, quick, warnings)?;
                self.seen.insert(quick, entry);
                self.tables.types.occur(entry, place(unit, id), 1);
                entry
            }
        };
        self.entries[id.index()] = entry;
        Ok(entry)
    }

    /// Interns a node that was not seen yet, by its content. What it refers to is interned already.
    #[cold]
    fn add(&mut self, graph: &Graph, id: NodeId, quick: Key, warnings: &mut Warnings) -> Result<EntryId> {
        let node = graph.node(id);
        self.intern_names(graph, node, warnings)?;
        let key = if self.names_by_content { quick } else { self.key_of_new(graph, node) };
        debug_assert_eq!(key, self.key_of_new(graph, node));
        self.insert(graph, node, key, &mut |_| Variant::Usual, warnings)
    }

    /// The content key of a node whose names were interned last, and which refers to what has entries.
    fn key_of_new(&mut self, graph: &Graph, node: &Node) -> Key {
        for target in targets(graph, node).filter_map(|link| graph.resolve(link)) {
            if let Some(class) = class_of(graph.node(target)) {
                self.usual_anchor(graph, target, class);
            }
        }
        // The names are asked for in the order in which they were interned.
        let mut names = self.names.iter();
        let name = &mut |_, _| names.next().map_or(0, |&name| self.tables.strings.hash(name));
        node_key(graph, node, name, &mut |link| {
            graph.resolve(link).map_or(Key::VOID, |target| self.content_key(graph, target))
        })
    }

    /// The content key of a reference to a node of this unit, whose anchor is known if it has one.
    fn content_key(&self, graph: &Graph, target: NodeId) -> Key {
        let types = &self.tables.types;
        match (class_of(graph.node(target)), self.anchors[target.index()]) {
            (None, _) => types.get(self.entries[target.index()]).key,
            // Its name is there, and empty: nobody can find it by that.
            (Some(class), NO_ANCHOR) => {
                Anchor::key_of(class, self.tables.strings.hash(StrId::EMPTY), Variant::Usual)
            }
            (Some(_), anchor) => types.key(Ref::anchor(anchor)),
        }
    }

    /// The key of the type that a node is an occurrence of, if it was looked at.
    pub(super) fn key_of(&self, id: NodeId) -> Option<Key> {
        let entry = self.entries.get(id.index()).filter(|&&entry| entry != UNSET)?;
        Some(self.tables.types.get(*entry).key)
    }

    /// The usual anchor of a node of this unit whose name is interned; `None` if that is empty.
    fn usual_anchor(&mut self, graph: &Graph, target: NodeId, class: AnchorClass) -> Option<AnchorId> {
        let known = self.anchors[target.index()];
        if known != NO_ANCHOR {
            return Some(known);
        }
        let anchor = self.anchor(graph, target, class, Variant::Usual)?;
        self.anchors[target.index()] = anchor;
        Some(anchor)
    }

    fn anchor(
        &mut self,
        graph: &Graph,
        target: NodeId,
        class: AnchorClass,
        variant: Variant,
    ) -> Option<AnchorId> {
        let name = self.string(graph.node(target).name, NameUse::Identifier);
        let Tables { types, strings, .. } = &mut self.tables;
        (name != StrId::EMPTY).then(|| types.anchor(class, name, variant, strings))
    }

    /// Sets the entry of a node, for those who refer to it.
    pub(super) fn set_entry(&mut self, id: NodeId, entry: EntryId) {
        self.entries[id.index()] = entry;
    }

    /// Interns the names of a node, its parts, and of the anchors that they refer to.
    pub(super) fn intern_names(&mut self, graph: &Graph, node: &Node, warnings: &mut Warnings) -> Result<()> {
        self.intern_node(graph, node, warnings)
            .map_err(|e| e.in_unit(graph.unit_offset).at_die(graph.unit_offset + u64::from(node.offset)))
    }

    fn intern_node(&mut self, graph: &Graph, node: &Node, warnings: &mut Warnings) -> Result<()> {
        self.names.clear();
        let name = self.intern(node.name, NameUse::of(node.shape), warnings)?;
        self.names.push(name);
        self.intern_referred(graph, node.target, warnings)?;
        for part in graph.parts(node) {
            self.intern_referred(graph, part.target, warnings)?;
        }
        for part in graph.parts(node) {
            let name = self.intern(part.name, NameUse::Identifier, warnings)?;
            self.names.push(name);
        }
        Ok(())
    }

    /// Interns the name of the anchor that a link leads to, if it is one.
    pub(super) fn intern_referred(
        &mut self,
        graph: &Graph,
        link: Link,
        warnings: &mut Warnings,
    ) -> Result<()> {
        if let Some(target) = graph.resolve(link)
            && class_of(graph.node(target)).is_some()
            && self.anchors[target.index()] == NO_ANCHOR
        {
            self.intern(graph.node(target).name, NameUse::Identifier, warnings)?;
        }
        Ok(())
    }

    /// The string of a name. One that must be an identifier and is none becomes one.
    pub(super) fn intern(&mut self, name: NameId, used: NameUse, warnings: &mut Warnings) -> Result<StrId> {
        if name.is_none() {
            return Ok(StrId::EMPTY);
        }
        if let Some(known) = self.known(used).get(name) {
            return Ok(known);
        }
        let bytes = hidden(name.find(self.program.files()).ok_or_else(lost)?, self.kabi_prefix);
        let strings = &mut self.tables.strings;
        let id = if is_fine(&bytes, used) {
            // Most are there already, and nothing has to be made of them.
            let key = key_of_bytes(&bytes);
            strings.find(key).unwrap_or_else(|| strings.add(bytes.into(), key))
        } else {
            warnings.count(Warning::NameReplaced);
            strings.intern(identifier_for(&bytes).into())
        };
        match used {
            NameUse::Text => self.texts.add(name, id),
            NameUse::Identifier => self.identifiers.add(name, id),
        }
        Ok(id)
    }

    #[inline(always)]
    fn known(&self, used: NameUse) -> &KnownNames {
        match used {
            NameUse::Text => &self.texts,
            NameUse::Identifier => &self.identifiers,
        }
    }

    /// The bytes of a name in BTF.
    pub(super) fn written(&self, name: NameId, used: NameUse) -> Result<Cow<'a, [u8]>> {
        let name = hidden(name.find(self.program.files()).ok_or_else(lost)?, self.kabi_prefix);
        Ok(if is_fine(&name, used) { name.into() } else { identifier_for(&name).into() })
    }

    /// The hash of an interned name's bytes.
    pub(super) fn name_hash(&self, name: NameId, used: NameUse) -> u64 {
        self.tables.strings.hash(self.string(name, used))
    }

    /// The string of an interned name.
    pub(super) fn string(&self, name: NameId, used: NameUse) -> StrId {
        if name.is_none() { StrId::EMPTY } else { self.known(used).get(name).unwrap_or_default() }
    }

    /// Writes a node, whose names were interned last, as an entry with the content key `key`. `variant` tells
    /// which definition of a named node is meant where it is referred to.
    pub(super) fn insert(
        &mut self,
        graph: &Graph,
        node: &Node,
        key: Key,
        variant: &mut impl FnMut(NodeId) -> Variant,
        warnings: &mut Warnings,
    ) -> Result<EntryId> {
        if let Some(known) = self.tables.types.find(key) {
            return Ok(known);
        }
        let mut entry = Entry::new(kind_of(graph, node), key);
        entry.name = self.names.first().copied().unwrap_or_default();
        entry.size = node.size as u32;
        entry.encoding = node.encoding;
        entry.is_rust = node.is_rust;
        entry.kind_flag = match node.shape {
            Shape::FwdUnion => true,
            Shape::Enum => is_signed(graph, node),
            Shape::Struct | Shape::Union => graph.parts(node).iter().any(|p| p.bits != 0 || p.value % 8 != 0),
            _ => false,
        };
        if node.shape != Shape::Enum {
            entry.target = self.reference(graph, node.target, variant, warnings);
        }
        entry.incomplete = self.is_incomplete(entry.target);
        self.parts.clear();
        for (i, part) in graph.parts(node).iter().enumerate() {
            let target = self.reference(graph, part.target, variant, warnings);
            let name = self.names.get(i + 1).copied().unwrap_or_default();
            let value = match node.shape {
                Shape::Struct | Shape::Union if target == Ref::VOID => Err(Warning::MemberVoid),
                Shape::Struct | Shape::Union => {
                    member_word(&entry, part.value, part.bits).ok_or(Warning::MemberOffset)
                }
                Shape::Enum if name == StrId::EMPTY => Err(Warning::Enumerator),
                _ => Ok(part.value),
            };
            match value {
                Ok(value) => {
                    entry.incomplete |= self.is_incomplete(target);
                    self.parts.push(Part { name, target, value });
                }
                Err(warning) => warnings.count(warning),
            }
        }
        // Kernels want members in the order of their offsets; Rust does not.
        if node.shape == Shape::Struct {
            let offset = |part: &Part| if entry.kind_flag { part.value & 0xff_ffff } else { part.value };
            if !self.parts.is_sorted_by_key(offset) {
                self.parts.sort_by_key(offset);
            }
        }
        if entry.is_void() {
            warnings.count(Warning::NoType);
        }
        Ok(self.tables.types.insert(entry, self.parts.drain(..)))
    }

    fn is_incomplete(&self, target: Ref) -> bool {
        let types = &self.tables.types;
        match (target.as_entry(), target.as_anchor()) {
            (Some(entry), _) => types.get(entry).incomplete,
            (_, Some(anchor)) => types.anchors()[anchor.0 as usize].variant == Variant::Declared,
            _ => false,
        }
    }

    /// The reference that a link becomes.
    pub(super) fn reference(
        &mut self,
        graph: &Graph,
        link: Link,
        variant: &mut impl FnMut(NodeId) -> Variant,
        warnings: &mut Warnings,
    ) -> Ref {
        let Some(target) = graph.resolve(link) else {
            if graph.is_dangling(link) {
                warnings.count(Warning::DanglingReference);
            }
            return Ref::VOID;
        };
        let node = graph.node(target);
        match class_of(node) {
            Some(class) => {
                let anchor = match variant(target) {
                    Variant::Usual => self.usual_anchor(graph, target, class),
                    variant => self.anchor(graph, target, class, variant),
                };
                anchor.map_or(Ref::VOID, Ref::anchor)
            }
            None => {
                let entry = self.entries[target.index()];
                let void = self.tables.types.get(entry).is_void();
                if void { Ref::VOID } else { Ref::entry(entry) }
            }
        }
    }

    /// Takes in the declaration tags of a unit whose types are interned. A tag belongs to the definition
    /// that it was written on, and two equal ones are one.
    pub(super) fn tags(&mut self, graph: &Graph, unit: u32, warnings: &mut Warnings) -> Result<()> {
        for tag in &graph.tags {
            let value = self.intern(tag.value, NameUse::Text, warnings)?;
            let target = self.entries[tag.node.index()];
            if value == StrId::EMPTY {
                warnings.count(Warning::EmptyTag);
                continue;
            }
            if target == UNSET {
                continue;
            }
            let types = &mut self.tables.types;
            if !takes_tag(types.get(target), tag.component) {
                continue;
            }
            let (key, hash) = (types.get(target).key, self.tables.strings.hash(value));
            let entry = Entry::decl_tag(target, key, value, hash, tag.component);
            let id = types.insert(entry, []);
            types.occur(id, place(unit, tag.node), 1);
        }
        Ok(())
    }
}

/// Kernels accept tags on structs, unions and typedefs, and on members that exist.
fn takes_tag(entry: &Entry, component: i32) -> bool {
    match entry.kind {
        Kind::Struct | Kind::Union => component < entry.part_count() as i32,
        Kind::Typedef => component == -1,
        _ => false,
    }
}

/// Offsets into a string section differ in their low bits only.
#[inline]
fn spread(name: NameId) -> u64 {
    name.0.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26)
}

fn kind_of(graph: &Graph, node: &Node) -> Kind {
    match node.shape {
        Shape::Int | Shape::Void | Shape::Same => Kind::Int,
        Shape::Float => Kind::Float,
        Shape::Ptr => Kind::Ptr,
        Shape::Array => Kind::Array,
        Shape::Struct => Kind::Struct,
        Shape::Union => Kind::Union,
        Shape::Enum if node.size > 4 || !fits_32_bits(graph, node) => Kind::Enum64,
        Shape::Enum => Kind::Enum,
        Shape::FwdStruct | Shape::FwdUnion => Kind::Fwd,
        Shape::Typedef => Kind::Typedef,
        Shape::Volatile => Kind::Volatile,
        Shape::Const => Kind::Const,
        Shape::Restrict => Kind::Restrict,
        Shape::FuncProto => Kind::FuncProto,
        Shape::TypeTag => Kind::TypeTag,
    }
}

fn fits_32_bits(graph: &Graph, node: &Node) -> bool {
    let range = match is_signed(graph, node) {
        true => i64::from(i32::MIN)..=i64::from(i32::MAX),
        false => 0..=i64::from(u32::MAX),
    };
    graph.parts(node).iter().all(|part| range.contains(&(part.value as i64)))
}

/// The offset word of a member (kernel BTF documentation, `struct btf_member`); `None` if it does not fit,
/// or lies where no member of that type can.
fn member_word(entry: &Entry, offset_bits: u64, bitfield_bits: u32) -> Option<u64> {
    let offset = u32::try_from(offset_bits).ok()?;
    if offset.div_ceil(8) > entry.size || entry.kind == Kind::Union && offset != 0 {
        return None;
    }
    if !entry.kind_flag {
        return Some(u64::from(offset));
    }
    Member::word_with_flag(offset, u8::try_from(bitfield_bits).ok()?).map(u64::from)
}

fn lost() -> Error {
    Error::input("a name lies outside its string section, or nothing ends it").hint("the file is damaged")
}

/// A name as it is to be seen.
fn hidden<'a>(name: Name<'a>, kabi_prefix: &'a [u8]) -> Name<'a> {
    let is_hidden = !kabi_prefix.is_empty() && name.starts_with(kabi_prefix);
    if is_hidden { Name::Section(kabi_prefix) } else { name }
}

/// False for a name that kernels do not accept where it is used.
fn is_fine(name: &[u8], used: NameUse) -> bool {
    used == NameUse::Text || name.is_empty() || is_identifier(name)
}

/// A name that kernels accept in place of one that they do not: every byte that they would refuse is
/// written as `_XX_` in hexadecimal, as BPF toolchains for Rust do, and a long one ends early.
fn identifier_for(name: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut out = Vec::with_capacity(name.len() + 16);
    for &byte in name {
        let ok = byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
        if !ok || out.is_empty() && byte.is_ascii_digit() {
            let _ = write!(out, "_{byte:02X}_");
        } else {
            out.push(byte);
        }
    }
    out.truncate(crate::btf::MAX_NAME_BYTES);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_become_identifiers() {
        assert_eq!(identifier_for(b"Option<&u32>"), b"Option_3C__26_u32_3E_");
        assert_eq!(identifier_for(b"0x"), b"_30_x");
        assert!(is_identifier(&identifier_for(&[0xff; 1000])));
    }

    #[test]
    fn offset_words_hold_what_they_can() {
        let mut entry = Entry::new(Kind::Struct, Key::VOID);
        entry.size = u32::MAX;
        assert_eq!(member_word(&entry, 1 << 31, 0), Some(1 << 31));
        assert_eq!(member_word(&entry, 1 << 32, 0), None);
        entry.kind_flag = true;
        assert_eq!(member_word(&entry, 0xff_ffff, 3), Some(0x03ff_ffff));
        assert_eq!(member_word(&entry, 1 << 24, 0), None);
        entry.size = 4;
        assert_eq!(member_word(&entry, 32, 0), Some(32));
        assert_eq!(member_word(&entry, 33, 0), None);
        entry.kind = Kind::Union;
        assert_eq!((member_word(&entry, 0, 1), member_word(&entry, 8, 0)), (Some(1 << 24), None));
    }
}
