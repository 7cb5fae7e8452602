//! BTF as text: `raw` is what bpftool prints, JSON says the same, C compiles to what it came from.
//!
//! `BTFGEN_TEST_BTFS` names a directory with BTFs of kernels, `NAME.btf`; the machine is told by the name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use btfgen::btf::{
    ArrayData, Btf, DatasecEntry, Endian, Enumerator, FuncLinkage, IntData, IntEncoding, Kind, Member, Param,
    SplitBase, StrOff, TypeId, VarLinkage, Writer,
};
use btfgen::dump::{self, COptions};
use btfgen::{Base, Order, union};
use common::{compile_only, skipped, tool, tool_or_skip};

/// Every fixture that encodes, as BTF.
fn fixtures() -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for variant in common::VARIANTS {
        for program in ["all", "structs", "bitfields", "enums"] {
            let name = format!("{program}-{}", variant.name);
            let path = common::fixtures().join(&name);
            if !path.exists() {
                continue;
            }
            let bytes = common::encode_with(&path, &btfgen::Options::default(), 1).unwrap().btf;
            found.push((name, bytes));
        }
    }
    assert!(!found.is_empty(), "no fixture was built");
    found
}

/// The BTFs of kernels that the environment names.
fn kernels() -> Vec<(String, Vec<u8>)> {
    let Some(dir) = std::env::var_os("BTFGEN_TEST_BTFS") else {
        skipped("BTFGEN_TEST_BTFS is not set: no BTF of a kernel is dumped");
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = Path::new(&dir).read_dir().unwrap().map(|f| f.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "btf"));
    paths.sort();
    assert!(!paths.is_empty(), "no *.btf in {}", dir.display());
    let name = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
    paths.iter().map(|path| (name(path), std::fs::read(path).unwrap())).collect()
}

/// A BTF with something of every kind, and of every branch of a record.
fn every_kind() -> Vec<u8> {
    let mut w = Writer::new(Endian::HOST);
    let s = |w: &mut Writer<'_>, text: &str| w.intern(text.as_bytes()).unwrap();
    let int = s(&mut w, "int");
    let int = w.int(int, 4, 32, IntEncoding::SIGNED).unwrap();
    let name = s(&mut w, "_Bool");
    w.int(name, 1, 8, IntEncoding::BOOL).unwrap();
    let name = s(&mut w, "char");
    w.int(name, 1, 8, IntEncoding::CHAR).unwrap();
    let name = s(&mut w, "unsigned int");
    let word = w.int(name, 4, 32, IntEncoding::NONE).unwrap();
    let old = w
        .int_with(StrOff::EMPTY, 4, IntData { bits: 3, offset_bits: 2, encoding: IntEncoding::NONE })
        .unwrap();
    let pointer = w.ptr(int).unwrap();
    let array = w.array_with(ArrayData { element: int, index: word, count: 7 }).unwrap();
    for kind in [Kind::Const, Kind::Volatile, Kind::Restrict] {
        w.modifier(kind, pointer).unwrap();
    }
    let a = s(&mut w, "a");
    let b = s(&mut w, "b");
    let name = s(&mut w, "plain");
    let members =
        [Member { name: a, ty: int, offset_word: 0 }, Member { name: b, ty: array, offset_word: 32 }];
    let plain = w.composite(Kind::Struct, name, 32, false, members).unwrap();
    let name = s(&mut w, "old");
    w.composite(Kind::Struct, name, 4, false, [Member { name: a, ty: old, offset_word: 0 }]).unwrap();
    let name = s(&mut w, "bits");
    let bits = |name, offset, width| Member {
        name,
        ty: word,
        offset_word: Member::word_with_flag(offset, width).unwrap(),
    };
    w.composite(Kind::Struct, name, 8, true, [bits(a, 3, 5), bits(b, 32, 0)]).unwrap();
    w.composite(
        Kind::Union,
        StrOff::EMPTY,
        4,
        false,
        [Member { name: StrOff::EMPTY, ty: int, offset_word: 0 }],
    )
    .unwrap();
    for (name, signed, value) in [("low", true, -1i64), ("high", false, 0xffff_ffff)] {
        let (name, first) = (s(&mut w, name), s(&mut w, &format!("{name}_1")));
        w.enumeration(name, 4, signed, [Enumerator { name: first, value: value as u64 }]).unwrap();
    }
    for (name, signed) in [("wide", false), ("deep", true)] {
        let (name, first) = (s(&mut w, name), s(&mut w, &format!("{name}_1")));
        w.enum64(name, 8, signed, [Enumerator { name: first, value: 1 << 63 }]).unwrap();
    }
    for (name, of_union) in [("fs", false), ("fu", true)] {
        let name = s(&mut w, name);
        w.fwd(name, of_union).unwrap();
    }
    let name = s(&mut w, "alias");
    w.typedef(name, plain).unwrap();
    let params = [
        Param { name: a, ty: int },
        Param { name: StrOff::EMPTY, ty: pointer },
        Param { name: StrOff::EMPTY, ty: TypeId::VOID },
    ];
    let proto = w.func_proto(int, params).unwrap();
    for (name, linkage) in
        [("f", FuncLinkage::Static), ("g", FuncLinkage::Global), ("h", FuncLinkage::Extern)]
    {
        let name = s(&mut w, name);
        let func = w.func(name, proto, linkage).unwrap();
        let tag = s(&mut w, "bpf_kfunc");
        w.decl_tag(tag, func, -1, false).unwrap();
        w.decl_tag(tag, func, 1, true).unwrap();
    }
    let mut entries = Vec::new();
    for (at, (name, linkage)) in
        [("u", VarLinkage::Static), ("v", VarLinkage::Global), ("w", VarLinkage::Extern)]
            .into_iter()
            .enumerate()
    {
        let name = s(&mut w, name);
        let var = w.var(name, int, linkage).unwrap();
        entries.push(DatasecEntry { var, offset_bytes: 4 * at as u32, size_bytes: 4 });
    }
    let name = s(&mut w, ".data");
    w.datasec(name, 12, entries).unwrap();
    let name = s(&mut w, "float");
    w.float(name, 4).unwrap();
    let name = s(&mut w, "user");
    let tag = w.type_tag(name, int, false).unwrap();
    w.ptr(tag).unwrap();
    w.type_tag(name, int, true).unwrap();
    w.finish(false).unwrap()
}

