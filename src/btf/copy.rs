//! Copies records from one BTF into another, with new ids.
//!
//! In: records of a [`Btf`]. Out: the same records in a [`Writer`], their strings with them. Whoever copies
//! decides what becomes of references.

use std::collections::HashMap;

use super::kinds::{DatasecEntry, Enumerator, Kind, Member, Param, StrOff, TypeId};
use super::read::{Btf, Type};
use super::write::Writer;
use crate::error::{Error, Result};

/// Copies records of one BTF into the writer of another.
pub struct Copier<'c, 'w> {
    from: &'c Btf<'c>,
    /// Where they go.
    pub writer: Writer<'w>,
    /// Strings by their offset in `from`: hostile ones are long, and named by every record.
    strings: HashMap<StrOff, StrOff>,
}

impl<'c, 'w> Copier<'c, 'w> {
    /// A copier from `from`.
    pub fn new(from: &'c Btf<'c>, writer: Writer<'w>) -> Self {
        Copier { from, writer, strings: HashMap::new() }
    }

    /// The offset in the writer of a string of the source.
    ///
    /// # Errors
    ///
    /// Those of [`Writer::intern`].
    pub fn string(&mut self, off: StrOff) -> Result<StrOff> {
        if let Some(&known) = self.strings.get(&off) {
            return Ok(known);
        }
        let new = self.writer.intern(self.from.name(off))?;
        self.strings.insert(off, new);
        Ok(new)
    }

    /// Appends a copy of a record that refers to what `id` makes of its references.
    ///
    /// # Errors
    ///
    /// Those of the methods of [`Writer`], and a linkage that this crate does not know.
    pub fn record(&mut self, ty: &Type<'_>, id: impl Fn(TypeId) -> TypeId) -> Result<TypeId> {
        let name = self.string(ty.name_off())?;
        let target = ty.target().map_or(TypeId::VOID, &id);
        let (kind, flag, size) = (ty.kind(), ty.kind_flag(), ty.size_bytes().unwrap_or(0));
        let incomplete = || Error::input(format!("BTF: type {}: {kind} with an unknown linkage", ty.id()));
        match kind {
            Kind::Int => {
                let data = ty.int_data().ok_or_else(incomplete)?;
                self.writer.int_with(name, size, data)
            }
            Kind::Float => self.writer.float(name, size),
            Kind::Ptr => self.writer.ptr(target),
            Kind::Typedef => self.writer.typedef(name, target),
            Kind::Const | Kind::Volatile | Kind::Restrict => self.writer.modifier(kind, target),
            Kind::TypeTag => self.writer.type_tag(name, target, flag),
            Kind::Fwd => self.writer.fwd(name, flag),
            Kind::Array => {
                let mut array = ty.array().ok_or_else(incomplete)?;
                (array.element, array.index) = (id(array.element), id(array.index));
                self.writer.array_with(array)
            }
            Kind::Struct | Kind::Union => {
                let member = |m: Member| Ok(Member { name: self.string(m.name)?, ty: id(m.ty), ..m });
                let members = ty.members().map(member).collect::<Result<Vec<_>>>()?;
                self.writer.composite(kind, name, size, flag, members)
            }
            Kind::Enum | Kind::Enum64 => {
                let value = |e: Enumerator| Ok(Enumerator { name: self.string(e.name)?, ..e });
                let values = ty.enumerators().map(value).collect::<Result<Vec<_>>>()?;
                match kind {
                    Kind::Enum64 => self.writer.enum64(name, size, flag, values),
                    _ => self.writer.enumeration(name, size, flag, values),
                }
            }
            Kind::FuncProto => {
                let param = |p: Param| Ok(Param { name: self.string(p.name)?, ty: id(p.ty) });
                let params = ty.params().map(param).collect::<Result<Vec<_>>>()?;
                self.writer.func_proto(target, params)
            }
            Kind::Func => self.writer.func(name, target, ty.func_linkage().ok_or_else(incomplete)?),
            Kind::Var => self.writer.var(name, target, ty.var_linkage().ok_or_else(incomplete)?),
            Kind::Datasec => {
                let entries = ty.datasec_entries().map(|e| DatasecEntry { var: id(e.var), ..e });
                self.writer.datasec(name, size, entries)
            }
            Kind::DeclTag => {
                self.writer.decl_tag(name, target, ty.component_idx().ok_or_else(incomplete)?, flag)
            }
        }
    }
}
