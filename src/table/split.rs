//! Names with several definitions: what is known of them, and what units say that were walked again.

use std::collections::HashMap;

use super::{EntryId, Key, KeyMap, Site, Tables, Variant};

/// The names that have several definitions, as known at one level.
#[derive(Debug, Clone, Default)]
pub struct Split {
    /// By the key of the name's usual anchor: the key of its usual definition.
    pub usual: KeyMap<Key>,
    /// What is known of each level below the one that is asked for.
    pub levels: Vec<Level>,
}

/// One level of refinement.
#[derive(Debug, Clone, Default)]
pub struct Level {
    /// Keys of incomplete definitions, with those of the complete ones that they stand for.
    pub completed: KeyMap<Key>,
    /// Names that a unit only declares, and which definition it means all the same: one of its structs
    /// says so. By the number of the unit and the key of the name's usual anchor.
    pub bound: HashMap<(u32, Key), Key>,
    /// Which definition something with a split name is, for those who refer to it from another unit. What is
    /// not in here is the usual one.
    pub foreign: HashMap<Site, Variant>,
}

/// What units that were walked again say.
#[derive(Debug, Default)]
pub struct Refined<'a> {
    /// What they hold, in place of what they held.
    pub tables: Tables<'a>,
    /// Keys of types that they held at level 0, each as often as it did.
    pub forgotten_types: Vec<Key>,
    /// Keys of states of functions that they held at level 0.
    pub forgotten_funcs: Vec<Key>,
    /// Definitions of structs, unions and enums with names.
    pub definitions: Vec<Definition>,
}

/// A definition or declaration in a unit that was walked again.
#[derive(Debug, Clone, Copy)]
pub struct Definition {
    /// Where it lies.
    pub site: Site,
    /// The key of its name's usual anchor.
    pub anchor: Key,
    /// Its key at level 0.
    pub plain: Key,
    /// Its key one level earlier, by which others refer to it.
    pub previous: Key,
    /// Which definition of its name it was taken for.
    pub variant: Variant,
    /// Its entry in the refined tables.
    pub entry: EntryId,
}
