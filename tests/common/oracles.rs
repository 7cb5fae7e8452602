//! Others who read BTF: bpftool with libbpf, btf-rs, compilers, the running kernel.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use btf_rs::BtfType;
use btfgen::btf::{Btf, Endian, FuncLinkage, IntEncoding, Kind, Type, TypeId, VarLinkage};
use serde_json::Value;

use super::{Model, compile_only};

/// A type in one line, in words that every reader can be asked for.
fn our_line(btf: &Btf<'_>, ty: Type<'_>) -> String {
    let name = |off| String::from_utf8_lossy(btf.name(off)).into_owned();
    let own = name(ty.name_off());
    let size = ty.size_bytes().unwrap_or(0);
    let target = ty.target().map_or(0, |t| t.0);
    let mut line = format!("{} {own}", ty.kind());
    let _ = match ty.kind() {
        Kind::Int => {
            let data = ty.int_data().unwrap();
            assert_eq!((u32::from(data.bits), data.offset_bits), (8 * size, 0));
            let encoding = match data.encoding {
                IntEncoding::SIGNED => "signed",
                IntEncoding::BOOL => "bool",
                IntEncoding::CHAR => "char",
                _ => "none",
            };
            write!(line, " {size} {encoding}")
        }
        Kind::Float => write!(line, " {size}"),
        Kind::Array => {
            let array = ty.array().unwrap();
            write!(line, " {} {}", array.element, array.count)
        }
        Kind::Struct | Kind::Union => {
            let _ = write!(line, " {size}");
            let flag = ty.kind_flag();
            for m in ty.members() {
                let (offset, bits) = (m.offset_bits(flag), m.bitfield_bits(flag));
                let _ = write!(line, ", {} {} {offset} {bits}", name(m.name), m.ty);
            }
            Ok(())
        }
        Kind::Enum | Kind::Enum64 => {
            let _ = write!(line, " {size} {}", ty.is_signed());
            for e in ty.enumerators() {
                let _ = write!(line, ", {} {}", name(e.name), e.value as i64);
            }
            Ok(())
        }
        Kind::Fwd => write!(line, " {}", if ty.kind_flag() { "union" } else { "struct" }),
        Kind::FuncProto => {
            let _ = write!(line, " {target}");
            for p in ty.params() {
                let _ = write!(line, ", {} {}", name(p.name), p.ty);
            }
            Ok(())
        }
        Kind::Func => {
            assert_eq!(ty.func_linkage(), Some(FuncLinkage::Static));
            write!(line, " {target} static")
        }
        Kind::Var => {
            let linkage = if ty.var_linkage() == Some(VarLinkage::Global) { "global" } else { "static" };
            write!(line, " {target} {linkage}")
        }
        Kind::Datasec => {
            let _ = write!(line, " {size}");
            for e in ty.datasec_entries() {
                let _ = write!(line, ", {} {} {}", e.var, e.offset_bytes, e.size_bytes);
            }
            Ok(())
        }
        Kind::DeclTag => write!(line, " {target} {}", ty.component_idx().unwrap()),
        _ => write!(line, " {target}"),
    };
    line
}

