//! The command as users meet it: the real binary, its files, its words and its exit status.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use btfgen::btf::Btf;
use serde_json::Value;
use tempfile::TempDir;

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/small/demo.elf");

/// What a run left behind.
struct Ran {
    code: i32,
    stdout: Vec<u8>,
    stderr: String,
}

impl Ran {
    /// The only line of standard error, which must begin as all errors do.
    fn error(&self, code: i32) -> &str {
        assert_eq!(self.code, code, "{}", self.stderr);
        let line = self.stderr.strip_suffix('\n').expect("ends with a newline");
        assert!(!line.contains('\n'), "several lines: {line}");
        assert!(self.stdout.is_empty());
        line.strip_prefix("btfgen: error: ").expect("begins like an error")
    }

    /// Standard output of a run that went well and said nothing else.
    fn silent(self) -> Vec<u8> {
        assert_eq!((self.code, self.stderr.as_str()), (0, ""));
        self.stdout
    }
}

/// A directory with nothing in it but what a test puts there.
struct Dir(TempDir);

impl Dir {
    fn new() -> Self {
        Dir(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    /// Names of all files, sorted, hidden ones too: litter would be among them.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_btfgen"));
        command.current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        ran(self.command().args(args))
    }
}

fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    let code = output.status.code().expect("no signal ended it");
    Ran { code, stdout: output.stdout, stderr: String::from_utf8(output.stderr).unwrap() }
}

/// The BTF of the demo, from a run of the binary.
fn demo_btf() -> Vec<u8> {
    Dir::new().run(&[DEMO, "-o", "-"]).silent()
}

#[test]
fn every_way_to_say_it_gives_the_same_bytes() {
    let dir = Dir::new();
    let expected = demo_btf();
    Btf::parse(&expected).unwrap();
    for (i, args) in [
        vec!["encode", DEMO, "-o", "0.btf"],
        vec!["-j", "1", DEMO, "-o", "1.btf"],
        vec!["-j8", "-q", "-o2.btf", DEMO],
        vec!["encode", "--jobs=3", "--output=3.btf", "--", DEMO],
        vec![DEMO, "-o", "4.btf", "--features", "default", "--order", "name"],
    ]
    .iter()
    .enumerate()
    {
        assert!(dir.run(args).silent().is_empty());
        assert_eq!(fs::read(dir.path(&format!("{i}.btf"))).unwrap(), expected, "{args:?}");
    }
    assert_eq!(dir.names().len(), 5);
}

#[test]
fn options_reach_the_encoder() {
    let dir = Dir::new();
    let plain = demo_btf();
    for args in [
        ["--order", "first"].as_slice(),
        &["--flat-arrays"],
        &["--features", "-float,-var"],
        &["--features=none"],
        &["--features", "+global_var"],
    ] {
        let other = dir.run(&[&[DEMO, "-o", "-"], args].concat()).silent();
        Btf::parse(&other).unwrap();
        assert_ne!(other, plain, "{args:?}");
    }
}

#[test]
fn excluded_languages_are_left_out() {
    let dir = Dir::new();
    let ran = dir.run(&[DEMO, "-o", "x", "--stats", "-", "--lang-exclude", "asm,0x1c"]);
    let stats: Value = serde_json::from_slice(&ran.silent()).unwrap();
    assert_eq!(stats["options"]["lang_exclude"], serde_json::json!([0x1c, 0x31, 0x8001]));
    let skipped = stats["input"]["units_skipped"].as_u64().unwrap();
    assert!(skipped < stats["input"]["units"].as_u64().unwrap());
}

#[test]
fn the_output_replaces_what_was_there_and_only_that() {
    let dir = Dir::new();
    let out = dir.write("out.btf", "old and longer than nothing");
    fs::hard_link(&out, dir.path("other-name")).unwrap();
    dir.run(&[DEMO, "-o", "out.btf"]).silent();
    assert_eq!(fs::read(&out).unwrap(), demo_btf());
    // Nobody who had the old file open or under another name sees half of the new one.
    assert_eq!(fs::read(dir.path("other-name")).unwrap(), b"old and longer than nothing");
    assert_eq!(dir.names(), ["other-name", "out.btf"]);
    // The mode is that of any new file here.
    let plain = dir.write("plain", "");
    assert_eq!(fs::metadata(&out).unwrap().mode(), fs::metadata(plain).unwrap().mode());
}

