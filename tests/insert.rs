//! Setting sections of ELF files, as compilers, linkers and other tools make them, and held against what the
//! tools of binutils see.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use btfgen::elf::insert::{Change, Rewrite, Signature, set_sections};
use btfgen::{Image, Result};
use common::{Random, root, skipped, tool_or_skip};
use object::read::elf::{ElfFile, ElfSection, FileHeader};
use object::{Endianness, Object, ObjectSection};
use tempfile::TempDir;

fn btf(content: &[u8]) -> [Change<'_>; 1] {
    [Change { name: b".BTF", content: Some(content) }]
}

fn set(file: &[u8], changes: &[Change<'_>]) -> Result<Vec<u8>> {
    let rewrite = set_sections(file, changes, Signature::Refuse)?;
    let mut out = Vec::new();
    rewrite.write_to(&mut out).unwrap();
    assert_eq!(out.len() as u64, rewrite.bytes());
    Ok(out)
}

/// Something that is no text, of any size.
fn content(bytes: usize) -> Vec<u8> {
    let mut random = Random::new(bytes as u64);
    (0..bytes).map(|_| random.next() as u8).collect()
}

/// A section as an independent reader sees it.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    name: String,
    address: u64,
    size: u64,
    align: u64,
    flags: object::SectionFlags,
    place: Option<(u64, u64)>,
    bytes: Vec<u8>,
}

fn sections(file: &[u8]) -> Vec<Seen> {
    fn seen<'a, F: FileHeader<Endian = Endianness>>(data: &'a [u8]) -> Vec<Seen> {
        let file = ElfFile::<'a, F>::parse(data).unwrap();
        let seen = |s: ElfSection<'a, '_, F>| Seen {
            name: s.name().unwrap().to_owned(),
            address: s.address(),
            size: s.size(),
            align: s.align(),
            flags: s.flags(),
            place: s.file_range(),
            bytes: s.data().unwrap().to_vec(),
        };
        file.sections().map(seen).collect()
    }
    // The reader wants aligned data.
    let mut words = vec![0u64; file.len().div_ceil(8)];
    for (word, bytes) in words.iter_mut().zip(file.chunks(8)) {
        let mut all = [0; 8];
        all[..bytes.len()].copy_from_slice(bytes);
        *word = u64::from_ne_bytes(all);
    }
    let aligned: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).take(file.len()).collect();
    match file[4] {
        1 => seen::<object::elf::FileHeader32<Endianness>>(&aligned),
        _ => seen::<object::elf::FileHeader64<Endianness>>(&aligned),
    }
}

fn section(file: &[u8], name: &str) -> Option<Seen> {
    sections(file).into_iter().find(|s| s.name == name)
}

/// Holds a file with `.BTF` set to `content` against the file it was made of.
fn same_but_for_btf(old: &[u8], new: &[u8], content: &[u8]) {
    let own = section(new, ".BTF").expect("no .BTF");
    assert_eq!(own.bytes, content);
    assert_eq!((own.address, own.align), (0, 4));
    assert!(
        matches!(own.flags, object::SectionFlags::Elf { sh_flags, .. } if sh_flags == object::elf::SectionFlags(0))
    );
    assert!(own.place.unwrap().0.is_multiple_of(4), "not aligned in the file");
    let names = names_of_sections(old);
    let (before, after) = (sections(old), sections(new));
    assert!(after.len() - before.len() <= 1);
    for (i, (a, b)) in before.iter().zip(&after).enumerate() {
        if i + 1 == names {
            // The names have got one more, and perhaps another place.
            assert!(b.bytes.starts_with(&a.bytes));
            let (a, b) = (Seen { place: None, ..a.clone() }, Seen { place: None, ..b.clone() });
            assert_eq!(Seen { size: 0, bytes: vec![], ..a }, Seen { size: 0, bytes: vec![], ..b });
        } else if a.name != ".BTF" {
            assert_eq!(a, b);
        }
    }
    // Of the ELF header, only the place and the number of section headers.
    let (header, shoff) = if old[4] == 1 { (52, 0x20..0x24) } else { (64, 0x28..0x30) };
    assert_eq!(old[..shoff.start], new[..shoff.start]);
    assert_eq!(old[shoff.end..header - 4], new[shoff.end..header - 4]);
}

fn number(file: &[u8], range: Range<usize>) -> usize {
    let bytes = &file[range];
    let join = |n: usize, byte: &u8| n << 8 | usize::from(*byte);
    if file[5] == 2 { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) }
}

