//! The vocabulary of the format: kinds, the parts of records, numeric limits and the rules for names.
//!
//! Numbers and rules are those of the kernel's BTF documentation (`Documentation/bpf/btf.rst`) and of what
//! kernels 6.1 to 7.3 accept. [`Member`], [`Param`], [`Enumerator`] and [`DatasecEntry`] are what the reader
//! yields and what the writer takes, so copying a record is a type-checked round trip.

use std::fmt;

/// Most elements a record may have on every kernel; kernels from 7.2 read 24 bits.
pub const MAX_VLEN: u32 = 0xffff;

/// Most elements a record may have on kernels from 7.2, and the width of the field.
pub const MAX_VLEN_7_2: u32 = 0xff_ffff;

/// Highest string offset in bytes, counted through base and split strings.
pub const MAX_NAME_OFFSET: u32 = 0xff_ffff;

/// Highest type id, counted through base and split types.
pub const MAX_TYPE: u32 = 0xf_ffff;

/// Longest identifier or section name in bytes, without the final NUL (kernel 6.1 and later).
pub const MAX_NAME_BYTES: usize = 512;

/// Longest identifier in bytes, without the final NUL, before kernel 6.1.
pub const MAX_NAME_BYTES_BEFORE_6_1: usize = 128;

/// Size in bytes of what every record begins with: name offset, info, size or type.
pub const COMMON_BYTES: u32 = 12;

/// The id of a type: 0 is void, the records of a base are numbered from 1 in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TypeId(pub u32);

impl TypeId {
    /// The type that has no record.
    pub const VOID: TypeId = TypeId(0);
}

impl fmt::Display for TypeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The offset of a string in bytes, counted through base and split strings; 0 is the empty string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct StrOff(pub u32);

impl StrOff {
    /// The name of what has no name.
    pub const EMPTY: StrOff = StrOff(0);
}

impl fmt::Display for StrOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a record describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Kind {
    /// An integer, a character or a boolean.
    Int = 1,
    /// A pointer.
    Ptr,
    /// An array of one dimension.
    Array,
    /// A struct.
    Struct,
    /// A union.
    Union,
    /// An enumeration with values of 32 bits; without values, a forward declaration.
    Enum,
    /// A forward declaration of a struct or union.
    Fwd,
    /// A typedef.
    Typedef,
    /// `volatile`.
    Volatile,
    /// `const`.
    Const,
    /// `restrict`.
    Restrict,
    /// A function.
    Func,
    /// The parameters and the return type of functions.
    FuncProto,
    /// A variable.
    Var,
    /// The variables of an ELF section.
    Datasec,
    /// A floating-point number (kernel 5.13).
    Float,
    /// `btf_decl_tag` on a declaration, member or parameter (kernel 5.16).
    DeclTag,
    /// `btf_type_tag` on a type (kernel 5.17).
    TypeTag,
    /// An enumeration with values of 64 bits (kernel 6.0).
    Enum64,
}

impl Kind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Kind; 19] = [
        Kind::Int,
        Kind::Ptr,
        Kind::Array,
        Kind::Struct,
        Kind::Union,
        Kind::Enum,
        Kind::Fwd,
        Kind::Typedef,
        Kind::Volatile,
        Kind::Const,
        Kind::Restrict,
        Kind::Func,
        Kind::FuncProto,
        Kind::Var,
        Kind::Datasec,
        Kind::Float,
        Kind::DeclTag,
        Kind::TypeTag,
        Kind::Enum64,
    ];

    /// The kind of a number, `None` for 0 and for kinds that this crate does not know.
    #[inline]
    pub const fn from_u8(number: u8) -> Option<Kind> {
        let index = number.wrapping_sub(1) as usize;
        if index < Kind::ALL.len() { Some(Kind::ALL[index]) } else { None }
    }

    /// The name that `bpftool btf dump` prints.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Int => "INT",
            Kind::Ptr => "PTR",
            Kind::Array => "ARRAY",
            Kind::Struct => "STRUCT",
            Kind::Union => "UNION",
            Kind::Enum => "ENUM",
            Kind::Fwd => "FWD",
            Kind::Typedef => "TYPEDEF",
            Kind::Volatile => "VOLATILE",
            Kind::Const => "CONST",
            Kind::Restrict => "RESTRICT",
            Kind::Func => "FUNC",
            Kind::FuncProto => "FUNC_PROTO",
            Kind::Var => "VAR",
            Kind::Datasec => "DATASEC",
            Kind::Float => "FLOAT",
            Kind::DeclTag => "DECL_TAG",
            Kind::TypeTag => "TYPE_TAG",
            Kind::Enum64 => "ENUM64",
        }
    }

    /// Size in bytes of the fixed data after the common record.
    #[inline]
    pub const fn fixed_bytes(self) -> u32 {
        LAYOUTS[self as usize].0 as u32
    }

    /// Size in bytes of one of the `vlen` elements; 0 for kinds without elements. A FUNC has none: its
    /// `vlen` is the linkage.
    #[inline]
    pub const fn element_bytes(self) -> u32 {
        LAYOUTS[self as usize].1 as u32
    }

    /// Whether the third word of the record is a type id and not a size.
    #[inline]
    pub const fn refers(self) -> bool {
        self.is_modifier()
            || matches!(self, Kind::Ptr | Kind::Func | Kind::FuncProto | Kind::Var | Kind::DeclTag)
    }

    /// Whether the kind only qualifies or renames another type: what kernels skip on the way to a size.
    #[inline]
    pub const fn is_modifier(self) -> bool {
        matches!(self, Kind::Typedef | Kind::Volatile | Kind::Const | Kind::Restrict | Kind::TypeTag)
    }

    /// Whether the kind is a struct or a union.
    #[inline]
    pub const fn is_composite(self) -> bool {
        matches!(self, Kind::Struct | Kind::Union)
    }
}

