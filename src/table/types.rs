//! Types, each once, and the anchors by which types refer to named structs, unions and enums.

use super::First;
use super::key::{Key, KeyHasher, KeyMap};
use super::strings::{StrId, Strings};
use crate::btf::Kind;

/// A type of a [`TypeTable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId(pub u32);

/// An anchor of a [`TypeTable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AnchorId(pub u32);

/// What a type refers to: nothing (void), a type of the table, or an anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Ref(u32);

const ANCHOR: u32 = 1 << 31;

impl Ref {
    /// void
    pub const VOID: Ref = Ref(0);

    /// The type by its place in the table.
    #[inline]
    pub fn entry(id: EntryId) -> Ref {
        Ref(id.0 + 1)
    }

    /// Whatever the anchor will stand for.
    #[inline]
    pub fn anchor(id: AnchorId) -> Ref {
        Ref(id.0 | ANCHOR)
    }

    /// The type, unless it is void or an anchor.
    #[inline]
    pub fn as_entry(self) -> Option<EntryId> {
        if self.0 & ANCHOR == 0 { self.0.checked_sub(1).map(EntryId) } else { None }
    }

    /// The anchor, if it is one.
    #[inline]
    pub fn as_anchor(self) -> Option<AnchorId> {
        (self.0 & ANCHOR != 0).then_some(AnchorId(self.0 & !ANCHOR))
    }
}

/// The name space of an anchor. A forward declaration says which one it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum AnchorClass {
    /// `struct NAME`, `class NAME`
    Struct,
    /// `union NAME`
    Union,
    /// `enum NAME`
    Enum,
    /// `struct NAME` in Rust, which writes the types of C that it uses again, as it sees them, under their names: what
    /// they are to units in C is the matter of C alone.
    RustStruct,
    /// `union NAME` in Rust
    RustUnion,
    /// `enum NAME` in Rust
    RustEnum,
}

impl AnchorClass {
    /// The name space of the names of a kind in C.
    #[inline]
    pub fn of(kind: Kind, kind_flag: bool) -> Option<AnchorClass> {
        match kind {
            Kind::Struct => Some(AnchorClass::Struct),
            Kind::Union => Some(AnchorClass::Union),
            Kind::Enum | Kind::Enum64 => Some(AnchorClass::Enum),
            Kind::Fwd if kind_flag => Some(AnchorClass::Union),
            Kind::Fwd => Some(AnchorClass::Struct),
            _ => None,
        }
    }

    /// That of the same names in Rust.
    #[inline]
    pub fn in_rust(self) -> AnchorClass {
        match self {
            AnchorClass::Struct | AnchorClass::RustStruct => AnchorClass::RustStruct,
            AnchorClass::Union | AnchorClass::RustUnion => AnchorClass::RustUnion,
            AnchorClass::Enum | AnchorClass::RustEnum => AnchorClass::RustEnum,
        }
    }
}

/// Which definition of its name an anchor stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// The only one, or of a name with several the usual one.
    Usual,
    /// The one whose key this is.
    Exact(Key),
    /// None: the unit that refers to it only declares a name that has several definitions elsewhere.
    Declared,
}

/// A reference to a named struct, union or enum, by name.
#[derive(Debug, Clone, Copy)]
pub struct Anchor {
    /// Its key.
    pub key: Key,
    /// The name space.
    pub class: AnchorClass,
    /// The name.
    pub name: StrId,
    /// The definition, where the name has several.
    pub variant: Variant,
}

impl Anchor {
    /// The key of an anchor whose name is hashed to `name`.
    #[inline(always)]
    pub fn key_of(class: AnchorClass, name: u64, variant: Variant) -> Key {
        let mut hasher = KeyHasher::new(0x100 + class as u64);
        hasher.pair(name, 0);
        match variant {
            Variant::Usual => {}
            Variant::Exact(key) => hasher.key(key),
            Variant::Declared => hasher.pair(1, 1),
        }
        hasher.finish()
    }
}

/// A member, enumerator or parameter.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// Its name; empty if it has none.
    pub name: StrId,
    /// Its type; void for enumerators.
    pub target: Ref,
    /// The offset word of a member, the value of an enumerator (in two's complement).
    pub value: u64,
}

