//! Writes a BTF record by record.
//!
//! In: names as offsets from [`Writer::intern`], references as ids. Out: the bytes of the blob. The writer
//! holds the limits of the format (ids, elements, string table, widths of fields); whether the kernel likes
//! the types is for [`check`](super::check()) to say.

use super::kinds::{
    ArrayData, DatasecEntry, Enumerator, FuncLinkage, IntData, IntEncoding, Kind, MAX_TYPE, MAX_VLEN, Member,
    Param, StrOff, TypeId, VarLinkage,
};
use super::strings::{Interner, SplitBase};
use super::{Endian, HEADER_BYTES, HEADER_BYTES_WITH_LAYOUT, MAGIC};
use crate::error::{Error, Result};

/// Appends types and gives them ids in the order of the calls.
///
/// Every method that appends fails when the id would exceed [`MAX_TYPE`]; a failed call appends nothing.
/// References are not looked at and may point forward.
pub struct Writer<'a> {
    endian: Endian,
    types: Vec<u8>,
    strings: Interner<'a>,
    first: u32,
    next: u32,
}

impl Writer<'static> {
    /// A BTF of its own: the first type gets id 1.
    pub fn new(endian: Endian) -> Self {
        Writer { endian, types: Vec::new(), strings: Interner::new(), first: 1, next: 1 }
    }
}

impl<'a> Writer<'a> {
    /// A BTF split from a base, in the byte order of the base: ids and string offsets continue those of the
    /// base, and strings that the base has are taken from there.
    pub fn split(base: &'a SplitBase<'a>) -> Self {
        let strings = Interner::split(base);
        let first = strings.first_type().0;
        let endian = strings.endian().unwrap_or(Endian::HOST);
        Writer { endian, types: Vec::new(), strings, first, next: first }
    }

    /// Makes room for so many bytes of types and for so many strings with so many bytes in all.
    pub fn reserve(&mut self, type_bytes: usize, strings: usize, string_bytes: usize) {
        self.types.reserve(type_bytes);
        self.strings.reserve(strings, string_bytes);
    }

    /// The id that the next type gets.
    pub fn next_id(&self) -> TypeId {
        TypeId(self.next)
    }

    /// Number of types appended, without void and base.
    pub fn own_len(&self) -> u32 {
        self.next - self.first
    }

    /// The offset of a string, which is added on first use; the empty one is at 0. New strings lie in the
    /// order of these calls.
    ///
    /// # Errors
    ///
    /// The string contains a NUL byte, or the table would exceed
    /// [`MAX_NAME_OFFSET`](super::MAX_NAME_OFFSET).
    #[inline]
    pub fn intern(&mut self, string: &[u8]) -> Result<StrOff> {
        self.strings.intern(string)
    }

    /// Appends an INT of `size_bytes` with `bits` bits from its bit 0.
    ///
    /// # Errors
    ///
    /// Too many types.
    pub fn int(&mut self, name: StrOff, size_bytes: u32, bits: u8, encoding: IntEncoding) -> Result<TypeId> {
        self.int_with(name, size_bytes, IntData { bits, offset_bits: 0, encoding })
    }

    /// Appends an INT that may have its bits elsewhere: the old form of bitfields, for copies.
    ///
    /// # Errors
    ///
    /// Too many types.
    pub fn int_with(&mut self, name: StrOff, size_bytes: u32, data: IntData) -> Result<TypeId> {
        self.record(Kind::Int, false, 0, name, size_bytes, [data.to_word()])
    }

    /// Appends a FLOAT of `size_bytes`.
    ///
    /// # Errors
    ///
    /// Too many types.
    pub fn float(&mut self, name: StrOff, size_bytes: u32) -> Result<TypeId> {
        self.record(Kind::Float, false, 0, name, size_bytes, [])
    }

    /// Appends a PTR.
    ///
    /// # Errors
    ///
    /// Too many types.
    pub fn ptr(&mut self, target: TypeId) -> Result<TypeId> {
        self.record(Kind::Ptr, false, 0, StrOff::EMPTY, target.0, [])
    }

    /// Appends a CONST, VOLATILE or RESTRICT.
    ///
    /// # Errors
    ///
    /// Another kind, or too many types.
    pub fn modifier(&mut self, kind: Kind, target: TypeId) -> Result<TypeId> {
        if !matches!(kind, Kind::Const | Kind::Volatile | Kind::Restrict) {
            return Err(wrong_kind(kind, "CONST, VOLATILE or RESTRICT"));
        }
        self.record(kind, false, 0, StrOff::EMPTY, target.0, [])
    }