/// By kind, the sizes in bytes of the fixed data and of an element. A table, since every look at a record
/// asks for them and kinds follow each other in no order that a branch could be predicted by.
const LAYOUTS: [(u8, u8); 20] = {
    let mut table = [(0, 0); 20];
    let mut i = 0;
    while i < Kind::ALL.len() {
        let kind = Kind::ALL[i];
        table[kind as usize] = match kind {
            Kind::Int | Kind::Var | Kind::DeclTag => (4, 0),
            Kind::Array => (12, 0),
            Kind::Struct | Kind::Union | Kind::Datasec | Kind::Enum64 => (0, 12),
            Kind::Enum | Kind::FuncProto => (0, 8),
            _ => (0, 0),
        };
        i += 1;
    }
    table
};

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How an INT is to be printed; the kernel accepts at most one bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct IntEncoding(pub u8);

impl IntEncoding {
    /// Unsigned.
    pub const NONE: IntEncoding = IntEncoding(0);
    /// Two's complement.
    pub const SIGNED: IntEncoding = IntEncoding(1);
    /// A character.
    pub const CHAR: IntEncoding = IntEncoding(2);
    /// A boolean.
    pub const BOOL: IntEncoding = IntEncoding(4);
}

/// The linkage of a FUNC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FuncLinkage {
    /// Not visible outside its unit; what vmlinux has for every function.
    Static = 0,
    /// Visible to other units.
    Global,
    /// Defined elsewhere; the kernel accepts it in no BTF that it loads.
    Extern,
}

impl FuncLinkage {
    /// The linkage of a number, `None` above 2.
    pub const fn from_u32(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Static),
            1 => Some(Self::Global),
            2 => Some(Self::Extern),
            _ => None,
        }
    }
}

/// The linkage of a VAR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum VarLinkage {
    /// Not visible outside its unit.
    Static = 0,
    /// Defined here and visible to other units.
    Global,
    /// Defined elsewhere; the kernel accepts it in no BTF that it loads.
    Extern,
}

impl VarLinkage {
    /// The linkage of a number, `None` above 2.
    pub const fn from_u32(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Static),
            1 => Some(Self::Global),
            2 => Some(Self::Extern),
            _ => None,
        }
    }
}

/// The word after an INT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IntData {
    /// Width of the value in bits.
    pub bits: u8,
    /// Offset of the value from the start of its storage in bits; the old form of bitfields, 0 today.
    pub offset_bits: u8,
    /// How to print it.
    pub encoding: IntEncoding,
}

impl IntData {
    /// Takes the word apart. Bits 8 to 15 and 28 to 31 are unused.
    pub const fn from_word(word: u32) -> Self {
        let [bits, _, offset_bits, high] = word.to_le_bytes();
        IntData { bits, offset_bits, encoding: IntEncoding(high & 0xf) }
    }

    /// The word; of the encoding only the four bits that the format has.
    pub const fn to_word(self) -> u32 {
        u32::from_le_bytes([self.bits, 0, self.offset_bits, self.encoding.0 & 0xf])
    }

    /// Whether it fills whole bytes of a usual number: 1, 2, 4, 8 or 16 bytes from bit 0. Kernels want that
    /// of array indices, array elements and the base of bitfields.
    pub const fn is_regular(self) -> bool {
        self.offset_bits == 0 && matches!(self.bits, 8 | 16 | 32 | 64 | 128)
    }
}

/// What an ARRAY refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ArrayData {
    /// Type of the elements.
    pub element: TypeId,
    /// Type of the index.
    pub index: TypeId,
    /// Number of elements; 0 for a flexible array.
    pub count: u32,
}

/// A member of a STRUCT or UNION.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Member {
    /// Its name; empty for an anonymous struct or union.
    pub name: StrOff,
    /// Its type.
    pub ty: TypeId,
    /// Where it lies, as stored: the offset in bits, and when the composite's `kind_flag` is set, the width
    /// of a bitfield in the highest eight bits and the offset in the others.
    pub offset_word: u32,
}

impl Member {
    /// Highest offset in bits of a member when `kind_flag` is set.
    pub const MAX_OFFSET_WITH_FLAG: u32 = 0xff_ffff;

