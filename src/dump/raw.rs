//! The form of `bpftool btf dump file X`, byte for byte.
//!
//! In: a BTF. Out: a line for each record, and one that begins with a tab for each of its elements.

use std::io::Write;

use crate::btf::{Btf, FuncLinkage, Kind, StrOff, Type, TypeId, VarLinkage};

/// The types as text.
pub(super) fn dump(btf: &Btf<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(btf.data().len().saturating_mul(3));
    for ty in btf.types() {
        // A vector takes everything.
        let _ = record(&mut out, btf, ty);
    }
    out
}

/// The name of what has one, or what stands for none.
fn name<'a>(btf: &Btf<'a>, off: StrOff) -> &'a [u8] {
    match btf.name(off) {
        b"" => b"(anon)",
        name => name,
    }
}

/// `'name'` after what came before it.
fn quoted(out: &mut Vec<u8>, name: &[u8]) {
    out.push(b'\'');
    out.extend_from_slice(name);
    out.push(b'\'');
}

/// Writes a record with its elements.
fn record(out: &mut Vec<u8>, btf: &Btf<'_>, ty: Type<'_>) -> std::io::Result<()> {
    let kind = ty.kind();
    write!(out, "[{}] {kind} ", ty.id())?;
    quoted(out, name(btf, ty.name_off()));
    let vlen = ty.vlen();
    let size = ty.size_or_type();
    match kind {
        Kind::Int => {
            if let Some(data) = ty.int_data() {
                let encoding = match data.encoding.0 {
                    0 => "(none)",
                    1 => "SIGNED",
                    2 => "CHAR",
                    4 => "BOOL",
                    _ => "UNKN",
                };
                let (bits, offset) = (data.bits, data.offset_bits);
                write!(out, " size={size} bits_offset={offset} nr_bits={bits} encoding={encoding}")?;
            }
        }
        Kind::Ptr | Kind::Typedef | Kind::Volatile | Kind::Const | Kind::Restrict | Kind::TypeTag => {
            write!(out, " type_id={size}")?;
        }
        Kind::Array => {
            if let Some(array) = ty.array() {
                let (element, index, count) = (array.element, array.index, array.count);
                write!(out, " type_id={element} index_type_id={index} nr_elems={count}")?;
            }
        }
        Kind::Struct | Kind::Union => {
            write!(out, " size={size} vlen={vlen}")?;
            for member in ty.members() {
                out.extend_from_slice(b"\n\t");
                quoted(out, name(btf, member.name));
                let flag = ty.kind_flag();
                write!(out, " type_id={} bits_offset={}", member.ty, member.offset_bits(flag))?;
                match member.bitfield_bits(flag) {
                    0 => {}
                    bits => write!(out, " bitfield_size={bits}")?,
                }
            }
        }
        Kind::Enum | Kind::Enum64 => {
            let signed = ty.is_signed();
            let encoding = if signed { "SIGNED" } else { "UNSIGNED" };
            write!(out, " encoding={encoding} size={size} vlen={vlen}")?;
            let suffix = match (kind, signed) {
                (Kind::Enum, _) => "",
                (_, true) => "LL",
                (_, false) => "ULL",
            };
            for value in ty.enumerators() {
                out.extend_from_slice(b"\n\t");
                quoted(out, name(btf, value.name));
                match signed {
                    true => write!(out, " val={}{suffix}", value.value as i64)?,
                    false => write!(out, " val={}{suffix}", value.value)?,
                }
            }
        }
        Kind::Fwd => write!(out, " fwd_kind={}", if ty.kind_flag() { "union" } else { "struct" })?,
        Kind::Func => {
            let linkage = match ty.func_linkage() {
                Some(FuncLinkage::Static) => "static",
                Some(FuncLinkage::Global) => "global",
                Some(FuncLinkage::Extern) => "extern",
                None => "(unknown)",
            };
            write!(out, " type_id={size} linkage={linkage}")?;
        }
        Kind::FuncProto => {
            write!(out, " ret_type_id={size} vlen={vlen}")?;
            for param in ty.params() {
                out.extend_from_slice(b"\n\t");
                quoted(out, name(btf, param.name));
                write!(out, " type_id={}", param.ty)?;
            }
        }
        Kind::Var => {
            let linkage = match ty.var_linkage() {
                Some(VarLinkage::Static) => "static",
                Some(VarLinkage::Global) => "global",
                Some(VarLinkage::Extern) => "extern",
                None => "(unknown)",
            };
            write!(out, " type_id={size}, linkage={linkage}")?;
        }
        Kind::Datasec => {
            write!(out, " size={size} vlen={vlen}")?;
            for entry in ty.datasec_entries() {
                let (var, offset, size) = (entry.var, entry.offset_bytes, entry.size_bytes);
                write!(out, "\n\ttype_id={var} offset={offset} size={size}")?;
                variable(out, btf, var);
            }
        }
        Kind::Float => write!(out, " size={size}")?,
        Kind::DeclTag => {
            write!(out, " type_id={size} component_idx={}", ty.component_idx().unwrap_or(-1))?;
        }
    }
    out.push(b'\n');
    Ok(())
}

/// ` (VAR 'name')` after an entry of a DATASEC.
fn variable(out: &mut Vec<u8>, btf: &Btf<'_>, id: TypeId) {
    if let Some(ty) = btf.ty(id).filter(|ty| matches!(ty.kind(), Kind::Var | Kind::Func)) {
        out.extend_from_slice(b" (");
        out.extend_from_slice(ty.kind().name().as_bytes());
        out.push(b' ');
        quoted(out, name(btf, ty.name_off()));
        out.push(b')');
    }
}