    /// Appends a TYPEDEF.
    ///
    /// # Errors
    ///
    /// Too many types.
    pub fn typedef(&mut self, name: StrOff, target: TypeId) -> Result<TypeId> {
        self.record(Kind::Typedef, false, 0, name, target.0, [])
    }

    /// Appends a FWD, of a union or of a struct.
    ///
    /// # Errors
    ///
    /// Too many types.
    pub fn fwd(&mut self, name: StrOff, is_union: bool) -> Result<TypeId> {
        self.record(Kind::Fwd, is_union, 0, name, 0, [])
    }

    /// Appends an ARRAY of `count` elements.
    ///
    /// # Errors
    ///
    /// Too many types.
    pub fn array(&mut self, element: TypeId, index: TypeId, count: u32) -> Result<TypeId> {
        self.array_with(ArrayData { element, index, count })
    }

    /// Appends an ARRAY.
    ///
    /// # Errors
    ///
    /// Too many types.
    pub fn array_with(&mut self, data: ArrayData) -> Result<TypeId> {
        let tail = [data.element.0, data.index.0, data.count];
        self.record(Kind::Array, false, 0, StrOff::EMPTY, 0, tail)
    }

    /// Appends a STRUCT or UNION of `size_bytes`. `kind_flag` says how the members' offset words are to be
    /// read ([`Member::offset_word`]); it must be set when one of them is a bitfield.
    ///
    /// # Errors
    ///
    /// Another kind, more than [`MAX_VLEN`] members, or too many types.
    pub fn composite(
        &mut self,
        kind: Kind,
        name: StrOff,
        size_bytes: u32,
        kind_flag: bool,
        members: impl IntoIterator<Item = Member>,
    ) -> Result<TypeId> {
        if !kind.is_composite() {
            return Err(wrong_kind(kind, "STRUCT or UNION"));
        }
        let members = members.into_iter().map(|m| Ok([m.name.0, m.ty.0, m.offset_word]));
        self.list(kind, kind_flag, name, size_bytes, members)
    }

    /// Appends an ENUM of `size_bytes`, whose values have 32 bits. Without values it is a forward
    /// declaration.
    ///
    /// # Errors
    ///
    /// A value that does not fit 32 bits (signed or not, as `signed` says): such an enumeration must be an
    /// ENUM64. More than [`MAX_VLEN`] values, or too many types.
    pub fn enumeration(
        &mut self,
        name: StrOff,
        size_bytes: u32,
        signed: bool,
        values: impl IntoIterator<Item = Enumerator>,
    ) -> Result<TypeId> {
        let values = values.into_iter().map(|e| {
            // The low half is the value if extending it gives the whole back.
            let low = e.value as u32;
            let whole = if signed { low as i32 as i64 as u64 } else { u64::from(low) };
            if whole != e.value {
                return Err(Error::input(format!(
                    "BTF: the enumerator value {:#x} does not fit 32 bits of an ENUM",
                    e.value
                )));
            }
            Ok([e.name.0, low])
        });
        self.list(Kind::Enum, signed, name, size_bytes, values)
    }

    /// Appends an ENUM64 of `size_bytes`.
    ///
    /// # Errors
    ///
    /// More than [`MAX_VLEN`] values, or too many types.
    pub fn enum64(
        &mut self,
        name: StrOff,
        size_bytes: u32,
        signed: bool,
        values: impl IntoIterator<Item = Enumerator>,
    ) -> Result<TypeId> {
        let values = values.into_iter().map(|e| Ok([e.name.0, e.value as u32, (e.value >> 32) as u32]));
        self.list(Kind::Enum64, signed, name, size_bytes, values)
    }

    /// Appends a FUNC_PROTO. A last parameter without name and of type void stands for `...`.
    ///
    /// # Errors
    ///
    /// More than [`MAX_VLEN`] parameters, or too many types.
    pub fn func_proto(&mut self, returns: TypeId, params: impl IntoIterator<Item = Param>) -> Result<TypeId> {
        let params = params.into_iter().map(|p| Ok([p.name.0, p.ty.0]));
        self.list(Kind::FuncProto, false, StrOff::EMPTY, returns.0, params)
    }

    /// Appends a FUNC.
    ///
    /// # Errors
    ///
    /// Too many types.
    pub fn func(&mut self, name: StrOff, proto: TypeId, linkage: FuncLinkage) -> Result<TypeId> {
        self.record(Kind::Func, false, linkage as u32, name, proto.0, [])
    }

    /// Appends a VAR.
    ///
    /// # Errors
    ///
    /// Too many types.
    pub fn var(&mut self, name: StrOff, ty: TypeId, linkage: VarLinkage) -> Result<TypeId> {
        self.record(Kind::Var, false, 0, name, ty.0, [linkage as u32])
    }

