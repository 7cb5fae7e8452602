//! Laws of the output: the same bytes however many workers take the units in whatever order, sound by the
//! kernel's rules, the same types in either order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;

use btfgen::btf::{self, Btf, CheckOptions, Endian, Kind, Levels, TypeId};
use btfgen::{ErrorKind, Features, Options, Order};
use common::programs::{link_with, random_units};
use common::render::{missing, references, render, render_deep};
use common::{Model, PROGRAMS, Random, by_first, each, each_path, encode, encode_with, options, root};

/// Options that change what is written.
fn settings() -> Vec<(&'static str, Options)> {
    let with = |features: Features| options(|o| o.features = o.features.with(features));
    vec![
        ("default", Options::default()),
        ("by first occurrence", by_first()),
        ("flat arrays", options(|o| o.flat_arrays = true)),
        ("no features", options(|o| o.features = Features::NONE)),
        ("all variables", with(Features::GLOBAL_VAR)),
        ("layout", with(Features::LAYOUT)),
        ("attributes", with(Features::ATTRIBUTES)),
        ("true signature", with(Features::TRUE_SIGNATURE)),
        ("all prototypes", options(|o| o.features = o.features.without(Features::CONSISTENT_FUNC))),
    ]
}

/// Encodes `path` and everything about it that must not matter; gives the bytes.
fn same_bytes(path: &Path, options: &Options, jobs: &[usize], seeds: &[u64]) -> Vec<u8> {
    let bytes = encode_with(path, options, 1).unwrap().btf;
    assert_eq!(encode_with(path, options, 1).unwrap().btf, bytes, "{}: encoded twice", path.display());
    for &jobs in jobs {
        let again = encode_with(path, options, jobs).unwrap().btf;
        assert!(again == bytes, "{}: -j {jobs} gives other bytes", path.display());
    }
    for &seed in seeds {
        let mut shuffled = options.clone();
        shuffled.shuffle = Some(seed);
        for jobs in [1, 3] {
            let again = encode_with(path, &shuffled, jobs).unwrap().btf;
            assert!(again == bytes, "{}: shuffled by {seed}, -j {jobs}: other bytes", path.display());
        }
    }
    bytes
}

#[test]
fn the_same_bytes_for_every_number_of_workers_and_every_order_of_units() {
    for program in ["all", "units", "tags"] {
        each_path(program, |_, path| {
            same_bytes(path, &Options::default(), &[2, 3, 8, 64], &[0, 1, 0xdead_beef]);
            same_bytes(path, &by_first(), &[3], &[1]);
        });
    }
}

#[test]
fn the_demo_gives_the_same_bytes_with_every_setting() {
    let demo = root().join("testdata/small/demo.elf");
    let mut outputs = HashSet::new();
    for (name, options) in settings() {
        let bytes = same_bytes(&demo, &options, &[2, 3, 8, 64], &(0..10).collect::<Vec<_>>());
        assert!(outputs.insert(bytes), "{name} makes no difference");
    }
}

/// Asserts that no rule is broken, at any level.
#[track_caller]
fn sound(bytes: &[u8], what: &str, sorted_names: bool) {
    let parsed = Btf::parse(bytes).unwrap();
    let mut options = CheckOptions { levels: Levels::ALL, sorted_names, ..CheckOptions::default() };
    if parsed.header().layout.len > 0 {
        // Only the newest kernels read it.
        options.target = None;
    }
    let violations: Vec<_> = btf::check(&parsed, &options).iter().map(ToString::to_string).collect();
    assert!(violations.is_empty(), "{what}: {violations:#?}");
}

#[test]
fn the_output_breaks_no_rule() {
    for program in PROGRAMS {
        each_path(program, |_, path| {
            for (name, options) in settings() {
                let bytes = encode_with(path, &options, 1).unwrap().btf;
                sound(&bytes, name, options.order == Order::Name);
            }
        });
    }
}

