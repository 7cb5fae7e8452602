//! Several BTFs above one base as a single one, so that one header can have the types of all.
//!
//! In: modules above the same base. Out: a BTF split from that base. Types that are equal with all that they
//! refer to are there once: modules repeat each other.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::btf::{Btf, Copier, Kind, SplitBase, Type, TypeId, Writer};
use crate::error::{Error, Result};

/// As often classes of types are told apart; every round looks one reference further.
const MAX_ROUNDS: usize = 64;

/// All types of several BTFs that are split from one base, as the bytes of one split from it.
///
/// # Errors
///
/// One is split from something else, or together they exceed the limits of the format.
pub fn union(base: &Btf<'_>, modules: &[Btf<'_>]) -> Result<Vec<u8>> {
    let split = SplitBase::new(base);
    let mut writer = Writer::split(&split);
    let (first_id, mut ids) = (base.len(), Vec::new());
    let classes = classes(base, modules)?;
    let mut chosen: HashMap<u64, TypeId> = HashMap::new();
    // Ids first: references point forward, too.
    let mut next = first_id;
    let mut own = Vec::new();
    for classes in &classes {
        let mut map = Vec::with_capacity(classes.len());
        let mut new = Vec::with_capacity(classes.len());
        for class in classes {
            let id = chosen.get(class).copied();
            new.push(id.is_none());
            map.push(id.unwrap_or(TypeId(next)));
            if id.is_none() {
                chosen.insert(*class, TypeId(next));
                next += 1;
            }
        }
        ids.push(map);
        own.push(new);
    }
    for ((module, ids), own) in modules.iter().zip(&ids).zip(&own) {
        let mut copier = Copier::new(module, writer);
        for (ty, _) in module.types().zip(own).filter(|(_, own)| **own) {
            copier.record(&ty, |id| match id.0.checked_sub(first_id) {
                Some(at) => ids.get(at as usize).copied().unwrap_or(TypeId::VOID),
                None => id,
            })?;
        }
        writer = copier.writer;
    }
    writer.finish(false)
}

/// Of every own type of every module a number that is that of all types equal to it.
fn classes(base: &Btf<'_>, modules: &[Btf<'_>]) -> Result<Vec<Vec<u64>>> {
    let mut classes = Vec::with_capacity(modules.len());
    for module in modules {
        if module.base_len() != base.len() {
            return Err(Error::input("BTF: is not split from the base that the others are split from"));
        }
        classes.push(module.types().map(|ty| label(module, ty)).collect::<Vec<u64>>());
    }
    let count =
        |classes: &[Vec<u64>]| classes.iter().flatten().collect::<std::collections::HashSet<_>>().len();
    let mut known = count(&classes);
    for _ in 0..MAX_ROUNDS {
        let mut next = Vec::with_capacity(classes.len());
        for (module, classes) in modules.iter().zip(&classes) {
            let refine = |(ty, class): (Type<'_>, &u64)| {
                let mut hasher = DefaultHasher::new();
                class.hash(&mut hasher);
                for id in ty.references() {
                    let own = id.0.checked_sub(base.len()).and_then(|at| classes.get(at as usize));
                    (own, id.0 < base.len(), if own.is_some() { 0 } else { id.0 }).hash(&mut hasher);
                }
                hasher.finish()
            };
            next.push(module.types().zip(classes).map(refine).collect());
        }
        classes = next;
        let now = count(&classes);
        if now == known {
            break;
        }
        known = now;
    }
    Ok(classes)
}

/// What a record says but for its references, as a number.
fn label(btf: &Btf<'_>, ty: Type<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    let name = |off| btf.string_prefix(off, 4096);
    let size = ty.size_bytes();
    (ty.kind() as u8, name(ty.name_off()), ty.vlen(), ty.kind_flag(), size).hash(&mut hasher);
    (ty.int_data(), ty.array().map(|a| a.count), ty.component_idx()).hash(&mut hasher);
    for m in ty.members() {
        (name(m.name), m.offset_word).hash(&mut hasher);
    }
    for e in ty.enumerators() {
        (name(e.name), e.value).hash(&mut hasher);
    }
    for p in ty.params() {
        name(p.name).hash(&mut hasher);
    }
    for e in ty.datasec_entries() {
        (e.offset_bytes, e.size_bytes).hash(&mut hasher);
    }
    if ty.kind() == Kind::Var {
        ty.var_linkage().map(|l| l as u8).hash(&mut hasher);
    }
    hasher.finish()
}
