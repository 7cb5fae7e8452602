//! Reads a BTF in either byte order without copying it.
//!
//! In: the bytes of a blob, and the base if it is split. Out: records by id. [`Btf::parse`] checks the
//! header, that the sections lie inside the blob and that each record lies inside its section, so that no
//! later access can fail. Names and references are taken as they are: a name that lies outside the strings
//! reads as empty, an id outside the types as `None`; [`check`](super::check()) reports them.

use super::kinds::{
    ArrayData, COMMON_BYTES, DatasecEntry, Enumerator, FuncLinkage, IntData, Kind, Member, Param, StrOff,
    TypeId, VarLinkage,
};
use super::{Endian, HEADER_BYTES, HEADER_BYTES_WITH_LAYOUT, MAGIC};
use crate::error::{Error, Result};

/// Where a section lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Section {
    /// Offset from the end of the header in bytes.
    pub off: u32,
    /// Length in bytes.
    pub len: u32,
}

/// The header of a BTF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Size of the header in bytes, as it says itself: 24, or 32 and more.
    pub header_bytes: u32,
    /// The records.
    pub types: Section,
    /// The strings.
    pub strings: Section,
    /// The layouts of kinds; empty when the header has no field for it.
    pub layout: Section,
}

/// A BTF, with the base it is split from.
///
/// Ids and string offsets are counted through the base: asking a split BTF for a type of its base answers.
pub struct Btf<'a> {
    data: &'a [u8],
    types: &'a [u8],
    strings: &'a [u8],
    header: Header,
    endian: Endian,
    base: Option<&'a Btf<'a>>,
    first: u32,
    strings_start: u32,
    /// Offset of each own record in `types`.
    records: Vec<u32>,
}

impl<'a> Btf<'a> {
    /// Reads a BTF that has no base.
    ///
    /// # Errors
    ///
    /// No BTF, a version, flag or kind unknown to this crate, or sections or records that do not fit.
    pub fn parse(data: &'a [u8]) -> Result<Self> {
        Self::parse_with(data, None)
    }

    /// Reads a BTF that is split from `base`. Whether it is the right base shows only in the types.
    ///
    /// # Errors
    ///
    /// Those of [`Btf::parse`], and a byte order other than the base's.
    pub fn parse_split(data: &'a [u8], base: &'a Btf<'a>) -> Result<Self> {
        Self::parse_with(data, Some(base))
    }

    fn parse_with(data: &'a [u8], base: Option<&'a Btf<'a>>) -> Result<Self> {
        let (endian, header) = parse_header(data)?;
        if base.is_some_and(|base| base.endian != endian) {
            return Err(Error::input("BTF: the byte order is not that of the base"));
        }
        let body = data.get(header.header_bytes as usize..).unwrap_or_default();
        let section = |name: &str, s: Section| {
            let end = (s.off as usize).checked_add(s.len as usize);
            end.and_then(|end| body.get(s.off as usize..end)).ok_or_else(|| {
                let (off, len, have) = (s.off, s.len, body.len());
                Error::input(format!(
                    "BTF: {name} of {len} bytes at offset {off}, but {have} bytes after the header"
                ))
            })
        };
        let types = section("types", header.types)?;
        let strings = section("strings", header.strings)?;
        section("layout", header.layout)?;
        if !header.types.off.is_multiple_of(4) {
            return Err(Error::input(format!("BTF: types at offset {}, no multiple of 4", header.types.off)));
        }
        // A split BTF may have no strings of its own; otherwise every string must end inside.
        match (strings.first(), strings.last()) {
            (None, None) if base.is_some() => {}
            (Some(first), Some(0)) if base.is_some() || *first == 0 => {}
            (None, _) => return Err(Error::input("BTF: no strings")),
            (_, Some(0)) => return Err(Error::input("BTF: the first string is not empty")),
            _ => return Err(Error::input("BTF: the last string has no end")),
        }
        let first = base.map_or(1, Btf::len);
        let strings_start = base.map_or(0, Btf::string_end);
        let too_long = || Error::input("BTF: base and split together exceed 32 bits");
        strings_start.checked_add(header.strings.len).ok_or_else(too_long)?;
        let records = find_records(types, endian, first)?;
        let count = u32::try_from(records.len()).ok();
        count.and_then(|n| first.checked_add(n)).ok_or_else(too_long)?;
        Ok(Btf { data, types, strings, header, endian, base, first, strings_start, records })
    }

