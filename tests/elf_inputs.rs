//! Object files and compressed sections: `Image::debug_section` gives what a linker makes of them.
//!
//! The truth is a linker's: LLD links an object file with every section at the address that `Image` gave
//! it, undefined symbols being 0 and strings not merged; then all debug sections are the same bytes.
//! `BTFGEN_TEST_OBJECTS` names a directory with more object files and modules to try.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;

use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use btfgen::dwarf::Sections;
use btfgen::report::Report;
use btfgen::{Encoder, Image, Result};
use common::{encode, fixture, root, skipped, tool, tool_or_skip};
use object::Endianness;
use object::read::elf::{ElfFile64, FileHeader, SectionHeader};
use tempfile::TempDir;

/// Debug sections that this crate does not ask for, and that are relocated like those it does.
const OTHERS: [&str; 3] = [".debug_types", ".debug_ranges", ".debug_line"];

fn run(command: &mut Command) -> std::result::Result<(), String> {
    let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Compiles one source of the test data to an object file; says so if that is not possible.
fn compile(dir: &TempDir, compiler: &str, flags: &str, source: &str) -> Option<PathBuf> {
    tool_or_skip(compiler)?;
    let words: String = flags.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
    let stem = Path::new(source).file_stem().unwrap().to_str().unwrap();
    let out = dir.path().join(format!("{compiler}{words}-{stem}.o"));
    let done = run(Command::new(compiler)
        .current_dir(root().join("testdata/src"))
        .args(["-O2", "-w", "-ffreestanding", "-fno-common", "-c"])
        .args(flags.split_whitespace())
        .arg(source)
        .arg("-o")
        .arg(&out));
    match done {
        Ok(()) => Some(out),
        Err(error) => {
            skipped(&error.replace('\n', " "));
            None
        }
    }
}

/// Has LLD link `object` as `Image` placed it. `None` if there is no LLD.
fn link(dir: &TempDir, object: &Path) -> Option<PathBuf> {
    let linker = ["ld.lld", "ld.lld-19", "ld.lld-18"].into_iter().find_map(tool);
    if linker.is_none() {
        skipped("ld.lld is not installed: no relocation is compared with a linker's");
    }
    let image = Image::open(object).unwrap();
    let mut script = String::from("SECTIONS {\n");
    for section in image.sections().iter().filter(|s| s.is_loaded()) {
        let name = String::from_utf8_lossy(&section.name);
        writeln!(script, "\"{name}\" {:#x} : {{ *(\"{name}\") }}", section.address).unwrap();
    }
    script.push('}');
    let path = dir.path().join("script");
    fs::write(&path, script).unwrap();
    let out = dir.path().join(format!("{}.linked", object.file_name().unwrap().to_str().unwrap()));
    // What is wrong with code and data is of no interest.
    run(Command::new(linker?)
        .args(["-O0", "-static", "--noinhibit-exec", "--unresolved-symbols=ignore-all", "--no-relax"])
        .args(["--no-check-sections", "--error-limit=0", "-e", "0", "-z", "norelro", "-T"])
        .arg(&path)
        .arg("-o")
        .arg(&out)
        .arg(object))
    .unwrap();
    Some(out)
}

/// Holds all debug sections of two files against each other.
fn same_debug_sections(ours: &Path, truth: &Path) {
    let (ours, truth) = (Image::open(ours).unwrap(), Image::open(truth).unwrap());
    for name in Sections::NAMES.into_iter().chain(OTHERS) {
        let (a, b) =
            (ours.debug_section(name.as_bytes()).unwrap(), truth.debug_section(name.as_bytes()).unwrap());
        if a == b {
            continue;
        }
        let at = a.iter().zip(b.iter()).position(|(a, b)| a != b).unwrap_or(a.len().min(b.len()));
        let near = |s: &[u8]| format!("{:02x?}", &s[at..s.len().min(at + 16)]);
        panic!(
            "{}: {name} differs from {} at {at:#x} of {:#x} and {:#x}: {} {}",
            ours.path().display(),
            truth.path().display(),
            a.len(),
            b.len(),
            near(&a),
            near(&b)
        );
    }
    assert!(!ours.debug_section(b".debug_info").unwrap().is_empty(), "{}", ours.path().display());
}

fn same_as_linked(object: &Path) {
    let dir = tempfile::tempdir().unwrap();
    if let Some(linked) = link(&dir, object) {
        same_debug_sections(object, &linked);
    }
}

/// Units of `.debug_info`; how many of them hold types.
fn units(image: &Image) -> (usize, usize) {
    let info = image.debug_section(b".debug_info").unwrap();
    let info = gimli::DebugInfo::new(&info, gimli::LittleEndian);
    let (mut units, mut all, mut types) = (info.units(), 0, 0);
    while let Some(header) = units.next().unwrap() {
        all += 1;
        types += usize::from(matches!(header.type_(), gimli::UnitType::Type { .. }));
    }
    (all, types)
}

/// clang compiles for all of them, with or without a C library.
const TARGETS: [&str; 16] = [
    "x86_64",
    "i686",
    "aarch64",
    "aarch64_be",
    "armv7",
    "riscv32",
    "riscv64",
    "s390x",
    "powerpc",
    "powerpc64",
    "powerpc64le",
    "mips",
    "mipsel",
    "mips64",
    "mips64el",
    "loongarch64",
];

#[test]
fn clang_objects_become_what_a_linker_makes_of_them() {
    let dir = tempfile::tempdir().unwrap();
    for target in TARGETS {
        for (version, source) in
            [(4, "functions_a.c"), (5, "functions_a.c"), (5, "percpu_a.c"), (5, "units_a.c")]
        {
            let abi = if target.starts_with("mips") { "-mno-abicalls -fno-pic" } else { "" };
            let flags = format!("--target={target}-linux-gnu {abi} -gdwarf-{version} -ffunction-sections");
            let Some(object) = compile(&dir, "clang-19", &flags, source) else { continue };
            same_as_linked(&object);
        }
    }
}

/// Every machine counts thread-local variables from another place.
#[test]
fn thread_local_variables_have_the_offsets_that_a_linker_gives_them() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("thread_local.c");
    // With a value: LLD takes the beginning of `.tbss` from before its address was aligned.
    fs::write(
        &source,
        "__thread int a = 1, b[3] = {2}, c = 3;\nint *address(int i) { return i ? &b[i] : &a + c; }\n",
    )
    .unwrap();
    for target in TARGETS {
        for (version, abi) in [(4, "-fno-pic"), (5, "-fPIC")] {
            let flags = format!("--target={target}-linux-gnu {abi} -gdwarf-{version}");
            let Some(object) = compile(&dir, "clang-19", &flags, source.to_str().unwrap()) else { continue };
            same_as_linked(&object);
        }
    }
}

