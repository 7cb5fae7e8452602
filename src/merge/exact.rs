//! Names with several definitions: which they are, and which units must be walked again for them.
//!
//! The keys of the first walk take a name for what it names. That is wrong for the few names that mean
//! different things in different units: for those, the units that mean another thing than most are
//! walked again with them told apart ([`Split`]). When two definitions of a name turn out to differ only then,
//! because they refer to different definitions of another, the name is split as well.
//!
//! A unit that only declares such a name refers to none of its definitions. A definition that refers to
//! such a declaration is *incomplete*: it stands for the complete definition that is equal but for it, of
//! several for the most used. The rules depend on the set of definitions alone, never on an order.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::table::{
    Anchor, AnchorId, Entry, EntryId, Key, KeyMap, Level, Mentions, Refined, Site, Split, Tables, Variant,
};

/// Rounds after which the result stands as it is, and the report says so. Kernels need some ten; a round
/// splits names or deepens a level.
const MAX_ROUNDS: u32 = 200;

/// The search for names that mean several things.
#[derive(Debug, Default)]
pub struct Exact {
    split: Split,
    units: BTreeSet<u32>,
    /// What the workers found: the definitions of every name, sorted.
    first: Vec<(Key, EntryId)>,
    completed: KeyMap<Key>,
    rounds: u32,
    last: bool,
}

/// One definition of a name.
#[derive(Debug, Clone, Copy)]
struct Definition {
    key: Key,
    /// Its key one level earlier.
    previous: Key,
    plain: Key,
    count: u32,
    incomplete: bool,
    entry: EntryId,
    /// Which of the units that were walked again hold it; `None` for those that were not.
    refined: Option<usize>,
}