    /// Number of types, base and void included: one more than the highest id.
    #[inline]
    pub fn len(&self) -> u32 {
        // Checked in `parse_with`.
        self.first + self.records.len() as u32
    }

    /// Whether there is no type but void.
    pub fn is_empty(&self) -> bool {
        self.len() == 1
    }

    /// Number of types before the first own one: 1, which is void, or the `len` of the base.
    #[inline]
    pub fn base_len(&self) -> u32 {
        self.first
    }

    /// The base it is split from.
    pub fn base(&self) -> Option<&'a Btf<'a>> {
        self.base
    }

    /// Its byte order.
    pub fn endian(&self) -> Endian {
        self.endian
    }

    /// Its header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The whole blob.
    pub fn data(&self) -> &'a [u8] {
        self.data
    }

    /// Offset in bytes after the last string, counted through the base: where a split BTF begins.
    #[inline]
    pub fn string_end(&self) -> u32 {
        // Checked in `parse_with`.
        self.strings_start + self.header.strings.len
    }

    /// Offset in bytes of the first own string: 0, or the `string_end` of the base.
    #[inline]
    pub fn string_start(&self) -> u32 {
        self.strings_start
    }

    /// The own strings, each with its NUL.
    pub(super) fn own_strings(&self) -> &'a [u8] {
        self.strings
    }

    /// The string at an offset, without its NUL; it may be the end of a longer one.
    #[inline]
    pub fn string(&self, off: StrOff) -> Option<&'a [u8]> {
        let Some(at) = off.0.checked_sub(self.strings_start) else {
            return self.base?.string(off);
        };
        let rest = self.strings.get(at as usize..)?;
        rest.get(..rest.iter().position(|&b| b == 0)?)
    }

    /// At most `max` bytes of the string at an offset. Strings of hostile input may be long and overlap, so
    /// that reading each to its end would take time quadratic in their size.
    #[inline]
    pub(crate) fn string_prefix(&self, off: StrOff, max: usize) -> Option<&'a [u8]> {
        let Some(at) = off.0.checked_sub(self.strings_start) else {
            return self.base?.string_prefix(off, max);
        };
        let rest = self.strings.get(at as usize..).filter(|rest| !rest.is_empty())?;
        let rest = rest.get(..max).unwrap_or(rest);
        Some(rest.get(..rest.iter().position(|&b| b == 0).unwrap_or(rest.len())).unwrap_or(rest))
    }

    /// Whether the string at an offset is this one, without reading more of it.
    fn is_named(&self, off: StrOff, name: &[u8]) -> bool {
        self.string_prefix(off, name.len().saturating_add(1)).unwrap_or_default() == name
    }

    /// The string at an offset, empty if there is none.
    #[inline]
    pub fn name(&self, off: StrOff) -> &'a [u8] {
        // Anonymous is frequent, and in a split BTF it would travel to the base.
        if off == StrOff::EMPTY { &[] } else { self.string(off).unwrap_or_default() }
    }

    /// Calls `f` with every string and its offset, those of the base first.
    pub(super) fn each_string(&self, f: &mut impl FnMut(StrOff, &'a [u8])) {
        if let Some(base) = self.base {
            base.each_string(f);
        }
        let mut off = self.strings_start;
        for string in self.strings.split_inclusive(|&b| b == 0) {
            f(StrOff(off), string.strip_suffix(&[0]).unwrap_or(string));
            off = off.saturating_add(string.len() as u32);
        }
    }

    /// The type of an id, in the base too; `None` for void and for ids past the end.
    #[inline]
    pub fn ty(&self, id: TypeId) -> Option<Type<'_>> {
        match id.0.checked_sub(self.first) {
            Some(index) => self.own(index as usize),
            None => self.base?.ty(id),
        }
    }

    /// The own types in the order of their ids, without the base's.
    pub fn types(&self) -> impl DoubleEndedIterator<Item = Type<'_>> {
        (0..self.records.len()).filter_map(|index| self.own(index))
    }

    #[inline]
    fn own(&self, index: usize) -> Option<Type<'_>> {
        let at = *self.records.get(index)?;
        let record = self.types.get(at as usize..)?;
        let common = Common::read(record, self.endian)?;
        let bytes = record.get(..common.record_bytes()?)?;
        // Not above `len`.
        Some(Type { btf: self, id: TypeId(self.first + index as u32), common, bytes })
    }

    /// The first type of that kind and name, the base's before the own ones, which is what the kernel's
    /// lookups answer. Reads every record: for a handful of questions.
    pub fn find(&self, kind: Kind, name: &[u8]) -> Option<Type<'_>> {
        let in_base = self.base.and_then(|base| base.find(kind, name));
        in_base.or_else(|| self.types().find(|t| t.kind() == kind && self.is_named(t.name_off(), name)))
    }

    /// Size of a pointer in bytes, which the format does not record: that of C's `long`. `None` where there
    /// is no `long`.
    pub fn pointer_bytes(&self) -> Option<u32> {
        const NAMES: [&[u8]; 6] =
            [b"long int", b"long unsigned int", b"long", b"unsigned long", b"int long", b"unsigned long int"];
        fn long(btf: &Btf<'_>) -> Option<u32> {
            let of_base = btf.base.and_then(long);
            of_base.or_else(|| {
                let named = |off| NAMES.iter().any(|name| btf.is_named(off, name));
                let found = btf.types().find(|t| t.kind() == Kind::Int && named(t.name_off()))?;
                found.size_bytes().filter(|size| matches!(size, 4 | 8))
            })
        }
        long(self)
    }
}