/// What the check calls sorted, and that equal names are ordered by content only, said once more.
#[test]
fn types_come_in_the_order_of_their_names() {
    for program in PROGRAMS {
        each(program, |_, m| {
            let names: Vec<_> = m.btf.types().map(|t| t.name().to_vec()).collect();
            assert!(names.is_sorted(), "names do not ascend");
        });
    }
}

#[test]
fn either_order_holds_the_same_types() {
    for program in PROGRAMS {
        each_path(program, |_, path| {
            let by_name = encode(path).unwrap().btf;
            let by_first = encode_with(path, &by_first(), 1).unwrap().btf;
            assert_eq!(by_name.len(), by_first.len());
            let (a, b) = (render(&Btf::parse(&by_name).unwrap()), render(&Btf::parse(&by_first).unwrap()));
            assert_eq!(missing(&a, &b), Vec::<String>::new());
            assert_eq!(missing(&b, &a), Vec::<String>::new());
        });
    }
}

/// No record twice: with all references by content.
#[test]
fn no_type_is_there_twice() {
    each("all", |_, m| {
        let mut seen = HashSet::new();
        // By their bytes: references are ids, so a pair that differs only in ids of equal types shows in
        // the types it refers to.
        for ty in m.btf.types().filter(|t| !matches!(t.kind(), Kind::Var | Kind::Func)) {
            assert!(
                seen.insert(ty.bytes().to_vec()),
                "[{}] {} '{}' twice",
                ty.id(),
                ty.kind(),
                m.spell(ty.id())
            );
        }
    });
}

/// References lead to types, and every variable lies in a section.
#[test]
fn references_lead_somewhere() {
    each("all", |_, m| {
        // All of them exist.
        for ty in m.btf.types() {
            for id in references(&ty) {
                assert!(id == TypeId::VOID || m.btf.ty(id).is_some(), "[{}] refers to {id}", ty.id());
            }
        }
        // A variable is there for a section.
        let referred: HashSet<_> = m.btf.types().flat_map(|t| references(&t)).collect();
        for ty in m.btf.types().filter(|t| t.kind() == Kind::Var) {
            assert!(referred.contains(&ty.id()), "[{}] VAR in no DATASEC", ty.id());
        }
    });
}

#[test]
fn the_header_is_what_every_kernel_reads() {
    each_path("all", |v, path| {
        let bytes = encode(path).unwrap().btf;
        let magic = if v.big_endian { [0xeb, 0x9f] } else { [0x9f, 0xeb] };
        assert_eq!(bytes[..4], [magic[0], magic[1], 1, 0]);
        let parsed = Btf::parse(&bytes).unwrap();
        assert_eq!(parsed.endian(), if v.big_endian { Endian::Big } else { Endian::Little });
        let header = *parsed.header();
        assert_eq!(header.header_bytes, 24);
        // Types, then strings, and nothing else.
        assert_eq!((header.types.off, header.strings.off), (0, header.types.len));
        assert_eq!(24 + header.types.len + header.strings.len, bytes.len() as u32);

        let layout = options(|o| o.features = o.features.with(Features::LAYOUT));
        let with_layout = encode_with(path, &layout, 1).unwrap().btf;
        let parsed = Btf::parse(&with_layout).unwrap();
        assert_eq!(parsed.header().header_bytes, 32);
        assert!(parsed.header().layout.len >= 20 * 4);
        assert_eq!(render(&parsed), render(&Btf::parse(&bytes).unwrap()));
    });
}