#[test]
fn raw_is_what_bpftool_prints() {
    let Some(bpftool) = tool_or_skip("bpftool") else { return };
    let mut inputs = fixtures();
    inputs.extend(kernels());
    inputs.push(("every kind".to_owned(), every_kind()));
    for (name, bytes) in inputs {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        let output = Command::new(&bpftool).args(["btf", "dump", "file"]).arg(file.path()).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let ours = dump::raw(&Btf::parse(&bytes).unwrap());
        let theirs = String::from_utf8_lossy(&output.stdout);
        let ours = String::from_utf8_lossy(&ours);
        for (a, b) in ours.lines().zip(theirs.lines()) {
            assert_eq!(a, b, "{name}");
        }
        assert_eq!(ours.len(), theirs.len(), "{name}");
    }
}

/// What JSON says, in the words of the raw form.
fn raw_of_json(value: &serde_json::Value) -> String {
    let name = |v: &serde_json::Value| v["name"].as_str().unwrap_or("(anon)").to_owned();
    let kind = value["kind"].as_str().unwrap();
    let mut text = format!("[{}] {kind} '{}'", value["id"], name(value));
    let encoding = |v: &str| if v == "none" { "(none)".to_owned() } else { v.to_uppercase() };
    let word = |key: &str| value[key].as_str().unwrap().to_owned();
    let list = |key: &str| value[key].as_array().unwrap().clone();
    text.push_str(&match kind {
        "INT" => format!(
            " size={} bits_offset={} nr_bits={} encoding={}",
            value["size_bytes"],
            value["offset_bits"],
            value["bits"],
            encoding(&word("encoding"))
        ),
        "ARRAY" => format!(
            " type_id={} index_type_id={} nr_elems={}",
            value["type"], value["index_type"], value["count"]
        ),
        "STRUCT" | "UNION" => {
            let mut text = format!(" size={} vlen={}", value["size_bytes"], list("members").len());
            for m in list("members") {
                text += &format!("\n\t'{}' type_id={} bits_offset={}", name(&m), m["type"], m["offset_bits"]);
                if m["bitfield_bits"] != 0 {
                    text += &format!(" bitfield_size={}", m["bitfield_bits"]);
                }
            }
            text
        }
        "ENUM" | "ENUM64" => {
            let signed = value["signed"].as_bool().unwrap();
            let word = if signed { "SIGNED" } else { "UNSIGNED" };
            let suffix = match (kind, signed) {
                ("ENUM", _) => "",
                (_, true) => "LL",
                _ => "ULL",
            };
            let mut text =
                format!(" encoding={word} size={} vlen={}", value["size_bytes"], list("values").len());
            for v in list("values") {
                text += &format!("\n\t'{}' val={}{suffix}", name(&v), v["value"]);
            }
            text
        }
        "FWD" => format!(" fwd_kind={}", word("of")),
        "FUNC" => format!(" type_id={} linkage={}", value["type"], word("linkage")),
        "VAR" => format!(" type_id={}, linkage={}", value["type"], word("linkage")),
        "FUNC_PROTO" => {
            let variadic = value["variadic"].as_bool().unwrap();
            let mut params = list("params");
            if variadic {
                params.push(serde_json::json!({"type": 0}));
            }
            let mut text = format!(" ret_type_id={} vlen={}", value["returns"], params.len());
            for p in params {
                text += &format!("\n\t'{}' type_id={}", name(&p), p["type"]);
            }
            text
        }
        "DATASEC" => {
            let mut text = format!(" size={} vlen={}", value["size_bytes"], list("variables").len());
            for v in list("variables") {
                text += &format!(
                    "\n\ttype_id={} offset={} size={}",
                    v["type"], v["offset_bytes"], v["size_bytes"]
                );
            }
            text
        }
        "FLOAT" => format!(" size={}", value["size_bytes"]),
        "DECL_TAG" => format!(" type_id={} component_idx={}", value["type"], value["component"]),
        _ => format!(" type_id={}", value["type"]),
    });
    text
}

