//! Which types of the table a base has already.
//!
//! In: the resolved table and a [`Base`]. Out: by entry, the id of the equal type of the base, if there is one.
//!
//! Two types are equal if they agree in everything as far as one can follow what they refer to. Named structs
//! and unions refer to each other in circles, so that is the largest relation that nothing contradicts: all
//! pairs with equal labels that are met on the way down from equally named definitions are assumed equal at
//! first; a pair of which one thing referred to contradicts is taken back, and then all that rely on it.
//! Everything else is made of those, bottom-up.
//!
//! The base is never changed. A declaration of the table becomes the definition that the base has. What only the
//! table defines is its own, but where types of the base refer to a declaration of it, they are equal all the
//! same: else a module that defines one such struct would have to repeat `struct net_device` and half of the
//! kernel, and none of its functions would take the `struct net_device` of everybody else.

use std::collections::HashMap;

use super::base::{Base, label};
use super::exact::anchor_of;
use super::resolve::Resolution;
use crate::btf::{IntData, IntEncoding, Kind, TypeId};
use crate::options::Features;
use crate::table::{EntryId, Key, KeyMap, Part, Ref, Tables};

/// Most pairs of types, and most references between pairs, that are looked at. A whole kernel against itself has
/// 60 thousand and 300 thousand. With more, no definition is shared: larger output, but as true.
const MAX_PAIRS: usize = 1 << 21;
const MAX_EDGES: usize = 1 << 23;

/// What a base has of a table.
pub struct Shared<'b> {
    base: &'b Base<'b>,
    ids: Vec<Option<TypeId>>,
    /// False if there was too much to look at all of it.
    pub is_complete: bool,
}

impl<'b> Shared<'b> {
    /// Finds what `base` has of the entries in `alive`, which are all of the output, in any order.
    pub fn find(
        base: &'b Base<'b>,
        tables: &Tables<'_>,
        resolution: &Resolution,
        alive: &[EntryId],
        features: Features,
    ) -> Self {
        let module = Module::new(tables, resolution, alive, features);
        let mut pairs = Pairs::new(base, &module);
        'definitions: for &id in alive.iter().filter(|&&id| module.is_definition(id)) {
            for candidate in base.definitions(module.label(id)) {
                if pairs.meet(id, candidate).is_none() {
                    break 'definitions;
                }
            }
        }
        pairs.explore();
        pairs.refute();
        let is_complete = pairs.is_complete;
        let mut ids = pairs.definitions();
        let meant = pairs.meant(&ids);
        pairs.declarations(alive, &meant, &mut ids);
        Shared { base, ids: pairs.everything_else(alive, &meant, ids), is_complete }
    }

    /// The id of the equal type of the base.
    #[inline]
    pub fn get(&self, id: EntryId) -> Option<TypeId> {
        self.ids.get(id.0 as usize).copied().flatten()
    }

    /// The base.
    pub fn base(&self) -> &'b Base<'b> {
        self.base
    }
}

/// The table, as it will be written.
struct Module<'m, 'a> {
    tables: &'m Tables<'a>,
    resolution: &'m Resolution,
    /// By entry; that of void for what is not written.
    labels: Vec<Key>,
    /// How many definitions there are of a name.
    definitions: KeyMap<u32>,
}

impl<'m, 'a> Module<'m, 'a> {
    fn new(
        tables: &'m Tables<'a>,
        resolution: &'m Resolution,
        alive: &[EntryId],
        features: Features,
    ) -> Self {
        let labels = vec![Key::VOID; tables.types.len()];
        let mut module = Module { tables, resolution, labels, definitions: KeyMap::default() };
        for &id in alive {
            if let Some(anchor) = module.defines(id) {
                *module.definitions.entry(anchor).or_default() += 1;
            }
            let label = module.label_of(id, features.contains(Features::ENUM64));
            if let Some(place) = module.labels.get_mut(id.0 as usize) {
                *place = label;
            }
        }
        module
    }