impl Exact {
    /// Looks at what the workers found and what the units said that were walked again (at first none).
    /// True if another round of them is needed, with [`split`](Self::split) and
    /// [`units`](Self::units) as they are now.
    pub fn advance(&mut self, tables: &Tables<'_>, refined: &[Refined<'_>]) -> bool {
        if self.rounds == 0 {
            self.first = first_definitions(tables);
        }
        let before = self.split.usual.len();
        let mut stable = true;
        self.completed.clear();
        let groups = self.definitions(tables, refined);
        let binder = Binder { tables, refined };
        for (&anchor, group) in &groups {
            let distinct = binder.settle(group, &mut self.completed);
            // Incomplete definitions come and go with what is known of their declarations.
            let complete = || group.iter().filter(|d| !d.incomplete);
            let previous: BTreeSet<Key> = complete().map(|d| d.previous).collect();
            stable &= previous.len() == complete().count();
            if distinct.len() > 1 && !self.split.usual.contains_key(&anchor) {
                let usual = distinct.iter().max_by_key(|d| (d.key == d.plain, d.count, d.key));
                if let Some(usual) = usual {
                    self.split.usual.insert(anchor, usual.key);
                }
            }
        }
        self.rounds += 1;
        if self.split.usual.is_empty() || self.last {
            return false;
        }
        if self.split.usual.len() > before {
            // The keys of every level change with the names that are split.
            self.split.levels = vec![Level::default()];
            self.find_units(tables);
            return !self.units.is_empty() && self.rounds < MAX_ROUNDS;
        }
        let foreign = foreign(&self.split, refined);
        if let Some(level) = self.split.levels.last_mut().filter(|level| level.foreign != foreign) {
            // Whoever refers to them from other units took them for the usual ones.
            level.foreign = foreign;
            return self.rounds < MAX_ROUNDS;
        }
        let bound = binder.bind(&self.completed, &self.split);
        let binds = !bound.is_empty();
        if let Some(level) = self.split.levels.last_mut() {
            level.bound = bound;
        }
        if stable || self.rounds >= MAX_ROUNDS {
            // Nothing splits any more. What was bound just now takes one more round of the same level.
            self.last = true;
            return binds;
        }
        self.split.levels.push(Level { completed: self.completed.clone(), ..Level::default() });
        true
    }

    /// The names that are told apart.
    pub fn split(&self) -> &Split {
        &self.split
    }

    /// False if there were too many rounds: definitions that differ only deep below may have become one.
    pub fn is_settled(&self) -> bool {
        self.rounds < MAX_ROUNDS
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
        // Which definition a unit means that lies in another is known only there.
        let is_split =
            |id: &AnchorId| self.split.usual.contains_key(&tables.types.anchors()[id.0 as usize].key);
        let odd = |m: &&Mentions| m.entries.iter().any(is_odd) || m.foreign.iter().any(is_split);
        let units = tables.mentions.iter().filter(odd).map(|m| m.unit);
        self.units.extend(units);
    }

    /// All definitions, once each, of the names that may have several: those that had at first, and those
    /// in units that were walked again.
    fn definitions(&self, tables: &Tables<'_>, refined: &[Refined<'_>]) -> BTreeMap<Key, Vec<Definition>> {
        let mut gone: HashMap<Key, u32> = HashMap::new();
        for key in refined.iter().flat_map(|r| &r.forgotten_types) {
            *gone.entry(*key).or_default() += 1;
        }
        let mut groups: BTreeMap<Key, Vec<Definition>> = BTreeMap::new();
        for refined in refined {
            for definition in &refined.definitions {
                groups.entry(definition.anchor).or_default();
            }
        }
        for run in self.first.chunk_by(|a, b| a.0 == b.0) {
            let Some(&(anchor, _)) = run.first().filter(|(a, _)| run.len() > 1 || groups.contains_key(a))
            else {
                continue;
            };
            let group = groups.entry(anchor).or_default();
            for &(_, id) in run {
                let key = tables.types.get(id).key;
                let count = tables.types.count(id).saturating_sub(gone.get(&key).copied().unwrap_or(0));
                if count > 0 {
                    group.push(Definition {
                        key,
                        previous: key,
                        plain: key,
                        count,
                        incomplete: false,
                        entry: id,
                        refined: None,
                    });
                }
            }
        }
        for (i, refined) in refined.iter().enumerate() {
            for definition in &refined.definitions {
                let entry = refined.tables.types.get(definition.entry);
                let Some(group) = groups.get_mut(&definition.anchor).filter(|_| !entry.is_declaration())
                else {
                    continue;
                };
                match group.iter_mut().find(|d| d.key == entry.key) {
                    Some(known) => known.count = known.count.saturating_add(1),
                    None => group.push(Definition {
                        key: entry.key,
                        previous: definition.previous,
                        plain: definition.plain,
                        count: 1,
                        incomplete: entry.incomplete,
                        entry: definition.entry,
                        refined: Some(i),
                    }),
                }
            }
        }
        groups
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
            tables.funcs.forget(refined.forgotten_funcs.iter().copied());
            units.extend(refined.tables.mentions.iter().map(|m| m.unit));
            for definition in &refined.definitions {
                previous.insert(definition.previous, refined.tables.types.get(definition.entry).key);
            }
        }
        tables.variables.retain(|v| !units.contains(&v.first.unit()));
        for refined in refined {
            tables.join(refined.tables);
        }
        Variants { usual: self.split.usual, previous, completed: self.completed }
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

/// The definitions that the workers found, sorted by name.
fn first_definitions(tables: &Tables<'_>) -> Vec<(Key, EntryId)> {
    let types = &tables.types;
    let named = types.ids().filter_map(|id| {
        let entry = types.get(id);
        let anchor = anchor_of(tables, entry).filter(|_| !entry.is_declaration())?;
        Some((anchor, id))
    });
    let mut named: Vec<_> = named.collect();
    named.sort_unstable();
    named
}

/// Finds out which definition a unit means where it only declares a name.
///
/// If a struct of the unit is equal to a complete one of another but for the declaration, then it means
/// what stands there in the other. Where two structs of a unit disagree, the declaration stays one.
struct Binder<'b, 'a> {
    tables: &'b Tables<'a>,
    refined: &'b [Refined<'a>],
}