/// Every string is used, and there once.
#[test]
fn strings_are_there_once_and_used() {
    each("all", |_, m| {
        let mut used = HashSet::from([0]);
        for ty in m.btf.types() {
            used.insert(ty.name_off().0);
            used.extend(ty.members().map(|x| x.name.0));
            used.extend(ty.params().map(|x| x.name.0));
            used.extend(ty.enumerators().map(|x| x.name.0));
        }
        let start = 24 + m.btf.header().strings.off as usize;
        let strings = &m.btf.data()[start..];
        let (mut at, mut seen) = (0, HashSet::new());
        for string in strings.split_inclusive(|&b| b == 0) {
            assert!(used.contains(&at), "nobody uses {:?}", String::from_utf8_lossy(string));
            assert!(seen.insert(string), "twice: {:?}", String::from_utf8_lossy(string));
            at += string.len() as u32;
        }
    });
}

/// What the report counts is what is there.
#[test]
fn the_report_agrees_with_the_output() {
    for program in PROGRAMS {
        each_path(program, |_, path| {
            for jobs in [1, 3] {
                let output = encode_with(path, &Options::default(), jobs).unwrap();
                let report = &output.report;
                let m = Model::new(&output.btf);
                for (kind, count) in m.counts() {
                    let told = report.types_out.get(kind.name()).copied().unwrap_or(0);
                    assert_eq!(told, count as u64, "{kind}");
                }
                assert_eq!(report.output_bytes, output.btf.len() as u64);
                let count = |kind| m.counts().iter().find(|c| c.0 == kind).unwrap().1 as u64;
                assert_eq!(report.functions.encoded, count(Kind::Func));
                assert_eq!(report.variables.encoded, count(Kind::Var));
                for outcome in [&report.functions, &report.variables, &report.kfuncs] {
                    assert!(outcome.encoded <= outcome.found, "{outcome:?}");
                }
                for outcome in [&report.functions, &report.variables] {
                    let skipped: u64 = outcome.skipped.values().sum();
                    assert_eq!(outcome.encoded + skipped, outcome.found, "{outcome:?}");
                }
                assert_eq!(report.jobs, jobs);
                assert!(report.units > 0 && report.debug_info_bytes > 0 && !report.phases.is_empty());
            }
        });
    }
}

#[test]
fn languages_can_be_left_out() {
    // DW_LANG_C11 and others of C; assembler is 0x8001.
    const C: [u16; 6] = [0x0001, 0x0002, 0x000c, 0x001d, 0x002c, 0x003e];
    let without_c = options(|o| o.lang_exclude = C.to_vec());
    let without_assembler = options(|o| o.lang_exclude = vec![0x8001]);
    each_path("asm", |v, path| {
        let output = encode_with(path, &without_assembler, 1).unwrap();
        let m = Model::new(&output.btf);
        assert_eq!(m.count(Kind::Func, "asm_caller"), 1);
        assert_eq!(m.count(Kind::Func, "asm_global"), 0);
        assert_eq!((output.report.units, output.report.units_skipped), (2, 1));
        // clang's assembler describes nothing but labels, and of nothing no BTF is made.
        if v.is_clang() {
            let error = encode_with(path, &without_c, 1).map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Input);
            assert!(!error.to_string().contains("defect"), "{error}");
            return;
        }
        let output = encode_with(path, &without_c, 1).unwrap();
        let m = Model::new(&output.btf);
        assert_eq!(m.count(Kind::Func, "asm_caller"), 0);
        assert_eq!(m.count(Kind::Func, "asm_global"), 1);
        assert_eq!(output.report.units_skipped, 1);
    });
}

/// From every variable and function on, all the way down, the types are those that the DWARF has.
#[test]
fn types_are_those_of_the_dwarf() {
    let all = options(|o| o.features = o.features.with(Features::GLOBAL_VAR));
    for program in PROGRAMS {
        each_path(program, |_, path| {
            let bytes = encode_with(path, &all, 1).unwrap().btf;
            let compared = common::graph::compare(path, &bytes);
            let few = matches!(program, "asm" | "nested");
            assert!(compared.roots > if few { 0 } else { 3 }, "{compared:?}");
        });
    }
}