    fn label_of(&self, id: EntryId, enum64: bool) -> Key {
        let entry = self.tables.types.get(id);
        let parts = self.tables.types.parts(id);
        let hash = |part: &Part| self.tables.strings.hash(part.name);
        let name = self.tables.strings.hash(entry.name);
        let (kind, flag, size) = (entry.kind, entry.kind_flag, entry.size);
        let plain = |size, word| label(kind, flag, name, (size, word), std::iter::empty());
        match kind {
            Kind::Int => {
                let encoding = IntEncoding(entry.encoding as u8);
                let data = IntData { bits: size.wrapping_mul(8) as u8, offset_bits: 0, encoding };
                plain(size, data.to_word())
            }
            Kind::Struct | Kind::Union => {
                let members = parts.iter().map(|part| (hash(part), u64::from(part.value as u32)));
                label(kind, flag, name, (size, 0), members)
            }
            Kind::Enum | Kind::Enum64 => {
                let (kind, flag) = if enum64 { (kind, flag) } else { (Kind::Enum, false) };
                let mask = if enum64 { u64::MAX } else { u64::from(u32::MAX) };
                let values = parts.iter().map(|part| (hash(part), part.value & mask));
                label(kind, flag, name, (size, 0), values)
            }
            Kind::FuncProto => label(kind, false, name, (0, 0), parts.iter().map(|part| (hash(part), 0))),
            Kind::Float | Kind::Array | Kind::DeclTag => plain(size, 0),
            _ => plain(0, 0),
        }
    }

    fn label(&self, id: EntryId) -> Key {
        self.labels.get(id.0 as usize).copied().unwrap_or(Key::VOID)
    }

    /// True for a definition of a named struct, union or enum.
    fn is_definition(&self, id: EntryId) -> bool {
        let entry = self.tables.types.get(id);
        entry.anchor_class().is_some() && !entry.is_declaration()
    }

    /// The key of the usual anchor of a definition's name; `None` for everything else.
    fn defines(&self, id: EntryId) -> Option<Key> {
        let entry = self.tables.types.get(id);
        anchor_of(self.tables, entry).filter(|_| !entry.is_declaration())
    }

    /// The key of the usual anchor of a declaration's name; `None` for everything else.
    fn declares(&self, id: EntryId) -> Option<Key> {
        let entry = self.tables.types.get(id);
        anchor_of(self.tables, entry).filter(|_| entry.is_declaration())
    }

    /// What an entry refers to, in the order of [`Type::references`](crate::btf::Type::references).
    fn references(&self, id: EntryId) -> impl Iterator<Item = Option<EntryId>> {
        let entry = self.tables.types.get(id);
        let written =
            |reference: Ref| self.resolution.entry(reference).filter(|&entry| self.label(entry) != Key::VOID);
        let target = entry.kind.refers() || entry.kind == Kind::Array;
        let index = entry.kind == Kind::Array;
        let parts = match entry.kind {
            Kind::Enum | Kind::Enum64 => &[],
            _ => self.tables.types.parts(id),
        };
        let target = target.then(|| written(entry.target)).into_iter();
        let index = index.then_some(self.resolution.index).into_iter();
        target.chain(index).chain(parts.iter().map(move |part| written(part.target)))
    }
}

/// An entry and a type of the base that may be equal.
struct Pair {
    entry: EntryId,
    id: TypeId,
    refuted: bool,
    /// Where its edges begin.
    edges: u32,
}

/// Pairs, and which pairs each relies on.
struct Pairs<'p, 'm, 'a> {
    base: &'p Base<'p>,
    module: &'p Module<'m, 'a>,
    pairs: Vec<Pair>,
    /// By entry, the type that it was paired with first, and the pair: most have no other. Void is none.
    first: Vec<(TypeId, u32)>,
    others: HashMap<(EntryId, TypeId), u32>,
    /// The pairs that a pair relies on, those of one pair together.
    edges: Vec<u32>,
    is_complete: bool,
}

impl<'p, 'm, 'a> Pairs<'p, 'm, 'a> {
    fn new(base: &'p Base<'p>, module: &'p Module<'m, 'a>) -> Self {
        let first = vec![(TypeId::VOID, 0); module.tables.types.len()];
        let (pairs, others, edges) = (Vec::new(), HashMap::new(), Vec::new());
        Pairs { base, module, pairs, first, others, edges, is_complete: true }
    }

    /// The number of a pair, unless there are too many.
    fn meet(&mut self, entry: EntryId, id: TypeId) -> Option<u32> {
        let next = self.pairs.len() as u32;
        let first = &mut self.first[entry.0 as usize];
        if first.0 == id {
            return Some(first.1);
        }
        let is_first = first.0 == TypeId::VOID;
        if let Some(&known) = self.others.get(&(entry, id)).filter(|_| !is_first) {
            return Some(known);
        }
        if self.pairs.len() >= MAX_PAIRS {
            self.is_complete = false;
            return None;
        }
        if is_first {
            *first = (id, next);
        } else {
            self.others.insert((entry, id), next);
        }
        self.pairs.push(Pair { entry, id, refuted: false, edges: 0 });
        Some(next)
    }

