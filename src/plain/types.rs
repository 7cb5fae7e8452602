//! Entries as definitions, tag by tag.

use std::collections::HashMap;
use std::rc::Rc;

use gimli::DwTag;
use gimli::constants as dw;

use super::Wanted;
use super::table::{Program, Ref};
use crate::diff::model::{
    Body, Catalogue, Class, Composite, Definition, Enumeration, Member, Modifier, Proto, Shape, Symbol,
    Symbols, Tag, Word,
};
use crate::error::{Error, Result};

/// Deepest nesting of what has no name.
const MAX_DEPTH: u32 = 128;

/// Tags of annotations, by vendor.
const ANNOTATIONS: [DwTag; 2] = [DwTag(0x6000), DwTag(0x6001)];

/// gcc's reference to an annotation.
const GNU_ANNOTATION: gimli::DwAt = gimli::DwAt(0x2139);

pub(super) struct Reader<'a, 'd, 's> {
    program: Program<'a, 'd>,
    symbols: &'s mut Symbols,
    wanted: &'s Wanted,
    /// Types of entries of the unit that is read.
    shapes: HashMap<(usize, usize), Shape>,
}

impl<'a, 'd, 's> Reader<'a, 'd, 's> {
    pub(super) fn new(program: Program<'a, 'd>, symbols: &'s mut Symbols, wanted: &'s Wanted) -> Self {
        Reader { program, symbols, wanted, shapes: HashMap::new() }
    }

    /// Reads every unit.
    pub(super) fn read(&mut self) -> Result<Catalogue> {
        let mut catalogue = Catalogue::default();
        for number in 0..self.program.len() {
            self.shapes.clear();
            let table = self.program.table(number)?;
            for index in 0..table.entries.len() {
                self.entry(&Ref { table: table.clone(), index }, &mut catalogue)?;
            }
        }
        Ok(catalogue)
    }

    /// Adds what an entry defines.
    fn entry(&mut self, at: &Ref<'a>, catalogue: &mut Catalogue) -> Result<()> {
        match at.tag() {
            dw::DW_TAG_base_type => {
                let shape = self.shape(at, 0)?;
                if let Shape::Named { .. } = shape {
                    return self.named(at, catalogue);
                }
                // A number that BTF has no word for consists of others.
                if let Shape::Array(element, _) = &shape
                    && let Shape::Named { key, .. } = **element
                {
                    let size = at.number(dw::DW_AT_byte_size).unwrap_or(0) as u32;
                    let body = match is_complex(at) {
                        true => Body::Number(size / 2, 0, 0, u8::MAX),
                        false => Body::Number(1, 8, 0, 0),
                    };
                    catalogue.add(key, Definition { body, tags: Vec::new() });
                }
                self.nameless(at, catalogue)
            }
            // A typedef that names nothing adds nothing.
            dw::DW_TAG_typedef if !at.has(dw::DW_AT_name) => Ok(()),
            dw::DW_TAG_typedef => self.named(at, catalogue),
            dw::DW_TAG_structure_type
            | dw::DW_TAG_class_type
            | dw::DW_TAG_union_type
            | dw::DW_TAG_enumeration_type => match self.name(at)? {
                Symbol::EMPTY => self.nameless(at, catalogue),
                _ => self.named(at, catalogue),
            },
            dw::DW_TAG_pointer_type
            | dw::DW_TAG_reference_type
            | dw::DW_TAG_rvalue_reference_type
            | dw::DW_TAG_ptr_to_member_type
            | dw::DW_TAG_const_type
            | dw::DW_TAG_volatile_type
            | dw::DW_TAG_restrict_type
            | dw::DW_TAG_array_type
            | dw::DW_TAG_subroutine_type => self.nameless(at, catalogue),
            dw::DW_TAG_subprogram => self.function(at, catalogue),
            dw::DW_TAG_variable => self.variable(at, catalogue),
            _ => Ok(()),
        }
    }

    fn symbol(&mut self, at: &Ref<'a>) -> Symbol {
        match self.program.string(at, dw::DW_AT_name) {
            Some(name) => self.symbols.intern(name),
            None => Symbol::EMPTY,
        }
    }