/// The words every record begins with, taken apart.
#[derive(Debug, Clone, Copy)]
struct Common {
    name: StrOff,
    kind: Kind,
    kind_flag: bool,
    vlen: u32,
    size_or_type: u32,
}

impl Common {
    /// Reads as kernels from 7.2 do, 24 bits of `vlen` and 7 of kind; older ones want the added bits zero.
    #[inline]
    fn read(record: &[u8], endian: Endian) -> Option<Common> {
        let ([name, info, size_or_type], _) = split_words::<3>(record, endian)?;
        let kind = Kind::from_u8((info >> 24) as u8 & 0x7f)?;
        Some(Common {
            name: StrOff(name),
            kind,
            kind_flag: info >> 31 != 0,
            vlen: info & 0xff_ffff,
            size_or_type,
        })
    }

    /// Length of the whole record in bytes.
    #[inline]
    fn record_bytes(&self) -> Option<usize> {
        let elements = self.vlen.checked_mul(self.kind.element_bytes())?;
        Some(elements.checked_add(COMMON_BYTES + self.kind.fixed_bytes())? as usize)
    }
}

/// One record.
#[derive(Clone, Copy)]
pub struct Type<'a> {
    btf: &'a Btf<'a>,
    id: TypeId,
    common: Common,
    bytes: &'a [u8],
}

impl<'a> Type<'a> {
    /// Its id.
    #[inline]
    pub fn id(&self) -> TypeId {
        self.id
    }

    /// Its kind.
    #[inline]
    pub fn kind(&self) -> Kind {
        self.common.kind
    }