fn bpftool_line(ty: &Value) -> String {
    let text = |v: &Value, key: &str| match v[key].as_str() {
        Some("(anon)") => String::new(),
        Some(text) => text.to_owned(),
        None => panic!("{key} of {v}"),
    };
    let number = |v: &Value, key: &str| v[key].as_i64().unwrap_or_else(|| panic!("{key} of {v}"));
    let list = |key: &str| ty[key].as_array().cloned().unwrap_or_else(|| panic!("{key} of {ty}"));
    let kind = text(ty, "kind");
    let mut line = format!("{kind} {}", text(ty, "name"));
    let _ = match kind.as_str() {
        "INT" => {
            assert_eq!((number(ty, "bits_offset"), number(ty, "nr_bits")), (0, 8 * number(ty, "size")));
            let encoding = text(ty, "encoding").to_lowercase();
            write!(line, " {} {}", number(ty, "size"), encoding.trim_matches(['(', ')']))
        }
        "FLOAT" => write!(line, " {}", number(ty, "size")),
        "ARRAY" => write!(line, " {} {}", number(ty, "type_id"), number(ty, "nr_elems")),
        "STRUCT" | "UNION" => {
            let _ = write!(line, " {}", number(ty, "size"));
            for m in list("members") {
                let bits = m["bitfield_size"].as_i64().unwrap_or(0);
                let (ty, offset) = (number(&m, "type_id"), number(&m, "bits_offset"));
                let _ = write!(line, ", {} {ty} {offset} {bits}", text(&m, "name"));
            }
            Ok(())
        }
        "ENUM" | "ENUM64" => {
            let _ = write!(line, " {} {}", number(ty, "size"), text(ty, "encoding") == "SIGNED");
            for e in list("values") {
                let value = e["val"].as_i64().or_else(|| e["val"].as_u64().map(|v| v as i64)).unwrap();
                // Some versions print an unsigned number as if it were signed.
                let narrow = kind == "ENUM" && text(ty, "encoding") != "SIGNED";
                let value = if narrow { i64::from(value as u32) } else { value };
                let _ = write!(line, ", {} {value}", text(&e, "name"));
            }
            Ok(())
        }
        "FWD" => write!(line, " {}", text(ty, "fwd_kind")),
        "FUNC_PROTO" => {
            let _ = write!(line, " {}", number(ty, "ret_type_id"));
            for p in list("params") {
                let _ = write!(line, ", {} {}", text(&p, "name"), number(&p, "type_id"));
            }
            Ok(())
        }
        "FUNC" | "VAR" => write!(line, " {} {}", number(ty, "type_id"), text(ty, "linkage")),
        "DATASEC" => {
            let _ = write!(line, " {}", number(ty, "size"));
            for e in list("vars") {
                let (var, offset, size) = (number(&e, "type_id"), number(&e, "offset"), number(&e, "size"));
                let _ = write!(line, ", {var} {offset} {size}");
            }
            Ok(())
        }
        "DECL_TAG" => write!(line, " {} {}", number(ty, "type_id"), number(ty, "component_idx")),
        _ => write!(line, " {}", number(ty, "type_id")),
    };
    line
}

#[track_caller]
fn compare(ours: &Btf<'_>, theirs: Vec<String>, who: &str) {
    let count = ours.types().count();
    assert_eq!(theirs.len(), count, "{who} sees another number of types");
    for (ty, theirs) in ours.types().zip(theirs) {
        assert_eq!(our_line(ours, ty), theirs, "{who} on type {}", ty.id());
    }
}

/// bpftool reads from every type of the file what we read.
#[track_caller]
pub fn bpftool_agrees(bpftool: &Path, file: &Path, bytes: &[u8]) {
    let output = Command::new(bpftool).args(["-j", "btf", "dump", "file"]).arg(file).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "bpftool: {message} {}", String::from_utf8_lossy(&output.stdout));
    let json: Value = serde_json::from_slice(&output.stdout).expect("bpftool writes JSON");
    let types = json["types"].as_array().expect("types");
    for (i, ty) in types.iter().enumerate() {
        assert_eq!(ty["id"].as_u64(), Some(i as u64 + 1));
    }
    compare(&Btf::parse(bytes).unwrap(), types.iter().map(bpftool_line).collect(), "bpftool");
}

