//! The catalogue of a BTF.
//!
//! In: a BTF, the own types of which are taken. Out: its definitions as trees. A name with several definitions
//! is told apart by what these say, and by what they refer to, a few references deep.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use super::model::{
    Body, Catalogue, Class, Composite, Definition, Enumeration, Key, Member, Modifier, Proto, Shape, Symbol,
    Symbols, Tag, Word,
};
use crate::btf::{Btf, Kind, StrOff, Type, TypeId};
use crate::error::{Error, Result};

/// Deepest nesting of what has no name.
const MAX_DEPTH: u32 = 128;

/// How many references deep definitions of one name are told apart.
const ROUNDS: usize = 8;

/// Longest name in bytes that is compared; the format allows names of 512.
const MAX_NAME: usize = 1 << 14;

/// Whether definitions of one name are told apart where they are referred to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variants {
    /// They are: two BTFs.
    Apart,
    /// They are not: the other side does not know.
    Together,
}

/// Catalogues a BTF.
///
/// # Errors
///
/// Types without names that nest too deep or contain themselves.
pub fn catalogue(btf: &Btf<'_>, symbols: &mut Symbols, variants: Variants) -> Result<Catalogue> {
    let mut reader = Reader {
        btf,
        symbols,
        tags: HashMap::new(),
        variants: HashMap::new(),
        strings: HashMap::new(),
        budget: (btf.data().len() as u64).saturating_mul(16).saturating_add(1 << 20),
    };
    reader.collect_tags();
    let mut catalogue = Catalogue::default();
    if variants == Variants::Apart {
        reader.tell_apart()?;
        catalogue.variants = reader.variants.values().copied().collect();
    }
    let used = reader.used();
    for ty in btf.types() {
        match reader.key(ty) {
            Some(key) => {
                let definition = reader.definition(ty)?;
                catalogue.add(key, definition);
            }
            None if ty.kind() != Kind::DeclTag => {
                let shape = reader.shape(ty.id(), 0)?;
                let use_of = used.get((ty.id().0 - btf.base_len()) as usize).copied().unwrap_or_default();
                if use_of == Used::Nowhere {
                    let name = reader.name_of_anonymous(&shape);
                    let definition = Definition { body: Body::Anonymous(shape.clone()), tags: Vec::new() };
                    catalogue.add((Class::Anonymous, name), definition);
                }
                // The prototype of a function is part of it.
                if use_of != Used::AsPrototype {
                    *catalogue.anonymous.entry(shape).or_default() += 1;
                }
            }
            None => {}
        }
    }
    Ok(catalogue)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Used {
    #[default]
    Nowhere,
    /// Only by functions.
    AsPrototype,
    Anywhere,
}

struct Reader<'b, 's> {
    btf: &'b Btf<'b>,
    symbols: &'s mut Symbols,
    tags: HashMap<TypeId, Vec<Tag>>,
    /// Of types whose name has several definitions.
    variants: HashMap<TypeId, u64>,
    strings: HashMap<StrOff, Symbol>,
    /// Nodes that may still be made: what has no name is repeated wherever it is used.
    budget: u64,
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    // 0 is nobody.
    hasher.finish() | 1
}

impl<'b> Reader<'b, '_> {
    fn symbol(&mut self, off: StrOff) -> Symbol {
        if let Some(&known) = self.strings.get(&off) {
            return known;
        }
        let symbol = self.symbols.intern(self.btf.string_prefix(off, MAX_NAME).unwrap_or_default());
        self.strings.insert(off, symbol);
        symbol
    }

    fn collect_tags(&mut self) {
        for ty in self.btf.types().filter(|ty| ty.kind() == Kind::DeclTag) {
            let value = self.symbol(ty.name_off());
            let tag = (ty.component_idx().unwrap_or(-1), value, ty.kind_flag());
            self.tags.entry(ty.target().unwrap_or_default()).or_default().push(tag);
        }
        self.tags.values_mut().for_each(|tags| tags.sort_unstable());
    }

    fn used(&self) -> Vec<Used> {
        let first = self.btf.base_len();
        let mut used = vec![Used::Nowhere; (self.btf.len() - first) as usize];
        for ty in self.btf.types().filter(|ty| ty.kind() != Kind::DeclTag) {
            for id in ty.references() {
                let at = id.0.checked_sub(first).and_then(|at| used.get_mut(at as usize));
                match at {
                    Some(at @ Used::Nowhere) if ty.kind() == Kind::Func => *at = Used::AsPrototype,
                    Some(at) if ty.kind() != Kind::Func => *at = Used::Anywhere,
                    _ => {}
                }
            }
        }
        used
    }

    /// What a type is found by, if it has a name.
    fn key(&mut self, ty: Type<'b>) -> Option<Key> {
        let class = match ty.kind() {
            Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 | Kind::Fwd => Class::Tag,
            Kind::Typedef => Class::Typedef,
            Kind::Int | Kind::Float => Class::Number,
            Kind::Func => Class::Function,
            Kind::Var => Class::Variable,
            Kind::Datasec => Class::Section,
            _ => return None,
        };
        let name = self.symbol(ty.name_off());
        let nameless = class == Class::Tag && name == Symbol::EMPTY;
        (!nameless).then_some((class, name))
    }

    /// Finds the names with several definitions and gives each of these a number.
    fn tell_apart(&mut self) -> Result<()> {
        let mut by_key: HashMap<Key, Vec<TypeId>> = HashMap::new();
        for id in (1..self.btf.len()).map(TypeId) {
            let Some(ty) = self.btf.ty(id) else { continue };
            if let Some(key) = self.key(ty) {
                by_key.entry(key).or_default().push(id);
            }
        }
        let wanted = [Class::Tag, Class::Typedef, Class::Number];
        let several: Vec<TypeId> = by_key
            .into_iter()
            .filter(|((class, _), ids)| ids.len() > 1 && wanted.contains(class))
            .flat_map(|(_, ids)| ids)
            .collect();
        let mut classes = 0;
        for round in 0..ROUNDS {
            let mut next = HashMap::with_capacity(several.len());
            for &id in &several {
                let Some(ty) = self.btf.ty(id) else { continue };
                let definition = self.definition(ty)?;
                next.insert(id, hash(&(round, definition)));
            }
            let count = next.values().collect::<HashSet<_>>().len();
            self.variants = next;
            classes = classes.max(count);
        }
        Ok(())
    }

    fn spend(&mut self, nodes: u64) -> Result<()> {
        match self.budget.checked_sub(nodes) {
            Some(left) => self.budget = left,
            None => return Err(Error::input("BTF: types without names repeat each other beyond all bounds")),
        }
        Ok(())
    }

    /// A type where it is used.
    fn shape(&mut self, id: TypeId, depth: u32) -> Result<Shape> {
        let btf = self.btf;
        let mut modifiers = Vec::new();
        let mut id = id;
        let inner = loop {
            self.spend(1)?;
            let Some(ty) = btf.ty(id) else { break Shape::Void };
            if depth > MAX_DEPTH || modifiers.len() > MAX_DEPTH as usize {
                let what = format!("BTF: type {} contains itself without a name, or nests too deep", ty.id());
                return Err(Error::input(what));
            }
            let modifier = match ty.kind() {
                Kind::Ptr => Modifier::Pointer,
                Kind::Const => Modifier::Const,
                Kind::Volatile => Modifier::Volatile,
                Kind::Restrict => Modifier::Restrict,
                Kind::TypeTag => Modifier::TypeTag(self.symbol(ty.name_off()), ty.kind_flag()),
                Kind::Array => {
                    let Some(array) = ty.array() else { break Shape::Void };
                    break Shape::Array(Box::new(self.shape(array.element, depth + 1)?), array.count);
                }
                Kind::FuncProto => break Shape::Proto(Box::new(self.proto(ty, depth + 1)?)),
                kind => match self.key(ty) {
                    Some(key) => {
                        let word = match kind {
                            Kind::Struct => Word::Struct,
                            Kind::Union => Word::Union,
                            Kind::Enum | Kind::Enum64 => Word::Enum,
                            Kind::Fwd => {
                                if ty.kind_flag() {
                                    Word::Union
                                } else {
                                    Word::Struct
                                }
                            }
                            _ => Word::None,
                        };
                        let variant = self.variants.get(&id).copied().unwrap_or(0);
                        break Shape::Named { key, word, variant };
                    }
                    None if kind.is_composite() => {
                        let mut composite = self.composite(ty, depth + 1)?;
                        composite.tags = self.tags.get(&id).cloned().unwrap_or_default();
                        break Shape::Composite(Rc::new(composite));
                    }
                    None => break Shape::Enumeration(Rc::new(self.enumeration(ty)?)),
                },
            };
            modifiers.push(modifier);
            id = ty.target().unwrap_or_default();
        };
        Ok(modifiers.into_iter().rev().fold(inner, |shape, m| Shape::Modified(m, Box::new(shape))))
    }

    fn proto(&mut self, ty: Type<'b>, depth: u32) -> Result<Proto> {
        let returns = self.shape(ty.target().unwrap_or_default(), depth)?;
        let mut params = Vec::with_capacity(ty.params().len());
        for p in ty.params() {
            params.push((self.symbol(p.name), self.shape(p.ty, depth)?));
        }
        let variadic = matches!(params.last(), Some((Symbol::EMPTY, Shape::Void)));
        if variadic {
            params.pop();
        }
        Ok(Proto { returns, params, variadic })
    }

    fn composite(&mut self, ty: Type<'b>, depth: u32) -> Result<Composite> {
        let flag = ty.kind_flag();
        let mut members = Vec::with_capacity(ty.members().len());
        for m in ty.members() {
            members.push(Member {
                name: self.symbol(m.name),
                shape: self.shape(m.ty, depth)?,
                offset_bits: m.offset_bits(flag),
                bitfield_bits: u32::from(m.bitfield_bits(flag)),
            });
        }
        Ok(Composite {
            is_union: ty.kind() == Kind::Union,
            size_bytes: ty.size_or_type(),
            members,
            tags: Vec::new(),
        })
    }

    fn enumeration(&mut self, ty: Type<'b>) -> Result<Enumeration> {
        self.spend(ty.enumerators().len() as u64)?;
        let values = ty.enumerators().map(|e| (self.symbol(e.name), e.value)).collect();
        let wide = ty.kind() == Kind::Enum64;
        Ok(Enumeration { size_bytes: ty.size_or_type(), signed: ty.is_signed(), wide, values })
    }

    fn definition(&mut self, ty: Type<'b>) -> Result<Definition> {
        let target = ty.target().unwrap_or_default();
        let size = ty.size_or_type();
        let body = match ty.kind() {
            Kind::Struct | Kind::Union => Body::Composite(self.composite(ty, 0)?),
            Kind::Enum | Kind::Enum64 => Body::Enumeration(self.enumeration(ty)?),
            Kind::Fwd => Body::Declaration(if ty.kind_flag() { Word::Union } else { Word::Struct }),
            Kind::Int => {
                let data = ty.int_data();
                let (bits, offset, encoding) =
                    data.map_or((0, 0, 0), |d| (d.bits, d.offset_bits, d.encoding.0));
                Body::Number(size, bits, offset, encoding)
            }
            Kind::Float => Body::Number(size, 0, 0, u8::MAX),
            Kind::Func => {
                let proto = match self.btf.ty(target) {
                    Some(proto) => self.proto(proto, 0)?,
                    None => Proto { returns: Shape::Void, params: Vec::new(), variadic: false },
                };
                Body::Function(proto, ty.vlen())
            }
            Kind::Var => {
                Body::Variable(self.shape(target, 0)?, ty.var_linkage().map_or(u32::MAX, |l| l as u32))
            }
            Kind::Datasec => {
                let mut entries = Vec::with_capacity(ty.datasec_entries().len());
                for e in ty.datasec_entries() {
                    let name = self.btf.ty(e.var).map_or(StrOff::EMPTY, |var| var.name_off());
                    entries.push((self.symbol(name), e.offset_bytes, e.size_bytes));
                }
                Body::Section(size, entries)
            }
            _ => Body::Alias(self.shape(target, 0)?),
        };
        Ok(Definition { body, tags: self.tags.get(&ty.id()).cloned().unwrap_or_default() })
    }

    /// What something without a name is found by: an enumeration by its first value, anything else by all
    /// that it says.
    fn name_of_anonymous(&mut self, shape: &Shape) -> Symbol {
        match shape {
            Shape::Enumeration(e) => e.values.first().map_or(Symbol::EMPTY, |(name, _)| *name),
            other => {
                let number = hash(other);
                self.symbols.intern(format!("(anon) {number:016x}").as_bytes())
            }
        }
    }
}