    /// The entry itself, or the one that it completes, if that has the attribute.
    fn with(&mut self, at: &Ref<'a>, attribute: dw::DwAt) -> Result<Option<Ref<'a>>> {
        let mut at = at.clone();
        for _ in 0..4 {
            if at.has(attribute) {
                return Ok(Some(at));
            }
            let origin = self.program.follow(&at, dw::DW_AT_abstract_origin)?;
            let next = match origin {
                Some(origin) => Some(origin),
                None => self.program.follow(&at, dw::DW_AT_specification)?,
            };
            match next {
                Some(next) => at = next,
                None => break,
            }
        }
        Ok(None)
    }

    /// The name of an entry, or of the one that it completes.
    fn name(&mut self, at: &Ref<'a>) -> Result<Symbol> {
        Ok(self.with(at, dw::DW_AT_name)?.map_or(Symbol::EMPTY, |at| self.symbol(&at)))
    }

    /// The type that an entry refers to, itself or by what it completes.
    fn type_of(&mut self, at: &Ref<'a>) -> Result<Option<Ref<'a>>> {
        match self.with(at, dw::DW_AT_type)? {
            Some(at) => self.program.follow(&at, dw::DW_AT_type),
            None => Ok(None),
        }
    }

    fn target(&mut self, at: &Ref<'a>, depth: u32) -> Result<Shape> {
        match self.type_of(at)? {
            Some(target) => self.shape(&target, depth + 1),
            None => Ok(Shape::Void),
        }
    }

    fn named(&mut self, at: &Ref<'a>, catalogue: &mut Catalogue) -> Result<()> {
        // What stands for a type unit's type is that.
        if at.has(dw::DW_AT_signature) {
            return Ok(());
        }
        let Shape::Named { key, word, .. } = self.shape(at, 0)? else { return Ok(()) };
        let body = match at.tag() {
            dw::DW_TAG_base_type => self.number(at),
            dw::DW_TAG_typedef => Body::Alias(self.target(at, 0)?),
            dw::DW_TAG_enumeration_type => Body::Enumeration(self.enumeration(at)?),
            _ if at.flag(dw::DW_AT_declaration) => Body::Declaration(word),
            _ => Body::Composite(self.composite(at, 0)?),
        };
        let mut tags = if matches!(body, Body::Composite(_)) { self.member_tags(at)? } else { Vec::new() };
        if at.tag() != dw::DW_TAG_enumeration_type && at.tag() != dw::DW_TAG_base_type {
            self.tags(at, "btf_decl_tag", &mut |value| tags.push((-1, value, false)))?;
        }
        tags.sort_unstable();
        catalogue.add(key, Definition { body, tags });
        Ok(())
    }

    fn nameless(&mut self, at: &Ref<'a>, catalogue: &mut Catalogue) -> Result<()> {
        let shape = self.shape(at, 0)?;
        // Inner dimensions and tags are types of their own.
        let mut part = &shape;
        loop {
            // What stands for a type of a type unit has its name.
            if matches!(part, Shape::Named { .. } | Shape::Void) {
                return Ok(());
            }
            if !catalogue.anonymous.contains_key(part) {
                catalogue.anonymous.insert(part.clone(), 1);
            }
            part = match part {
                Shape::Array(inner, _) if matches!(**inner, Shape::Array(..)) => inner,
                Shape::Modified(_, inner) if matches!(**inner, Shape::Modified(Modifier::TypeTag(..), _)) => {
                    inner
                }
                _ => return Ok(()),
            };
        }
    }

    /// A number by its name; what BTF has no word for as an array of numbers, or as an empty struct.
    fn number_shape(&mut self, at: &Ref<'a>) -> Shape {
        let size = at.number(dw::DW_AT_byte_size).unwrap_or(0) as u32;
        let named = |name| Shape::Named { key: (Class::Number, name), word: Word::None, variant: 0 };
        let (name, count) = match size {
            _ if is_complex(at) => match size {
                8 => (self.symbols.intern(b"float"), 2),
                16 => (self.symbols.intern(b"double"), 2),
                _ => (self.symbol(at), 2),
            },
            1 | 2 | 4 | 8 | 16 => return named(self.symbol(at)),
            12 if encoding(at) == dw::DW_ATE_float => return named(self.symbol(at)),
            0 => {
                let (members, tags) = (Vec::new(), Vec::new());
                return Shape::Composite(Rc::new(Composite {
                    is_union: false,
                    size_bytes: 0,
                    members,
                    tags,
                }));
            }
            _ => (self.symbols.intern(b"u8"), size),
        };
        Shape::Array(Box::new(named(name)), count)
    }

    fn number(&mut self, at: &Ref<'a>) -> Body {
        let size = at.number(dw::DW_AT_byte_size).unwrap_or(0) as u32;
        let flags = match encoding(at) {
            dw::DW_ATE_float => return Body::Number(size, 0, 0, u8::MAX),
            dw::DW_ATE_signed | dw::DW_ATE_signed_char => 1,
            dw::DW_ATE_boolean => 4,
            _ => 0,
        };
        Body::Number(size, size.saturating_mul(8) as u8, 0, flags)
    }

    /// A type where it is used.
    fn shape(&mut self, at: &Ref<'a>, depth: u32) -> Result<Shape> {
        if let Some(known) = self.shapes.get(&at.place()) {
            return Ok(known.clone());
        }
        if depth > MAX_DEPTH {
            return Err(Error::input("DWARF: types without names nest too deep"));
        }
        let shape = self.new_shape(at, depth)?;
        self.shapes.insert(at.place(), shape.clone());
        Ok(shape)
    }

    fn new_shape(&mut self, at: &Ref<'a>, depth: u32) -> Result<Shape> {
        let named = |class, name, word| Shape::Named { key: (class, name), word, variant: 0 };
        Ok(match at.tag() {
            dw::DW_TAG_base_type => self.number_shape(at),
            dw::DW_TAG_typedef if !at.has(dw::DW_AT_name) => self.target(at, depth)?,
            dw::DW_TAG_typedef => named(Class::Typedef, self.symbol(at), Word::None),
            dw::DW_TAG_structure_type | dw::DW_TAG_class_type | dw::DW_TAG_union_type => {
                if let Some(whole) = self.program.follow(at, dw::DW_AT_signature)? {
                    return self.shape(&whole, depth + 1);
                }
                let word = if at.tag() == dw::DW_TAG_union_type { Word::Union } else { Word::Struct };
                match self.name(at)? {
                    Symbol::EMPTY => {
                        let mut composite = self.composite(at, depth)?;
                        composite.tags = self.member_tags(at)?;
                        composite.tags.sort_unstable();
                        Shape::Composite(Rc::new(composite))
                    }
                    name => named(Class::Tag, name, word),
                }
            }
            dw::DW_TAG_enumeration_type => {
                if let Some(whole) = self.program.follow(at, dw::DW_AT_signature)? {
                    return self.shape(&whole, depth + 1);
                }
                match self.name(at)? {
                    Symbol::EMPTY => Shape::Enumeration(Rc::new(self.enumeration(at)?)),
                    name => named(Class::Tag, name, Word::Enum),
                }
            }
            dw::DW_TAG_pointer_type
            | dw::DW_TAG_reference_type
            | dw::DW_TAG_rvalue_reference_type
            | dw::DW_TAG_ptr_to_member_type => {
                let target = self.target(at, depth)?;
                let mut tags = Vec::new();
                self.tags(at, "btf_type_tag", &mut |value| tags.push(value))?;
                // Clang lists them from the inside out, gcc from the outside in.
                if at.has(GNU_ANNOTATION) {
                    tags.reverse();
                }
                let inner = tags.into_iter().fold(target, |shape, value| {
                    Shape::Modified(Modifier::TypeTag(value, false), Box::new(shape))
                });
                Shape::Modified(Modifier::Pointer, Box::new(inner))
            }
            dw::DW_TAG_const_type => self.modified(at, Modifier::Const, depth)?,
            dw::DW_TAG_volatile_type => self.modified(at, Modifier::Volatile, depth)?,
            dw::DW_TAG_restrict_type => self.modified(at, Modifier::Restrict, depth)?,
            dw::DW_TAG_atomic_type => self.target(at, depth)?,
            dw::DW_TAG_array_type => {
                let element = self.target(at, depth)?;
                let mut counts: Vec<u32> = at
                    .children()
                    .iter()
                    .filter(|child| child.tag() == dw::DW_TAG_subrange_type)
                    .map(|child| match child.number(dw::DW_AT_upper_bound) {
                        Some(last) => last.wrapping_add(1) as u32,
                        None => child.number(dw::DW_AT_count).unwrap_or(0) as u32,
                    })
                    .collect();
                if counts.is_empty() {
                    counts.push(1);
                }
                if self.wanted.flat_arrays {
                    counts = vec![counts.iter().fold(1, |all: u32, n| all.wrapping_mul(*n))];
                }
                counts.into_iter().rev().fold(element, |shape, n| Shape::Array(Box::new(shape), n))
            }
            dw::DW_TAG_subroutine_type => Shape::Proto(Box::new(self.proto(at, depth)?)),
            _ => Shape::Void,
        })
    }

    fn modified(&mut self, at: &Ref<'a>, modifier: Modifier, depth: u32) -> Result<Shape> {
        Ok(Shape::Modified(modifier, Box::new(self.target(at, depth)?)))
    }

    fn proto(&mut self, at: &Ref<'a>, depth: u32) -> Result<Proto> {
        let returns = self.target(at, depth)?;
        let (mut params, mut variadic) = (Vec::new(), false);
        for child in at.children() {
            match child.tag() {
                dw::DW_TAG_formal_parameter => {
                    let name = self.name(&child)?;
                    params.push((name, self.target(&child, depth)?));
                }
                dw::DW_TAG_unspecified_parameters => variadic = true,
                _ => {}
            }
        }
        Ok(Proto { returns, params, variadic })
    }

    fn composite(&mut self, at: &Ref<'a>, depth: u32) -> Result<Composite> {
        let mut members = Vec::new();
        for child in at.children() {
            let is_static = child.flag(dw::DW_AT_declaration) || child.flag(dw::DW_AT_external);
            let wanted = match child.tag() {
                dw::DW_TAG_member => !is_static,
                dw::DW_TAG_inheritance => true,
                _ => false,
            };
            if !wanted {
                continue;
            }
            let shape = self.target(&child, depth)?;
            if shape == Shape::Void {
                continue;
            }
            let bits = child.number(dw::DW_AT_bit_size).unwrap_or(0);
            let offset = match child.number(dw::DW_AT_data_bit_offset) {
                Some(offset) => offset,
                None => {
                    let start = self.program.member_offset(&child).unwrap_or(0).wrapping_mul(8);
                    match child.number(dw::DW_AT_bit_offset) {
                        Some(left) if self.program.is_little() => {
                            let storage = match child.number(dw::DW_AT_byte_size) {
                                Some(bytes) => bytes,
                                None => self.size_bytes(&child)?,
                            };
                            // DWARF 2 counts from the highest bit, and below the storage with a sign.
                            let left =
                                if left > i64::from(u32::MAX >> 1) { i64::from(left as i32) } else { left };
                            start + storage.wrapping_mul(8) - left - bits
                        }
                        Some(left) => start + left,
                        None => start,
                    }
                }
            };
            let name = if child.tag() == dw::DW_TAG_member { self.symbol(&child) } else { Symbol::EMPTY };
            members.push(Member { name, shape, offset_bits: offset as u32, bitfield_bits: bits as u32 });
        }
        Ok(Composite {
            is_union: at.tag() == dw::DW_TAG_union_type,
            size_bytes: at.number(dw::DW_AT_byte_size).unwrap_or(0) as u32,
            members,
            tags: Vec::new(),
        })
    }

    /// Size of the type of a bitfield.
    fn size_bytes(&mut self, at: &Ref<'a>) -> Result<i64> {
        let mut at = at.clone();
        for _ in 0..MAX_DEPTH {
            match self.type_of(&at)? {
                Some(target) => at = target,
                None => break,
            }
            if let Some(size) = at.number(dw::DW_AT_byte_size) {
                return Ok(size);
            }
        }
        Ok(0)
    }

    fn enumeration(&mut self, at: &Ref<'a>) -> Result<Enumeration> {
        let size_bytes = at.number(dw::DW_AT_byte_size).unwrap_or(4) as u32;
        let wide = size_bytes > 4;
        let mut values = Vec::new();
        for child in at.children().iter().filter(|child| child.tag() == dw::DW_TAG_enumerator) {
            values.push((self.symbol(child), child.number(dw::DW_AT_const_value).unwrap_or(0)));
        }
        // Before DWARF 3 nothing but the values says whether they have a sign.
        let mut base = if wide { self.type_of(at)? } else { None };
        for _ in 0..MAX_DEPTH {
            match base {
                Some(ref named) if named.tag() == dw::DW_TAG_typedef => {
                    base = self.type_of(&named.clone())?
                }
                _ => break,
            }
        }
        let signed = match base {
            Some(base) => matches!(encoding(&base), dw::DW_ATE_signed | dw::DW_ATE_signed_char),
            None => values.iter().any(|(_, v)| *v < 0),
        };
        let stored = |v: i64| match (wide, signed) {
            (true, _) => v as u64,
            (false, true) => i64::from(v as i32) as u64,
            (false, false) => u64::from(v as u32),
        };
        let values = values.into_iter().map(|(name, v)| (name, stored(v))).collect();
        Ok(Enumeration { size_bytes, signed, wide, values })
    }

    /// The values of the annotations of an entry that have this name.
    fn tags(&mut self, at: &Ref<'a>, name: &str, found: &mut dyn FnMut(Symbol)) -> Result<()> {
        let mut list: Vec<Ref<'a>> =
            at.children().into_iter().filter(|child| ANNOTATIONS.contains(&child.tag())).collect();
        let mut next = self.program.follow(at, GNU_ANNOTATION)?;
        while let Some(annotation) = next.take().filter(|_| list.len() < 1000) {
            next = self.program.follow(&annotation, GNU_ANNOTATION)?;
            list.push(annotation);
        }
        for annotation in list {
            if self.program.string(&annotation, dw::DW_AT_name) == Some(name.as_bytes())
                && let Some(value) = self.program.string(&annotation, dw::DW_AT_const_value)
            {
                let value = self.symbols.intern(value);
                found(value);
            }
        }
        Ok(())
    }

    fn member_tags(&mut self, at: &Ref<'a>) -> Result<Vec<Tag>> {
        let mut tags = Vec::new();
        let is_member = |child: &Ref<'a>| matches!(child.tag(), dw::DW_TAG_member | dw::DW_TAG_inheritance);
        for (i, child) in at.children().iter().filter(|child| is_member(child)).enumerate() {
            self.tags(child, "btf_decl_tag", &mut |value| tags.push((i as i32, value, false)))?;
        }
        Ok(tags)
    }

    fn function(&mut self, at: &Ref<'a>, catalogue: &mut Catalogue) -> Result<()> {
        let name = self.name(at)?;
        if name == Symbol::EMPTY || self.wanted.functions.as_ref().is_some_and(|w| !w.contains(&name)) {
            return Ok(());
        }
        // A declaration says nothing of parameters' names; what is only inlined is never encoded.
        if at.flag(dw::DW_AT_declaration) {
            return Ok(());
        }
        let proto = self.proto(at, 0)?;
        let mut tags = Vec::new();
        let origin = self.program.follow(at, dw::DW_AT_abstract_origin)?;
        for from in [Some(at.clone()), origin].into_iter().flatten() {
            let params = from.children().into_iter().filter(|c| c.tag() == dw::DW_TAG_formal_parameter);
            for (i, param) in params.enumerate() {
                self.tags(&param, "btf_decl_tag", &mut |value| tags.push((i as i32, value, false)))?;
            }
            self.tags(&from, "btf_decl_tag", &mut |value| tags.push((-1, value, false)))?;
        }
        tags.sort_unstable();
        tags.dedup();
        catalogue.add((Class::Function, name), Definition { body: Body::Function(proto, 0), tags });
        Ok(())
    }

    fn variable(&mut self, at: &Ref<'a>, catalogue: &mut Catalogue) -> Result<()> {
        let top = at.entry().is_some_and(|e| e.depth == 1);
        if !top || !self.program.has_address(at) {
            return Ok(());
        }
        let name = self.name(at)?;
        if name == Symbol::EMPTY || self.wanted.variables.as_ref().is_some_and(|w| !w.contains(&name)) {
            return Ok(());
        }
        let shape = self.target(at, 0)?;
        let mut tags = Vec::new();
        self.tags(at, "btf_decl_tag", &mut |value| tags.push((-1, value, false)))?;
        tags.sort_unstable();
        catalogue.add((Class::Variable, name), Definition { body: Body::Variable(shape, 0), tags });
        Ok(())
    }
}

fn encoding(at: &Ref<'_>) -> gimli::DwAte {
    gimli::DwAte(at.number(dw::DW_AT_encoding).unwrap_or(0) as u8)
}

fn is_complex(at: &Ref<'_>) -> bool {
    let size = at.number(dw::DW_AT_byte_size).unwrap_or(0);
    encoding(at) == dw::DW_ATE_complex_float && matches!(size, 4 | 8 | 16 | 24 | 32)
}