    /// Appends a DATASEC of `size_bytes`. The kernel wants the entries sorted by offset and apart.
    ///
    /// # Errors
    ///
    /// More than [`MAX_VLEN`] entries, or too many types.
    pub fn datasec(
        &mut self,
        name: StrOff,
        size_bytes: u32,
        entries: impl IntoIterator<Item = DatasecEntry>,
    ) -> Result<TypeId> {
        let entries = entries.into_iter().map(|e| Ok([e.var.0, e.offset_bytes, e.size_bytes]));
        self.list(Kind::Datasec, false, name, size_bytes, entries)
    }

    /// Appends a DECL_TAG on the whole target (`component` −1) or on its member or parameter of that number,
    /// from 0. `kind_flag` makes the value a list of attributes instead of a `btf_decl_tag` (kernel 6.15).
    ///
    /// # Errors
    ///
    /// Too many types.
    pub fn decl_tag(
        &mut self,
        value: StrOff,
        target: TypeId,
        component: i32,
        kind_flag: bool,
    ) -> Result<TypeId> {
        self.record(Kind::DeclTag, kind_flag, 0, value, target.0, [component as u32])
    }

    /// Appends a TYPE_TAG. `kind_flag` makes the value a list of attributes instead of a `btf_type_tag`
    /// (kernel 6.15).
    ///
    /// # Errors
    ///
    /// Too many types.
    pub fn type_tag(&mut self, value: StrOff, target: TypeId, kind_flag: bool) -> Result<TypeId> {
        self.record(Kind::TypeTag, kind_flag, 0, value, target.0, [])
    }

    /// The blob. `layout` adds the section that lets readers skip kinds they do not know, and the longer
    /// header with it (kernel 7.1); some readers refuse a BTF that has them, so it is for bases only and only
    /// when asked for.
    ///
    /// # Errors
    ///
    /// The types exceed 4 GiB.
    pub fn finish(self, layout: bool) -> Result<Vec<u8>> {
        let strings = self.strings.own_bytes();
        let layouts = if layout { kind_layouts() } else { Vec::new() };
        let header_bytes = if layout { HEADER_BYTES_WITH_LAYOUT } else { HEADER_BYTES };
        let len = |n: usize| u32::try_from(n).map_err(|_| Error::input("BTF: larger than 4 GiB"));
        let type_len = len(self.types.len())?;
        let layout_len = len(layouts.len())?;
        let str_len = len(strings.len())?;
        let str_off = len(self.types.len().saturating_add(layouts.len()))?;
        let total =
            len((header_bytes as usize).saturating_add(str_off as usize).saturating_add(strings.len()))?;

        let mut out = Vec::with_capacity(total as usize);
        out.extend_from_slice(&match self.endian {
            Endian::Little => MAGIC.to_le_bytes(),
            Endian::Big => MAGIC.to_be_bytes(),
        });
        out.extend_from_slice(&[1, 0]);
        for word in [header_bytes, 0, type_len, str_off, str_len] {
            out.extend_from_slice(&self.endian.bytes(word));
        }
        if layout {
            out.extend_from_slice(&self.endian.bytes(type_len));
            out.extend_from_slice(&self.endian.bytes(layout_len));
        }
        out.extend_from_slice(&self.types);
        out.extend_from_slice(&layouts);
        out.extend_from_slice(strings);
        Ok(out)
    }

    /// The id for a record about to be appended.
    fn new_id(&self) -> Result<TypeId> {
        if self.next > MAX_TYPE {
            return Err(Error::input(format!("BTF: more than {MAX_TYPE:#x} types")));
        }
        Ok(TypeId(self.next))
    }

    #[inline]
    fn words<const N: usize>(&mut self, words: [u32; N]) {
        self.types.extend_from_slice(words.map(|w| self.endian.bytes(w)).as_flattened());
    }

    /// Appends a record without elements.
    #[inline]
    fn record<const N: usize>(
        &mut self,
        kind: Kind,
        kind_flag: bool,
        vlen: u32,
        name: StrOff,
        size_or_type: u32,
        tail: [u32; N],
    ) -> Result<TypeId> {
        let id = self.new_id()?;
        self.words([name.0, info(kind, kind_flag, vlen), size_or_type]);
        self.words(tail);
        self.next += 1;
        Ok(id)
    }