#[test]
fn json_says_the_same() {
    let mut inputs = fixtures();
    inputs.push(("every kind".to_owned(), every_kind()));
    for (name, bytes) in inputs {
        let btf = Btf::parse(&bytes).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&dump::json(&btf)).unwrap();
        assert_eq!(json["schema_version"], dump::SCHEMA_VERSION);
        assert_eq!(json["pointer_bytes"], serde_json::json!(btf.pointer_bytes()));
        let lines: Vec<String> = json["types"].as_array().unwrap().iter().map(raw_of_json).collect();
        let raw = String::from_utf8(dump::raw(&btf)).unwrap();
        // The names of variables in sections are a courtesy of the raw form.
        let raw: String = raw.lines().map(|l| l.split(" (VAR ").next().unwrap().to_owned() + "\n").collect();
        assert_eq!(lines.join("\n") + "\n", raw, "{name}");
    }
}

/// Compiles a header; what the compiler says about it is an error.
#[track_caller]
fn compiles(compiler: &Path, arguments: &[&str], header: &[u8], what: &str) {
    let mut all = vec!["-DBPF_NO_PRESERVE_ACCESS_INDEX"];
    all.extend(arguments);
    let output = compile_only(compiler, &all, header);
    let errors = String::from_utf8_lossy(&output.stderr);
    let head: Vec<_> = errors.lines().filter(|l| l.contains("error")).take(12).collect();
    assert!(output.status.success(), "{what}: {}: {head:#?}", compiler.display());
    // A struct that is first named there is another one than that of the same name.
    let hidden = |line: &&str| {
        line.contains("will not be visible outside")
            && line.contains("struct")
            && !line.contains("anonymous")
            && !line.contains("___")
    };
    let hidden: Vec<_> = errors.lines().filter(hidden).take(5).collect();
    assert!(hidden.is_empty(), "{what}: {}: {hidden:#?}", compiler.display());
}

/// The target of a name, as compilers call it.
fn target(name: &str) -> &'static str {
    let targets = [
        ("x86_64", "x86_64-linux-gnu"),
        ("amd64", "x86_64-linux-gnu"),
        ("aarch64", "aarch64-linux-gnu"),
        ("arm64", "aarch64-linux-gnu"),
        ("riscv64", "riscv64-linux-gnu"),
        ("s390x", "s390x-linux-gnu"),
        ("powerpc", "powerpc-linux-gnu"),
        ("mips", "mips-linux-gnu"),
        ("arm", "arm-linux-gnueabihf"),
        ("i386", "i686-linux-gnu"),
    ];
    let found = targets.iter().find(|(part, _)| name.contains(part));
    found.unwrap_or_else(|| panic!("what machine is {name} of?")).1
}