/// Writes units into files; gives their names.
fn write_units(dir: &Path, units: &[String]) -> Vec<PathBuf> {
    let write = |(i, source): (usize, &String)| {
        let file = dir.join(format!("{i}.c"));
        std::fs::write(&file, source).unwrap();
        file
    };
    units.iter().enumerate().map(write).collect()
}

/// A compiler and linker, and the flags with which they take random units.
const LINKERS: [(&str, &[&str]); 3] = [
    ("gcc", &["-static"]),
    ("gcc", &["-shared", "-fPIC", "-flto", "-O1"]),
    ("clang-19", &["-shared", "-fPIC", "-flto=full", "-fuse-ld=lld-19"]),
];

/// Names with several definitions, in and out of cycles: whoever means one of them gets that one, and the
/// order of units and the number of workers never matter. With link-time optimisation units refer to
/// definitions in each other.
#[test]
fn every_definition_of_a_name_keeps_its_own() {
    const PROGRAMS: u64 = 99;
    let mut failed = Vec::new();
    for (tool, flags) in LINKERS {
        let Some(compiler) = common::tool_or_skip(tool) else { continue };
        let mut between = 0;
        for seed in 1..=PROGRAMS {
            // Small ones first: the first that fails is the one to look at.
            let units = random_units(&mut Random::new(seed), 2 + seed as usize / 25);
            match keeps_its_own(&compiler, flags, &units) {
                Some(references) => between += references,
                None => {
                    eprintln!("^^^ seed {seed}: {}", units.join("\n// --- the next unit\n"));
                    failed.push((tool, flags, seed));
                }
            }
        }
        if flags.iter().any(|flag| flag.starts_with("-flto=")) {
            assert!(between > 100, "{tool} {flags:?}: {between} references between units");
        }
    }
    assert!(failed.is_empty(), "wrong: {failed:?}");
}

/// Holds a program against the graph of its DIEs. Returns how many references lead from one of its units into
/// another; `None` if it is wrong.
fn keeps_its_own(compiler: &Path, flags: &[&str], units: &[String]) -> Option<usize> {
    let all = options(|o| o.features = o.features.with(Features::GLOBAL_VAR));
    let every_prototype = options(|o| o.features = o.features.without(Features::CONSISTENT_FUNC));
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("program");
    link_with(compiler, flags, units, &out);
    let check = || {
        same_bytes(&out, &every_prototype, &[3], &[1]);
        let bytes = same_bytes(&out, &all, &[2, 3], &[1, 2]);
        sound(&bytes, "random units", true);
        let compared = common::graph::compare(&out, &bytes);
        assert!(compared.roots > 5, "{compared:?}");
        compared.between_units
    };
    catch_unwind(AssertUnwindSafe(check)).ok()
}

/// A name may be there and be empty, in a damaged file: then nobody finds anything by it, and still the order of units
/// and the number of workers do not matter. The file is one that the fuzz target `encode` made.
#[test]
fn empty_names_do_not_matter() {
    let more = Features::GLOBAL_VAR.with(Features::ATTRIBUTES).with(Features::TRUE_SIGNATURE);
    let options = options(|o| o.features = o.features.with(more));
    same_bytes(&root().join("testdata/small/empty-names.elf"), &options, &[2, 3, 2, 3, 2, 3], &[1, 2]);
}

/// A way to pack the DWARF of a random program.
struct Packing {
    name: &'static str,
    compiler: &'static str,
    flags: &'static str,
    /// The compiler tells definitions by their names only, and names with several lose some.
    one_unit: bool,
}

const fn packing(name: &'static str, compiler: &'static str, flags: &'static str) -> Packing {
    Packing { name, compiler, flags, one_unit: false }
}