/// Index of the section with the names.
fn names_of_sections(file: &[u8]) -> usize {
    let (header, shoff, link) = if file[4] == 1 { (52, 0x20..0x24, 24) } else { (64, 0x28..0x30, 40) };
    match number(file, header - 2..header) {
        0xffff => {
            let zero = number(file, shoff);
            number(file, zero + link..zero + link + 4)
        }
        index => index,
    }
}

/// What there is to say about any file that an encoder may meet.
fn laws(file: &[u8]) -> Vec<u8> {
    let small = content(1001);
    let first = set(file, &btf(&small)).unwrap();
    same_but_for_btf(file, &first, &small);
    assert!(first == set(&first, &btf(&small)).unwrap(), "twice is not once");
    let large = content(70_000);
    let second = set(&first, &btf(&large)).unwrap();
    same_but_for_btf(file, &second, &large);
    assert!(first == set(&second, &btf(&small)).unwrap(), "something of the larger one is left");

    let base = content(333);
    let both = [btf(&small)[0], Change { name: b".BTF.base", content: Some(&base) }];
    let with_base = set(&first, &both).unwrap();
    assert_eq!(section(&with_base, ".BTF.base").unwrap().bytes, base);
    assert_eq!(section(&with_base, ".BTF").unwrap().bytes, small);
    let without_base =
        set(&with_base, &[btf(&small)[0], Change { name: b".BTF.base", content: None }]).unwrap();
    same_but_for_btf(file, &without_base, &small);
    assert!(section(&without_base, ".BTF.base").is_none());
    assert!(with_base == set(&without_base, &both).unwrap(), "no way back");
    first
}

/// A compiler and the tools that go with it.
struct Tools {
    compiler: &'static str,
    prefix: &'static str,
}

const TOOLS: [Tools; 8] = [
    Tools { compiler: "x86_64-linux-gnu-gcc", prefix: "x86_64-linux-gnu-" },
    Tools { compiler: "s390x-linux-gnu-gcc", prefix: "s390x-linux-gnu-" },
    Tools { compiler: "powerpc-linux-gnu-gcc", prefix: "powerpc-linux-gnu-" },
    Tools { compiler: "i686-linux-gnu-gcc", prefix: "i686-linux-gnu-" },
    Tools { compiler: "arm-linux-gnueabihf-gcc", prefix: "arm-linux-gnueabihf-" },
    Tools { compiler: "mips-linux-gnu-gcc", prefix: "mips-linux-gnu-" },
    Tools { compiler: "riscv64-linux-gnu-gcc", prefix: "riscv64-linux-gnu-" },
    Tools { compiler: "clang-19", prefix: "x86_64-linux-gnu-" },
];

/// Ways of making a file: what is in its name, and the options.
const SHAPES: [(&str, &[&str]); 7] = [
    ("object", &["-c"]),
    ("sections", &["-c", "-ffunction-sections", "-fdata-sections"]),
    ("shared", &["-shared", "-fPIC"]),
    ("pie", &["-pie", "-fPIE"]),
    ("static", &["-static"]),
    ("stripped", &["-s"]),
    ("lld", &["-fuse-ld=lld-19"]),
];

const SOURCE: &str = r#"
#include <stdio.h>
int table[100] = { 1, 2, 3 };
static int twice(int x) { return 2 * x; }
int main(void) { printf("%d\n", twice(table[2])); return 7; }
"#;

struct Dir(TempDir);

impl Dir {
    fn new() -> Self {
        let dir = Dir(TempDir::new().unwrap());
        fs::write(dir.path("source.c"), SOURCE).unwrap();
        dir
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        fs::write(self.path(name), bytes).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
        self.path(name)
    }

    /// Runs a tool here; false if it does not succeed.
    fn run(&self, tool: &str, args: &[&str]) -> bool {
        let output = Command::new(tool).current_dir(self.0.path()).args(args).output();
        output.is_ok_and(|output| output.status.success())
    }

