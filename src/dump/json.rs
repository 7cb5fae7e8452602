//! The types as JSON; the schema is in the description of [`json`](super::json()).
//!
//! In: a BTF. Out: one object, a line for each type, so that it can be read as a stream.

use serde_json::{Value, json};

use crate::btf::{Btf, Endian, FuncLinkage, IntEncoding, Kind, StrOff, Type, VarLinkage};

/// Keys are added within a version; anything else gets a new one.
pub const SCHEMA_VERSION: u32 = 1;

/// The types as text.
pub(super) fn dump(btf: &Btf<'_>) -> Vec<u8> {
    let endian = match btf.endian() {
        Endian::Little => "little",
        Endian::Big => "big",
    };
    let head = [
        ("schema_version", json!(SCHEMA_VERSION)),
        ("endian", json!(endian)),
        ("pointer_bytes", json!(btf.pointer_bytes())),
        ("first_id", json!(btf.base_len())),
    ];
    let mut out = Vec::with_capacity(btf.data().len().saturating_mul(4));
    out.push(b'{');
    for (key, value) in head {
        out.extend_from_slice(format!("\"{key}\":{value},").as_bytes());
    }
    out.extend_from_slice(b"\"types\":[");
    for (i, ty) in btf.types().enumerate() {
        out.extend_from_slice(if i == 0 { b"\n" } else { b",\n" });
        // A vector takes everything, and a value can always be written.
        let _ = serde_json::to_writer(&mut out, &record(btf, ty));
    }
    out.extend_from_slice(b"\n]}\n");
    out
}

/// A name, null for none.
fn name(btf: &Btf<'_>, off: StrOff) -> Value {
    match btf.name(off) {
        b"" => Value::Null,
        name => Value::String(String::from_utf8_lossy(name).into_owned()),
    }
}

/// A record as an object.
fn record(btf: &Btf<'_>, ty: Type<'_>) -> Value {
    let mut object = serde_json::Map::new();
    let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
    let (id, kind) = (ty.id(), ty.kind());
    put("id", json!(id.0));
    put("kind", json!(kind.name()));
    put("name", name(btf, ty.name_off()));
    if let Some(size) = ty.size_bytes() {
        put("size_bytes", json!(size));
    }
    if let Some(target) = ty.target() {
        put(if kind == Kind::FuncProto { "returns" } else { "type" }, json!(target.0));
    }
    match kind {
        Kind::Int => {
            if let Some(data) = ty.int_data() {
                let encoding = match data.encoding {
                    IntEncoding::NONE => json!("none"),
                    IntEncoding::SIGNED => json!("signed"),
                    IntEncoding::CHAR => json!("char"),
                    IntEncoding::BOOL => json!("bool"),
                    IntEncoding(other) => json!(other),
                };
                put("bits", json!(data.bits));
                put("offset_bits", json!(data.offset_bits));
                put("encoding", encoding);
            }
        }
        Kind::Array => {
            if let Some(array) = ty.array() {
                put("type", json!(array.element.0));
                put("index_type", json!(array.index.0));
                put("count", json!(array.count));
            }
        }
        Kind::Struct | Kind::Union => {
            let flag = ty.kind_flag();
            let member = ty.members().map(|m| {
                json!({
                    "name": name(btf, m.name),
                    "type": m.ty.0,
                    "offset_bits": m.offset_bits(flag),
                    "bitfield_bits": m.bitfield_bits(flag),
                })
            });
            put("members", member.collect());
        }
        Kind::Enum | Kind::Enum64 => {
            let signed = ty.is_signed();
            let value = |v: u64| if signed { json!(v as i64) } else { json!(v) };
            let values =
                ty.enumerators().map(|e| json!({"name": name(btf, e.name), "value": value(e.value)}));
            put("values", values.collect());
            put("signed", json!(signed));
        }
        Kind::Fwd => {
            put("of", json!(if ty.kind_flag() { "union" } else { "struct" }));
        }
        Kind::Func => {
            put("linkage", func_linkage(ty));
        }
        Kind::FuncProto => {
            let variadic = ty.params().next_back().is_some_and(|p| p.ty.0 == 0 && p.name == StrOff::EMPTY);
            let named = ty.params().len() - usize::from(variadic);
            let params = ty.params().take(named).map(|p| json!({"name": name(btf, p.name), "type": p.ty.0}));
            put("params", params.collect());
            put("variadic", json!(variadic));
        }
        Kind::Var => {
            put("linkage", var_linkage(ty));
        }
        Kind::Datasec => {
            let entry = ty.datasec_entries().map(
                |e| json!({"type": e.var.0, "offset_bytes": e.offset_bytes, "size_bytes": e.size_bytes}),
            );
            put("variables", entry.collect());
        }
        Kind::DeclTag => {
            put("component", json!(ty.component_idx()));
            put("attribute", json!(ty.kind_flag()));
        }
        Kind::TypeTag => {
            put("attribute", json!(ty.kind_flag()));
        }
        _ => {}
    }
    Value::Object(object)
}

fn func_linkage(ty: Type<'_>) -> Value {
    match ty.func_linkage() {
        Some(FuncLinkage::Static) => json!("static"),
        Some(FuncLinkage::Global) => json!("global"),
        Some(FuncLinkage::Extern) => json!("extern"),
        None => json!(ty.vlen()),
    }
}

fn var_linkage(ty: Type<'_>) -> Value {
    match ty.var_linkage() {
        Some(VarLinkage::Static) => json!("static"),
        Some(VarLinkage::Global) => json!("global"),
        Some(VarLinkage::Extern) => json!("extern"),
        None => Value::Null,
    }
}
