//! Anchors find their definitions; what is left over is dropped.

use super::exact::{Variants, anchor_of};
use super::shared::Shared;
use super::twins;
use crate::btf::{IntEncoding, Kind};
use crate::table::{Anchor, Entry, EntryId, First, Key, KeyHasher, KeyMap, Ref, Tables, Variant};

/// Rounds of folding; each goes past one more name. What is equal behind that many names stays double.
const MAX_ROUNDS: u32 = 64;

/// What every anchor stands for, and which entries are part of the output.
#[derive(Debug)]
pub struct Resolution {
    anchors: Vec<Option<EntryId>>,
    alive: Vec<bool>,
    /// By entry, the one that stands for it; empty while every one stands for itself.
    folded: Vec<EntryId>,
    /// Names that have several definitions, sorted.
    pub split_names: Vec<String>,
    /// The integer that arrays are indexed by.
    pub index: Option<EntryId>,
}

impl Resolution {
    /// Resolves all anchors of `tables`.
    pub fn new(tables: &Tables<'_>, variants: &Variants) -> Resolution {
        let types = &tables.types;
        let mut alive: Vec<bool> =
            types.ids().map(|id| types.count(id) > 0 && !types.get(id).is_void()).collect();
        for joined in variants.joined.keys() {
            if let Some(id) = types.find(*joined) {
                alive[id.0 as usize] = false;
            }
        }
        let mut found: KeyMap<Found> = KeyMap::default();
        let mut declarations = Vec::new();
        for id in types.ids().filter(|id| alive[id.0 as usize]) {
            let entry = types.get(id);
            let Some(anchor) = anchor_of(tables, entry) else { continue };
            let found = found.entry(anchor).or_default();
            if entry.is_declaration() {
                // Declarations of an enum may differ in size.
                let smaller = |known: EntryId| entry.key < types.get(known).key;
                if found.declaration.is_none_or(smaller) {
                    found.declaration = Some(id);
                }
                declarations.push((anchor, id));
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
        let is_alive = |id: &EntryId| alive[id.0 as usize];
        let definition = |identity: Key| {
            let key = *variants.exact.get(&identity).unwrap_or(&identity);
            types.find(*variants.joined.get(&key).unwrap_or(&key)).filter(is_alive)
        };
        let anchor = |anchor: &Anchor| {
            let usual = Anchor::key_of(anchor.class, tables.strings.hash(anchor.name), Variant::Usual);
            let found = found.get(&usual).copied().unwrap_or_default();
            match anchor.variant {
                Variant::Usual => variants.usual.get(&usual).and_then(|&key| definition(key)),
                Variant::Exact(key) => definition(key),
                Variant::Declared => found.declaration,
            }
            .or(found.definition)
            .or(found.declaration)
        };
        let anchors: Vec<_> = types.anchors().iter().map(anchor).collect();
        let mut split_names = Vec::new();
        for (anchor, id) in declarations {
            // Declared here, defined there: one type.
            if found.get(&anchor).is_some_and(|found| found.definitions > 0) {
                alive[id.0 as usize] = false;
            }
        }
        for found in found.values() {
            if let (Some(definition), 2..) = (found.definition, found.definitions) {
                let name = tables.strings.get(types.get(definition).name);
                split_names.push(String::from_utf8_lossy(name).into_owned());
            }
        }
        split_names.sort();
        split_names.dedup();
        revive_declarations(tables, &anchors, &mut alive);
        Resolution { anchors, alive, folded: Vec::new(), split_names, index: None }
    }

    /// Finds the integer that arrays are indexed by: the first `int` of the input. A file that has arrays but
    /// no `int` gets one.
    pub fn find_index(&mut self, tables: &mut Tables<'_>) {
        let types = &tables.types;
        let alive = |id: &EntryId| self.is_alive(*id);
        let is_index = |id: &EntryId| {
            let entry = types.get(*id);
            entry.kind == Kind::Int && tables.strings.get(entry.name) == b"int"
        };
        let found = types.ids().filter(alive).filter(is_index).min_by_key(|&id| types.first(id));
        let missing =
            found.is_none() && types.ids().filter(alive).any(|id| types.get(id).kind == Kind::Array);
        self.index = found;
        if missing {
            let mut entry = Entry::new(Kind::Int, KeyHasher::new(0x600).finish());
            entry.name = tables.strings.intern(b"int".as_slice().into());
            (entry.size, entry.encoding) = (4, u32::from(IntEncoding::SIGNED.0));
            let id = tables.types.insert(entry, []);
            tables.types.occur(id, First::NEVER, 1);
            self.index = Some(id);
        }
    }

    /// The type that a reference means; `None` for void.
    #[inline]
    pub fn entry(&self, reference: Ref) -> Option<EntryId> {
        let mut entry = match reference.as_anchor() {
            Some(anchor) => self.anchors.get(anchor.0 as usize).copied().flatten(),
            None => reference.as_entry(),
        }?;
        while let Some(&other) = self.folded.get(entry.0 as usize).filter(|&&other| other != entry) {
            entry = other;
        }
        Some(entry)
    }

    /// Makes one of definitions in Rust and in C that are equal ([`twins`]), and of what refers to them.
    pub fn fold_languages(&mut self, tables: &mut Tables<'_>) {
        let twins = twins::find(tables, self);
        if twins.is_empty() {
            return;
        }
        self.folded = tables.types.ids().collect();
        for (rust, c) in twins {
            self.folded[rust.0 as usize] = c;
            self.alive[rust.0 as usize] = false;
            tables.types.merge(rust, c);
        }
        self.fold(tables, None);
    }

    /// Makes one of entries that have become equal, because what told them apart could not be expressed, or
    /// because a base has one type for both ([`Shared`]). Different keys mean different types only as far as
    /// all of a type is written.
    ///
    /// Of equal ones that with the smallest key stays, and takes over what was counted of the others: who
    /// met which of them first must not matter.
    pub fn fold(&mut self, tables: &mut Tables<'_>, shared: Option<&Shared<'_>>) {
        let types = &tables.types;
        let unique = |kind| matches!(kind, Kind::Func | Kind::Var | Kind::Datasec);
        let foldable = |id: &EntryId| self.is_alive(*id) && !unique(types.get(*id).kind);
        let ids: Vec<EntryId> = types.ids().filter(foldable).collect();
        // Entries may have been made since the last time.
        self.folded.extend((self.folded.len()..types.len()).map(|i| EntryId(i as u32)));
        // An entry comes behind those that it refers to, but for anchors: mostly one round is enough.
        for _ in 0..MAX_ROUNDS {
            let mut changed = false;
            let mut leaders: KeyMap<EntryId> = KeyMap::default();
            for &id in &ids {
                let leader = *leaders.entry(self.written(tables, shared, id)).or_insert(id);
                changed |= std::mem::replace(&mut self.folded[id.0 as usize], leader) != leader;
            }
            if !changed {
                break;
            }
        }
        let mut smallest = self.folded.clone();
        for &id in &ids {
            let best = &mut smallest[self.folded[id.0 as usize].0 as usize];
            if tables.types.get(id).key < tables.types.get(*best).key {
                *best = id;
            }
        }
        self.alive.resize(tables.types.len(), true);
        for &id in &ids {
            let keep = smallest[self.folded[id.0 as usize].0 as usize];
            self.folded[id.0 as usize] = keep;
            if keep != id {
                self.alive[id.0 as usize] = false;
                tables.types.merge(id, keep);
            }
        }
    }

    /// The key of an entry as it will be written.
    fn written(&self, tables: &Tables<'_>, shared: Option<&Shared<'_>>, id: EntryId) -> Key {
        if let Some(id) = shared.and_then(|shared| shared.get(id)) {
            let mut hasher = KeyHasher::new(0x700);
            hasher.pair(u64::from(id.0), 0);
            return hasher.finish();
        }
        let entry = tables.types.get(id);
        let number = |reference| self.entry(reference).map_or(0, |id| u64::from(id.0) + 1);
        let mut hasher = KeyHasher::new(entry.kind as u64 | u64::from(entry.kind_flag) << 8);
        hasher.pair(u64::from(entry.name.0), u64::from(entry.size) << 32 | u64::from(entry.encoding));
        hasher.pair(number(entry.target), u64::from(entry.part_count()));
        for part in tables.types.parts(id) {
            hasher.pair(u64::from(part.name.0), part.value);
            hasher.pair(number(part.target), 0);
        }
        hasher.finish()
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
