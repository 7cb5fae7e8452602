//! The BPF Type Format: read, write and check it. Knows neither ELF nor DWARF.
//!
//! # The format in a page
//!
//! A BTF is a header, a section of types, optionally a section of kind layouts, and a section of strings.
//! Offsets of sections are counted in bytes from the end of the header; everything is in the byte order of
//! the target, which the magic number 0xeb9f tells.
//!
//! ```text
//! 0  u16 magic  u8 version = 1  u8 flags = 0  u32 hdr_len = 24 or 32
//! 8  u32 type_off  u32 type_len  u32 str_off  u32 str_len
//! 24 u32 layout_off  u32 layout_len                             only if hdr_len is 32
//! ```
//!
//! A type is a record of 12 bytes, `u32 name_off`, `u32 info`, `u32 size_or_type`, followed by what its
//! [`Kind`] asks for: fixed data ([`Kind::fixed_bytes`]) and `vlen` elements ([`Kind::element_bytes`]).
//! `info` holds `vlen` in its low bits, the kind in bits 24 to 30, and `kind_flag` in bit 31. Records have no
//! number of their own: the first one is type 1, and type 0 is void. References may point forward.
//!
//! Strings end with NUL; offset 0 is the empty string, the name of what has no name.
//!
//! A *split* BTF continues a *base*: its first id is the number of types of the base, void included, and its
//! first string offset is the length of the base's strings. It may refer to both and is meaningless without
//! exactly that base. Kernel modules carry one above that of vmlinux.
//!
//! # Constraints
//!
//! * [`Btf`] borrows the bytes it reads. Whatever could make an access fail is checked once, in
//!   [`Btf::parse`]; whether the types make sense is not its business but [`check`](check())'s.
//! * [`Writer`] appends and never looks back; the caller decides ids by the order of its calls and interns
//!   each distinct string once.
//! * The same calls give the same bytes, on every host.

mod check;
mod copy;
mod distill;
mod kinds;
mod read;
mod strings;
mod write;

pub use check::{
    CheckOptions, KernelVersion, Level, Levels, Violation, check, check_container, check_kfuncs,
};
pub use copy::Copier;
pub use distill::{Distilled, distill};
pub use kinds::{
    ArrayData, COMMON_BYTES, DatasecEntry, Enumerator, FuncLinkage, IntData, IntEncoding, Kind,
    MAX_NAME_BYTES, MAX_NAME_BYTES_BEFORE_6_1, MAX_NAME_OFFSET, MAX_TYPE, MAX_VLEN, MAX_VLEN_7_2, Member,
    Param, StrOff, TypeId, VarLinkage, is_identifier, is_section_name,
};
pub use read::{Btf, Header, Section, Type};
pub use strings::SplitBase;
pub use write::Writer;

/// The number a BTF begins with, in its own byte order.
pub const MAGIC: u16 = 0xeb9f;

/// Size in bytes of the header that every kernel reads.
pub const HEADER_BYTES: u32 = 24;

/// Size in bytes of the header that also locates the layout section (kernel 7.1).
pub const HEADER_BYTES_WITH_LAYOUT: u32 = 32;

/// A byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endian {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl Endian {
    /// The byte order of the machine that runs this.
    pub const HOST: Endian = if cfg!(target_endian = "big") { Endian::Big } else { Endian::Little };

    /// The bytes of a word in this order.
    #[inline]
    pub const fn bytes(self, word: u32) -> [u8; 4] {
        match self {
            Endian::Little => word.to_le_bytes(),
            Endian::Big => word.to_be_bytes(),
        }
    }

    /// The word that the bytes are in this order.
    #[inline]
    pub const fn word(self, bytes: [u8; 4]) -> u32 {
        match self {
            Endian::Little => u32::from_le_bytes(bytes),
            Endian::Big => u32::from_be_bytes(bytes),
        }
    }
}
