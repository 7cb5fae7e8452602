//! Types of C that Rust has written again, under the same names, and that came out equal.
//!
//! In: the resolved table. Out: pairs of a definition in Rust and the one in C that it equals in everything as far as
//! one can follow what they refer to. Structs refer to each other in circles, so that this is the largest relation that
//! nothing contradicts: all definitions of one name are taken for equal at first, and those that something contradicts
//! are taken back, until all that are left agree.

use std::collections::{HashMap, HashSet};

use super::resolve::Resolution;
use crate::table::{AnchorClass, EntryId, Ref, StrId, Tables};

/// Rounds in which pairs are taken back because of those of the round before. With more, none is equal: larger output,
/// but as true.
const MAX_ROUNDS: usize = 64;

/// Finds the pairs, ascending.
pub fn find(tables: &Tables<'_>, resolution: &Resolution) -> Vec<(EntryId, EntryId)> {
    let types = &tables.types;
    let definition = |id: EntryId| -> Option<(bool, AnchorClass, StrId)> {
        let entry = types.get(id);
        let class = entry.anchor_class().filter(|_| !entry.is_declaration() && resolution.is_alive(id))?;
        Some((entry.is_rust, class.in_rust(), entry.name))
    };
    let definitions = || types.ids().filter_map(|id| Some((id, definition(id)?)));
    // Most kernels have nothing in Rust, or leave it out.
    let in_rust: Vec<_> = definitions().filter(|(_, (is_rust, ..))| *is_rust).collect();
    if in_rust.is_empty() {
        return Vec::new();
    }
    // Of several in C, the usual one.
    let mut in_c: HashMap<(AnchorClass, StrId), EntryId> = HashMap::new();
    let rank = |id: EntryId| (types.count(id), types.get(id).key);
    for (id, (_, class, name)) in definitions().filter(|(_, (is_rust, ..))| !is_rust) {
        let best = in_c.entry((class, name)).or_insert(id);
        if rank(id) > rank(*best) {
            *best = id;
        }
    }
    let pair = |(id, (_, class, name))| Some((id, *in_c.get(&(class, name))?));
    let mut twins = Twins { tables, resolution, of: in_rust.into_iter().filter_map(pair).collect() };
    for _ in 0..MAX_ROUNDS {
        let pairs = twins.of.iter().map(|(&rust, &c)| (rust, c));
        let contradicted: Vec<EntryId> =
            pairs.filter(|&(rust, c)| !twins.agree(rust, c)).map(|(rust, _)| rust).collect();
        if contradicted.is_empty() {
            let mut found: Vec<_> = twins.of.into_iter().collect();
            found.sort_unstable();
            return found;
        }
        contradicted.iter().for_each(|rust| _ = twins.of.remove(rust));
    }
    Vec::new()
}

/// Pairs of which nothing is known against.
struct Twins<'t, 'a> {
    tables: &'t Tables<'a>,
    resolution: &'t Resolution,
    /// By definition in Rust, that in C.
    of: HashMap<EntryId, EntryId>,
}

impl Twins<'_, '_> {
    /// True if two definitions agree, and all that they refer to, down to names.
    fn agree(&self, rust: EntryId, c: EntryId) -> bool {
        let types = &self.tables.types;
        // A stack of its own: inputs may nest as deep as they like, and refer to the same again and again.
        let (mut open, mut seen) = (vec![(rust, c)], HashSet::new());
        while let Some((a, b)) = open.pop() {
            if !seen.insert((a, b)) {
                continue;
            }
            let (x, y) = (types.get(a), types.get(b));
            let is_alike = (x.kind, x.kind_flag, x.name, x.size, x.encoding)
                == (y.kind, y.kind_flag, y.name, y.size, y.encoding)
                && x.part_count() == y.part_count();
            let mut meet = |p, q| self.meet(p, q, &mut open);
            let mut parts = types.parts(a).iter().zip(types.parts(b));
            let agree = is_alike
                && meet(x.target, y.target)
                && parts.all(|(p, q)| (p.name, p.value) == (q.name, q.value) && meet(p.target, q.target));
            if !agree {
                return false;
            }
        }
        true
    }

    /// False if two references that must mean the same do not. What they lead to is left in `open` if it is still to be
    /// compared.
    fn meet(&self, p: Ref, q: Ref, open: &mut Vec<(EntryId, EntryId)>) -> bool {
        let types = &self.tables.types;
        match (self.resolution.entry(p), self.resolution.entry(q)) {
            (None, None) => true,
            (Some(a), Some(b)) if a == b || self.of.get(&a) == Some(&b) => true,
            (Some(a), Some(b)) => {
                open.push((a, b));
                [a, b].into_iter().all(|id| types.get(id).anchor_class().is_none())
            }
            _ => false,
        }
    }
}
