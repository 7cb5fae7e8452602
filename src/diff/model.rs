//! What a comparison sees of a BTF, or of anything else that describes types: definitions by name, without ids
//! and without order.
//!
//! A definition is a tree whose leaves are the names of other definitions, so it stands alone: two graphs are
//! equal if for each name the same definitions are there. What has no name is part of the tree it is used in.

use std::collections::HashMap;
use std::rc::Rc;

/// A string of a [`Symbols`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Symbol(u32);

impl Symbol {
    /// The empty string: the name of what has none.
    pub const EMPTY: Symbol = Symbol(0);
}

/// The strings of all catalogues that are compared with each other.
#[derive(Debug)]
pub struct Symbols {
    ids: HashMap<Rc<[u8]>, Symbol>,
    strings: Vec<Rc<[u8]>>,
}

impl Default for Symbols {
    fn default() -> Self {
        let empty: Rc<[u8]> = Rc::from(&b""[..]);
        Symbols { ids: HashMap::from([(empty.clone(), Symbol::EMPTY)]), strings: vec![empty] }
    }
}

impl Symbols {
    /// The symbol of a string.
    pub fn intern(&mut self, string: &[u8]) -> Symbol {
        if let Some(&known) = self.ids.get(string) {
            return known;
        }
        // As many as there are strings in memory.
        let symbol = Symbol(u32::try_from(self.strings.len()).unwrap_or(u32::MAX));
        let string: Rc<[u8]> = Rc::from(string);
        self.strings.push(string.clone());
        self.ids.insert(string, symbol);
        symbol
    }

    /// The string of a symbol, what is no UTF-8 replaced.
    pub fn text(&self, symbol: Symbol) -> String {
        let string = self.strings.get(symbol.0 as usize);
        String::from_utf8_lossy(string.map_or(&[], |s| s)).into_owned()
    }
}

/// The name spaces. What is in different ones has nothing to do with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Structs, unions, enumerations and their declarations.
    Tag,
    /// Typedefs.
    Typedef,
    /// Integers and floating-point numbers.
    Number,
    /// Functions.
    Function,
    /// Variables.
    Variable,
    /// Sections with variables.
    Section,
    /// What has no name and is used by nothing.
    Anonymous,
}

/// A definition of a name.
pub type Key = (Class, Symbol);

/// What a tag is the tag of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Word {
    /// A struct.
    Struct,
    /// A union.
    Union,
    /// An enumeration.
    Enum,
    /// Nothing: the name is no tag.
    None,
}

/// What stands around a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Modifier {
    /// A pointer to it.
    Pointer,
    /// `const`
    Const,
    /// `volatile`
    Volatile,
    /// `restrict`
    Restrict,
    /// A tag; `true` if it is an attribute.
    TypeTag(Symbol, bool),
}

/// A type where it is used.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Shape {
    /// `void`
    Void,
    /// A definition by its name. `variant` tells several of one name apart and is 0 where there is one, or
    /// where nobody knows which is meant.
    Named {
        /// The name.
        key: Key,
        /// What it is the tag of.
        word: Word,
        /// Which one.
        variant: u64,
    },
    /// A modified type.
    Modified(Modifier, Box<Shape>),
    /// An array of one dimension.
    Array(Box<Shape>, u32),
    /// A function.
    Proto(Box<Proto>),
    /// A struct or union without a name.
    Composite(Rc<Composite>),
    /// An enumeration without a name.
    Enumeration(Rc<Enumeration>),
}

/// A prototype.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Proto {
    /// What it returns.
    pub returns: Shape,
    /// Names and types.
    pub params: Vec<(Symbol, Shape)>,
    /// Whether it ends with `...`.
    pub variadic: bool,
}

/// A struct or union.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Composite {
    /// Whether it is a union.
    pub is_union: bool,
    /// Its size.
    pub size_bytes: u32,
    /// Its members in their order.
    pub members: Vec<Member>,
    /// Tags of what has no name.
    pub tags: Vec<Tag>,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Member {
    /// Its name.
    pub name: Symbol,
    /// Its type.
    pub shape: Shape,
    /// Its offset.
    pub offset_bits: u32,
    /// Its width if it is a bitfield, else 0.
    pub bitfield_bits: u32,
}

/// An enumeration.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Enumeration {
    /// Its size.
    pub size_bytes: u32,
    /// Whether its values are signed.
    pub signed: bool,
    /// Whether values have 64 bits.
    pub wide: bool,
    /// Names and values.
    pub values: Vec<(Symbol, u64)>,
}

/// A declaration tag: on the whole (−1), a member or a parameter; `true` if it is an attribute.
pub type Tag = (i32, Symbol, bool);

/// What a definition says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Body {
    /// A struct or union.
    Composite(Composite),
    /// An enumeration.
    Enumeration(Enumeration),
    /// Only declared, as a struct or union.
    Declaration(Word),
    /// A typedef.
    Alias(Shape),
    /// A number: size, bits, offset in bits, encoding; a floating-point number has 255 for the last.
    Number(u32, u8, u8, u8),
    /// A function and its linkage.
    Function(Proto, u32),
    /// A variable and its linkage.
    Variable(Shape, u32),
    /// A section: its size, and of each variable name, offset and size in bytes, by offset.
    Section(u32, Vec<(Symbol, u32, u32)>),
    /// Something without a name.
    Anonymous(Shape),
}

/// A definition.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Definition {
    /// What it says.
    pub body: Body,
    /// Its tags, sorted.
    pub tags: Vec<Tag>,
}

/// All definitions.
#[derive(Debug, Default)]
pub struct Catalogue {
    /// By name, each with the number of its copies.
    pub definitions: HashMap<Key, Vec<(Definition, u32)>>,
    /// Types without a name, wherever they are used, with the number of their copies.
    pub anonymous: HashMap<Shape, u32>,
    /// The variants of names with several definitions.
    pub variants: std::collections::HashSet<u64>,
}

impl Catalogue {
    /// Adds a definition.
    pub fn add(&mut self, key: Key, definition: Definition) {
        let known = self.definitions.entry(key).or_default();
        match known.iter_mut().find(|(d, _)| *d == definition) {
            Some((_, copies)) => *copies = copies.saturating_add(1),
            None => known.push((definition, 1)),
        }
    }
}