const GCCS: [&str; 9] = [
    "x86_64-linux-gnu-gcc",
    "i686-linux-gnu-gcc",
    "aarch64-linux-gnu-gcc",
    "arm-linux-gnueabihf-gcc",
    "riscv64-linux-gnu-gcc",
    "s390x-linux-gnu-gcc",
    "powerpc-linux-gnu-gcc",
    "powerpc64le-linux-gnu-gcc",
    "mips-linux-gnu-gcc",
];

#[test]
fn gcc_objects_become_what_a_linker_makes_of_them() {
    let dir = tempfile::tempdir().unwrap();
    for compiler in GCCS {
        let abi = if compiler.starts_with("mips") { "-mno-abicalls" } else { "" };
        for flags in ["-gdwarf-4", "-gdwarf-5", "-gdwarf-5 -gdwarf64", "-gdwarf-5 -fdebug-types-section"] {
            let flags = format!("{flags} {abi} -fno-pic -ffunction-sections");
            let Some(object) = compile(&dir, compiler, &flags, "functions_a.c") else { continue };
            same_as_linked(&object);
        }
    }
}

/// `ld -r` joins the sections of many objects.
#[test]
fn joined_objects_become_what_a_linker_makes_of_them() {
    for machine in ["x86_64", "aarch64", "riscv64", "s390x", "powerpc", "arm", "i386", "mips"] {
        if let Some(object) = fixture(&format!("all-{machine}-gcc-rel")) {
            same_as_linked(&object);
        }
    }
}

