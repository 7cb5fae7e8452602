//! Makes a split BTF independent of the numbers of its base: what it needs of the base goes into a small one of
//! its own, which the kernel finds again in whatever vmlinux it runs (`.BTF.base`, kernel 6.11).
//!
//! In: a split BTF with its base. Out: the *distilled* base, which holds the named types that are needed, structs
//! and unions without members and enumerations without values; and the split BTF above that, at whose end
//! follows all else that it needs of the base. Both are in the order of what they were made from.

use super::copy::Copier;
use super::kinds::{Kind, TypeId};
use super::read::{Btf, Type};
use super::strings::SplitBase;
use super::write::Writer;
use crate::error::{Error, Result};

/// A split BTF above a base of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distilled {
    /// The content of `.BTF.base`; without types if none of the base's is needed.
    pub base: Vec<u8>,
    /// The content of `.BTF`, split from `base`.
    pub split: Vec<u8>,
}

/// Distills the base of `split`.
///
/// Who loads it finds a distilled type by its name, and among several of that name by its size. Several of one
/// name and size cannot be told apart, and such a BTF cannot be loaded.
///
/// # Errors
///
/// There is no base; a function, a variable or a declaration tag of the base is needed, or a type that does not
/// exist; a record exceeds what a [`Writer`] takes.
pub fn distill(split: &Btf<'_>) -> Result<Distilled> {
    let Some(base) = split.base() else {
        return Err(Error::input("BTF: it is not split, so there is no base to distill"));
    };
    let places = places(split, base)?;
    let at = |place: Place| {
        let there = places.iter().zip(0..).filter(move |(p, _)| **p == place);
        there.filter_map(|(_, id)| base.ty(TypeId(id)))
    };

    let mut ids = vec![TypeId::VOID; base.len() as usize];
    let mut copier = Copier::new(base, Writer::new(split.endian()));
    for ty in at(Place::Base) {
        ids[ty.id().0 as usize] = shell(&mut copier, &ty)?;
    }
    let distilled = copier.writer.finish(false)?;

    let parsed = Btf::parse(&distilled)?;
    let strings = SplitBase::new(&parsed);
    let mut copier = Copier::new(split, Writer::split(&strings));
    let own = split.len() - base.len();
    let behind = parsed.len().saturating_add(own);
    for (ty, id) in at(Place::Split).zip(behind..) {
        ids[ty.id().0 as usize] = TypeId(id);
    }
    let id = |old: TypeId| match old.0.checked_sub(base.len()) {
        None => ids[old.0 as usize],
        Some(index) => TypeId(parsed.len().saturating_add(index)),
    };
    for ty in split.types().chain(at(Place::Split)) {
        copier.record(&ty, id)?;
    }
    let split = copier.writer.finish(false)?;
    Ok(Distilled { base: distilled, split })
}

/// Where a type of the base goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Nowhere,
    Base,
    Split,
}

/// By id of the base, where each type goes.
fn places(split: &Btf<'_>, base: &Btf<'_>) -> Result<Vec<Place>> {
    let mut places = vec![Place::Nowhere; base.len() as usize];
    let mut stack: Vec<(TypeId, TypeId)> = Vec::new();
    for ty in split.types() {
        stack.extend(ty.references().map(|id| (id, ty.id())));
        while let Some((id, from)) = stack.pop() {
            let refused = |why: String| Error::input(format!("BTF: type {from}: {why}"));
            if id.0 >= split.len() {
                return Err(refused(format!("refers to type {id}, and there are {}", split.len())));
            }
            // Void, and what is not of the base.
            let Some(ty) = base.ty(id) else { continue };
            let Some(place) = places.get_mut(id.0 as usize).filter(|place| **place == Place::Nowhere) else {
                continue;
            };
            let is_named = !ty.name_prefix(1).is_empty();
            *place = match ty.kind() {
                Kind::Func | Kind::Var | Kind::Datasec | Kind::DeclTag => {
                    let (kind, name) = (ty.kind(), ty.name_prefix(100).escape_ascii());
                    return Err(refused(format!("refers to {kind} '{name}' of the base")));
                }
                // What has no name is not found again.
                Kind::Int | Kind::Float | Kind::Fwd if is_named => Place::Base,
                Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 if is_named => Place::Base,
                _ => Place::Split,
            };
            if *place == Place::Split {
                stack.extend(ty.references().map(|to| (to, id)));
            }
        }
    }
    Ok(places)
}

/// Copies a type of [`Place::Base`] without its parts.
fn shell(copier: &mut Copier<'_, '_>, ty: &Type<'_>) -> Result<TypeId> {
    let name = copier.string(ty.name_off())?;
    let size = ty.size_bytes().unwrap_or(0);
    match ty.kind() {
        Kind::Struct | Kind::Union => copier.writer.composite(ty.kind(), name, size, false, []),
        // An ENUM also stands for an ENUM64.
        Kind::Enum | Kind::Enum64 => copier.writer.enumeration(name, size, false, []),
        _ => copier.record(ty, |id| id),
    }
}
