//! What no kernel refuses but nobody should write.

use hashbrown::HashTable;

use super::{Level, Report, Shown};
use crate::btf::kinds::{Kind, TypeId};
use crate::btf::read::Btf;
use crate::btf::strings::hash_bytes;

/// No two own records are alike: the same kind, name, references and content.
///
/// Compares bytes, so that two copies of one name in the strings hide a duplicate. Functions and variables
/// may repeat: two static functions of one name and one proto are two functions.
pub(super) fn duplicates(btf: &Btf<'_>, report: &mut Report) {
    let own = (btf.len() - btf.base_len()) as usize;
    // By hash; an entry is the id and the hash.
    let mut seen: HashTable<(u32, u32)> = HashTable::with_capacity(own);
    let spread = |hash: u32| u64::from(hash) << 32 | u64::from(hash);
    for ty in btf.types() {
        if report.full() {
            return;
        }
        // A tag on one of several alike functions is as good as they are; its target tells it from others.
        if matches!(ty.kind(), Kind::Func | Kind::Var | Kind::Datasec) {
            continue;
        }
        let hash = hash_bytes(ty.bytes());
        let same = |&(id, h): &(u32, u32)| {
            h == hash && btf.ty(TypeId(id)).is_some_and(|other| other.bytes() == ty.bytes())
        };
        match seen.find(spread(hash), same) {
            Some((id, _)) => report.add(Level::Hygiene, &ty, format_args!("the same as type {id}")),
            None => {
                seen.insert_unique(spread(hash), (ty.id().0, hash), |&(_, h)| spread(h));
            }
        }
    }
}

/// Names ascend by their bytes, types without name first.
pub(super) fn sorted(btf: &Btf<'_>, report: &mut Report) {
    // Of hostile names, which may be long and overlap, only so much is compared.
    const MAX_COMPARED: usize = 1024;
    let mut previous: &[u8] = &[];
    for ty in btf.types() {
        if report.full() {
            return;
        }
        let name = ty.name_prefix(MAX_COMPARED);
        if name < previous {
            report.add(Level::Hygiene, &ty, format_args!("comes after '{}'", Shown(previous)));
        }
        previous = name;
    }
}
