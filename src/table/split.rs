//! Names with several definitions: what the workers and the search for them say to each other.
//!
//! A worker hands over the [`Skeleton`] of a unit; the search hands back what every name in the unit means
//! ([`Meanings`]); the worker then says what the unit holds, now that it is known ([`Refined`]).

use std::collections::HashMap;

use super::{EntryId, Key, KeyMap, Site, Tables, Variant};

/// Which named structs, unions and enums of a unit refer to which: its types without anything that is the
/// same wherever their keys are.
///
/// The *named nodes* are the unit's own definitions and declarations, in its order. A *knot* is an unnamed type
/// that refers to so many others that whoever uses it refers to the knot instead of them; knots keep the
/// skeleton as small as the unit, however its unnamed types share each other. A knot refers only to knots
/// before it. The lists of two types with equal keys are of equal length, and correspond place by place.
#[derive(Debug, Default)]
pub struct Skeleton {
    /// Number of the unit.
    pub unit: u32,
    /// By knot, the end of its list in `refs`. The lists follow each other.
    pub knots: Vec<u32>,
    /// By named node, offset in the unit in bytes and the end of its list in `refs`. The lists follow each
    /// other and those of the knots.
    pub named: Vec<(u32, u32)>,
    /// The lists.
    pub refs: Vec<SkeletonRef>,
}

/// What a node of a [`Skeleton`] refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkeletonRef {
    /// A named node of the unit by its number.
    Named(u32),
    /// A knot of the unit by its number.
    Knot(u32),
    /// A named node of another unit.
    Foreign(Site),
}

/// What the names mean in a unit that is walked again.
#[derive(Debug)]
pub struct UnitMeanings {
    /// Number of the unit.
    pub unit: u32,
    /// What its named nodes are, in their order.
    pub named: Vec<Meaning>,
}

/// The same for all units that are walked again.
#[derive(Debug, Default)]
pub struct Meanings {
    /// What a node is to those who refer to it from another unit. What is not in here is the usual definition.
    pub foreign: HashMap<Site, Variant>,
    /// Definitions of one identity are equal. Not so where the search ended too early.
    pub is_settled: bool,
}

/// What a named node is.
#[derive(Debug, Clone, Copy)]
pub struct Meaning {
    /// What is meant by whoever refers to it.
    pub variant: Variant,
    /// Its key in the first walk.
    pub plain: Key,
    /// Of a definition, the key that [`Variant::Exact`] has for it; equal for equal definitions of the name.
    pub identity: Key,
}

/// What units that were walked again say.
#[derive(Debug, Default)]
pub struct Refined<'a> {
    /// What they hold, in place of what they held.
    pub tables: Tables<'a>,
    /// Keys of types that they held at first, each as often as it did.
    pub forgotten_types: Vec<Key>,
    /// Keys of states of functions that they held at first.
    pub forgotten_funcs: Vec<Key>,
    /// By identity, the definitions that have changed.
    pub definitions: KeyMap<EntryId>,
}

impl Refined<'_> {
    /// The definition that a changed one is equal to, if one was made.
    pub fn made(&self, meanings: &Meanings, meaning: &Meaning) -> Option<EntryId> {
        self.definitions.get(&meaning.identity).copied().filter(|_| meanings.is_settled)
    }
}