/// A type of BTF, before it has an id.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Its content.
    pub key: Key,
    /// Its kind.
    pub kind: Kind,
    /// The kind flag: bitfields in a struct, a signed enum, a union's forward declaration.
    pub kind_flag: bool,
    /// It refers, not through a further name, to a declaration of a name with several definitions.
    pub incomplete: bool,
    /// It is a named struct, union or enum of units in Rust.
    pub is_rust: bool,
    /// Its name; empty if it has none.
    pub name: StrId,
    /// Bytes of an INT, FLOAT, STRUCT, UNION, ENUM; elements of an ARRAY; component index of a DECL_TAG.
    pub size: u32,
    /// The encoding of an INT.
    pub encoding: u32,
    /// What it refers to; the element of an ARRAY, what a FUNC_PROTO returns.
    pub target: Ref,
    /// Where its parts begin.
    pub(super) parts: u32,
    /// How many there are.
    pub(super) part_count: u32,
}

/// Types by key, with the places of their first occurrence and how often each occurs.
#[derive(Debug, Default)]
pub struct TypeTable {
    entries: Vec<Entry>,
    occurrences: Vec<Occurrence>,
    parts: Vec<Part>,
    by_key: KeyMap<EntryId>,
    anchors: Vec<Anchor>,
    anchor_by_key: KeyMap<AnchorId>,
}

#[derive(Debug, Clone, Copy)]
struct Occurrence {
    first: First,
    count: u32,
}

/// How the entries and anchors of a joined table are numbered in the one that took them over.
#[derive(Debug)]
pub struct Renumbering {
    entries: Vec<EntryId>,
    anchors: Vec<AnchorId>,
}

impl Renumbering {
    /// The new number of an entry.
    pub fn entry(&self, old: EntryId) -> EntryId {
        self.entries[old.0 as usize]
    }

    /// The new number of an anchor.
    pub fn anchor(&self, old: AnchorId) -> AnchorId {
        self.anchors[old.0 as usize]
    }

    /// The same reference in the new numbering.
    pub fn reference(&self, old: Ref) -> Ref {
        match (old.as_entry(), old.as_anchor()) {
            (Some(entry), _) => Ref::entry(self.entry(entry)),
            (_, Some(anchor)) => Ref::anchor(self.anchor(anchor)),
            _ => Ref::VOID,
        }
    }
}

impl TypeTable {
    /// The entry with that key.
    pub fn find(&self, key: Key) -> Option<EntryId> {
        self.by_key.get(&key).copied()
    }

    /// Adds a type, with `parts` in place of its own; if one of its key is there, that one is it.
    /// A new entry has not occurred yet: see [`occur`](Self::occur).
    pub fn insert(&mut self, entry: Entry, parts: impl IntoIterator<Item = Part>) -> EntryId {
        let next = EntryId(self.entries.len() as u32);
        let id = *self.by_key.entry(entry.key).or_insert(next);
        if id == next {
            let start = self.parts.len() as u32;
            self.parts.extend(parts);
            let part_count = self.parts.len() as u32 - start;
            self.entries.push(Entry { parts: start, part_count, ..entry });
            self.occurrences.push(Occurrence { first: First::NEVER, count: 0 });
        }
        id
    }

    /// Makes room for so many more types.
    pub fn reserve(&mut self, types: usize) {
        self.entries.reserve(types);
        self.occurrences.reserve(types);
        self.by_key.reserve(types);
    }

    /// Counts `times` occurrences of a type, the first of them at `place`.
    #[inline]
    pub fn occur(&mut self, id: EntryId, place: First, times: u32) {
        let occurrence = &mut self.occurrences[id.0 as usize];
        occurrence.first = occurrence.first.min(place);
        occurrence.count = occurrence.count.saturating_add(times);
    }

    /// Counts all occurrences of `from` as ones of `to`.
    pub fn merge(&mut self, from: EntryId, to: EntryId) {
        let gone = std::mem::take(&mut self.occurrences[from.0 as usize].count);
        self.occur(to, self.first(from), gone);
    }

    /// Takes back one occurrence.
    pub fn forget(&mut self, id: EntryId) {
        let count = &mut self.occurrences[id.0 as usize].count;
        *count = count.saturating_sub(1);
    }

    /// How many types there are.
    #[allow(clippy::len_without_is_empty)] // Nobody asks.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// All types.
    pub fn ids(&self) -> impl Iterator<Item = EntryId> + use<> {
        (0..self.entries.len() as u32).map(EntryId)
    }

    /// One type.
    #[inline]
    pub fn get(&self, id: EntryId) -> &Entry {
        &self.entries[id.0 as usize]
    }

    /// The members, enumerators or parameters of a type.
    #[inline]
    pub fn parts(&self, id: EntryId) -> &[Part] {
        let entry = self.get(id);
        &self.parts[entry.parts as usize..][..entry.part_count as usize]
    }

    /// How often a type occurs in the input.
    pub fn count(&self, id: EntryId) -> u32 {
        self.occurrences[id.0 as usize].count
    }