/// Every struct is as large, and every member is where the BTF says, for gcc and clang.
fn c_holds(name: &str, header: &[u8]) {
    let text = String::from_utf8_lossy(header);
    assert!(text.contains("_Static_assert(sizeof("), "{name}: nothing is asserted");
    let target = target(name);
    match tool(&format!("{target}-gcc")) {
        Some(gcc) => compiles(&gcc, &["-std=gnu11"], header, name),
        None => skipped(&format!("{name}: no {target}-gcc")),
    }
    let Some(clang) = ["clang-19", "clang-14", "clang"].iter().find_map(|c| tool(c)) else {
        skipped("no clang");
        return;
    };
    let argument = format!("--target={target}");
    compiles(&clang, &[&argument, "-std=gnu11"], header, name);
    // `bool` and `true` are words of the language there; members keep their names, by which programs find them.
    if common::tool("clang-19").is_some() && !text.contains("u32 bool;") {
        compiles(&clang, &[&argument, "-std=gnu23"], header, name);
    }
}

fn asserted() -> COptions {
    let mut options = COptions::default();
    options.asserts = true;
    options
}

#[test]
fn c_has_every_size_and_offset() {
    let mut inputs = fixtures();
    inputs.extend(kernels());
    for (name, bytes) in inputs {
        let header = dump::c(&Btf::parse(&bytes).unwrap(), &asserted()).unwrap();
        c_holds(&name, &header);
    }
}

/// Names that C does not take or that are there twice, and layouts that no compiler makes by itself.
#[test]
fn c_of_what_c_does_not_say() {
    let mut w = Writer::new(Endian::HOST);
    let s = |w: &mut Writer<'_>, text: &str| w.intern(text.as_bytes()).unwrap();
    let name = s(&mut w, "long unsigned int");
    let long = w.int(name, 8, 64, IntEncoding::NONE).unwrap();
    let name = s(&mut w, "u8");
    let byte = w.int(name, 1, 8, IntEncoding::NONE).unwrap();
    let name = s(&mut w, "char32_t");
    let odd = w.int(name, 4, 32, IntEncoding::NONE).unwrap();
    let [a, b, class, int] = ["a", "b", "Option<&u32>", "int"].map(|text| s(&mut w, text));
    let at = |name, ty, offset_word| Member { name, ty, offset_word };
    let same = s(&mut w, "same");
    // Twice, and the second one packed; once more as a union and as an enumeration.
    w.composite(Kind::Struct, same, 16, false, [at(a, long, 0), at(int, byte, 64)]).unwrap();
    let packed = w.composite(Kind::Struct, same, 9, false, [at(a, byte, 0), at(b, long, 8)]).unwrap();
    w.composite(Kind::Union, same, 24, false, [at(a, byte, 0), at(b, packed, 0)]).unwrap();
    w.enumeration(same, 1, false, [Enumerator { name: same, value: 1 }]).unwrap();
    w.enumeration(StrOff::EMPTY, 2, true, [Enumerator { name: same, value: -2i64 as u64 }]).unwrap();
    w.typedef(same, packed).unwrap();
    w.typedef(same, odd).unwrap();
    // Overlapping, descending, with gaps, one name twice.
    w.composite(
        Kind::Struct,
        class,
        32,
        false,
        [at(a, long, 64), at(a, long, 32), at(b, packed, 128), at(class, byte, 0)],
    )
    .unwrap();
    let bits = |name, ty, offset, width| at(name, ty, Member::word_with_flag(offset, width).unwrap());
    let name = s(&mut w, "gaps");
    w.composite(
        Kind::Struct,
        name,
        64,
        true,
        [bits(a, odd, 3, 7), bits(b, odd, 45, 4), bits(same, byte, 200, 0), bits(int, byte, 213, 2)],
    )
    .unwrap();
    let name = s(&mut w, "straddles");
    w.composite(Kind::Struct, name, 5, true, [bits(a, odd, 0, 30), bits(b, odd, 30, 10)]).unwrap();
    let name = s(&mut w, "empty");
    w.composite(Kind::Struct, name, 0, false, []).unwrap();
    let name = s(&mut w, "hole");
    w.composite(Kind::Struct, name, 24, false, []).unwrap();
    let name = s(&mut w, "only");
    w.enumeration(name, 4, false, []).unwrap();
    let name = s(&mut w, "declared");
    w.fwd(name, false).unwrap();
    let bytes = w.finish(false).unwrap();
    let header = dump::c(&Btf::parse(&bytes).unwrap(), &asserted()).unwrap();
    let text = String::from_utf8_lossy(&header).into_owned();
    for (what, times) in [
        ("struct same {", 1),
        ("struct same___2 {", 1),
        ("union same___3 {", 1),
        ("offsetof(struct Option__u32_, a) == 8", 1),
        ("offsetof(struct Option__u32_, a___2) == 4", 1),
        ("sizeof(struct straddles) == 5", 1),
    ] {
        assert_eq!(text.matches(what).count(), times, "{what}:\n{text}");
    }
    c_holds("x86_64", &header);
}

