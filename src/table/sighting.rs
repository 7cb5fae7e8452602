//! Where things were met whose names somebody asks about. An encode that nobody asks about has none.

use super::{First, Key, Site};

/// A DIE with a name that is asked about, and what the encoder makes of it.
#[derive(Debug, Clone)]
pub struct Sighting {
    /// The name, as it was asked for.
    pub name: Vec<u8>,
    /// Where the DIE lies.
    pub site: Site,
    /// What it is.
    pub what: Sighted,
}

/// What was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sighted {
    /// A subprogram.
    Function {
        /// What it is the DIE of.
        role: Role,
        /// The key of the state that it is an occurrence of, if it says anything.
        state: Option<Key>,
    },
    /// A type.
    Type {
        /// What kind of type.
        word: Word,
        /// It only declares the name.
        is_declaration: bool,
        /// The key of the type that it is an occurrence of; `None` if nothing can be said about it.
        key: Option<Key>,
    },
    /// A variable.
    Variable {
        /// What the table knows it by.
        first: First,
        /// Its address in the target, whether in a wanted section or not.
        address: Option<u64>,
        /// Why it is in no table.
        unwanted: Option<Unwanted>,
    },
    /// Any of them, in a unit that is left out because of its language.
    LeftOut,
}

/// What the DIE of a subprogram describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// That there is such a function.
    Declaration,
    /// What its inlined copies have in common, and perhaps its code.
    Abstract,
    /// Its code at this address, 0 if there is none.
    Code(u64),
}

/// What a name names, as C writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Word {
    /// `struct NAME`
    Struct,
    /// `union NAME`
    Union,
    /// `enum NAME`
    Enum,
    /// `typedef ... NAME`
    Typedef,
    /// A base type: an integer or a floating point number.
    Base,
}

/// Why a variable is not even looked at; the codes are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unwanted {
    /// It is one of a function.
    Local,
    /// It has no address: it is only declared here, was optimised out, or lives in a register or per thread.
    NoAddress,
    /// It lies in a section whose variables are not asked for.
    OtherSection,
    /// Its type is void, or nothing that BTF has a word for.
    NoType,
    /// The kernel's macros made up its name.
    MadeUpName,
    /// Kernels do not accept its name.
    InvalidName,
}

impl Unwanted {
    /// The reason as it stands in reports.
    pub fn code(self) -> &'static str {
        match self {
            Unwanted::Local => "local",
            Unwanted::NoAddress => "no-address",
            Unwanted::OtherSection => "other-section",
            Unwanted::NoType => "no-type",
            Unwanted::MadeUpName => "made-up-name",
            Unwanted::InvalidName => "invalid-name",
        }
    }
}
