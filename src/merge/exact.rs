//! Names with several definitions: which they are, and which units must be walked again for them.
//!
//! The keys of the first walk take a name for what it names. That is wrong for the few names that mean
//! different things in different units: for those, the units that mean another thing than most are
//! walked again ([`crate::build::Split`]). When two definitions of a name turn out to differ only then,
//! because they refer to different definitions of another, the name is split as well.
//!
//! A unit that only declares such a name refers to none of its definitions. A definition that refers to
//! such a declaration is *incomplete*: it stands for the only complete definition that is equal but for
//! it, if there is only one. The rules depend on the set of definitions alone, never on an order.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::build::{Level, Refined, Split};
use crate::table::{Anchor, Entry, EntryId, Key, KeyMap, Tables, Variant};

/// Rounds after which the result stands as it is. Kernels need 3; each round splits at least one name.
const MAX_ROUNDS: u32 = 200;

/// The search for names that mean several things.
#[derive(Debug, Default)]
pub struct Exact {
    split: Split,
    units: BTreeSet<u32>,
    definitions: usize,
    rounds: u32,
}

/// One definition of a name.
#[derive(Debug, Clone, Copy)]
struct Definition {
    key: Key,
    plain: Key,
    count: u32,
    incomplete: bool,
}

impl Exact {
    /// Looks at what the workers found and what the units said that were walked again (at first none).
    /// True if another round of them is needed, with [`split`](Self::split) and
    /// [`units`](Self::units) as they are now.
    pub fn advance(&mut self, tables: &Tables<'_>, refined: &[Refined<'_>]) -> bool {
        let definitions = definitions(tables, refined);
        let before = self.split.usual.len();
        let (mut completed, mut total) = (KeyMap::default(), 0);
        for (&anchor, group) in &definitions {
            let distinct = settle(group, &mut completed);
            total += distinct.len();
            if distinct.len() > 1 && !self.split.usual.contains_key(&anchor) {
                let usual = distinct.iter().max_by_key(|d| (d.key == d.plain, d.count, d.key));
                if let Some(usual) = usual {
                    self.split.usual.insert(anchor, usual.key);
                }
            }
        }
        if self.split.usual.is_empty() {
            return false;
        }
        let grown = self.split.usual.len() > before;
        let stable = !grown && total == self.definitions;
        self.definitions = total;
        self.rounds += 1;
        if grown {
            // The keys of every level change with the names that are split.
            self.split.levels = vec![Level::default()];
            self.find_units(tables);
        } else {
            self.split.levels.push(Level { completed });
        }
        !stable && self.rounds < MAX_ROUNDS && !self.units.is_empty()
    }

    /// The names that are told apart.
    pub fn split(&self) -> &Split {
        &self.split
    }

    /// The numbers of the units to walk again.
    pub fn units(&self) -> impl Iterator<Item = u32> + '_ {
        self.units.iter().copied()
    }

    /// Units that declare a split name, or define it otherwise than usual.
    fn find_units(&mut self, tables: &Tables<'_>) {
        let odd: Vec<bool> = tables
            .types
            .ids()
            .map(|id| {
                let entry = tables.types.get(id);
                let usual = anchor_of(tables, entry).and_then(|anchor| self.split.usual.get(&anchor));
                usual.is_some_and(|&usual| entry.key != usual)
            })
            .collect();
        let is_odd = |id: &EntryId| odd[id.0 as usize];
        let units = tables.mentions.iter().filter(|m| m.entries.iter().any(is_odd)).map(|m| m.unit);
        self.units.extend(units);
    }

    /// Ends the search: takes the units that were walked again into `tables` in place of what they said
    /// at first, and returns what anchors with a variant stand for.
    pub fn finish<'a>(self, tables: &mut Tables<'a>, refined: Vec<Refined<'a>>) -> Variants {
        let mut previous = KeyMap::default();
        let mut units = BTreeSet::new();
        for refined in &refined {
            for key in &refined.forgotten_types {
                if let Some(id) = tables.types.find(*key) {
                    tables.types.forget(id);
                }
            }
            for &key in &refined.forgotten_funcs {
                tables.funcs.forget(key);
            }
            units.extend(refined.tables.mentions.iter().map(|m| m.unit));
            for definition in &refined.definitions {
                previous.insert(definition.previous, refined.tables.types.get(definition.entry).key);
            }
        }
        tables.variables.retain(|v| !units.contains(&v.first.unit()));
        for refined in refined {
            tables.join(refined.tables);
        }
        let completed = self.split.levels.last().map(|l| l.completed.clone()).unwrap_or_default();
        Variants { usual: self.split.usual, previous, completed }
    }
}

/// What the anchors of names with several definitions stand for, by keys.
#[derive(Debug, Default)]
pub struct Variants {
    /// By the key of a name's usual anchor, the usual definition.
    pub usual: KeyMap<Key>,
    /// By the key in an anchor, the definition.
    pub previous: KeyMap<Key>,
    /// By an incomplete definition, the complete one that it stands for.
    pub completed: KeyMap<Key>,
}

/// The key of the usual anchor of an entry's name.
pub(super) fn anchor_of(tables: &Tables<'_>, entry: &Entry) -> Option<Key> {
    let class = entry.anchor_class()?;
    Some(Anchor::key_of(class, tables.strings.hash(entry.name), Variant::Usual))
}

/// All definitions by name, once each.
fn definitions(tables: &Tables<'_>, refined: &[Refined<'_>]) -> BTreeMap<Key, Vec<Definition>> {
    let mut gone: HashMap<Key, u32> = HashMap::new();
    for key in refined.iter().flat_map(|r| &r.forgotten_types) {
        *gone.entry(*key).or_default() += 1;
    }
    let mut groups: BTreeMap<Key, Vec<Definition>> = BTreeMap::new();
    for id in tables.types.ids() {
        let entry = tables.types.get(id);
        let count = tables.types.count(id).saturating_sub(gone.get(&entry.key).copied().unwrap_or(0));
        if let Some(anchor) = anchor_of(tables, entry)
            && !entry.is_declaration()
            && count > 0
        {
            let (key, incomplete) = (entry.key, false);
            groups.entry(anchor).or_default().push(Definition { key, plain: key, count, incomplete });
        }
    }
    for refined in refined {
        for definition in &refined.definitions {
            let entry = refined.tables.types.get(definition.entry);
            if entry.is_declaration() {
                continue;
            }
            let group = groups.entry(definition.anchor).or_default();
            match group.iter_mut().find(|d| d.key == entry.key) {
                Some(known) => known.count = known.count.saturating_add(1),
                None => group.push(Definition {
                    key: entry.key,
                    plain: definition.plain,
                    count: 1,
                    incomplete: entry.incomplete,
                }),
            }
        }
    }
    groups
}

/// The definitions of one name that are really different; notes which incomplete ones are completed.
fn settle(group: &[Definition], completed: &mut KeyMap<Key>) -> Vec<Definition> {
    let mut distinct = Vec::with_capacity(group.len());
    for definition in group {
        if definition.incomplete {
            let mut equal = group.iter().filter(|d| !d.incomplete && d.plain == definition.plain);
            if let (Some(only), None) = (equal.next(), equal.next()) {
                completed.insert(definition.key, only.key);
                continue;
            }
        }
        distinct.push(*definition);
    }
    distinct
}