/// Types that contain themselves, and text without end.
#[test]
fn c_of_hostile_input_ends() {
    let mut w = Writer::new(Endian::HOST);
    let a = w.intern(b"a").unwrap();
    w.composite(Kind::Struct, a, 8, false, [Member { name: a, ty: TypeId(1), offset_word: 0 }]).unwrap();
    let bytes = w.finish(false).unwrap();
    let error = dump::c(&Btf::parse(&bytes).unwrap(), &COptions::default()).unwrap_err();
    assert!(error.to_string().contains("contains itself"), "{error}");

    // Each without a name, twice in the next: 2^40 bodies.
    let mut w = Writer::new(Endian::HOST);
    let a = w.intern(b"a").unwrap();
    let mut inner = w.composite(Kind::Struct, StrOff::EMPTY, 0, false, []).unwrap();
    for _ in 0..40 {
        let member = Member { name: a, ty: inner, offset_word: 0 };
        inner = w.composite(Kind::Union, StrOff::EMPTY, 0, false, [member, member]).unwrap();
    }
    w.typedef(a, inner).unwrap();
    let bytes = w.finish(false).unwrap();
    assert!(dump::c(&Btf::parse(&bytes).unwrap(), &COptions::default()).is_err());

    // Modifiers, pointers and typedefs in circles and in long chains.
    for kind in [Kind::Const, Kind::Ptr, Kind::Typedef, Kind::Array] {
        for length in [1, 2, 100_000] {
            let mut w = Writer::new(Endian::HOST);
            let a = w.intern(b"a").unwrap();
            for id in 1..=length {
                let target = TypeId(if id == length { 1 } else { id + 1 });
                let _ = match kind {
                    Kind::Const => w.modifier(kind, target),
                    Kind::Ptr => w.ptr(target),
                    Kind::Typedef => w.typedef(a, target),
                    _ => w.array(target, target, 1 << 30),
                };
            }
            w.composite(Kind::Struct, a, 8, false, [Member { name: a, ty: TypeId(1), offset_word: 0 }])
                .unwrap();
            let bytes = w.finish(false).unwrap();
            assert!(dump::c(&Btf::parse(&bytes).unwrap(), &COptions::default()).is_err());
        }
    }
}

/// A base and modules above it in one header: what two modules share is there once.
#[test]
fn c_of_modules_together() {
    let mut w = Writer::new(Endian::HOST);
    let name = w.intern(b"int").unwrap();
    let int = w.int(name, 4, 32, IntEncoding::SIGNED).unwrap();
    let base = w.finish(false).unwrap();
    let base = Btf::parse(&base).unwrap();
    let split = SplitBase::new(&base);
    let module = |own: &str, first: bool| {
        let mut w = Writer::split(&split);
        let (shared, own, a) =
            (w.intern(b"shared").unwrap(), w.intern(own.as_bytes()).unwrap(), w.intern(b"a").unwrap());
        let next = w.next_id().0;
        if first {
            w.ptr(int).unwrap();
        }
        let shift = next + u32::from(first);
        // A struct that points to itself: ids differ, the types do not.
        let this = TypeId(shift + 1);
        w.ptr(this).unwrap();
        w.composite(Kind::Struct, shared, 8, false, [Member { name: a, ty: TypeId(shift), offset_word: 0 }])
            .unwrap();
        w.composite(Kind::Struct, own, 8, false, [Member { name: a, ty: this, offset_word: 0 }]).unwrap();
        w.finish(false).unwrap()
    };
    let modules = [module("one", false), module("two", true)];
    let parsed: Vec<_> = modules.iter().map(|m| Btf::parse_split(m, &base).unwrap()).collect();
    let together = union(&parsed, Some(&Base::new(&base)), Order::First).unwrap();
    let together = Btf::parse_split(&together, &base).unwrap();
    let header = dump::c(&together, &asserted()).unwrap();
    let text = String::from_utf8_lossy(&header).into_owned();
    for name in ["struct shared {", "struct one {", "struct two {"] {
        assert_eq!(text.matches(name).count(), 1, "{name}: {text}");
    }
    assert!(!text.contains("___2"), "{text}");
    assert_eq!(together.len() - together.base_len(), 5);
}