    /// Its name, for tags their value; empty for what has none.
    #[inline]
    pub fn name(&self) -> &'a [u8] {
        self.btf.name(self.common.name)
    }

    /// At most `max` bytes of its name.
    pub(crate) fn name_prefix(&self, max: usize) -> &'a [u8] {
        self.btf.string_prefix(self.common.name, max).unwrap_or_default()
    }

    /// Offset of its name.
    #[inline]
    pub fn name_off(&self) -> StrOff {
        self.common.name
    }

    /// Number of elements; the linkage of a FUNC.
    #[inline]
    pub fn vlen(&self) -> u32 {
        self.common.vlen
    }

    /// The flag, whose meaning depends on the kind: members have bitfield widths (STRUCT, UNION), signed
    /// (ENUM, ENUM64), union (FWD), attributes (DECL_TAG, TYPE_TAG).
    #[inline]
    pub fn kind_flag(&self) -> bool {
        self.common.kind_flag
    }

    /// The third word as it is.
    #[inline]
    pub fn size_or_type(&self) -> u32 {
        self.common.size_or_type
    }

    /// Size in bytes of a kind that has one of its own: INT, FLOAT, STRUCT, UNION, ENUM, ENUM64, DATASEC.
    #[inline]
    pub fn size_bytes(&self) -> Option<u32> {
        use Kind::*;
        matches!(self.kind(), Int | Float | Struct | Union | Enum | Enum64 | Datasec)
            .then_some(self.common.size_or_type)
    }

    /// The type it refers to in its third word: the target of a pointer, modifier or tag, the return type of
    /// a FUNC_PROTO, the proto of a FUNC, the type of a VAR.
    #[inline]
    pub fn target(&self) -> Option<TypeId> {
        self.kind().refers().then_some(TypeId(self.common.size_or_type))
    }

    /// The whole record in the byte order of the BTF.
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// What follows the common part.
    #[inline]
    fn tail(&self) -> &'a [u8] {
        self.bytes.get(COMMON_BYTES as usize..).unwrap_or_default()
    }

    #[inline]
    fn fixed_word(&self, kind: Kind) -> Option<u32> {
        if self.kind() != kind {
            return None;
        }
        split_words::<1>(self.tail(), self.btf.endian).map(|([word], _)| word)
    }

    /// The elements as arrays of `N` bytes; none unless `wanted`.
    #[inline]
    fn elements<const N: usize>(&self, wanted: bool) -> std::slice::Iter<'a, [u8; N]> {
        let tail = if wanted { self.tail() } else { &[] };
        tail.as_chunks::<N>().0.iter()
    }

    /// The word after an INT as it is.
    pub(super) fn int_word(&self) -> Option<u32> {
        self.fixed_word(Kind::Int)
    }

    /// Bits and encoding of an INT.
    #[inline]
    pub fn int_data(&self) -> Option<IntData> {
        self.fixed_word(Kind::Int).map(IntData::from_word)
    }

    /// What an ARRAY refers to.
    #[inline]
    pub fn array(&self) -> Option<ArrayData> {
        if self.kind() != Kind::Array {
            return None;
        }
        let ([element, index, count], _) = split_words::<3>(self.tail(), self.btf.endian)?;
        Some(ArrayData { element: TypeId(element), index: TypeId(index), count })
    }

    /// The members of a STRUCT or UNION; none for other kinds.
    #[inline]
    pub fn members(&self) -> impl ExactSizeIterator<Item = Member> + DoubleEndedIterator + 'a {
        let endian = self.btf.endian;
        self.elements::<12>(self.kind().is_composite()).map(move |bytes| {
            let [name, ty, offset_word] = three(bytes, endian);
            Member { name: StrOff(name), ty: TypeId(ty), offset_word }
        })
    }

    /// The values of an ENUM or ENUM64 with their sign extended; none for other kinds.
    #[inline]
    pub fn enumerators(&self) -> impl ExactSizeIterator<Item = Enumerator> + 'a {
        let endian = self.btf.endian;
        let signed = self.kind_flag();
        let narrow = self.elements::<8>(self.kind() == Kind::Enum).map(move |bytes| {
            let [name, low] = two(bytes, endian);
            let value = if signed { low as i32 as i64 as u64 } else { u64::from(low) };
            Enumerator { name: StrOff(name), value }
        });
        let wide = self.elements::<12>(self.kind() == Kind::Enum64).map(move |bytes| {
            let [name, low, high] = three(bytes, endian);
            Enumerator { name: StrOff(name), value: u64::from(high) << 32 | u64::from(low) }
        });
        // One of the two is empty.
        Either { narrow, wide }
    }

    /// Whether the values of an ENUM or ENUM64 are signed.
    pub fn is_signed(&self) -> bool {
        self.kind_flag() && matches!(self.kind(), Kind::Enum | Kind::Enum64)
    }

    /// The parameters of a FUNC_PROTO; none for other kinds.
    #[inline]
    pub fn params(&self) -> impl ExactSizeIterator<Item = Param> + DoubleEndedIterator + 'a {
        let endian = self.btf.endian;
        self.elements::<8>(self.kind() == Kind::FuncProto).map(move |bytes| {
            let [name, ty] = two(bytes, endian);
            Param { name: StrOff(name), ty: TypeId(ty) }
        })
    }

    /// The variables of a DATASEC; none for other kinds.
    #[inline]
    pub fn datasec_entries(&self) -> impl ExactSizeIterator<Item = DatasecEntry> + 'a {
        let endian = self.btf.endian;
        self.elements::<12>(self.kind() == Kind::Datasec).map(move |bytes| {
            let [var, offset_bytes, size_bytes] = three(bytes, endian);
            DatasecEntry { var: TypeId(var), offset_bytes, size_bytes }
        })
    }

    /// Everything it refers to: its [`target`](Self::target), element and index of an ARRAY, then the types of its
    /// members, parameters or variables.
    #[inline]
    pub fn references(&self) -> impl Iterator<Item = TypeId> + 'a {
        let array = self.array().into_iter().flat_map(|array| [array.element, array.index]);
        let parts = self.members().map(|m| m.ty).chain(self.params().map(|p| p.ty));
        let variables = self.datasec_entries().map(|e| e.var);
        self.target().into_iter().chain(array).chain(parts).chain(variables)
    }

    /// The linkage of a FUNC, `None` if it is none that the format knows.
    pub fn func_linkage(&self) -> Option<FuncLinkage> {
        if self.kind() == Kind::Func { FuncLinkage::from_u32(self.vlen()) } else { None }
    }

    /// The linkage of a VAR, `None` if it is none that the format knows.
    pub fn var_linkage(&self) -> Option<VarLinkage> {
        self.fixed_word(Kind::Var).and_then(VarLinkage::from_u32)
    }

    /// What a DECL_TAG is on: −1 for the whole target, else the number of a member or parameter from 0.
    #[inline]
    pub fn component_idx(&self) -> Option<i32> {
        self.fixed_word(Kind::DeclTag).map(|word| word as i32)
    }
}