#[test]
fn other_objects_become_what_a_linker_makes_of_them() {
    let Some(dir) = std::env::var_os("BTFGEN_TEST_OBJECTS") else {
        return skipped("BTFGEN_TEST_OBJECTS is not set: no other object file is tested");
    };
    for entry in Path::new(&dir).read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "o" || e == "ko") {
            eprintln!("{}", path.display());
            same_as_linked(&path);
        }
    }
}

#[test]
fn units_of_types_are_joined_without_gaps() {
    let dir = tempfile::tempdir().unwrap();
    let flags = "-gdwarf-5 -fdebug-types-section -fno-eliminate-unused-debug-types";
    let Some(object) = compile(&dir, "x86_64-linux-gnu-gcc", flags, "structs.c") else { return };
    let image = Image::open(&object).unwrap();
    let sections = image.sections().iter().filter(|s| s.name == b".debug_info").count();
    let (all, types) = units(&image);
    assert!(
        types > 3 && all == types + 1 && sections == all,
        "{all} units, {types} of types, {sections} sections"
    );
}

/// An object file holds the same types and functions as the program that is linked from it.
#[test]
fn an_object_encodes_like_the_program() {
    for machine in ["x86_64", "aarch64", "riscv64", "s390x", "powerpc", "arm", "i386", "mips"] {
        let linked =
            if machine == "x86_64" { "all-x86_64-gcc-dwarf5" } else { &format!("all-{machine}-gcc") };
        let (Some(object), Some(linked)) = (fixture(&format!("all-{machine}-gcc-rel")), fixture(linked))
        else {
            continue;
        };
        let (object, linked) = (encode(&object).unwrap(), encode(&linked).unwrap());

        let outcomes = |report: &Report| format!("{:?} {:?}", report.functions, report.kfuncs);
        assert_eq!(outcomes(&object.report), outcomes(&linked.report), "{machine}");
        // The linker also joins `.data..percpu..aligned` with `.data..percpu`, the section of the variables.
        let types = |report: &Report| {
            let mut types = report.types_out.clone();
            types.remove("VAR");
            types
        };
        assert_eq!(types(&object.report), types(&linked.report), "{machine}");
    }
}

/// Every way of compressing that the tools at hand know, on objects and on linked files of both classes and
/// byte orders.
#[test]
fn compressed_sections_are_those_that_were_compressed() {
    let dir = tempfile::tempdir().unwrap();
    let mut inputs = Vec::new();
    for target in ["x86_64", "i686", "s390x", "powerpc", "riscv64"] {
        let flags = format!("--target={target}-linux-gnu -gdwarf-5");
        inputs.extend(compile(&dir, "clang-19", &flags, "functions_a.c"));
    }
    inputs.extend(fixture("all-x86_64-gcc-dwarf4"));
    inputs.extend(fixture("all-powerpc-gcc"));
    let mut compressed = 0;
    for (i, input) in inputs.iter().enumerate() {
        for objcopy in ["objcopy", "llvm-objcopy-19"] {
            let Some(program) = tool_or_skip(objcopy) else { continue };
            for method in ["zlib", "zlib-gnu", "zstd"] {
                let out = dir.path().join(format!("{objcopy}-{method}-{i}"));
                let option = format!("--compress-debug-sections={method}");
                if let Err(error) = run(Command::new(&program).arg(&option).arg(input).arg(&out)) {
                    skipped(&error.replace('\n', " "));
                    continue;
                }
                let is_marked = |s: &btfgen::elf::Section| {
                    s.name == b".zdebug_info"
                        || s.name == b".debug_info" && s.flags.0 & object::elf::SHF_COMPRESSED.0 != 0
                };
                let is_compressed = Image::open(&out).unwrap().sections().iter().any(is_marked);
                if !is_compressed {
                    skipped(&format!("{objcopy} did not compress {} as {method}", input.display()));
                    continue;
                }
                same_debug_sections(&out, input);
                compressed += 1;
            }
        }
    }
    assert!(inputs.is_empty() || compressed >= inputs.len(), "{compressed} files were compressed");
}

