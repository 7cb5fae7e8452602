//! One BTF of several finished ones.
//!
//! In: BTFs that were written already, with the same base or with none. Out: one that holds every type of theirs
//! once. Types are equal if nothing that can be reached from them differs: all that say the same by themselves
//! begin in one class, and a class is split as long as its types refer to different classes. A declaration is in
//! the class of the definitions of its name as long as they are in one; then it stays a declaration.

use std::collections::HashMap;

use super::base::{Base, anchor_of, label_of};
use crate::btf::{Btf, CheckOptions, Copier, Kind, Level, Levels, Type, TypeId, Writer, check};
use crate::options::Order;
use crate::table::{Key, KeyHasher, KeyMap, hash_bytes};
use crate::{Error, Result};

/// Rounds of telling types apart. Each looks one reference further; types of kernels need ten.
const MAX_ROUNDS: usize = 1000;

/// One type of one of the BTFs.
struct Node<'b> {
    /// Which of them.
    btf: usize,
    ty: Type<'b>,
    /// What it is in itself.
    label: Key,
    /// The class of the last round.
    class: Key,
    /// If it only declares a name, that.
    declares: Option<Key>,
    /// If it defines one, that.
    defines: Option<Key>,
}

/// Puts `btfs`, all of which continue `base` if there is one, together to one BTF in that order of types.
///
/// Functions and variables of equal name are one if their types are, too. Sections are one only if they are equal
/// as a whole: the offsets of others mean another file.
///
/// # Errors
/// They are of machines that differ in byte order or size of pointers; one refers to what does not exist; there are
/// more types than BTF has numbers for.
pub fn union(btfs: &[Btf<'_>], base: Option<&Base<'_>>, order: Order) -> Result<Vec<u8>> {
    let Some(first) = btfs.first() else { return Err(Error::usage("there is no BTF to put together")) };
    let pointers: Vec<u32> = btfs.iter().filter_map(Btf::pointer_bytes).collect();
    if btfs.iter().any(|btf| btf.endian() != first.endian())
        || pointers.windows(2).any(|two| two[0] != two[1])
    {
        return Err(Error::input("they are of different machines").hint("put together what belongs together"));
    }
    let base_len = base.map_or(1, |base| base.btf().len());
    let mut nodes = Vec::new();
    let mut starts = Vec::with_capacity(btfs.len());
    for (i, btf) in btfs.iter().enumerate() {
        starts.push(nodes.len());
        nodes.extend(btf.types().enumerate().map(|(at, ty)| node(btf, i, ty, at)));
    }
    let places = Places { starts, base_len };
    tell_apart(&mut nodes, &places)?;

    // Of each class the first definition, else the first declaration.
    let mut chosen: KeyMap<usize> = KeyMap::default();
    for (i, node) in nodes.iter().enumerate() {
        let known = chosen.entry(node.class).or_insert(i);
        if node.declares.is_none() && nodes[*known].declares.is_some() {
            *known = i;
        }
    }
    let mut written: Vec<usize> = chosen.values().copied().collect();
    match order {
        Order::First => written.sort_unstable(),
        Order::Name => written.sort_unstable_by(|&a, &b| {
            let rank = |i: usize| (nodes[i].ty.name(), nodes[i].ty.kind() as u8, nodes[i].class, i);
            rank(a).cmp(&rank(b))
        }),
    }
    let ids: KeyMap<TypeId> = written.iter().map(|&i| nodes[i].class).zip((base_len..).map(TypeId)).collect();
    let mut writer = base.map_or(Writer::new(first.endian()), |base| Writer::split(base.strings()));
    for &i in &written {
        let node = &nodes[i];
        let id = |old: TypeId| match places.of(node.btf, old) {
            None => old,
            Some(place) => {
                nodes.get(place).and_then(|node| ids.get(&node.class)).copied().unwrap_or_default()
            }
        };
        let mut copier = Copier::new(&btfs[node.btf], writer);
        copier.record(&node.ty, id)?;
        writer = copier.writer;
    }
    let bytes = writer.finish(false)?;
    let parsed = base.map_or_else(|| Btf::parse(&bytes), |base| Btf::parse_split(&bytes, base.btf()))?;
    let rules = CheckOptions { levels: Levels::NONE.with(Level::Records), ..CheckOptions::default() };
    match check(&parsed, &rules).first() {
        Some(violation) => {
            Err(Error::input(format!("put together they break the rules of BTF: {violation}")))
        }
        None => Ok(bytes),
    }
}

/// Where the types of each BTF begin in the list of all.
struct Places {
    starts: Vec<usize>,
    base_len: u32,
}

impl Places {
    /// The place of a type of its own; `None` for void and for what the base has.
    fn of(&self, btf: usize, id: TypeId) -> Option<usize> {
        let own = id.0.checked_sub(self.base_len)?;
        self.starts.get(btf)?.checked_add(own as usize)
    }
}

fn node<'b>(btf: &'b Btf<'b>, number: usize, ty: Type<'b>, at: usize) -> Node<'b> {
    let name = || hash_bytes(ty.name());
    let words = |words: &mut dyn Iterator<Item = (u64, u64)>| {
        let mut hasher = KeyHasher::new(0xa00 + ty.kind() as u64);
        hasher.pair(name(), words.size_hint().0 as u64);
        words.for_each(|(a, b)| hasher.pair(a, b));
        hasher.finish()
    };
    let label = match ty.kind() {
        Kind::Func => words(&mut ty.func_linkage().map(|linkage| (linkage as u64, 0)).into_iter()),
        Kind::Var => words(&mut ty.var_linkage().map(|linkage| (linkage as u64, 0)).into_iter()),
        Kind::Datasec => {
            words(&mut ty.datasec_entries().map(|e| (e.offset_bytes.into(), e.size_bytes.into())))
        }
        // What cannot be compared is equal to nothing.
        _ => label_of(btf, &ty).unwrap_or_else(|| words(&mut [(number as u64, at as u64)].into_iter())),
    };
    let anchor = anchor_of(&ty);
    let declares = anchor.filter(|(_, declares)| *declares).map(|(name, _)| name);
    let defines = anchor.filter(|(_, declares)| !*declares).map(|(name, _)| name);
    Node { btf: number, ty, label, class: label, declares, defines }
}