/// btf-rs reads from every type what we read.
#[track_caller]
pub fn btf_rs_agrees(bytes: &[u8]) {
    let theirs = btf_rs::Btf::from_bytes(bytes).expect("btf-rs reads it");
    let (_, last) = theirs.base().type_id_range();
    let get = |id| theirs.resolve_type_by_id(id).unwrap_or_else(|e| panic!("btf-rs on type {id}: {e}"));
    let types: Vec<_> = (1..=last).map(get).collect();
    let name = |ty: &dyn BtfType| theirs.resolve_name(ty).unwrap_or_default();
    let line = |ty: &btf_rs::Type| -> String {
        use btf_rs::Type as T;
        let kind = ty.name().to_uppercase().replace('-', "_");
        let own = ty.as_btf_type().map(name).unwrap_or_default();
        let target = ty.as_btf_type().and_then(|t| t.get_type_id()).unwrap_or(0);
        let mut line = format!("{kind} {own}");
        let _ = match ty {
            T::Int(int) => {
                let encoding = match (int.is_signed(), int.is_bool(), int.is_char()) {
                    (true, ..) => "signed",
                    (_, true, _) => "bool",
                    (.., true) => "char",
                    _ => "none",
                };
                write!(line, " {} {encoding}", int.size())
            }
            T::Float(float) => write!(line, " {}", float.size()),
            T::Array(array) => write!(line, " {target} {}", array.len()),
            T::Struct(ty) | T::Union(ty) => {
                let _ = write!(line, " {}", ty.size());
                for m in &ty.members {
                    let (ty, offset) = (m.get_type_id().unwrap_or(0), m.bit_offset());
                    let _ = write!(line, ", {} {ty} {offset} {}", name(m), m.bitfield_size().unwrap_or(0));
                }
                Ok(())
            }
            T::Enum(ty) => {
                let _ = write!(line, " {} {}", ty.size(), ty.is_signed());
                for e in &ty.members {
                    let value = if ty.is_signed() { i64::from(e.val() as i32) } else { i64::from(e.val()) };
                    let _ = write!(line, ", {} {value}", name(e));
                }
                Ok(())
            }
            T::Enum64(ty) => {
                let _ = write!(line, " {} {}", ty.size(), ty.is_signed());
                for e in &ty.members {
                    let _ = write!(line, ", {} {}", name(e), e.val() as i64);
                }
                Ok(())
            }
            T::Fwd(fwd) => write!(line, " {}", if fwd.is_union() { "union" } else { "struct" }),
            T::FuncProto(proto) => {
                let _ = write!(line, " {}", proto.return_type_id());
                for p in &proto.parameters {
                    let _ = write!(line, ", {} {}", name(p), p.get_type_id().unwrap_or(0));
                }
                Ok(())
            }
            T::Func(func) => write!(line, " {target} {}", if func.is_static() { "static" } else { "?" }),
            T::Var(var) => write!(line, " {target} {}", if var.is_global() { "global" } else { "static" }),
            T::Datasec(section) => {
                let _ = write!(line, " {}", section.size());
                for e in &section.variables {
                    let var = e.get_type_id().unwrap_or(0);
                    let _ = write!(line, ", {var} {} {}", e.offset(), e.size());
                }
                Ok(())
            }
            T::DeclTag(tag) => write!(line, " {target} {}", tag.component_index().map_or(-1, i64::from)),
            _ => write!(line, " {target}"),
        };
        line
    };
    compare(&Btf::parse(bytes).unwrap(), types.iter().map(line).collect(), "btf-rs");
}

/// Whether bpftool can say in C how a type is laid out: not always where a packed bitfield lies, nor, in some
/// versions, that an enumeration takes less than four bytes.
fn is_plain(m: &Model<'_>, id: TypeId, known: &mut HashMap<TypeId, bool>) -> bool {
    if id == TypeId::VOID {
        return true;
    }
    if let Some(&known) = known.get(&id) {
        return known;
    }
    // Nothing contains itself.
    let ty = m.ty(id);
    let plain = match ty.kind() {
        Kind::Enum => ty.size_bytes() == Some(4),
        Kind::Struct | Kind::Union => {
            ty.members().all(|x| x.bitfield_bits(ty.kind_flag()) == 0 && is_plain(m, x.ty, known))
        }
        Kind::Array => is_plain(m, ty.array().unwrap().element, known),
        kind if kind.is_modifier() => is_plain(m, ty.target().unwrap(), known),
        _ => true,
    };
    known.insert(id, plain);
    plain
}

