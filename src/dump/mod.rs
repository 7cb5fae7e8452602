//! BTF as text: for people ([`raw`](raw())), for programs ([`json`](json())), for compilers ([`c`](c())).
//!
//! In: a [`Btf`] that parsed. Out: bytes, the same for the same input on every host. Names and ids are taken
//! as they are: what is damaged is shown, not refused, but for C, which has no words for it.

mod c;
mod json;
mod raw;

use crate::btf::Btf;
use crate::error::Result;

pub use c::COptions;
pub use json::SCHEMA_VERSION;

/// The types in the form of `bpftool btf dump file`, one line for each record and for each of its elements.
/// Of a split BTF only the own types.
pub fn raw(btf: &Btf<'_>) -> Vec<u8> {
    raw::dump(btf)
}

/// The types as one JSON object, a line for each record. Of a split BTF only the own types.
///
/// The schema, within one `schema_version` of which keys are only added:
///
/// * the object: `schema_version`; `endian`, `"little"` or `"big"`; `pointer_bytes`, a number or null;
///   `first_id`, that of the first type; `types`, a list in the order of ids;
/// * every type: `id`, `kind` (the words of `bpftool`: `"INT"`, `"PTR"`, ...), `name` (null for what has none);
/// * INT: `size_bytes`, `bits`, `offset_bits`, `encoding` (`"none"`, `"signed"`, `"char"`, `"bool"`, or a number);
/// * PTR, TYPEDEF, VOLATILE, CONST, RESTRICT: `type`, the id of the type, 0 for void;
/// * TYPE_TAG: also `attribute`, whether the tag is an attribute;
/// * ARRAY: `type`, `index_type`, `count`;
/// * STRUCT, UNION: `size_bytes`, `members` with `name`, `type`, `offset_bits`, `bitfield_bits` (0 for none);
/// * ENUM, ENUM64: `size_bytes`, `signed`, `values` with `name`, `value` (64 bits wide);
/// * FWD: `of`, `"struct"` or `"union"`;
/// * FUNC: `type`, `linkage` (`"static"`, `"global"`, `"extern"`, or a number);
/// * FUNC_PROTO: `returns`, `params` with `name`, `type`, and `variadic`; the unnamed last parameter that says so
///   is not among `params`;
/// * VAR: `type`, `linkage`;
/// * DATASEC: `size_bytes`, `variables` with `type`, `offset_bytes`, `size_bytes`;
/// * FLOAT: `size_bytes`;
/// * DECL_TAG: `type`, `component`, −1 for the whole or the number of a member or parameter, and `attribute`.
///
/// What is no UTF-8 in a name is replaced.
pub fn json(btf: &Btf<'_>) -> Vec<u8> {
    json::dump(btf)
}

/// The types as a C header, those of the base too: what BPF programs know as `vmlinux.h`.
///
/// Compiled for the machine of the BTF, every struct is as large and every member is where the BTF says. Names
/// that C has no place for, and those that occur twice, get another one that ends with `___` and a number,
/// which relocations of BPF programs ignore.
///
/// # Errors
///
/// A type contains itself, or the text would be out of all proportion to the BTF: no compiler made it.
pub fn c(btf: &Btf<'_>, options: &COptions) -> Result<Vec<u8>> {
    c::dump(btf, options)
}
