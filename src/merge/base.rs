//! The BTF that split ones continue, made ready to be searched.
//!
//! In: a parsed base. Out: its types by content, and its structs, unions and enums by name. Made once and then
//! only read, so any number of modules on any number of threads may share it. It holds 40 bytes for each type,
//! some 40 more for those without a name and some 100 for those with one: 8 MB for the 100 thousand types of a
//! kernel.
//!
//! A *label* is what a type is but for what it refers to. Two types that may stand for each other have equal
//! labels, and what they refer to may stand for each other as well.

use crate::btf::{Btf, IntData, Kind, MAX_NAME_BYTES, SplitBase, StrOff, Type, TypeId};
use crate::table::{Anchor, AnchorClass, Key, KeyHasher, KeyMap, Variant, hash_bytes};

/// A BTF to be continued, such as that of vmlinux by those of its modules.
///
/// ```no_run
/// use btfgen::{Base, Encoder, Image, Options};
/// use btfgen::btf::Btf;
///
/// # fn main() -> btfgen::Result<()> {
/// let bytes = std::fs::read("/sys/kernel/btf/vmlinux").expect("a kernel with BTF");
/// let vmlinux = Btf::parse(&bytes)?;
/// let base = Base::new(&vmlinux);
/// let output = Encoder::new(Options::default()).base(&base).encode(&Image::open("module.elf")?)?;
/// # Ok(())
/// # }
/// ```
pub struct Base<'b> {
    strings: SplitBase<'b>,
    /// By id.
    facts: Vec<Facts>,
    /// What has no name of its own, whole, each with its lowest id.
    contents: KeyMap<TypeId>,
    /// Definitions of named structs, unions and enums by label, then by id.
    definitions: Vec<(Key, TypeId)>,
    /// By label, where its definitions begin.
    labelled: KeyMap<u32>,
    /// By the key of the usual anchor of a name.
    names: KeyMap<Name>,
}

/// What is asked of a type again and again.
#[derive(Debug, Clone, Copy, Default)]
struct Facts {
    /// Void, and what is never shared, has the label of void, which no other type has.
    label: Key,
    /// Of a named struct, union or enum the key of its name's usual anchor; else that of void.
    anchor: Key,
    /// It only declares that name.
    declares: bool,
    /// It has no name of its own, and whoever looks for its content finds it.
    is_found: bool,
}

/// What there is of a name of a struct, union or enum. Void is none.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Name {
    /// How many definitions.
    pub definitions: u32,
    /// That with the lowest id.
    pub definition: TypeId,
    /// The declaration with the lowest id.
    pub declaration: TypeId,
}

impl<'b> Base<'b> {
    /// Reads all types of `btf`, and of what it is itself split from.
    pub fn new(btf: &'b Btf<'b>) -> Self {
        let mut base = Base {
            strings: SplitBase::new(btf),
            facts: vec![Facts::default()],
            contents: KeyMap::default(),
            definitions: Vec::new(),
            labelled: KeyMap::default(),
            names: KeyMap::default(),
        };
        base.facts.reserve(btf.len() as usize);
        for id in 1..btf.len() {
            let ty = btf.ty(TypeId(id));
            let label = ty.and_then(|ty| label_of(btf, &ty));
            let anchor = ty.and_then(|ty| anchor_of(&ty));
            let (anchor_key, declares) = anchor.unwrap_or_default();
            let is_found = match (ty, label) {
                (Some(ty), Some(label)) => base.add(&ty, label, anchor),
                _ => false,
            };
            base.facts.push(Facts {
                label: label.unwrap_or_default(),
                anchor: anchor_key,
                declares,
                is_found,
            });
        }
        base.definitions.sort_unstable();
        for (i, (label, _)) in base.definitions.iter().enumerate() {
            base.labelled.entry(*label).or_insert(i as u32);
        }
        base
    }

    /// True if its content is looked for, and new.
    fn add(&mut self, ty: &Type<'_>, label: Key, anchor: Option<(Key, bool)>) -> bool {
        let Some((anchor, declares)) = anchor else {
            let content = content(label, ty.references());
            return *self.contents.entry(content).or_insert(ty.id()) == ty.id();
        };
        let name = self.names.entry(anchor).or_default();
        let lowest = if declares { &mut name.declaration } else { &mut name.definition };
        if *lowest == TypeId::VOID {
            *lowest = ty.id();
        }
        if !declares {
            name.definitions += 1;
            self.definitions.push((label, ty.id()));
        }
        false
    }

    /// The BTF itself.
    pub fn btf(&self) -> &'b Btf<'b> {
        self.strings.btf()
    }