#[test]
fn symbolic_links_are_followed() {
    let dir = Dir::new();
    fs::create_dir(dir.path("deep")).unwrap();
    symlink("deep/real.btf", dir.path("link")).unwrap();
    // First to a file that does not exist yet, then to one that does.
    for _ in 0..2 {
        dir.run(&[DEMO, "-o", "link"]).silent();
        assert!(fs::symlink_metadata(dir.path("link")).unwrap().is_symlink());
        assert_eq!(fs::read(dir.path("deep/real.btf")).unwrap(), demo_btf());
    }
    assert_eq!(fs::read_dir(dir.path("deep")).unwrap().count(), 1);
    symlink("round", dir.path("round")).unwrap();
    dir.run(&[DEMO, "-o", "round"]).error(74);
}

#[test]
fn devices_are_written_to_not_replaced() {
    let dir = Dir::new();
    dir.run(&[DEMO, "-o", "/dev/null", "--stats", "/dev/null"]).silent();
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    assert!(dir.run(&[DEMO, "-o", "/dev/full"]).error(74).starts_with("/dev/full: cannot write: No space"));
    assert_eq!(dir.run(&[DEMO, "-o", "/dev/stdout"]).silent(), demo_btf());
}

#[test]
fn input_that_cannot_be_encoded() {
    let dir = Dir::new();
    fs::create_dir(dir.path("directory")).unwrap();
    dir.write("empty", "");
    dir.write("text", "no ELF file, but long enough to be looked at");
    dir.write("cut", &fs::read(DEMO).unwrap()[..1000]);
    let mut bytes = fs::read(DEMO).unwrap();
    // A section header table far behind the end.
    bytes[40..48].copy_from_slice(&u64::MAX.to_le_bytes());
    dir.write("damaged", bytes);
    dir.write("stripped", stripped());
    dir.write("out", "as it was");
    let before = dir.names();
    for (input, code, words) in [
        ("missing", 74, "missing: cannot open: No such file"),
        ("directory", 1, "directory: is a directory"),
        ("empty", 1, "empty: the file is empty"),
        ("text", 1, "text: is not an ELF file"),
        ("cut", 1, "cut: "),
        ("damaged", 1, "damaged: the ELF file is damaged"),
        ("stripped", 1, "stripped: has no DWARF"),
        ("/dev/null", 1, "/dev/null: is not a regular file"),
        ("-", 2, "the input cannot be standard input"),
    ] {
        let ran = dir.run(&[input, "-o", "out", "--stats", "stats", "-v"]);
        assert!(ran.error(code).starts_with(words), "{input}: {}", ran.stderr);
        assert_eq!(fs::read(dir.path("out")).unwrap(), b"as it was", "{input}");
        assert_eq!(dir.names(), before, "{input}");
    }
    let ran = dir.run(&["stripped", "-o", "out"]);
    assert!(ran.error(1).contains("CONFIG_DEBUG_INFO") && ran.stderr.contains("CONFIG_DEBUG_INFO_REDUCED"));
}

/// The demo with the debug sections renamed, which is as good as stripped.
fn stripped() -> Vec<u8> {
    let mut bytes = fs::read(DEMO).unwrap();
    let name = b".debug_info\0";
    let at = bytes.windows(name.len()).rposition(|w| w == name).unwrap();
    bytes[at..at + 6].copy_from_slice(b".other");
    bytes
}

