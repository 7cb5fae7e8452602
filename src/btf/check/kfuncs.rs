//! Whether the functions that a kernel lets programs call can be found by them.

use std::collections::HashMap;

use super::{Level, Levels, Report, Shown, Violation};
use crate::btf::kinds::{Kind, TypeId};
use crate::btf::read::Btf;

/// The tag by which a kfunc is known.
const TAG: &[u8] = b"bpf_kfunc";

/// Checks that each function of these names, the members of a kernel's sets of kfuncs, is among the own functions of
/// a BTF and has the tag of kfuncs. Empty is good. One violation for each name that occurs, at most `max`.
pub fn check_kfuncs(btf: &Btf<'_>, names: &[&[u8]], max: usize) -> Vec<Violation> {
    let mut found: HashMap<&[u8], Option<TypeId>> = names.iter().map(|name| (*name, None)).collect();
    let mut functions: HashMap<TypeId, &[u8]> = HashMap::new();
    for ty in btf.types().filter(|ty| ty.kind() == Kind::Func) {
        if let Some(first) = found.get_mut(ty.name()) {
            first.get_or_insert(ty.id());
            functions.insert(ty.id(), ty.name());
        }
    }
    for ty in btf.types().filter(|ty| ty.kind() == Kind::DeclTag && ty.component_idx() == Some(-1)) {
        if let Some(name) = ty.target().and_then(|id| functions.get(&id))
            && ty.name() == TAG
        {
            found.remove(name);
        }
    }
    let mut report = Report::new(Levels::NONE.with(Level::Kfuncs), max);
    let mut missing: Vec<_> = found.into_iter().collect();
    missing.sort_unstable();
    for (name, function) in missing {
        match function.and_then(|id| btf.ty(id)) {
            Some(ty) => {
                report.add(Level::Kfuncs, &ty, format_args!("is in a set of kfuncs, and not tagged as one"))
            }
            None => {
                let reason = format_args!("no FUNC '{}', which is in a set of kfuncs", Shown(name));
                report.add_whole(Level::Kfuncs, reason);
            }
        }
    }
    report.found
}