/// Enumerators of either width.
struct Either<N, W> {
    narrow: N,
    wide: W,
}

impl<N, W> Iterator for Either<N, W>
where
    N: ExactSizeIterator<Item = Enumerator>,
    W: ExactSizeIterator<Item = Enumerator>,
{
    type Item = Enumerator;

    #[inline]
    fn next(&mut self) -> Option<Enumerator> {
        self.narrow.next().or_else(|| self.wide.next())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.narrow.len() + self.wide.len();
        (len, Some(len))
    }
}

impl<N, W> ExactSizeIterator for Either<N, W>
where
    N: ExactSizeIterator<Item = Enumerator>,
    W: ExactSizeIterator<Item = Enumerator>,
{
}

/// Takes `N` words off the front.
#[inline]
fn split_words<const N: usize>(bytes: &[u8], endian: Endian) -> Option<([u32; N], &[u8])> {
    let (words, _) = bytes.as_chunks::<4>();
    let words = words.first_chunk::<N>()?;
    Some((words.map(|w| endian.word(w)), bytes.get(4 * N..)?))
}

#[inline]
fn two(bytes: &[u8; 8], endian: Endian) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = *bytes;
    [endian.word([a, b, c, d]), endian.word([e, f, g, h])]
}

#[inline]
fn three(bytes: &[u8; 12], endian: Endian) -> [u32; 3] {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *bytes;
    [endian.word([a, b, c, d]), endian.word([e, f, g, h]), endian.word([i, j, k, l])]
}

