//! Putting types in order and writing them.

use std::cmp::Ordering;

use rayon::prelude::*;

use super::resolve::Resolution;
use super::shared::Shared;
use crate::Result;
use crate::btf::{
    DatasecEntry, Endian, Enumerator, FuncLinkage, IntEncoding, Kind, Member, Param, StrOff, TypeId,
    VarLinkage, Writer,
};
use crate::options::{Features, Options, Order};
use crate::table::{EntryId, First, Key, Ref, StrId, Tables};

/// What one type is sorted by.
struct Rank {
    /// The first bytes of the name, as a number that sorts like them.
    prefix: u128,
    name: StrId,
    kind: Kind,
    /// Of types that share kind and name the most used one comes first: it is the one that is found.
    rarity: u32,
    key: Key,
    first: First,
    id: EntryId,
}

/// Puts entries in the order of the output.
///
/// By name: those without one first, then by the bytes of the name, then by kind, use and content. All of
/// that is content; where a type was met plays no part.
pub fn order(tables: &Tables<'_>, entries: impl Iterator<Item = EntryId>, order: Order) -> Vec<EntryId> {
    let types = &tables.types;
    let rank = |id: EntryId| {
        let entry = types.get(id);
        let name = tables.strings.get(entry.name);
        let mut prefix = [0; 16];
        let length = name.len().min(16);
        prefix[..length].copy_from_slice(&name[..length]);
        Rank {
            prefix: u128::from_be_bytes(prefix),
            name: entry.name,
            kind: entry.kind,
            rarity: u32::MAX - types.count(id),
            key: entry.key,
            first: types.first(id),
            id,
        }
    };
    let mut ranks: Vec<Rank> = entries.map(rank).collect();
    let by_content =
        |a: &Rank, b: &Rank| (a.kind as u8, a.rarity, a.key).cmp(&(b.kind as u8, b.rarity, b.key));
    let by_name = |a: &Rank, b: &Rank| {
        let rest = || match a.name == b.name {
            true => Ordering::Equal,
            false => tables.strings.get(a.name).cmp(tables.strings.get(b.name)),
        };
        a.prefix.cmp(&b.prefix).then_with(rest).then_with(|| by_content(a, b))
    };
    match order {
        Order::Name => ranks.par_sort_unstable_by(by_name),
        Order::First => ranks.par_sort_unstable_by(|a, b| a.first.cmp(&b.first).then_with(|| by_name(a, b))),
    }
    ranks.into_iter().map(|rank| rank.id).collect()
}

/// Writes the entries in that order as BTF; if `shared` is given, as one that continues its base.
///
/// # Errors
/// More types or string bytes than BTF has numbers for.
pub fn write(
    tables: &Tables<'_>,
    resolution: &Resolution,
    order: &[EntryId],
    shared: Option<&Shared<'_>>,
    options: &Options,
    endian: Endian,
) -> Result<Vec<u8>> {
    let of_base = |id| shared.and_then(|shared| shared.get(id)).unwrap_or(TypeId::VOID);
    let mut ids: Vec<TypeId> = tables.types.ids().map(of_base).collect();
    let writer = shared.map_or(Writer::new(endian), |shared| Writer::split(shared.base().strings()));
    let first = writer.next_id().0;
    for (i, &entry) in order.iter().enumerate() {
        ids[entry.0 as usize] = TypeId(first.saturating_add(i as u32));
    }
    let index = resolution.index.map_or(TypeId::VOID, |entry| ids[entry.0 as usize]);
    let strings = vec![None; tables.strings.len()];
    let mut output = Output { tables, resolution, ids, strings, index, writer };
    output.writer.reserve(order.len() * 40, tables.strings.len(), tables.strings.len() * 16);
    for &id in order {
        output.entry(id, options.features.contains(Features::ENUM64))?;
    }
    // Readers of a split BTF take the layout of its base.
    output.writer.finish(shared.is_none() && options.features.contains(Features::LAYOUT))
}

