//! Anchors find their definitions; what is left over is dropped.

use super::exact::{Variants, anchor_of};
use crate::btf::Kind;
use crate::table::{Anchor, EntryId, Key, KeyMap, Ref, Tables, Variant};

/// What every anchor stands for, and which entries are part of the output.
#[derive(Debug)]
pub struct Resolution {
    anchors: Vec<Option<EntryId>>,
    alive: Vec<bool>,
    /// Names that have several definitions, sorted.
    pub split_names: Vec<String>,
    /// The integer that arrays are indexed by.
    pub index: Option<EntryId>,
}

impl Resolution {
    /// Resolves all anchors of `tables`.
    pub fn new(tables: &Tables<'_>, variants: &Variants) -> Resolution {
        let types = &tables.types;
        let mut alive: Vec<bool> = types.ids().map(|id| types.count(id) > 0).collect();
        for incomplete in variants.completed.keys() {
            if let Some(id) = types.find(*incomplete) {
                alive[id.0 as usize] = false;
            }
        }
        let mut found: KeyMap<Found> = KeyMap::default();
        for id in types.ids().filter(|id| alive[id.0 as usize]) {
            let entry = types.get(id);
            let Some(anchor) = anchor_of(tables, entry) else { continue };
            let found = found.entry(anchor).or_default();
            if entry.is_declaration() {
                found.declaration = Some(id);
            } else {
                found.definitions += 1;
                let better = |known: EntryId| {
                    let rank = |id| (types.count(id), types.get(id).key);
                    rank(id) > rank(known)
                };
                if found.definition.is_none_or(better) {
                    found.definition = Some(id);
                }
            }
        }
        let by_key = |key: Key| types.find(*variants.completed.get(&key).unwrap_or(&key));
        let is_alive = |id: &EntryId| alive[id.0 as usize];
        let anchor = |anchor: &Anchor| {
            let usual = Anchor::key_of(anchor.class, tables.strings.hash(anchor.name), Variant::Usual);
            let found = found.get(&usual).copied().unwrap_or_default();
            match anchor.variant {
                Variant::Usual => variants.usual.get(&usual).and_then(|&key| by_key(key)).filter(is_alive),
                Variant::Exact(key) => {
                    variants.previous.get(&key).and_then(|&key| by_key(key)).filter(is_alive)
                }
                Variant::Declared => found.declaration,
            }
            .or(found.definition)
            .or(found.declaration)
        };
        let anchors: Vec<_> = types.anchors().iter().map(anchor).collect();
        let mut split_names = Vec::new();
        for found in found.values() {
            // Declared here, defined there: one type.
            if let (Some(declaration), 1..) = (found.declaration, found.definitions) {
                alive[declaration.0 as usize] = false;
            }
            if let (Some(definition), 2..) = (found.definition, found.definitions) {
                let name = tables.strings.get(types.get(definition).name);
                split_names.push(String::from_utf8_lossy(name).into_owned());
            }
        }
        revive_declarations(tables, &anchors, &mut alive);
        split_names.sort();
        split_names.dedup();
        let is_index = |id: &EntryId| {
            let entry = types.get(*id);
            entry.kind == Kind::Int && tables.strings.get(entry.name) == b"int" && alive[id.0 as usize]
        };
        let index = types.ids().filter(is_index).min_by_key(|&id| types.first(id));
        Resolution { anchors, alive, split_names, index }
    }

    /// The type that a reference means; `None` for void.
    #[inline]
    pub fn entry(&self, reference: Ref) -> Option<EntryId> {
        match reference.as_anchor() {
            Some(anchor) => self.anchors.get(anchor.0 as usize).copied().flatten(),
            None => reference.as_entry(),
        }
    }

    /// True if an entry is part of the output. Entries made after the resolution are.
    pub fn is_alive(&self, id: EntryId) -> bool {
        self.alive.get(id.0 as usize).copied().unwrap_or(true)
    }

    /// Brings an entry back that did not occur by itself.
    pub fn revive(&mut self, id: EntryId) {
        if let Some(alive) = self.alive.get_mut(id.0 as usize) {
            *alive = true;
        }
    }
}

/// What there is of one name.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    definitions: u32,
    definition: Option<EntryId>,
    declaration: Option<EntryId>,
}

/// Declarations of names with several definitions stay where somebody refers to none of those.
fn revive_declarations(tables: &Tables<'_>, anchors: &[Option<EntryId>], alive: &mut [bool]) {
    let types = &tables.types;
    if types.anchors().iter().all(|anchor| anchor.variant != Variant::Declared) {
        return;
    }
    let mut meant = Vec::new();
    let mut see = |reference: Ref| {
        if let Some(anchor) = reference.as_anchor()
            && let Some(entry) = anchors[anchor.0 as usize]
        {
            meant.push(entry);
        }
    };
    for id in types.ids().filter(|id| alive[id.0 as usize]) {
        see(types.get(id).target);
        types.parts(id).iter().for_each(|part| see(part.target));
    }
    for state in tables.funcs.states().iter().filter(|state| state.count() > 0) {
        see(state.returns);
        tables.funcs.params(state).iter().for_each(|param| see(param.target));
    }
    tables.variables.iter().for_each(|variable| see(variable.target));
    for entry in meant.into_iter().filter(|&id| types.get(id).is_declaration()) {
        alive[entry.0 as usize] = true;
    }
}