/// The same program, compressed by its linker, has the same BTF.
#[test]
fn compressed_files_encode_like_plain_ones() {
    let Some(plain) = fixture("all-x86_64-gcc-dwarf5") else { return };
    let plain = encode(&plain).unwrap().btf;
    for name in ["all-x86_64-gcc-zlib", "all-x86_64-gcc-zlibgnu"] {
        if let Some(path) = fixture(name) {
            assert!(encode(&path).unwrap().btf == plain, "{name}");
        }
    }
}

/// Indices of sections beyond 65280 do not fit where they used to.
/// A small file is held in memory, a large one is mapped, and both are the same to whoever reads them.
#[test]
fn small_files_are_read_and_large_ones_mapped() {
    let small = root().join("testdata/small/demo.elf");
    let mut bytes = fs::read(&small).unwrap();
    let held = bytes.len() as u64;
    let dir = tempfile::tempdir().unwrap();
    let large = dir.path().join("large.elf");
    bytes.resize(bytes.len() + (2 << 20), 0);
    fs::write(&large, bytes).unwrap();
    let image = |path: &Path| Image::open(path).unwrap();
    assert_eq!((image(&small).held_bytes(), image(&large).held_bytes()), (held, 0));
    assert!(!image(&small).is_unpacked() && !image(&large).is_unpacked());
    let btf = |path: &Path| encode(path).unwrap().btf;
    assert!(btf(&small) == btf(&large));
}

#[test]
fn more_sections_than_a_symbol_can_name() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("many.c");
    let mut text = String::new();
    for i in 0..66_000 {
        writeln!(text, "int f{i}(void) {{ return {i}; }}").unwrap();
    }
    fs::write(&source, text).unwrap();
    let flags = "-O0 -gdwarf-5 -ffunction-sections -fno-asynchronous-unwind-tables";
    let Some(object) = compile(&dir, "x86_64-linux-gnu-gcc", flags, source.to_str().unwrap()) else { return };
    let image = Image::open(&object).unwrap();
    assert!(image.sections().len() > 0x10000);
    let mut addresses = HashMap::new();
    image
        .each_symbol(|symbol| {
            if let Some(section) = image.sections().get(symbol.section as usize)
                && symbol.name().starts_with(b"f")
                && section.name != b".debug_line_str"
            {
                assert_eq!(section.name, [b".text.", symbol.name()].concat());
                assert_eq!(section.address, symbol.value);
                addresses.insert(symbol.value, symbol.name().to_vec());
            }
        })
        .unwrap();
    assert_eq!(addresses.len(), 66_000);
    // LLD takes minutes for so many addresses; what the functions say of themselves has to be theirs.
    let load = |id: gimli::SectionId| image.debug_section(id.name().as_bytes());
    let sections = gimli::DwarfSections::load(load).unwrap();
    let dwarf = sections.borrow(|bytes| gimli::EndianSlice::new(bytes, gimli::LittleEndian));
    let header = dwarf.units().next().unwrap().unwrap();
    let unit = dwarf.unit(header).unwrap();
    let mut entries = unit.entries();
    while let Some(entry) = entries.next_dfs().unwrap() {
        if entry.tag() != gimli::DW_TAG_subprogram {
            continue;
        }
        let gimli::AttributeValue::Addr(address) = entry.attr_value(gimli::DW_AT_low_pc).unwrap() else {
            panic!("a function without an address");
        };
        let name = dwarf.attr_string(&unit, entry.attr_value(gimli::DW_AT_name).unwrap()).unwrap();
        assert_eq!(addresses.remove(&address).unwrap(), name.slice());
    }
    assert_eq!(addresses.len(), 0);
    assert_eq!(encode(&object).unwrap().report.functions.encoded, 66_000);
}