    /// What a tool prints.
    fn say(&self, tool: &str, args: &[&str]) -> String {
        let output = Command::new(tool).current_dir(self.0.path()).args(args).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// Lines of `readelf` and `objdump` about what a new section changes.
fn is_about_the_change(line: &str) -> bool {
    let words = [".BTF", "section headers", "File: ", "file format", "[ 0] "];
    words.iter().any(|word| line.contains(word)) || line.starts_with("  [") && line.contains("strtab ")
}

/// Everything that tools say of a file, but for what a new section changes.
fn description(dir: &Dir, prefix: &str, name: &str) -> String {
    let mut text = dir.say(&format!("{prefix}readelf"), &["-aW", name]);
    text += &dir.say(&format!("{prefix}objdump"), &["-dr", name]);
    text.lines().filter(|line| !is_about_the_change(line)).map(|line| line.to_owned() + "\n").collect()
}

#[test]
fn files_of_every_class_and_shape() {
    let dir = Dir::new();
    let mut tried = 0;
    for Tools { compiler, prefix } in TOOLS {
        if tool_or_skip(compiler).is_none() {
            continue;
        }
        for (shape, options) in SHAPES {
            // Only this compiler knows that linker by the name with the version.
            if shape == "lld" && compiler != "clang-19" {
                continue;
            }
            let args = [&["-g", "source.c", "-o", "old"], options].concat();
            if !dir.run(compiler, &args) {
                skipped(&format!("{compiler} cannot make {shape}"));
                continue;
            }
            tried += 1;
            println!("{compiler} {shape}");
            let old = fs::read(dir.path("old")).unwrap();
            let new = laws(&old);
            dir.write("new", &new);
            let (before, after) = (description(&dir, prefix, "old"), description(&dir, prefix, "new"));
            assert!(before.len() > 1000);
            similar(&before, &after);

            let objcopy = format!("{prefix}objcopy");
            assert!(dir.run(&objcopy, &["--dump-section", ".BTF=content", "new"]));
            assert_eq!(fs::read(dir.path("content")).unwrap(), content(1001));
            let flags = ["--only-section=.BTF", "--set-section-flags", ".BTF=alloc,readonly"];
            assert!(dir.run(&objcopy, &[&["-O", "binary"][..], &flags, &["new", "content"]].concat()));
            assert_eq!(fs::read(dir.path("content")).unwrap(), content(1001));
            assert!(dir.run(&objcopy, &["--remove-section=.BTF", "new", "without"]));
            assert!(section(&fs::read(dir.path("without")).unwrap(), ".BTF").is_none());
            for options in ["-g", "--strip-unneeded"] {
                assert!(dir.run(&format!("{prefix}strip"), &[options, "new", "-o", "less"]));
                assert_eq!(
                    section(&fs::read(dir.path("less")).unwrap(), ".BTF").unwrap().bytes,
                    content(1001)
                );
            }
            if prefix.starts_with("x86_64") && ["pie", "static", "stripped", "lld"].contains(&shape) {
                let output = Command::new(dir.path("new")).output().unwrap();
                assert_eq!((output.stdout.as_slice(), output.status.code()), (&b"6\n"[..], Some(7)));
            }
        }
    }
    assert!(tried > 0);
}

/// Panics with the first line that differs.
fn similar(a: &str, b: &str) {
    for (a, b) in a.lines().zip(b.lines()) {
        assert_eq!(a, b);
    }
    assert_eq!(a.lines().count(), b.lines().count());
}

/// The only program that is needed for what follows.
fn compiled(dir: &Dir, options: &[&str]) -> Option<Vec<u8>> {
    if !dir.run("gcc", &[&["-g", "source.c", "-o", "old"], options].concat()) {
        skipped(&format!("gcc cannot compile with {options:?}"));
        return None;
    }
    Some(fs::read(dir.path("old")).unwrap())
}

#[test]
fn more_sections_than_the_header_can_count() {
    let dir = Dir::new();
    for count in [0xff00 - 10, 0xff00 + 300] {
        let source = format!(
            ".altmacro\n.macro one n\n.section .text.f\\n,\"ax\"\nf\\n: .byte 1\n.endm\n\
             .set i,0\n.rept {count}\none %i\n.set i,i+1\n.endr\n"
        );
        fs::write(dir.path("many.s"), source).unwrap();
        if !dir.run("gcc", &["-c", "many.s", "-o", "old"]) {
            return skipped("gcc cannot make an object file with many sections");
        }
        let old = fs::read(dir.path("old")).unwrap();
        // Over the limit, one by one.
        let names: Vec<String> = (0..12).map(|i| format!(".BTF{i}")).collect();
        let bytes = content(10);
        let mut new = old.clone();
        for name in &names {
            new = set(&new, &[Change { name: name.as_bytes(), content: Some(&bytes) }]).unwrap();
        }
        assert_eq!(sections(&new).len(), sections(&old).len() + names.len());
        let all: Vec<_> =
            names.iter().map(|n| Change { name: n.as_bytes(), content: Some(&bytes[..]) }).collect();
        assert!(new == set(&old, &all).unwrap());
        // And back again.
        let none: Vec<_> = names.iter().rev().map(|n| Change { name: n.as_bytes(), content: None }).collect();
        let back = set(&new, &none).unwrap();
        assert_eq!(sections(&back), {
            let mut before = sections(&old);
            before
                .iter_mut()
                .zip(sections(&back))
                .filter(|(s, _)| s.name == ".shstrtab")
                .for_each(|(s, b)| *s = b);
            before
        });
        dir.write("new", &laws(&old));
        // Every symbol is still in its section. Other tools take minutes for so many.
        similar(&dir.say("readelf", &["-sW", "old"]), &dir.say("readelf", &["-sW", "new"]));
    }
}

/// Other tools put `.BTF` in front of the symbols.
#[test]
fn a_btf_that_another_tool_put_in() {
    let dir = Dir::new();
    let Some(old) = compiled(&dir, &[]) else { return };
    let theirs = content(4000);
    fs::write(dir.path("btf"), &theirs).unwrap();
    for objcopy in ["objcopy", "llvm-objcopy"] {
        if tool_or_skip(objcopy).is_none() {
            continue;
        }
        assert!(dir.run(objcopy, &["--add-section", ".BTF=btf", "old", "with"]));
        let with = fs::read(dir.path("with")).unwrap();
        laws(&with);
        dir.write("ours", &set(&with, &btf(&content(50))).unwrap());
        similar(&description(&dir, "", "with"), &description(&dir, "", "ours"));
        // At the same place if that is possible at all.
        let place = section(&with, ".BTF").unwrap().place.unwrap();
        let same_size = set(&with, &btf(&content(4000))).unwrap();
        if place.0.is_multiple_of(4) {
            assert!(same_size.len() <= with.len());
            assert_eq!(section(&same_size, ".BTF").unwrap().place.unwrap(), place);
        }
        assert!(section(&set(&with, &[Change { name: b".BTF", content: None }]).unwrap(), ".BTF").is_none());
    }
    assert!(laws(&old).len() < old.len() + 1001 + 100);
}

#[test]
fn a_btf_that_is_loaded_keeps_its_size() {
    let dir = Dir::new();
    fs::write(dir.path("btf.s"), ".section .BTF,\"a\"\n.fill 100,1,1\n").unwrap();
    let Some(old) = compiled(&dir, &["btf.s"]) else { return };
    let new = set(&old, &btf(&content(100))).unwrap();
    let (before, after) = (section(&old, ".BTF").unwrap(), section(&new, ".BTF").unwrap());
    assert_eq!(after, Seen { bytes: content(100), ..before });
    dir.write("new", &new);
    similar(&dir.say("readelf", &["-lsW", "old"]), &dir.say("readelf", &["-lsW", "new"]));
    assert_eq!(Command::new(dir.path("new")).status().unwrap().code(), Some(7));
    for wrong in [Some(&content(99)[..]), Some(&content(101)[..]), None] {
        let error = set(&old, &[Change { name: b".BTF", content: wrong }]).unwrap_err().to_string();
        assert!(error.contains("section .BTF is loaded and has 100 bytes"), "{error}");
    }
}

/// Linkers make empty sections, and separate debug files have sections without content.
#[test]
fn a_btf_without_content_is_replaced() {
    let dir = Dir::new();
    fs::write(dir.path("btf.s"), ".section .BTF,\"a\"\n").unwrap();
    let Some(empty) = compiled(&dir, &["-c"]) else { return };
    assert!(dir.run("gcc", &["-c", "btf.s"]) && dir.run("ld", &["-r", "old", "btf.o", "-o", "both"]));
    let both = fs::read(dir.path("both")).unwrap();
    assert!(section(&empty, ".BTF").is_none());
    assert_eq!(section(&both, ".BTF").unwrap().size, 0);
    laws(&both);

    fs::write(dir.path("btf.s"), ".section .BTF,\"a\"\n.fill 100,1,1\n").unwrap();
    compiled(&dir, &["btf.s"]).unwrap();
    assert!(dir.run("objcopy", &["--only-keep-debug", "old", "debug"]));
    let debug = fs::read(dir.path("debug")).unwrap();
    assert_eq!(section(&debug, ".BTF").unwrap().place, None);
    laws(&debug);
}

/// Anywhere, not aligned, and with something behind it that nobody knows.
#[test]
fn headers_and_bytes_at_odd_places() {
    let dir = Dir::new();
    let Some(mut old) = compiled(&dir, &[]) else { return };
    let start = number(&old, 0x28..0x30);
    let table = old[start..].to_vec();
    old[start..].fill(0x55);
    old.extend([1, 2, 3]);
    let moved = old.len() as u64;
    old[0x28..0x30].copy_from_slice(&moved.to_le_bytes());
    old.extend(table);
    old.extend(b"whatever follows");
    let changed = laws(&old);
    assert!(changed.windows(16).any(|window| window == b"whatever follows"));
}

#[test]
fn a_signed_module_stays_signed_or_becomes_unsigned() {
    let dir = Dir::new();
    let Some(old) = compiled(&dir, &["-c"]) else { return };
    let mut signed = old.clone();
    signed.extend(content(256));
    signed.extend([0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
    signed.extend(b"~Module signature appended~\n");
    let error = set(&signed, &btf(b"x")).unwrap_err().to_string();
    assert!(error.contains("signed module"), "{error}");
    let pieces = |rewrite: Rewrite<'_>| rewrite.pieces().flatten().copied().collect::<Vec<u8>>();
    let new = pieces(set_sections(&signed, &btf(b"x"), Signature::Drop).unwrap());
    assert!(new == set(&old, &btf(b"x")).unwrap());
    // A size that cannot be.
    let size = signed.len() - 32;
    signed[size..size + 4].fill(0xff);
    for signature in [Signature::Refuse, Signature::Drop] {
        assert!(set_sections(&signed, &btf(b"x"), signature).is_err());
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let dir = Dir::new();
    let error = |file: &[u8]| set(file, &btf(b"x")).unwrap_err().to_string();
    assert!(set(b"", &btf(b"")).is_err());
    assert!(error(b"\x7fELF").contains("not an ELF file"));
    assert!(error(b"\x7fELF\x02\x01\x01").contains("cut short"));
    let Some(old) = compiled(&dir, &[]) else { return };
    assert!(error(&old[..old.len() - 1]).contains("section headers are not where they should be"));
    let mut none = old.clone();
    none[0x28..0x30].fill(0);
    assert!(error(&none).contains("no section headers"));
    let mut nameless = old.clone();
    nameless[62..64].fill(0);
    assert!(error(&nameless).contains("no names"));
    // What a compiler for BPF makes wants to be linked first.
    fs::write(dir.path("btf.s"), ".section .BTF\n.quad main\n.section .BTF.base\n.long 1\n").unwrap();
    if dir.run("gcc", &["-c", "btf.s", "-o", "relocations"]) {
        assert!(error(&fs::read(dir.path("relocations")).unwrap()).contains("has relocations"));
    }
    fs::write(
        dir.path("btf.s"),
        ".section .BTF,\"\",@progbits,unique,1\n.long 1\n.section .BTF,\"\",@progbits,unique,2\n.long 2\n",
    )
    .unwrap();
    if dir.run("gcc", &["-c", "btf.s", "-o", "twice"]) {
        assert!(error(&fs::read(dir.path("twice")).unwrap()).contains("several sections .BTF"));
    }
}

/// Whatever the headers say, there is an answer or an error, and an answer can be answered again.
#[test]
fn damaged_files() {
    let demo = fs::read(root().join("testdata/small/demo.elf")).unwrap();
    let with = set(&demo, &btf(&content(100))).unwrap();
    let table = number(&with, 0x28..0x30);
    let mut random = Random::new(7);
    let mut answers = 0;
    for round in 0..20_000 {
        let mut file = with.clone();
        for _ in 0..1 + random.below(3) {
            let at = match random.below(4) {
                0 => random.below(64),
                1 => 64 + random.below(8 * 56),
                _ => table + random.below(file.len() - table),
            };
            let old = file[at];
            file[at] = [random.next() as u8, 0, 0xff, old ^ 1, old.wrapping_add(1)][random.below(5)];
        }
        file.truncate(file.len() - if random.below(10) == 0 { random.below(300) } else { 0 });
        let bytes = content(1 + random.below(300));
        let Ok(once) = set(&file, &btf(&bytes)) else { continue };
        answers += 1;
        let twice = set(&once, &btf(&bytes)).expect("an answer that cannot be read");
        assert!(once == twice, "round {round}: {} bytes, then {}", once.len(), twice.len());
    }
    assert!(answers > 5_000, "{answers}");
}

/// A vmlinux or module of the machine that is tested on would be too much to ask; any image will do.
#[test]
fn an_image_gives_its_bytes() {
    let path = root().join("testdata/small/demo.elf");
    let image = Image::open(&path).unwrap();
    assert!(image.bytes() == fs::read(path as PathBuf).unwrap());
    let _: &Path = image.path();
}