    /// Follows what all pairs refer to, and refutes those that differ by themselves.
    fn explore(&mut self) {
        let mut i = 0;
        while let Some(&Pair { entry, id, .. }) = self.pairs.get(i) {
            let start = self.edges.len();
            let agree = self.agree(entry, id);
            self.pairs[i].edges = start as u32;
            self.pairs[i].refuted = !agree;
            i += 1;
        }
        // Which pairs were looked at before there were too many depends on who met them first.
        if !self.is_complete {
            self.pairs.iter_mut().for_each(|pair| pair.refuted = true);
        }
    }

    /// True if a pair agrees by itself; then the pairs that it relies on have become edges.
    fn agree(&mut self, entry: EntryId, id: TypeId) -> bool {
        if let Some(anchor) = self.module.declares(entry) {
            return self.base.anchor(id).is_some_and(|(other, _)| other == anchor);
        }
        if let Some((anchor, true)) = self.base.anchor(id) {
            // Of several definitions, nobody knows which one is declared.
            let is_only = self.module.definitions.get(&anchor) == Some(&1);
            return is_only && self.module.defines(entry) == Some(anchor);
        }
        let label = self.module.label(entry);
        if label == Key::VOID || label != self.base.label(id) {
            return false;
        }
        if self.edges.len() >= MAX_EDGES {
            self.is_complete = false;
            return false;
        }
        let Some(ty) = self.base.btf().ty(id) else { return false };
        let module = self.module;
        let start = self.edges.len();
        for (ours, theirs) in module.references(entry).zip(ty.references()) {
            let pair = match ours {
                None if theirs == TypeId::VOID => continue,
                Some(ours) if theirs != TypeId::VOID => self.meet(ours, theirs),
                _ => None,
            };
            let Some(pair) = pair else {
                self.edges.truncate(start);
                return false;
            };
            self.edges.push(pair);
        }
        true
    }

    fn edges_of(&self, pair: usize) -> &[u32] {
        let start = self.pairs[pair].edges as usize;
        let end = self.pairs.get(pair + 1).map_or(self.edges.len(), |next| next.edges as usize);
        &self.edges[start..end]
    }

    /// Refutes every pair that relies on a refuted one.
    fn refute(&mut self) {
        // By pair, those that rely on it: counted, then filled from the end.
        let mut ends = vec![0u32; self.pairs.len() + 1];
        for &edge in &self.edges {
            ends[edge as usize] += 1;
        }
        let mut sum = 0;
        for end in &mut ends {
            sum += *end;
            *end = sum;
        }
        let mut relying = vec![0u32; self.edges.len()];
        for pair in 0..self.pairs.len() {
            for &edge in self.edges_of(pair) {
                ends[edge as usize] -= 1;
                relying[ends[edge as usize] as usize] = pair as u32;
            }
        }
        let mut stack: Vec<usize> = (0..self.pairs.len()).filter(|&i| self.pairs[i].refuted).collect();
        while let Some(pair) = stack.pop() {
            for &pair in &relying[ends[pair] as usize..ends[pair + 1] as usize] {
                if !std::mem::replace(&mut self.pairs[pair as usize].refuted, true) {
                    stack.push(pair as usize);
                }
            }
        }
    }

    /// By entry, the lowest id that is left for a definition.
    fn definitions(&self) -> Vec<Option<TypeId>> {
        let mut ids: Vec<Option<TypeId>> = vec![None; self.module.tables.types.len()];
        let is_definition = |pair: &Pair| {
            self.module.is_definition(pair.entry) && self.base.label(pair.id) == self.module.label(pair.entry)
        };
        for pair in self.pairs.iter().filter(|p| !p.refuted && is_definition(p)) {
            let best = &mut ids[pair.entry.0 as usize];
            *best = Some(best.map_or(pair.id, |id| id.min(pair.id)));
        }
        ids
    }