struct Output<'o, 'a> {
    tables: &'o Tables<'a>,
    resolution: &'o Resolution,
    ids: Vec<TypeId>,
    strings: Vec<Option<StrOff>>,
    index: TypeId,
    writer: Writer<'o>,
}

impl Output<'_, '_> {
    fn string(&mut self, id: StrId) -> Result<StrOff> {
        let known = &mut self.strings[id.0 as usize];
        match known {
            Some(offset) => Ok(*offset),
            None => {
                let offset = self.writer.intern(self.tables.strings.get(id))?;
                *known = Some(offset);
                Ok(offset)
            }
        }
    }

    fn id(&self, reference: Ref) -> TypeId {
        self.resolution.entry(reference).map_or(TypeId::VOID, |entry| self.ids[entry.0 as usize])
    }

    fn entry(&mut self, id: EntryId, enum64: bool) -> Result<()> {
        let tables = self.tables;
        let entry = tables.types.get(id);
        let parts = tables.types.parts(id);
        let name = self.string(entry.name)?;
        for part in parts {
            self.string(part.name)?;
        }
        let target = self.id(entry.target);
        let (ids, resolution, strings, writer) =
            (&self.ids, self.resolution, &self.strings, &mut self.writer);
        let part_name = |part: &crate::table::Part| strings[part.name.0 as usize].unwrap_or(StrOff::EMPTY);
        let part_type = |part: &crate::table::Part| {
            resolution.entry(part.target).map_or(TypeId::VOID, |entry| ids[entry.0 as usize])
        };
        match entry.kind {
            Kind::Int => {
                let bits = (entry.size * 8) as u8;
                writer.int(name, entry.size, bits, IntEncoding(entry.encoding as u8))
            }
            Kind::Float => writer.float(name, entry.size),
            Kind::Ptr => writer.ptr(target),
            Kind::Typedef => writer.typedef(name, target),
            Kind::Volatile | Kind::Const | Kind::Restrict => writer.modifier(entry.kind, target),
            Kind::Array => writer.array(target, self.index, entry.size),
            Kind::Fwd => writer.fwd(name, entry.kind_flag),
            Kind::Struct | Kind::Union => {
                let member = |part| Member {
                    name: part_name(part),
                    ty: part_type(part),
                    offset_word: part.value as u32,
                };
                writer.composite(entry.kind, name, entry.size, entry.kind_flag, parts.iter().map(member))
            }
            Kind::Enum | Kind::Enum64 => {
                // Readers that know no ENUM64 know no signed ENUM either: both came with Linux 6.0.
                let mask = if enum64 { u64::MAX } else { u64::from(u32::MAX) };
                let value = |part| Enumerator { name: part_name(part), value: part.value & mask };
                let values = parts.iter().map(value);
                match entry.kind {
                    Kind::Enum64 if enum64 => writer.enum64(name, entry.size, entry.kind_flag, values),
                    _ => writer.enumeration(name, entry.size, entry.kind_flag && enum64, values),
                }
            }
            Kind::FuncProto => {
                let param = |part| Param { name: part_name(part), ty: part_type(part) };
                writer.func_proto(target, parts.iter().map(param))
            }
            Kind::Func => writer.func(name, target, FuncLinkage::Static),
            Kind::Var => {
                let linkage = if entry.encoding != 0 { VarLinkage::Global } else { VarLinkage::Static };
                writer.var(name, target, linkage)
            }
            Kind::Datasec => {
                let variable = |part: &crate::table::Part| DatasecEntry {
                    var: part_type(part),
                    offset_bytes: (part.value >> 32) as u32,
                    size_bytes: part.value as u32,
                };
                writer.datasec(name, entry.size, parts.iter().map(variable))
            }
            Kind::DeclTag => writer.decl_tag(name, target, entry.size as i32, entry.kind_flag),
            Kind::TypeTag => writer.type_tag(name, target, entry.kind_flag),
        }?;
        Ok(())
    }
}