/// What bpftool makes of the BTF in C is compiled; if `measure` is set, the compiler finds every struct as
/// large, and every member where the BTF says. Gives the number of structs that were measured.
#[track_caller]
pub fn c_dump_compiles(bpftool: &Path, file: &Path, bytes: &[u8], compiler: &Path, measure: bool) -> usize {
    let dump =
        Command::new(bpftool).args(["btf", "dump", "file"]).arg(file).args(["format", "c"]).output().unwrap();
    assert!(dump.status.success(), "bpftool: {}", String::from_utf8_lossy(&dump.stderr));
    let mut source = String::from_utf8(dump.stdout).expect("C is ASCII");
    let m = Model::new(bytes);
    let (mut asserted, mut plain) = (0, HashMap::new());
    for ty in m.btf.types().filter(|_| measure) {
        let tag = match ty.kind() {
            Kind::Struct => "struct",
            Kind::Union => "union",
            _ => continue,
        };
        let own = String::from_utf8_lossy(ty.name()).into_owned();
        let name = format!("{tag} {own}");
        // Of several definitions bpftool renames all but one; one is also renamed if an enumeration or a
        // declaration has its name.
        let names_of_tags = [Kind::Struct, Kind::Union, Kind::Enum, Kind::Enum64, Kind::Fwd];
        let alone = names_of_tags.iter().map(|&kind| m.count(kind, &own)).sum::<usize>() == 1;
        if own.is_empty()
            || !alone
            || !is_plain(&m, ty.id(), &mut plain)
            || !source.contains(&format!("\n{name} {{"))
        {
            continue;
        }
        let size = ty.size_bytes().unwrap();
        let _ = writeln!(source, "_Static_assert(sizeof({name}) == {size}, \"size of {name}\");");
        asserted += 1;
        for member in ty.members() {
            let field = String::from_utf8_lossy(m.btf.name(member.name));
            if !field.is_empty() {
                let bytes = member.offset_bits(ty.kind_flag()) / 8;
                let what = format!("__builtin_offsetof({name}, {field}) == {bytes}");
                let _ = writeln!(source, "_Static_assert({what}, \"{name}.{field}\");");
            }
        }
    }
    let output = compile_only(compiler, &["-std=gnu11", "-w", "-fmax-errors=20"], source.as_bytes());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    asserted
}

/// What the running kernel said.
#[derive(Debug)]
pub enum Verdict {
    /// It took the BTF.
    Accepted,
    /// It found something wrong.
    Refused(String),
    /// It did not look, and why.
    NotAsked(String),
}

/// Asks the running kernel to load a BTF as that of a program: it checks everything it knows.
pub fn kernel_loads(bytes: &[u8]) -> Verdict {
    const BPF_BTF_LOAD: libc::c_int = 18;
    // The largest that it takes (BTF_MAX_SIZE).
    const MOST_BYTES: usize = 16 << 20;
    #[repr(C)]
    #[derive(Default)]
    struct Attributes {
        btf: u64,
        log: u64,
        btf_size: u32,
        log_size: u32,
        log_level: u32,
        log_true_size: u32,
        flags: u32,
        token_fd: i32,
    }
    let parsed = Btf::parse(bytes).unwrap();
    if parsed.endian() != Endian::HOST {
        return Verdict::NotAsked("another byte order".to_owned());
    }
    if bytes.len() > MOST_BYTES {
        return Verdict::NotAsked("more than a kernel takes".to_owned());
    }
    let load = |log: &mut [u8]| {
        let attributes = Attributes {
            btf: bytes.as_ptr() as u64,
            btf_size: bytes.len() as u32,
            log: if log.is_empty() { 0 } else { log.as_mut_ptr() as u64 },
            log_size: log.len() as u32,
            log_level: u32::from(!log.is_empty()),
            ..Attributes::default()
        };
        // SAFETY: the kernel reads `btf_size` bytes at `btf` and writes at most `log_size` bytes at `log`;
        // both buffers outlive the call, and `attributes` is as long as the kernel is told.
        let fd = unsafe {
            libc::syscall(libc::SYS_bpf, BPF_BTF_LOAD, &raw const attributes, size_of::<Attributes>())
        };
        if fd < 0 {
            return Err(std::io::Error::last_os_error());
        }
        // SAFETY: the descriptor is the one just made, and nobody else has it.
        unsafe { libc::close(fd as libc::c_int) };
        Ok(())
    };
    let error = match load(&mut []) {
        Ok(()) => return Verdict::Accepted,
        Err(error) => error,
    };
    if matches!(error.raw_os_error(), Some(libc::EPERM | libc::ENOSYS | libc::EACCES)) {
        return Verdict::NotAsked(format!("BPF_BTF_LOAD: {error}"));
    }
    // Once more, with what it has to say; a log that is too short changes the error.
    let mut log = vec![0; 16 << 20];
    let _ = load(&mut log);
    let end = log.iter().position(|&b| b == 0).unwrap_or(log.len());
    let log = String::from_utf8_lossy(&log[..end]);
    let lines: Vec<_> = log.lines().collect();
    let tail = lines[lines.len().saturating_sub(6)..].join("\n");
    Verdict::Refused(format!("{error}: {tail}"))
}