    /// What the definitions that are shared mean by declarations of names, and by structs and unions without
    /// one, as far as they agree.
    fn meant(&self, ids: &[Option<TypeId>]) -> HashMap<EntryId, TypeId> {
        let (mut meant, mut seen) = (HashMap::new(), vec![false; self.pairs.len()]);
        let types = &self.module.tables.types;
        let is_shared = |pair: &Pair| !pair.refuted && ids[pair.entry.0 as usize] == Some(pair.id);
        let mut stack: Vec<usize> = (0..self.pairs.len()).filter(|&i| is_shared(&self.pairs[i])).collect();
        while let Some(i) = stack.pop() {
            for &edge in self.edges_of(i) {
                let &Pair { entry, id, .. } = &self.pairs[edge as usize];
                // A definition is followed where it is shared itself.
                if self.module.is_definition(entry) || std::mem::replace(&mut seen[edge as usize], true) {
                    continue;
                }
                if self.module.declares(entry).is_some() || types.get(entry).kind.is_composite() {
                    let known = meant.entry(entry).or_insert(Some(id));
                    *known = known.filter(|&known| known == id);
                }
                stack.push(edge as usize);
            }
        }
        meant.into_iter().filter_map(|(entry, id)| Some((entry, id?))).collect()
    }

    /// Finds what declarations stand for: the only definition of the base; of several that which everything
    /// shared means; else a declaration of the base.
    fn declarations(&self, alive: &[EntryId], meant: &HashMap<EntryId, TypeId>, ids: &mut [Option<TypeId>]) {
        for &id in alive {
            let Some(anchor) = self.module.declares(id) else { continue };
            let name = self.base.name(anchor);
            let found = match name.definitions {
                0 => name.declaration,
                1 => name.definition,
                _ => meant.get(&id).copied().unwrap_or(name.declaration),
            };
            ids[id.0 as usize] = Some(found).filter(|&found| found != TypeId::VOID);
        }
    }

    /// Adds to the ids of definitions and declarations those of all other entries, bottom-up.
    ///
    /// A struct or union without a name that is a part of shared ones goes with them, also if it refers to
    /// something that the base only declares.
    fn everything_else(
        &self,
        alive: &[EntryId],
        meant: &HashMap<EntryId, TypeId>,
        mut ids: Vec<Option<TypeId>>,
    ) -> Vec<Option<TypeId>> {
        #[derive(Clone, Copy, PartialEq)]
        enum State {
            New,
            Open,
            Done,
        }
        let module = self.module;
        let mut states = vec![State::New; module.tables.types.len()];
        for &id in alive {
            let kind = module.tables.types.get(id).kind;
            let own = matches!(kind, Kind::Func | Kind::Var | Kind::Datasec);
            if own || module.is_definition(id) || module.declares(id).is_some() {
                states[id.0 as usize] = State::Done;
            }
        }
        let (mut stack, mut references) = (Vec::new(), Vec::new());
        for &id in alive {
            stack.push(id);
            while let Some(&top) = stack.last() {
                let i = top.0 as usize;
                if states[i] == State::New {
                    states[i] = State::Open;
                    stack.extend(
                        module.references(top).flatten().filter(|r| states[r.0 as usize] == State::New),
                    );
                    continue;
                }
                stack.pop();
                if states[i] == State::Done {
                    continue;
                }
                states[i] = State::Done;
                let agreed = self.agreed(top, &ids);
                debug_assert!(agreed.is_none() || agreed == self.found(top, &ids, &mut references));
                let found = agreed.or_else(|| self.found(top, &ids, &mut references));
                ids[i] = found.or_else(|| meant.get(&top).copied());
            }
        }
        ids
    }

    /// The type without a name of its own that has the content of an entry. `references` is room.
    fn found(&self, entry: EntryId, ids: &[Option<TypeId>], references: &mut Vec<TypeId>) -> Option<TypeId> {
        references.clear();
        for reference in self.module.references(entry) {
            references.push(match reference {
                None => TypeId::VOID,
                // What is still open refers to this one: a circle without a name, which has no bottom.
                Some(entry) => ids[entry.0 as usize]?,
            });
        }
        self.base.find(self.module.label(entry), references.iter().copied())
    }

    /// What [`found`](Self::found) gives, if it can be told without looking: the type that the entry was paired with,
    /// where what both refer to is the same in the end, and no lower id has that content.
    fn agreed(&self, entry: EntryId, ids: &[Option<TypeId>]) -> Option<TypeId> {
        let (id, pair) = self.first[entry.0 as usize];
        let is_same = |&edge: &u32| {
            let Pair { entry, id, .. } = self.pairs[edge as usize];
            ids[entry.0 as usize] == Some(id)
        };
        // Void is paired with nothing, and not found either.
        let agrees = self.base.is_found(id)
            && !self.pairs[pair as usize].refuted
            && self.edges_of(pair as usize).iter().all(is_same);
        agrees.then_some(id)
    }
}