/// Where a section lies in a file of 64 bits.
fn range(bytes: &[u8], name: &str) -> std::ops::Range<usize> {
    let file = ElfFile64::<Endianness>::parse(bytes).unwrap();
    let (endian, table) = (file.endian(), file.elf_section_table());
    let (_, section) = table.section_by_name(endian, name.as_bytes()).unwrap();
    assert!(file.elf_header().is_type_64());
    let (start, size) = section.file_range(endian).unwrap();
    start as usize..(start + size) as usize
}

/// What reading `.debug_info` gives after `change` of a section's bytes.
fn after(file: &Path, section: &str, change: impl FnOnce(&mut [u8])) -> Result<Vec<u8>> {
    let mut bytes = fs::read(file).unwrap();
    let range = range(&bytes, section);
    change(&mut bytes[range]);
    let changed = file.with_extension("changed");
    fs::write(&changed, bytes).unwrap();
    let image = Image::open(&changed)?;
    image.debug_section(b".debug_info").map(std::borrow::Cow::into_owned)
}

fn assert_says(result: Result<Vec<u8>>, words: &[&str]) {
    let error = result.expect_err("an error").to_string();
    for word in words {
        assert!(error.contains(word), "{error}: nothing about {word}");
    }
}

#[test]
fn what_cannot_be_relocated_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let Some(object) = compile(&dir, "x86_64-linux-gnu-gcc", "-gdwarf-5", "functions_a.c") else { return };
    let patched = |at: usize, bytes: &[u8]| {
        after(&object, ".rela.debug_info", |table| table[at..at + bytes.len()].copy_from_slice(bytes))
    };
    // The second entry: offset, type, symbol, addend.
    assert!(patched(24, &[]).is_ok());
    assert_says(patched(32, &9u32.to_le_bytes()), &["R_X86_64_GOTPCREL (9)", ".debug_info", "offset 0x"]);
    assert_says(patched(32, &999u32.to_le_bytes()), &["relocation type 999 of machine 62"]);
    assert_says(patched(36, &0x00ff_ffffu32.to_le_bytes()), &["symbol that does not exist"]);
    assert_says(patched(24, &u64::MAX.to_le_bytes()), &["outside of the section"]);
    assert_says(patched(40, &(1u64 << 40).to_le_bytes()), &["does not fit"]);
}

#[test]
fn sizes_that_compressed_sections_declare_are_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let Some(object) = compile(&dir, "x86_64-linux-gnu-gcc", "-gdwarf-5 -gz=zlib", "functions_a.c") else {
        return;
    };
    let with_size = |change: fn(u64) -> u64| {
        after(&object, ".debug_info", |section| {
            let size = u64::from_le_bytes(section[8..16].try_into().unwrap());
            section[8..16].copy_from_slice(&change(size).to_le_bytes());
        })
    };
    assert!(with_size(|size| size).is_ok());
    assert_says(with_size(|size| size + 1), &[".debug_info", "1 bytes less than its header declares"]);
    assert_says(with_size(|size| size - 1), &[".debug_info", "more bytes than its header declares"]);
    assert_says(with_size(|_| 1 << 30), &[".debug_info", "is the limit"]);
    assert_says(with_size(|_| u64::MAX), &[".debug_info", "is the limit"]);
    let method = |method: u8| after(&object, ".debug_info", |section| section[0] = method);
    assert_says(method(3), &["method 3"]);
    assert_says(method(2), &["damaged"]);
    assert_says(after(&object, ".debug_info", |section| section[40] ^= 0x55), &["damaged"]);
    // Nobody asked for this one.
    let encoded = Encoder::default().encode(&Image::open(&object).unwrap()).unwrap();
    assert!(encoded.report.functions.encoded > 0);
}