const PROGRAM: &str = "-static -Wl,-e,0 -Wl,--build-id=none";
const GCC: &str = "x86_64-linux-gnu-gcc";
const PACKINGS: [Packing; 11] = [
    packing("relocatable", GCC, "-r"),
    packing("relocatable version 4", GCC, "-gdwarf-4 -r"),
    packing("compressed", GCC, "-gz=zlib"),
    packing("64-bit format", GCC, "-gdwarf64"),
    packing("split", GCC, "-gsplit-dwarf"),
    packing("split version 4", GCC, "-gdwarf-4 -gsplit-dwarf"),
    packing("link-time optimised", GCC, "-flto -flinker-output=nolto-rel -r"),
    Packing { one_unit: true, ..packing("type units", GCC, "-gdwarf-5 -fdebug-types-section") },
    Packing { one_unit: true, ..packing("type units version 4", GCC, "-gdwarf-4 -fdebug-types-section") },
    packing("full link-time optimisation", "clang-19", "-flto=full -fuse-ld=lld-19 -r"),
    packing("thin link-time optimisation", "clang-19", "-flto=thin -fuse-ld=lld-19 -r"),
];

/// Whatever the DWARF of a program is packed into, the types are the same.
#[test]
fn the_container_does_not_matter() {
    const PROGRAMS: u64 = 8;
    // Where variables lie is the linker's affair.
    let types = options(|o| o.features = o.features.without(Features::VAR));
    let dir = tempfile::tempdir().unwrap();
    let compile = |compiler: &str, flags: &str, files: &[PathBuf], out: &Path| {
        let mut command = Command::new(compiler);
        command.current_dir(dir.path()).args(["-g", "-w", "-ffreestanding", "-nostdlib"]);
        if !flags.split(' ').any(|flag| flag == "-r") {
            command.args(PROGRAM.split(' '));
        }
        let status = command.args(flags.split_whitespace()).args(files).arg("-o").arg(out).status();
        assert!(status.unwrap().success(), "{compiler} {flags}");
    };
    let dwz = common::tool_or_skip("dwz");
    let packings: Vec<_> =
        PACKINGS.iter().filter(|packing| common::tool_or_skip(packing.compiler).is_some()).collect();
    let mut failed = Vec::new();
    for seed in 1..=PROGRAMS {
        let units = random_units(&mut Random::new(seed + 1000), 3 + seed as usize / 3);
        let files = write_units(dir.path(), &units);
        let mut compare = |name: &str, ours: &Path, plain: &Path| {
            let compared = catch_unwind(AssertUnwindSafe(|| {
                let [ours, plain] = [ours, plain].map(|path| same_bytes(path, &types, &[3], &[1]));
                let [ours, plain] = [&ours, &plain].map(|bytes| Btf::parse(bytes).unwrap());
                for render in [render, render_deep] {
                    let (ours, plain) = (render(&ours), render(&plain));
                    assert_eq!(missing(&ours, &plain), Vec::<String>::new(), "only in the container");
                    assert_eq!(missing(&plain, &ours), Vec::<String>::new(), "only in the plain program");
                }
            }));
            if compared.is_err() {
                eprintln!("^^^ {name}, seed {seed}: {}", units.join("\n// --- the next unit\n"));
                failed.push(format!("{name} {seed}"));
            }
        };
        let (plain, packed) = (dir.path().join("plain"), dir.path().join("packed"));
        for packing in &packings {
            let files = if packing.one_unit { &files[..1] } else { &files };
            compile(packing.compiler, "", files, &plain);
            compile(packing.compiler, packing.flags, files, &packed);
            compare(packing.name, &packed, &plain);
        }
        if let Some(dwz) = &dwz {
            // Everything twice, so that there is something to share.
            let twice: Vec<_> = files.iter().chain(&files).cloned().collect();
            compile(GCC, "-Wl,--allow-multiple-definition", &twice, &plain);
            std::fs::remove_file(&packed).unwrap();
            let done = Command::new(dwz).arg("-q").arg(&plain).arg("-o").arg(&packed).status().unwrap();
            assert!(done.success() && packed.exists());
            compare("dwz", &packed, &plain);
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}
