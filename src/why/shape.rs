//! Types of the tables in the words of a comparison, so that they can be shown and compared.

use std::collections::HashSet;
use std::rc::Rc;

use crate::btf::{IntEncoding, Kind, Member as BtfMember, StrOff, TypeId};
use crate::diff::model::{
    Body, Class, Composite, Definition, Enumeration, Key, Member, Modifier, Proto, Shape, Symbol, Symbols,
    Word,
};
use crate::merge::resolve::Resolution;
use crate::table::{EntryId, Part, Ref, StrId, Tables};

/// Types that are looked at for one definition or prototype. What has no name is repeated wherever it is used;
/// of real ones a thousand are enough, and what is beyond is shown as void.
const BUDGET: u32 = 100_000;

/// Deepest nesting of what has no name.
const MAX_DEPTH: u32 = 64;

/// Turns types of the tables into shapes.
pub(super) struct Shaper<'s, 'a> {
    pub(super) tables: &'s Tables<'a>,
    pub(super) resolution: &'s Resolution,
    pub(super) symbols: Symbols,
    budget: u32,
    /// Every definition that was referred to.
    variants: HashSet<u64>,
}

impl<'s, 'a> Shaper<'s, 'a> {
    pub(super) fn new(tables: &'s Tables<'a>, resolution: &'s Resolution) -> Self {
        Shaper { tables, resolution, symbols: Symbols::default(), budget: 0, variants: HashSet::new() }
    }

    /// A type where it is used.
    pub(super) fn of(&mut self, reference: Ref) -> Shape {
        self.budget = BUDGET;
        self.shape(reference, 0)
    }

    /// A function that returns and takes this; a variadic one ends with a parameter of type void.
    pub(super) fn prototype(&mut self, returns: Ref, params: &[Part]) -> Shape {
        self.budget = BUDGET;
        self.proto(returns, params, 0)
    }

    /// What an entry with a name defines, and by what it is found.
    pub(super) fn definition(&mut self, id: EntryId) -> (Key, Definition) {
        self.budget = BUDGET;
        let entry = self.tables.types.get(id);
        let class = match entry.kind {
            Kind::Typedef => Class::Typedef,
            Kind::Int | Kind::Float => Class::Number,
            _ => Class::Tag,
        };
        let body = match entry.kind {
            Kind::Struct | Kind::Union => Body::Composite(self.composite(id, 0)),
            Kind::Enum | Kind::Enum64 => Body::Enumeration(self.enumeration(id)),
            Kind::Fwd => Body::Declaration(word(entry.kind, entry.kind_flag)),
            Kind::Int => {
                Body::Number(entry.size, (entry.size * 8) as u8, 0, IntEncoding(entry.encoding as u8).0)
            }
            Kind::Float => Body::Number(entry.size, 0, 0, u8::MAX),
            _ => Body::Alias(self.shape(entry.target, 0)),
        };
        ((class, self.symbol(entry.name)), Definition { body, tags: Vec::new() })
    }

    /// What tells definitions of one name apart, of all that were referred to.
    pub(super) fn variants(&self) -> HashSet<u64> {
        self.variants.clone()
    }

    fn symbol(&mut self, name: StrId) -> Symbol {
        self.symbols.intern(self.tables.strings.get(name))
    }

    fn shape(&mut self, reference: Ref, depth: u32) -> Shape {
        let Some(id) = self.resolution.entry(reference).filter(|_| depth <= MAX_DEPTH) else {
            return Shape::Void;
        };
        let Some(left) = self.budget.checked_sub(1) else { return Shape::Void };
        self.budget = left;
        let entry = *self.tables.types.get(id);
        let modifier = match entry.kind {
            Kind::Ptr => Modifier::Pointer,
            Kind::Const => Modifier::Const,
            Kind::Volatile => Modifier::Volatile,
            Kind::Restrict => Modifier::Restrict,
            Kind::TypeTag => Modifier::TypeTag(self.symbol(entry.name), entry.kind_flag),
            Kind::Array => return Shape::Array(Box::new(self.shape(entry.target, depth + 1)), entry.size),
            Kind::FuncProto => return self.proto(entry.target, self.tables.types.parts(id), depth + 1),
            Kind::Struct | Kind::Union if entry.name == StrId::EMPTY => {
                return Shape::Composite(Rc::new(self.composite(id, depth + 1)));
            }
            Kind::Enum | Kind::Enum64 if entry.name == StrId::EMPTY => {
                return Shape::Enumeration(Rc::new(self.enumeration(id)));
            }
            kind => {
                let class = match kind {
                    Kind::Typedef => Class::Typedef,
                    Kind::Int | Kind::Float => Class::Number,
                    _ => Class::Tag,
                };
                let key = (class, self.symbol(entry.name));
                // Several definitions of a name are several entries.
                let variant = u64::from(id.0) + 1;
                self.variants.insert(variant);
                return Shape::Named { key, word: word(kind, entry.kind_flag), variant };
            }
        };
        Shape::Modified(modifier, Box::new(self.shape(entry.target, depth + 1)))
    }

    fn proto(&mut self, returns: Ref, params: &[Part], depth: u32) -> Shape {
        let returns = self.shape(returns, depth + 1);
        let is_end = |part: &Part| part.name == StrId::EMPTY && part.target == Ref::VOID;
        let variadic = params.last().is_some_and(is_end);
        let named = &params[..params.len() - usize::from(variadic)];
        let params = named.iter().map(|p| (self.symbol(p.name), self.shape(p.target, depth + 1))).collect();
        Shape::Proto(Box::new(Proto { returns, params, variadic }))
    }

    fn composite(&mut self, id: EntryId, depth: u32) -> Composite {
        let entry = *self.tables.types.get(id);
        let parts = self.tables.types.parts(id);
        let member = |part: &Part| {
            let (name, ty, offset_word) = (StrOff::EMPTY, TypeId::VOID, part.value as u32);
            let member = BtfMember { name, ty, offset_word };
            Member {
                name: self.symbol(part.name),
                shape: self.shape(part.target, depth + 1),
                offset_bits: member.offset_bits(entry.kind_flag),
                bitfield_bits: u32::from(member.bitfield_bits(entry.kind_flag)),
            }
        };
        let members = parts.iter().map(member).collect();
        Composite { is_union: entry.kind == Kind::Union, size_bytes: entry.size, members, tags: Vec::new() }
    }

    fn enumeration(&mut self, id: EntryId) -> Enumeration {
        let entry = *self.tables.types.get(id);
        let parts = self.tables.types.parts(id);
        Enumeration {
            size_bytes: entry.size,
            signed: entry.kind_flag,
            wide: entry.kind == Kind::Enum64,
            values: parts.iter().map(|part| (self.symbol(part.name), part.value)).collect(),
        }
    }
}

fn word(kind: Kind, kind_flag: bool) -> Word {
    match kind {
        Kind::Struct => Word::Struct,
        Kind::Union => Word::Union,
        Kind::Fwd if kind_flag => Word::Union,
        Kind::Fwd => Word::Struct,
        Kind::Enum | Kind::Enum64 => Word::Enum,
        _ => Word::None,
    }
}