#[test]
fn output_that_cannot_be_written() {
    let dir = Dir::new();
    fs::create_dir(dir.path("directory")).unwrap();
    let before = dir.names();
    let no_file = "cannot write: No such file or directory";
    for (output, words) in [("none/out", no_file), ("directory", "cannot write: is a directory")] {
        let ran = dir.run(&[DEMO, "-o", output]);
        assert!(ran.error(74).starts_with(&format!("{output}: {words}")), "{}", ran.stderr);
    }
    // Figures that cannot be written are no success either, and leave no output.
    dir.run(&[DEMO, "-o", "out", "--stats", "/dev/full"]).error(74);
    dir.run(&[DEMO, "-o", "/dev/full", "--stats", "stats"]).error(74);
    dir.run(&[DEMO, "-o", "out", "--stats", "none/stats"]).error(74);
    assert_eq!(dir.names(), before);

    // The system's word holds for everybody but root.
    fs::set_permissions(dir.path("directory"), fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(dir.path("directory/probe"), "").is_err() {
        let ran = dir.run(&[DEMO, "-o", "directory/out"]);
        assert!(
            ran.error(74).starts_with("directory/out: cannot write: Permission denied"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn the_input_is_never_replaced() {
    let dir = Dir::new();
    let input = dir.write("in", fs::read(DEMO).unwrap());
    symlink("in", dir.path("link")).unwrap();
    fs::hard_link(&input, dir.path("twin")).unwrap();
    for output in ["in", "./in", "link", "twin"] {
        dir.run(&["in", "-o", output]).error(2);
        dir.run(&["in", "-o", "out", "--stats", output]).error(2);
    }
    assert_eq!(fs::read(input).unwrap(), fs::read(DEMO).unwrap());
    assert_eq!(dir.names(), ["in", "link", "twin"]);
}

#[test]
fn mistakes_in_the_command_line() {
    let dir = Dir::new();
    for (args, words) in [
        (["-v"].as_slice(), "required arguments were not provided: --output <FILE> <INPUT>"),
        (&[DEMO], "required arguments were not provided: --output <FILE>"),
        (&[DEMO, "-o", "a", "--bogus"], "unexpected argument '--bogus'"),
        (&[DEMO, "-o", "a", "--flat-array"], "'--flat-arrays'"),
        (&[DEMO, "-o", "a", "-j", "0"], "invalid value '0' for '--jobs <N>'"),
        (&[DEMO, "-o", "a", "-j", "1000000"], "from 1 to 4096"),
        (&[DEMO, "-o", "a", "--features", "+flaot"], "unknown feature 'flaot'; known are default, none, enc"),
        (&[DEMO, "-o", "a", "--lang-exclude", "klingon"], "unknown language 'klingon'; known are ada,"),
        (&[DEMO, "-o", "a", "--order", "size"], "possible values: name, first"),
        (&[DEMO, "-o", "-", "--stats", "-"], "both go to standard output"),
        (&[DEMO, "-o", "a", "--stats", "./a"], "both go to a"),
        (&[DEMO, "-o", ""], "an empty file name"),
        (&[DEMO, DEMO, "-o", "a"], "there is one INPUT"),
        (&["check"], "required arguments were not provided: <FILE|DIR>..."),
        (&["check", "--level", "nice", "a"], "unknown level 'nice'; known are container, records,"),
        (&["check", "--kernel", "six", "a"], "not a version such as 6.12, nor latest"),
        (&["completions", "cmd"], "possible values: bash"),
        (&["man", "women"], "no command 'women'"),
    ] {
        let ran = dir.run(args);
        assert!(ran.error(2).contains(words), "{args:?}: {}", ran.stderr);
    }
    assert!(dir.names().is_empty());
}

#[test]
fn names_cannot_break_the_line() {
    let ran = Dir::new().run(&["a\nbtfgen: error: b\x1b[2J", "-o", "c"]);
    assert!(ran.error(74).starts_with("a?btfgen: error: b?[2J: cannot open"));
}

#[test]
fn figures_as_json() {
    let dir = Dir::new();
    dir.run(&["-j2", DEMO, "-o", "out", "--stats", "stats.json"]).silent();
    assert_eq!(dir.names(), ["out", "stats.json"]);
    let stats: Value = serde_json::from_slice(&fs::read(dir.path("stats.json")).unwrap()).unwrap();
    assert_eq!(stats["schema_version"], 1);
    assert_eq!(stats["btfgen_version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(stats["output"]["output_bytes"], fs::metadata(dir.path("out")).unwrap().len());
    assert_eq!(stats["output"]["path"], "out");
    assert_eq!(stats["input"]["path"], DEMO);
    // It is small: another worker would have nothing to do.
    assert_eq!(stats["jobs"], 1);
    assert_eq!(stats["options"]["features"][0], "encode_force");
    assert_eq!(stats["options"]["order"], "name");
    for [of, key] in [
        ["input", "debug_info_bytes"],
        ["input", "units"],
        ["input", "units_skipped"],
        ["input", "units_rewalked"],
        ["functions", "found"],
        ["functions", "encoded"],
        ["variables", "found"],
        ["variables", "encoded"],
        ["kfuncs", "found"],
        ["kfuncs", "tagged"],
        ["types_in", "func_proto"],
        ["types_out", "func_proto"],
        ["memory", "peak_rss_bytes"],
        ["memory", "anon_bytes"],
        ["memory", "file_bytes"],
    ] {
        assert!(stats[of][key].is_u64(), "{of}.{key}");
    }
    // At its end: what it has alone is part of its share, and that of what is resident.
    let end = ["uss_bytes", "pss_bytes", "rss_bytes"].map(|key| &stats["memory"][key]);
    assert!(end.iter().all(|n| n.is_null()) || end.iter().all(|n| n.is_u64()), "{end:?}");
    assert!(end.map(Value::as_u64).is_sorted(), "{end:?}");
    for of in ["functions", "variables", "kfuncs"] {
        assert!(stats[of]["skipped"].as_object().unwrap().values().all(Value::is_u64), "{of}");
    }
    assert!(stats["warnings"].as_object().unwrap().values().all(Value::is_u64));
    assert!(stats["split_names"].as_array().unwrap().iter().all(Value::is_string));
    assert!(stats["total"]["wall_seconds"].is_f64() && stats["total"]["cpu_seconds"].is_f64());
    assert!(stats["workers"].as_array().unwrap().iter().all(|w| w["cpu_seconds"].is_f64()));
    let phases = stats["phases"].as_array().unwrap();
    for phase in phases {
        assert!(phase["name"].is_string() && phase["parallel"].is_boolean());
        assert!(phase["wall_seconds"].is_f64() && phase["cpu_seconds"].is_f64());
    }
    assert!(phases.iter().any(|phase| phase["name"] == "walk"));
    // On standard output, too.
    let stats: Value =
        serde_json::from_slice(&dir.run(&[DEMO, "-o", "out", "--stats", "-"]).silent()).unwrap();
    assert_eq!(stats["schema_version"], 1);
}

#[test]
fn figures_as_a_tree() {
    let dir = Dir::new();
    let ran = dir.run(&["-v", DEMO, "-o", "-"]);
    assert_eq!(ran.code, 0);
    assert_eq!(ran.stdout, demo_btf());
    for words in ["├─ total", "walk, parallel", "functions", "FUNC_PROTO", "(RssAnon)", "(RssFile)"] {
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
    }
}

#[test]
fn check_of_good_btf_is_silent() {
    let dir = Dir::new();
    dir.write("good.btf", demo_btf());
    assert!(dir.run(&["check", "good.btf"]).silent().is_empty());
    assert!(dir.run(&["check", "--sorted", "good.btf", "good.btf"]).silent().is_empty());
    let ran = dir.run(&["check", "-v", "good.btf"]);
    assert_eq!((ran.code, ran.stdout.len()), (0, 0));
    assert!(ran.stderr.starts_with("good.btf: ") && ran.stderr.ends_with(" types, 0 violations\n"));
}

#[test]
fn check_tells_what_is_wrong_and_where() {
    let dir = Dir::new();
    let good = demo_btf();
    dir.write("good.btf", &good);
    dir.write("cut.btf", &good[..good.len() - 3]);
    dir.write("short.btf", &good[..10]);
    let mut bad = good.clone();
    // The reserved bits of the first record's info.
    bad[24 + 7] |= 0x60;
    dir.write("bad.btf", bad);
    for name in ["cut.btf", "short.btf", "bad.btf"] {
        let ran = dir.run(&["check", "good.btf", name]);
        let text = String::from_utf8(ran.stdout).unwrap();
        assert_eq!((ran.code, ran.stderr.as_str()), (1, ""), "{name}: {text}");
        assert!(
            !text.is_empty() && text.lines().all(|line| line.starts_with(&format!("{name}: "))),
            "{text}"
        );
    }
    let first = dir.run(&[DEMO, "--order", "first", "-o", "-"]).silent();
    dir.write("first.btf", first);
    assert!(dir.run(&["check", "first.btf"]).silent().is_empty());
    let ran = dir.run(&["check", "--sorted", "first.btf"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.starts_with(b"first.btf: hygiene: "));
    let ran = dir.run(&["check", "--kernel", "5.4", "--level", "target", "good.btf"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.starts_with(b"good.btf: target: ["));
    assert!(dir.run(&["check", "--level", "container,records,resolve", "good.btf"]).silent().is_empty());
}

#[test]
fn check_of_what_holds_no_btf() {
    let dir = Dir::new();
    dir.write("empty", "");
    dir.write("text", "neither one nor the other");
    dir.write("good.btf", demo_btf());
    fs::create_dir(dir.path("below")).unwrap();
    for (args, code, words) in [
        (["missing"].as_slice(), 74, "missing: cannot open"),
        (&["below"], 1, "below: there is no module"),
        (&["empty"], 1, "empty: the file is empty"),
        (&["text"], 1, "text: is neither BTF nor an ELF file"),
        (&[DEMO], 1, concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/small/demo.elf: has no section .BTF")),
        (&["--base", "missing", "good.btf"], 74, "missing: cannot open"),
        (&["--base", "text", "good.btf"], 1, "text: is neither"),
    ] {
        let ran = dir.run(&[&["check"], args].concat());
        assert!(ran.error(code).starts_with(words), "{args:?}: {}", ran.stderr);
    }
    // One file that cannot be read does not hide what is to be said of the others.
    let ran = dir.run(&["check", "--kernel", "5.4", "missing", "good.btf"]);
    assert_eq!(ran.code, 74);
    assert!(ran.stdout.starts_with(b"good.btf: target: ["));
}

#[test]
fn check_of_elf_files_and_split_btf() {
    let dir = Dir::new();
    let base = demo_btf();
    let parsed = Btf::parse(&base).unwrap();
    dir.write("base.elf", elf_with(&[(".BTF", &base)]));
    assert!(dir.run(&["check", "base.elf"]).silent().is_empty());

    // A pointer to type 1 of the base, and no strings of its own but the empty one.
    let mut split = vec![0x9f, 0xeb, 1, 0];
    for word in [24, 0, 12, 12, 1, 0, 2 << 24, 1u32] {
        split.extend(word.to_le_bytes());
    }
    split.push(0);
    assert!(btfgen::btf::Btf::parse_split(&split, &parsed).is_ok());
    dir.write("split.btf", &split);
    for base in ["base.elf", "base.btf"] {
        dir.write("base.btf", demo_btf());
        dir.run(&["check", "--base", base, "--level", "container,records,resolve", "split.btf"]).silent();
    }
    // Without its base, type 1 would be the pointer itself.
    assert_eq!(dir.run(&["check", "split.btf"]).code, 1);
    // A module that carries its base needs no other.
    dir.write("module.ko", elf_with(&[(".BTF", &split), (".BTF.base", &base)]));
    dir.run(&["check", "--level", "container,records,resolve", "module.ko"]).silent();
    // Kernels that do not know of that are the ones before 6.11.
    for (kernel, code) in [("6.6", 1), ("6.12", 0), ("latest", 0)] {
        let ran = dir.run(&["check", "--level", "target", "--kernel", kernel, "module.ko"]);
        assert_eq!(ran.code, code, "{kernel}: {}", ran.stderr);
        assert_eq!(String::from_utf8_lossy(&ran.stdout).contains(".BTF.base"), code == 1);
    }
}

#[test]
fn check_of_kfuncs() {
    let dir = Dir::new();
    dir.write("good.btf", demo_btf());
    let ran = dir.run(&["check", "--kfuncs", DEMO, "good.btf"]);
    let text = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(text, "good.btf: kfuncs: BTF: no FUNC 'kf_does_not_exist', which is in a set of kfuncs\n");
    // None of none is not all of them.
    dir.write("none.elf", elf_with(&[(".BTF", &demo_btf())]));
    let ran = dir.run(&["check", "--kfuncs", "none.elf", "good.btf"]);
    assert!(ran.error(1).contains("has no set of kfuncs"), "{}", ran.stderr);
    let ran = dir.run(&["check", "--kfuncs", DEMO, "good.btf", "good.btf"]);
    assert!(ran.error(2).contains("--kfuncs"), "{}", ran.stderr);
}

/// A little-endian ELF file with nothing in it but these sections.
fn elf_with(sections: &[(&str, &[u8])]) -> Vec<u8> {
    let mut names = b"\0.shstrtab\0".to_vec();
    let mut body = vec![0u8; 64];
    // Name, type, offset, size.
    let mut headers = vec![[0u64; 4]];
    for (name, content) in sections {
        body.resize(body.len().next_multiple_of(8), 0);
        headers.push([names.len() as u64, 1, body.len() as u64, content.len() as u64]);
        names.extend(name.bytes().chain([0]));
        body.extend(*content);
    }
    headers.push([1, 3, body.len() as u64, names.len() as u64]);
    body.extend(names);
    body.resize(body.len().next_multiple_of(8), 0);
    let table = body.len() as u64;
    body[..20].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0");
    body[20] = 1;
    body[40..48].copy_from_slice(&table.to_le_bytes());
    for (at, half) in [(52, 64u16), (58, 64), (60, headers.len() as u16), (62, headers.len() as u16 - 1)] {
        body[at..at + 2].copy_from_slice(&half.to_le_bytes());
    }
    for [name, kind, offset, size] in headers {
        body.extend((name as u32).to_le_bytes());
        body.extend((kind as u32).to_le_bytes());
        for word in [0, 0, offset, size, 0, 1, 0] {
            body.extend(u64::to_le_bytes(word));
        }
    }
    body
}

/// The demo above its own BTF, which may come raw or in a vmlinux.
#[test]
fn split_from_a_base() {
    let dir = Dir::new();
    let base = dir.write("base.btf", demo_btf());
    let elf = dir.write("vmlinux", elf_with(&[(".BTF", &demo_btf())]));
    dir.run(&[DEMO, "-o", "a.btf", "--base", "base.btf"]).silent();
    dir.run(&["encode", "--base=vmlinux", DEMO, "-o", "b.btf", "--features", "+layout"]).silent();
    let split = fs::read(dir.path("a.btf")).unwrap();
    assert_eq!(split, fs::read(dir.path("b.btf")).unwrap());
    let base_bytes = fs::read(&base).unwrap();
    assert!(split.len() < base_bytes.len() / 2);
    let parsed = Btf::parse(&base_bytes).unwrap();
    assert!(Btf::parse_split(&split, &parsed).unwrap().len() > parsed.len());
    dir.run(&["check", "--base", "base.btf", "a.btf"]).silent();

    let told = dir.run(&[DEMO, "-o", "a.btf", "--base", "base.btf", "-v", "--stats", "stats.json"]);
    assert!(told.stderr.contains(" in the base, "), "{}", told.stderr);
    let stats: Value = serde_json::from_slice(&fs::read(dir.path("stats.json")).unwrap()).unwrap();
    assert_eq!(stats["types_out"].get("struct"), None);
    assert!(stats["types_in_base"]["struct"].as_u64().unwrap() > 0);
    assert_eq!(stats["output"]["base"], "base.btf");

    // The base stays what it is.
    let error = dir.run(&[DEMO, "-o", "vmlinux", "--base", "vmlinux"]);
    assert_eq!(error.error(2), "vmlinux: is the base; the output would replace it");
    assert_eq!(fs::read(elf).unwrap(), elf_with(&[(".BTF", &demo_btf())]));
}

#[test]
fn a_distilled_base_goes_beside_the_output() {
    let dir = Dir::new();
    dir.write("base.btf", demo_btf());
    dir.run(&[DEMO, "-o", "a.btf", "--base", "base.btf", "--distill-base"]).silent();
    let features = ["--features", "+distilled_base"];
    dir.run(&[&[DEMO, "-o", "b.btf", "--base", "base.btf"], features.as_slice()].concat()).silent();
    assert_eq!(dir.names(), ["a.btf", "a.btf.base", "b.btf", "b.btf.base", "base.btf"]);
    let [split, small] = ["a.btf", "a.btf.base"].map(|name| fs::read(dir.path(name)).unwrap());
    assert_eq!(
        [&split, &small],
        [&fs::read(dir.path("b.btf")).unwrap(), &fs::read(dir.path("b.btf.base")).unwrap()]
    );
    let parsed = Btf::parse(&small).unwrap();
    assert!(Btf::parse_split(&split, &parsed).unwrap().len() > parsed.len());
    dir.run(&["check", "--base", "a.btf.base", "a.btf", "--level", "container,records"]).silent();

    let stdout = dir.run(&[DEMO, "-o", "-", "--base", "base.btf", "--distill-base"]);
    assert!(stdout.error(2).contains("standard output"));
    assert!(dir.run(&[DEMO, "-o", "c.btf", "--distill-base"]).error(2).contains("--base"));
    let same = dir.run(&[&[DEMO, "-o", "c.btf"], features.as_slice()].concat());
    assert!(same.error(2).contains("--base"));
    let stats = ["--distill-base", "--stats", "c.btf.base"];
    let both = dir.run(&[&[DEMO, "-o", "c.btf", "--base", "base.btf"], stats.as_slice()].concat());
    assert!(both.error(2).contains("both go to"));
    assert!(!dir.names().contains(&"c.btf".to_owned()));
}

#[test]
fn a_base_that_is_none() {
    let dir = Dir::new();
    dir.write("noise", "noise");
    dir.write("empty", "");
    dir.write("elf", elf_with(&[(".text", b"x")]));
    let mut split = demo_btf();
    // A split BTF has no empty string in front.
    let strings = Btf::parse(&split).unwrap().header().strings.off as usize + 24;
    split[strings] = b'x';
    dir.write("split", &split);
    for (base, code, message) in [
        ("missing", 74, "cannot open"),
        ("noise", 1, "is neither BTF nor an ELF file"),
        ("empty", 1, "is empty"),
        ("elf", 1, "has no section .BTF"),
        (DEMO, 1, "it has DWARF: encode it"),
        ("split", 1, "the base must be a BTF of its own"),
    ] {
        let ran = dir.run(&[DEMO, "-o", "a.btf", "--base", base]);
        let error = ran.error(code);
        assert!(error.starts_with(&format!("{base}: ")) && error.contains(message), "{error}");
    }
    assert_eq!(dir.names(), ["elf", "empty", "noise", "split"]);
}

#[test]
fn completions_and_manual() {
    let dir = Dir::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = String::from_utf8(dir.run(&["completions", shell]).silent()).unwrap();
        assert!(text.contains("lang-exclude") && text.contains("check"), "{shell}");
    }
    let page = String::from_utf8(dir.run(&["man"]).silent()).unwrap();
    for words in
        [".TH btfgen 1", ".SH \"EXIT STATUS\"", ".SH EXAMPLES", "lang\\-exclude", "btfgen\\-check(1)"]
    {
        assert!(page.contains(words), "{words}");
    }
    let page = String::from_utf8(dir.run(&["man", "check"]).silent()).unwrap();
    assert!(page.contains(".TH btfgen-check 1") && page.contains("\\-\\-sorted"), "{page}");
}

#[test]
fn help_and_version() {
    let dir = Dir::new();
    let version = dir.run(&["--version"]).silent();
    assert_eq!(version, format!("btfgen {}\n", env!("CARGO_PKG_VERSION")).into_bytes());
    let [short, long] = ["-h", "--help"].map(|flag| String::from_utf8(dir.run(&[flag]).silent()).unwrap());
    assert!(short.lines().count() < 50 && short.len() < long.len());
    assert!(short.starts_with("Make BTF of the DWARF of a Linux kernel\n"), "{short}");
    // What the program is for comes first, and not what a part of its options is.
    for text in [&short, &long, &String::from_utf8(dir.run(&["man"]).silent()).unwrap()] {
        let first = text.lines().find(|line| line.starts_with("Make BTF"));
        assert!(first.is_some() && !text.contains("parts of it are looked for"), "{text}");
    }
    for words in ["Exit status:", "  74  ", "Examples:", "decl_tag_kfuncs", "schema_version"] {
        assert!(long.contains(words), "{words}");
    }
}

#[test]
fn a_reader_that_left_is_no_error_where_text_is_written() {
    let dir = Dir::new();
    dir.write("good.btf", demo_btf());
    for (args, code) in [
        (["man"].as_slice(), 0),
        (&["completions", "zsh"], 0),
        (&["--help"], 0),
        (&["check", "--kernel", "5.4", "good.btf"], 1),
        // Half of an encode is no encode.
        (&[DEMO, "-o", "-"], 74),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let status = dir.command().args(args).stdout(writer).stderr(Stdio::null()).status().unwrap();
        assert_eq!(status.code(), Some(code), "{args:?}");
    }
}

#[test]
fn paths_need_not_be_text() {
    use std::os::unix::ffi::OsStrExt;
    let dir = Dir::new();
    let name = Path::new(std::ffi::OsStr::from_bytes(b"\xff.btf"));
    if fs::write(dir.0.path().join(name), "").is_err() {
        return; // A file system that wants text.
    }
    ran(dir.command().arg(DEMO).arg("-o").arg(name)).silent();
    assert_eq!(fs::read(dir.0.path().join(name)).unwrap(), demo_btf());
}

#[test]
fn in_place_the_file_gets_a_section() {
    let dir = Dir::new();
    let demo = fs::read(DEMO).unwrap();
    dir.write("a", &demo);
    dir.run(&["a", "-o", "a.btf"]).silent();
    dir.run(&["--in-place", "a"]).silent();
    let image = btfgen::Image::open(dir.path("a")).unwrap();
    assert!(image.content_of(b".BTF").unwrap() == fs::read(dir.path("a.btf")).unwrap());
    assert_eq!(dir.names(), ["a", "a.btf"]);
    for wrong in [&["-i", "a", "-o", "b"][..], &["a"], &["a", "-o", "b", "--drop-signature"]] {
        dir.run(wrong).error(2);
    }
    // The 12 bytes in front of the mark end with the size of the signature.
    let signed = [&demo[..], b"sig", &[0; 11], &[3], b"~Module signature appended~\n"].concat();
    dir.write("signed", &signed);
    assert!(dir.run(&["-i", "signed"]).error(1).contains("signed module"));
    assert!(fs::read(dir.path("signed")).unwrap() == signed);
    dir.run(&["-i", "--drop-signature", "signed"]).silent();
    assert!(fs::read(dir.path("signed")).unwrap() == fs::read(dir.path("a")).unwrap());
    fs::set_permissions(dir.path("a"), fs::Permissions::from_mode(0o444)).unwrap();
    // Root may write to anything.
    if fs::OpenOptions::new().write(true).open(dir.path("a")).is_err() {
        assert!(dir.run(&["-i", "a"]).error(74).contains("cannot write"));
    }
}