    /// The offset word of a composite whose `kind_flag` is set: `bitfield_bits` is 0 for an ordinary member.
    /// `None` when `offset_bits` does not fit 24 bits.
    #[inline]
    pub const fn word_with_flag(offset_bits: u32, bitfield_bits: u8) -> Option<u32> {
        if offset_bits > Self::MAX_OFFSET_WITH_FLAG {
            return None;
        }
        Some((bitfield_bits as u32) << 24 | offset_bits)
    }

    /// Offset from the start of the composite in bits.
    #[inline]
    pub const fn offset_bits(&self, kind_flag: bool) -> u32 {
        if kind_flag { self.offset_word & Self::MAX_OFFSET_WITH_FLAG } else { self.offset_word }
    }

    /// Width of the bitfield in bits; 0 when it is none, and when it is one of the old form, which has its
    /// width in the INT.
    #[inline]
    pub const fn bitfield_bits(&self, kind_flag: bool) -> u8 {
        if kind_flag { (self.offset_word >> 24) as u8 } else { 0 }
    }
}

/// A value of an ENUM or ENUM64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Enumerator {
    /// Its name.
    pub name: StrOff,
    /// Its value: `as i64` when the enumeration is signed (`kind_flag`), sign-extended from 32 bits for an
    /// ENUM; zero-extended when it is unsigned.
    pub value: u64,
}

/// A parameter of a FUNC_PROTO; the last one with no name and type void is `...`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Param {
    /// Its name, empty in the proto of a pointer.
    pub name: StrOff,
    /// Its type.
    pub ty: TypeId,
}

/// A variable of a DATASEC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DatasecEntry {
    /// The VAR.
    pub var: TypeId,
    /// Offset from the start of the section in bytes.
    pub offset_bytes: u32,
    /// Size of the variable in bytes.
    pub size_bytes: u32,
}

/// Whether the kernel takes the name where it wants an identifier: a letter, `_` or `.`, then also digits,
/// at most [`MAX_NAME_BYTES`] bytes, ASCII only. Names of C++ and Rust (`a::b`, `f<T>`) are none.
pub fn is_identifier(name: &[u8]) -> bool {
    // By table: every name of the input comes here.
    const TAKEN: [bool; 256] = {
        let mut taken = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            let b = byte as u8;
            taken[byte] = b.is_ascii_alphanumeric() || b == b'_' || b == b'.';
            byte += 1;
        }
        taken
    };
    name.first().is_some_and(|first| !first.is_ascii_digit())
        && name.len() <= MAX_NAME_BYTES
        // To the end in any case: names are short, and nearly all are taken.
        && name.iter().fold(true, |taken, &b| taken & TAKEN[usize::from(b)])
}

/// Whether the kernel takes the name for a DATASEC: 1 to [`MAX_NAME_BYTES`] printable ASCII bytes. Kernel
/// 6.1 still wanted an identifier.
pub fn is_section_name(name: &[u8]) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME_BYTES && name.iter().all(|b| (b' '..=b'~').contains(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_kinds_agree() {
        for n in 0..=255u8 {
            match Kind::from_u8(n) {
                Some(kind) => assert_eq!(kind as u8, n),
                None => assert!(n == 0 || n > 19, "{n}"),
            }
        }
        assert_eq!(Kind::Enum64 as u8, 19);
        assert_eq!(Kind::FuncProto.to_string(), "FUNC_PROTO");
    }

    #[test]
    fn identifiers() {
        for good in ["a", "_", ".s", "foo.isra.0", "A9"] {
            assert!(is_identifier(good.as_bytes()), "{good}");
        }
        for bad in ["", "9", "a b", "a::b", "a$", "f<T>", "a-b", "\u{e9}"] {
            assert!(!is_identifier(bad.as_bytes()), "{bad}");
        }
        assert!(is_identifier(&[b'a'; 512]));
        assert!(!is_identifier(&[b'a'; 513]));
    }

    #[test]
    fn section_names() {
        assert!(is_section_name(b".data..percpu"));
        assert!(is_section_name(b"a b~"));
        assert!(!is_section_name(b""));
        assert!(!is_section_name(b"a\tb"));
        assert!(!is_section_name(b"\x7f"));
        assert!(!is_section_name(&[b'a'; 513]));
    }

    #[test]
    fn offset_words() {
        assert_eq!(Member::word_with_flag(7, 3), Some(0x0300_0007));
        assert_eq!(Member::word_with_flag(1 << 24, 0), None);
        let m = Member { name: StrOff::EMPTY, ty: TypeId(1), offset_word: 0x0300_0007 };
        assert_eq!((m.offset_bits(true), m.bitfield_bits(true)), (7, 3));
        assert_eq!((m.offset_bits(false), m.bitfield_bits(false)), (0x0300_0007, 0));
    }

    #[test]
    fn int_words() {
        let d = IntData { bits: 128, offset_bits: 3, encoding: IntEncoding::BOOL };
        assert_eq!(d.to_word(), 0x0403_0080);
        assert_eq!(IntData::from_word(d.to_word()), d);
    }
}