    /// Its strings.
    pub(super) fn strings(&self) -> &SplitBase<'b> {
        &self.strings
    }

    /// The label of a type; that of void for what is never shared.
    pub(super) fn label(&self, id: TypeId) -> Key {
        self.facts.get(id.0 as usize).map_or(Key::VOID, |facts| facts.label)
    }

    /// The definitions of named structs, unions and enums with that label, by id.
    pub(super) fn definitions(&self, label: Key) -> impl Iterator<Item = TypeId> {
        let start = self.labelled.get(&label).map_or(self.definitions.len(), |&start| start as usize);
        let from = self.definitions.get(start..).unwrap_or_default();
        from.iter().take_while(move |&&(other, _)| other == label).map(|&(_, id)| id)
    }

    /// The type without a name of its own that has that label and refers to these.
    pub(super) fn find(&self, label: Key, references: impl Iterator<Item = TypeId>) -> Option<TypeId> {
        self.contents.get(&content(label, references)).copied()
    }

    /// True if [`find`](Self::find) gives this type for its own label and references.
    pub(super) fn is_found(&self, id: TypeId) -> bool {
        self.facts.get(id.0 as usize).is_some_and(|facts| facts.is_found)
    }

    /// What there is of a name.
    pub(super) fn name(&self, anchor: Key) -> Name {
        self.names.get(&anchor).copied().unwrap_or_default()
    }

    /// The key of the usual anchor of a named struct, union or enum, and whether the type only declares it.
    pub(super) fn anchor(&self, id: TypeId) -> Option<(Key, bool)> {
        let facts = self.facts.get(id.0 as usize)?;
        (facts.anchor != Key::VOID).then_some((facts.anchor, facts.declares))
    }
}

/// A label: the words that a record has, and the names and values of its parts. Names are hashed.
pub(super) fn label(
    kind: Kind,
    kind_flag: bool,
    name: u64,
    (size, word): (u32, u32),
    parts: impl Iterator<Item = (u64, u64)>,
) -> Key {
    let mut hasher = KeyHasher::new((0x700 + kind as u64) | (u64::from(kind_flag) << 16));
    hasher.pair(name, u64::from(size) << 32 | u64::from(word));
    parts.for_each(|(name, value)| hasher.pair(name, value));
    hasher.finish()
}

/// The label of a type; `None` for what is never shared: functions and variables, which are a module's own, and
/// names longer than kernels read, which would have to be compared to their end.
pub(super) fn label_of(btf: &Btf<'_>, ty: &Type<'_>) -> Option<Key> {
    let too_long = std::cell::Cell::new(false);
    let hash = |off: StrOff| {
        let name = btf.string_prefix(off, MAX_NAME_BYTES + 1).unwrap_or_default();
        too_long.set(too_long.get() || name.len() > MAX_NAME_BYTES);
        hash_bytes(name)
    };
    let (kind, flag, name) = (ty.kind(), ty.kind_flag(), hash(ty.name_off()));
    let plain = |size, word| label(kind, flag, name, (size, word), std::iter::empty());
    let size = ty.size_bytes().unwrap_or(0);
    let label = match kind {
        Kind::Func | Kind::Var | Kind::Datasec => return None,
        Kind::Int => plain(size, ty.int_data().map_or(0, IntData::to_word)),
        Kind::Array => plain(ty.array().map_or(0, |array| array.count), 0),
        Kind::DeclTag => plain(ty.component_idx().unwrap_or(0) as u32, 0),
        Kind::Struct | Kind::Union => {
            let members = ty.members().map(|m| (hash(m.name), u64::from(m.offset_word)));
            label(kind, flag, name, (size, 0), members)
        }
        Kind::Enum | Kind::Enum64 => {
            label(kind, flag, name, (size, 0), ty.enumerators().map(|e| (hash(e.name), e.value)))
        }
        Kind::FuncProto => label(kind, flag, name, (0, 0), ty.params().map(|p| (hash(p.name), 0))),
        _ => plain(size, 0),
    };
    Some(label).filter(|_| !too_long.get())
}

/// A type as a whole: its label and the ids of what it refers to.
fn content(label: Key, references: impl Iterator<Item = TypeId>) -> Key {
    let mut hasher = KeyHasher::new(0x800);
    hasher.key(label);
    references.for_each(|id| hasher.pair(u64::from(id.0), 0));
    hasher.finish()
}

/// The key of the usual anchor of a type's name, and whether the type only declares it.
pub(super) fn anchor_of(ty: &Type<'_>) -> Option<(Key, bool)> {
    let class = AnchorClass::of(ty.kind(), ty.kind_flag())?;
    let declares = ty.kind() == Kind::Fwd || class == AnchorClass::Enum && ty.vlen() == 0;
    let name = ty.name_prefix(MAX_NAME_BYTES + 1);
    (1..=MAX_NAME_BYTES)
        .contains(&name.len())
        .then(|| (Anchor::key_of(class, hash_bytes(name), Variant::Usual), declares))
}
