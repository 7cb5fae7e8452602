//! What one worker keeps: new types, states of functions, variables, and the strings they name.
//!
//! A [`Tables`] grows while its worker walks units, and afterwards is joined with those of the other
//! workers. Joining is commutative and associative up to the numbering of entries, and a number never
//! reaches the output: the order of the output comes from contents and from first occurrences, which
//! are kept as minima.

mod func;
mod key;
mod sighting;
mod split;
mod strings;
mod types;
mod variable;

pub use func::{FuncFlags, FuncId, FuncState, FuncTable, FuncTag};
pub use key::{Key, KeyHasher, KeyIdentity, KeyMap, hash_bytes, key_of_bytes};
pub use sighting::{Role, Sighted, Sighting, Unwanted, Word};
pub use split::{Meaning, Meanings, Refined, Skeleton, SkeletonRef, UnitMeanings};
pub use strings::{StrId, Strings};
pub use types::{Anchor, AnchorClass, AnchorId, Entry, EntryId, Part, Ref, TypeTable, Variant};
pub use variable::Variable;

/// Where something was met first: the number of its unit, then its place in the unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct First(u64);

impl First {
    /// The `order`-th thing of unit number `unit`.
    pub fn new(unit: u32, order: u32) -> First {
        First(u64::from(unit) << 32 | u64::from(order))
    }

    /// Later than everything.
    pub const NEVER: First = First(u64::MAX);
}

/// Where something lies: the number of its unit, and its offset in the unit in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Site {
    /// The number of the unit.
    pub unit: u32,
    /// Offset from the start of the unit, in bytes.
    pub offset: u32,
}

/// Everything that a worker found.
#[derive(Debug, Default)]
pub struct Tables<'a> {
    /// Names, each once.
    pub strings: Strings<'a>,
    /// Types, each once.
    pub types: TypeTable,
    /// States of functions, each once.
    pub funcs: FuncTable,
    /// Variables, every one.
    pub variables: Vec<Variable>,
    /// For every unit, which definitions and declarations of named structs, unions and enums it holds.
    pub mentions: Vec<Mentions>,
    /// Where names that are asked about were met; what was found out later stands behind.
    pub sightings: Vec<Sighting>,
}

/// The definitions and declarations of named structs, unions and enums in one unit.
///
/// Needed after the join, to find the units that hold a certain definition of a name that has several.
#[derive(Debug)]
pub struct Mentions {
    /// Number of the unit.
    pub unit: u32,
    /// The entries, in the order of the unit.
    pub entries: Box<[EntryId]>,
    /// The names that it refers to in other units.
    pub foreign: Box<[AnchorId]>,
}

impl<'a> Tables<'a> {
    /// Takes over everything in `other`.
    pub fn join(&mut self, other: Tables<'a>) {
        let strings = self.strings.join(other.strings);
        let entries = self.types.join(other.types, &strings);
        self.funcs.join(other.funcs, &strings, &entries);
        self.variables.extend(other.variables.into_iter().map(|v| v.renumber(&strings, &entries)));
        self.sightings.extend(other.sightings);
        self.mentions.extend(other.mentions.into_iter().map(|mut mentions| {
            mentions.entries.iter_mut().for_each(|entry| *entry = entries.entry(*entry));
            mentions.foreign.iter_mut().for_each(|anchor| *anchor = entries.anchor(*anchor));
            mentions
        }));
    }
}