/// The definitions and declarations of split names that are not the usual ones, by place.
fn foreign(split: &Split, refined: &[Refined<'_>]) -> HashMap<Site, Variant> {
    let definitions = refined.iter().flat_map(|refined| &refined.definitions);
    let odd = definitions.filter(|d| d.variant != Variant::Usual && split.usual.contains_key(&d.anchor));
    odd.map(|d| (d.site, d.variant)).collect()
}

type Bound = HashMap<(u32, Key), Option<Key>>;

impl<'a> Binder<'_, 'a> {
    /// The definitions of one name that are really different; notes which incomplete ones are completed.
    ///
    /// An incomplete definition stands for the complete one that is equal to it but for the declaration;
    /// of several for the one that is used most.
    fn settle(&self, group: &[Definition], completed: &mut KeyMap<Key>) -> Vec<Definition> {
        let mut distinct = Vec::with_capacity(group.len());
        for definition in group {
            let equal =
                |d: &&Definition| !d.incomplete && d.plain == definition.plain && self.equal(definition, d);
            let complete = || group.iter().filter(equal).max_by_key(|d| (d.count, d.key));
            match definition.incomplete.then(complete).flatten() {
                Some(complete) => {
                    completed.insert(definition.key, complete.key);
                }
                None => distinct.push(*definition),
            }
        }
        distinct
    }

    fn tables_of(&self, definition: &Definition) -> &Tables<'a> {
        let refined = definition.refined.and_then(|i| self.refined.get(i));
        refined.map_or(self.tables, |refined| &refined.tables)
    }

    /// True if two definitions with the same plain key differ only in what `a` declares.
    fn equal(&self, a: &Definition, b: &Definition) -> bool {
        let mut equal = true;
        let pair = (a.entry, b.entry);
        compare(self.tables_of(a), self.tables_of(b), pair, |p, q| {
            equal &= p.variant == Variant::Declared || p.variant == q.variant;
        });
        equal
    }

    fn bind(&self, completed: &KeyMap<Key>, split: &Split) -> HashMap<(u32, Key), Key> {
        let mut bound = Bound::new();
        for refined in self.refined {
            for definition in &refined.definitions {
                let entry = refined.tables.types.get(definition.entry);
                if let Some(complete) = completed.get(&entry.key)
                    && let Some((other, complete)) = self.find(*complete)
                {
                    let (unit, tables) = (definition.site.unit, &refined.tables);
                    compare(tables, other, (definition.entry, complete), |p, q| {
                        if p.variant == Variant::Declared {
                            note(unit, tables, split, p, q.variant, &mut bound);
                        }
                    });
                }
            }
        }
        bound.into_iter().filter_map(|(name, key)| Some((name, key?))).collect()
    }

    fn find(&self, key: Key) -> Option<(&Tables<'a>, EntryId)> {
        let tables = self.refined.iter().map(|r| &r.tables).chain([self.tables]);
        tables.into_iter().find_map(|tables| Some((tables, tables.types.find(key)?)))
    }
}

/// Walks over two types with the same plain key side by side, and shows `visit` each pair of anchors.
fn compare(
    a: &Tables<'_>,
    b: &Tables<'_>,
    pair: (EntryId, EntryId),
    mut visit: impl FnMut(&Anchor, &Anchor),
) {
    let (mut stack, mut seen) = (vec![pair], BTreeSet::new());
    while let Some((x, y)) = stack.pop() {
        if !seen.insert((x, y)) {
            continue;
        }
        let (parts_a, parts_b) = (a.types.parts(x).iter(), b.types.parts(y).iter());
        let refs = parts_a.zip(parts_b).map(|(p, q)| (p.target, q.target));
        for (p, q) in refs.chain([(a.types.get(x).target, b.types.get(y).target)]) {
            match (p.as_anchor(), q.as_anchor()) {
                (Some(p), Some(q)) => {
                    visit(&a.types.anchors()[p.0 as usize], &b.types.anchors()[q.0 as usize]);
                }
                _ => stack.extend(p.as_entry().zip(q.as_entry())),
            }
        }
    }
}

/// Notes what a unit means by a name that it only declares; two things are none.
fn note(unit: u32, tables: &Tables<'_>, split: &Split, declared: &Anchor, means: Variant, bound: &mut Bound) {
    let name = Anchor::key_of(declared.class, tables.strings.hash(declared.name), Variant::Usual);
    let key = match means {
        Variant::Usual => split.usual.get(&name).copied(),
        Variant::Exact(key) => Some(key),
        Variant::Declared => None,
    };
    let known = bound.entry((unit, name)).or_insert(key);
    if *known != key {
        *known = None;
    }
}