/// Splits classes until none needs to be split.
fn tell_apart(nodes: &mut [Node<'_>], places: &Places) -> Result<()> {
    let mut count = 0;
    for _ in 0..MAX_ROUNDS {
        join_declarations(nodes);
        let mut classes: Vec<Key> = nodes.iter().map(|node| node.class).collect();
        let next = classes.clone();
        classes.sort_unstable();
        classes.dedup();
        if classes.len() == count {
            return Ok(());
        }
        count = classes.len();
        for node in nodes.iter_mut() {
            let mut hasher = KeyHasher::new(0xb00);
            hasher.key(node.label);
            for id in node.ty.references() {
                match places.of(node.btf, id) {
                    None => hasher.pair(u64::from(id.0), 0),
                    Some(place) => hasher.key(*next.get(place).ok_or_else(|| {
                        Error::input(format!(
                            "BTF: type {} refers to a type that does not exist",
                            node.ty.id()
                        ))
                    })?),
                }
            }
            node.class = hasher.finish();
        }
    }
    Err(Error::input("their types refer to each other too deep to be compared"))
}

/// Puts every declaration into the class of the definitions of its name, if they are in one.
fn join_declarations(nodes: &mut [Node<'_>]) {
    let mut definitions: HashMap<Key, Option<Key>> = HashMap::new();
    for node in nodes.iter() {
        if let Some(name) = node.defines {
            let class = definitions.entry(name).or_insert(Some(node.class));
            *class = class.filter(|class| *class == node.class);
        }
    }
    for node in nodes {
        if let Some(name) = node.declares {
            node.class = definitions.get(&name).copied().flatten().unwrap_or(node.label);
        }
    }
}