    /// Appends a record with elements; their number is known only at the end.
    #[inline]
    fn list<const N: usize>(
        &mut self,
        kind: Kind,
        kind_flag: bool,
        name: StrOff,
        size_or_type: u32,
        elements: impl Iterator<Item = Result<[u32; N]>>,
    ) -> Result<TypeId> {
        let id = self.new_id()?;
        let start = self.types.len();
        self.words([name.0, 0, size_or_type]);
        let mut vlen = 0;
        for element in elements {
            let element = match element {
                Ok(words) if vlen < MAX_VLEN => words,
                other => {
                    self.types.truncate(start);
                    other?;
                    return Err(Error::input(format!(
                        "BTF: type {id}: {kind} with more than {MAX_VLEN} elements"
                    )));
                }
            };
            self.words(element);
            vlen += 1;
        }
        let word = self.endian.bytes(info(kind, kind_flag, vlen));
        if let Some(place) = self.types.get_mut(start..).and_then(|r| r.get_mut(4..8)) {
            place.copy_from_slice(&word);
        }
        self.next += 1;
        Ok(id)
    }
}

#[inline]
fn info(kind: Kind, kind_flag: bool, vlen: u32) -> u32 {
    u32::from(kind_flag) << 31 | u32::from(kind as u8) << 24 | vlen
}

#[cold]
fn wrong_kind(kind: Kind, wanted: &str) -> Error {
    Error::input(format!("BTF: {kind} where {wanted} belongs"))
}

/// Four bytes for each kind from 0 on: size of the fixed data, size of an element, two bytes of flags.
fn kind_layouts() -> Vec<u8> {
    let mut out = vec![0; 4];
    for kind in Kind::ALL {
        // At most 12 each.
        out.extend_from_slice(&[kind.fixed_bytes() as u8, kind.element_bytes() as u8, 0, 0]);
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_int_by_hand() {
        let mut w = Writer::new(Endian::Big);
        let name = w.intern(b"int").unwrap();
        assert_eq!(w.int(name, 4, 32, IntEncoding::SIGNED).unwrap(), TypeId(1));
        #[rustfmt::skip]
        let want = [
            0xeb, 0x9f, 1, 0, 0, 0, 0, 24, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 16, 0, 0, 0, 5,
            0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 32,
            0, b'i', b'n', b't', 0,
        ];
        assert_eq!(w.finish(false).unwrap(), want);
    }

    #[test]
    fn layout_section() {
        let blob = Writer::new(Endian::Little).finish(true).unwrap();
        assert_eq!(blob.len(), 32 + 80 + 1);
        assert_eq!(&blob[4..8], &[32, 0, 0, 0]);
        assert_eq!(&blob[24..32], &[0, 0, 0, 0, 80, 0, 0, 0]);
        assert_eq!(&blob[32 + 4 * 3..][..4], &[12, 0, 0, 0], "ARRAY");
        assert_eq!(&blob[32 + 4 * 19..][..4], &[0, 12, 0, 0], "ENUM64");
    }

    #[test]
    fn limits() {
        let mut w = Writer::new(Endian::Little);
        let m = Member { name: StrOff::EMPTY, ty: TypeId(1), offset_word: 0 };
        let many = |n| std::iter::repeat_n(m, n);
        let err = w.composite(Kind::Union, StrOff::EMPTY, 4, false, many(65536)).unwrap_err();
        assert!(err.to_string().contains("more than 65535"), "{err}");
        assert_eq!((w.own_len(), w.types.len()), (0, 0), "a failed call appends nothing");
        assert_eq!(w.composite(Kind::Union, StrOff::EMPTY, 4, false, many(65535)).unwrap(), TypeId(1));

        let value = |v| [Enumerator { name: StrOff::EMPTY, value: v }];
        assert!(w.enumeration(StrOff::EMPTY, 4, false, value(1 << 32)).is_err());
        assert!(w.enumeration(StrOff::EMPTY, 4, true, value(1 << 31)).is_err());
        assert!(w.enumeration(StrOff::EMPTY, 4, false, value(-1i64 as u64)).is_err());
        assert!(w.enumeration(StrOff::EMPTY, 4, true, value(-1i64 as u64)).is_ok());
        assert!(w.enumeration(StrOff::EMPTY, 4, false, value(1 << 31)).is_ok());
        assert!(w.modifier(Kind::Ptr, TypeId(0)).is_err());
        assert!(w.composite(Kind::Enum, StrOff::EMPTY, 4, false, []).is_err());
    }

    #[test]
    fn ids_end() {
        let mut w = Writer::new(Endian::Little);
        w.next = MAX_TYPE;
        assert_eq!(w.ptr(TypeId(0)).unwrap(), TypeId(MAX_TYPE));
        assert!(w.ptr(TypeId(0)).unwrap_err().to_string().contains("types"));
    }
}