fn parse_header(data: &[u8]) -> Result<(Endian, Header)> {
    let [m0, m1, version, flags] = *data
        .first_chunk::<4>()
        .ok_or_else(|| Error::input(format!("BTF: {} bytes, too short for a header", data.len())))?;
    let endian = match [m0, m1] {
        m if u16::from_le_bytes(m) == MAGIC => Endian::Little,
        m if u16::from_be_bytes(m) == MAGIC => Endian::Big,
        m => {
            return Err(Error::input(format!(
                "BTF: begins with {m:02x?}, not with the magic number {MAGIC:#x}"
            )));
        }
    };
    if version != 1 || flags != 0 {
        return Err(Error::input(format!(
            "BTF: version {version} with flags {flags:#x}, known is 1 with none"
        )));
    }
    let short = || Error::input(format!("BTF: {} bytes, shorter than its header", data.len()));
    let rest = data.get(4..).unwrap_or_default();
    let ([header_bytes], rest) = split_words::<1>(rest, endian).ok_or_else(short)?;
    if header_bytes != HEADER_BYTES && header_bytes < HEADER_BYTES_WITH_LAYOUT {
        return Err(Error::input(format!("BTF: a header of {header_bytes} bytes, known are 24 and 32")));
    }
    if data.len() < header_bytes as usize {
        return Err(short());
    }
    let ([type_off, type_len, str_off, str_len], rest) = split_words::<4>(rest, endian).ok_or_else(short)?;
    let mut layout = Section::default();
    if header_bytes >= HEADER_BYTES_WITH_LAYOUT {
        let ([off, len], _) = split_words::<2>(rest, endian).ok_or_else(short)?;
        layout = Section { off, len };
        let unknown = data.get(HEADER_BYTES_WITH_LAYOUT as usize..header_bytes as usize).unwrap_or_default();
        if unknown.iter().any(|&b| b != 0) {
            return Err(Error::input(format!(
                "BTF: a header of {header_bytes} bytes with values after byte {HEADER_BYTES_WITH_LAYOUT}"
            )));
        }
    }
    let types = Section { off: type_off, len: type_len };
    let strings = Section { off: str_off, len: str_len };
    Ok((endian, Header { header_bytes, types, strings, layout }))
}

/// The offset of each record; the first has the id `first`.
fn find_records(types: &[u8], endian: Endian, first: u32) -> Result<Vec<u32>> {
    // A kernel's records have 35 bytes on average.
    let mut records = Vec::with_capacity(types.len() / 32);
    let mut rest = types;
    while !rest.is_empty() {
        // The section's length is a word of the header.
        let at = (types.len() - rest.len()) as u32;
        let after = Common::read(rest, endian).and_then(|c| c.record_bytes()).and_then(|n| rest.get(n..));
        let Some(after) = after else {
            return Err(bad_record(rest, endian, u64::from(first) + records.len() as u64, at));
        };
        records.push(at);
        rest = after;
    }
    Ok(records)
}

#[cold]
fn bad_record(rest: &[u8], endian: Endian, id: u64, at: u32) -> Error {
    let place = format!("BTF: type {id} at offset {at} of the types");
    match (split_words::<3>(rest, endian), Common::read(rest, endian)) {
        (None, _) => Error::input(format!("{place}: cut off after {} bytes", rest.len())),
        (Some(([_, info, _], _)), None) => {
            Error::input(format!("{place}: kind {} is unknown", info >> 24 & 0x7f))
        }
        (_, Some(c)) => Error::input(format!(
            "{place}: {} with {} elements exceeds the {} bytes left",
            c.kind,
            c.vlen,
            rest.len()
        )),
    }
}