    /// Where a type occurs first.
    pub fn first(&self, id: EntryId) -> First {
        self.occurrences[id.0 as usize].first
    }

    /// The anchor of that class, name and variant.
    pub fn anchor(
        &mut self,
        class: AnchorClass,
        name: StrId,
        variant: Variant,
        strings: &Strings<'_>,
    ) -> AnchorId {
        let key = Anchor::key_of(class, strings.hash(name), variant);
        self.insert_anchor(Anchor { key, class, name, variant })
    }

    fn insert_anchor(&mut self, anchor: Anchor) -> AnchorId {
        let next = AnchorId(self.anchors.len() as u32);
        let id = *self.anchor_by_key.entry(anchor.key).or_insert(next);
        if id == next {
            self.anchors.push(anchor);
        }
        id
    }

    /// All anchors, by number.
    pub fn anchors(&self) -> &[Anchor] {
        &self.anchors
    }

    /// The key of what a reference means.
    pub fn key(&self, reference: Ref) -> Key {
        match (reference.as_entry(), reference.as_anchor()) {
            (Some(entry), _) => self.get(entry).key,
            (_, Some(anchor)) => self.anchors[anchor.0 as usize].key,
            _ => Key::VOID,
        }
    }

    /// Takes over all types of `other`, whose strings have become `strings`.
    ///
    /// An entry only refers to entries before it, so one pass suffices.
    pub(super) fn join(&mut self, other: TypeTable, strings: &[StrId]) -> Renumbering {
        let string = |id: StrId| strings[id.0 as usize];
        let anchor = |mut anchor: Anchor| {
            anchor.name = string(anchor.name);
            self.insert_anchor(anchor)
        };
        let anchors = other.anchors.iter().copied().map(anchor).collect();
        let mut new = Renumbering { entries: Vec::with_capacity(other.entries.len()), anchors };
        for (id, old) in other.ids().zip(&other.entries) {
            let entry = Entry { name: string(old.name), target: new.reference(old.target), ..*old };
            let parts = other.parts(id).iter().map(|part| Part {
                name: string(part.name),
                target: new.reference(part.target),
                value: part.value,
            });
            let joined = self.insert(entry, parts);
            self.occur(joined, other.first(id), other.count(id));
            new.entries.push(joined);
        }
        new
    }
}

impl Entry {
    /// An entry without references, to be completed.
    pub fn new(kind: Kind, key: Key) -> Entry {
        Entry {
            key,
            kind,
            kind_flag: false,
            incomplete: false,
            is_rust: false,
            name: StrId::EMPTY,
            size: 0,
            encoding: 0,
            target: Ref::VOID,
            parts: 0,
            part_count: 0,
        }
    }

    /// The declaration tag `value`, whose bytes hash to `hash`, on the type `target` with key `target_key`.
    /// All tags are made here, so that equal ones meet wherever they come from.
    pub fn decl_tag(target: EntryId, target_key: Key, value: StrId, hash: u64, component: i32) -> Entry {
        let mut entry = Entry::new(Kind::DeclTag, Entry::decl_tag_key(target_key, hash, component));
        (entry.name, entry.size, entry.target) = (value, component as u32, Ref::entry(target));
        entry
    }

    /// The key of a declaration tag.
    pub fn decl_tag_key(target: Key, hash: u64, component: i32) -> Key {
        let mut hasher = KeyHasher::new(0x200 + Kind::DeclTag as u64);
        hasher.key(target);
        hasher.pair(hash, u64::from(component as u32));
        hasher.finish()
    }

    /// The name space of its name, if it is a struct, union or enum or the declaration of one.
    pub fn anchor_class(&self) -> Option<AnchorClass> {
        if self.name == StrId::EMPTY {
            return None;
        }
        let class = AnchorClass::of(self.kind, self.kind_flag)?;
        Some(if self.is_rust { class.in_rust() } else { class })
    }

    /// True for a forward declaration; of an enum that is one without enumerators.
    pub fn is_declaration(&self) -> bool {
        match self.kind {
            Kind::Fwd => true,
            Kind::Enum | Kind::Enum64 => self.part_count == 0,
            _ => false,
        }
    }

    /// True for what no kernel accepts, and what therefore counts as void: an array of void, and what needs
    /// a name and has none.
    pub fn is_void(&self) -> bool {
        match self.kind {
            Kind::Array => self.target == Ref::VOID,
            Kind::Fwd | Kind::Typedef | Kind::TypeTag | Kind::DeclTag => self.name == StrId::EMPTY,
            _ => false,
        }
    }

    /// How many members, enumerators or parameters it has.
    pub fn part_count(&self) -> u32 {
        self.part_count
    }
}
