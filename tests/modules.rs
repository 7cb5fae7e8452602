//! `btfgen modules`: many files in one run give what each gives alone, and one that fails stops no other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use btfgen::btf::{Btf, CheckOptions, Kind, Levels, check};
use common::programs::{gcc, link};
use common::{tool, tool_or_skip};
use tempfile::TempDir;

const KERNEL: &str = "struct shared { struct shared *next; int n; } first; typedef struct shared shared_t; \
                      int kernel(shared_t *s) { return s->n; }";

/// A directory with `vmlinux.btf` and the modules `one.ko`, `below/two.ko` and `empty.ko`.
struct Kernel {
    dir: TempDir,
    gcc: PathBuf,
}

impl Kernel {
    fn new() -> Option<Kernel> {
        let (gcc, dir) = (gcc()?, tempfile::tempdir().unwrap());
        link(&gcc, &[KERNEL], &dir.path().join("vmlinux"));
        let kernel = Kernel { dir, gcc };
        assert!(kernel.btfgen(&["vmlinux", "-o", "vmlinux.btf"]).status.success());
        fs::create_dir_all(kernel.path("mods/below")).unwrap();
        kernel.module(
            "mods/one.ko",
            "struct shared { struct shared *next; int n; }; struct own { struct shared s; }; \
                       int one(struct own *o) { return o->s.n; }",
        );
        kernel.module(
            "mods/below/two.ko",
            "typedef struct { int x; } two_t; int two(two_t *t) { return t->x; }",
        );
        // Without -g, as a module of nothing but data is.
        fs::write(kernel.path("empty.c"), "").unwrap();
        let mut command = Command::new(&kernel.gcc);
        command.args(["-c", "empty.c", "-o", "mods/empty.ko"]).current_dir(kernel.dir.path());
        assert!(command.status().unwrap().success());
        Some(kernel)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn module(&self, name: &str, source: &str) {
        fs::write(self.path("module.c"), source).unwrap();
        let mut command = Command::new(&self.gcc);
        command.args(["-g", "-O1", "-c", "module.c", "-o", name]).current_dir(self.dir.path());
        assert!(command.status().unwrap().success());
    }

    fn btfgen(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_btfgen")).args(args).current_dir(self.dir.path()).output().unwrap()
    }

    /// What a file gives alone.
    fn alone(&self, name: &str) -> Vec<u8> {
        let output = self.btfgen(&[name, "--base", "vmlinux.btf", "-o", "alone.btf"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::read(self.path("alone.btf")).unwrap()
    }
}

fn lines(output: &Output) -> Vec<String> {
    let mut lines: Vec<_> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn each_gives_what_it_gives_alone() {
    let Some(kernel) = Kernel::new() else { return };
    for jobs in ["1", "2", "8"] {
        let output = kernel.btfgen(&["modules", "-j", jobs, "--base", "vmlinux.btf", "mods", "-o", "out"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for (module, btf) in [("mods/one.ko", "out/one.btf"), ("mods/below/two.ko", "out/two.btf")] {
            assert!(fs::read(kernel.path(btf)).unwrap() == kernel.alone(module), "{module}, -j {jobs}");
        }
        // Nothing to encode is a BTF without types.
        let [base, empty] = ["vmlinux.btf", "out/empty.btf"].map(|name| fs::read(kernel.path(name)).unwrap());
        let base = Btf::parse(&base).unwrap();
        assert_eq!(Btf::parse_split(&empty, &base).unwrap().len(), base.len());
        let lines = lines(&output);
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(
            lines[1] == "mods/empty.ko: nothing to encode" && lines[2].contains("1 functions"),
            "{lines:?}"
        );
        fs::remove_dir_all(kernel.path("out")).unwrap();
    }
}

#[test]
fn one_that_fails_stops_no_other() {
    let Some(kernel) = Kernel::new() else { return };
    fs::write(kernel.path("mods/bad.ko"), "no module").unwrap();
    let output = kernel.btfgen(&["modules", "--base", "vmlinux.btf", "mods", "-o", "out"]);
    assert_eq!(output.status.code(), Some(1));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("mods/bad.ko: is not an ELF file"), "{complaint}");
    assert!(complaint.contains("1 of 4 modules failed"), "{complaint}");
    assert!(kernel.path("out/one.btf").exists() && !kernel.path("out/bad.btf").exists());

    let output = kernel.btfgen(&["modules", "--json", "--base", "vmlinux.btf", "mods", "-o", "out"]);
    let results: Vec<serde_json::Value> =
        lines(&output).iter().map(|line| serde_json::from_str(line).expect(line)).collect();
    let ok = |result: &serde_json::Value| result["ok"].as_bool().unwrap();
    assert_eq!(results.iter().filter(|r| ok(r)).count(), 3, "{results:?}");
    let bad = results.iter().find(|r| !ok(r)).unwrap();
    assert!(bad["error"].as_str().unwrap().contains("not an ELF file"), "{bad}");
}

#[test]
fn figures_are_those_of_all() {
    let Some(kernel) = Kernel::new() else { return };
    fs::write(kernel.path("mods/zzz.ko"), "no ELF file").unwrap();
    let args =
        ["modules", "--base", "vmlinux.btf", "-v", "--stats", "stats.json", "mods", "-o", "out", "-j2"];
    let output = kernel.btfgen(&args);
    assert_eq!(output.status.code(), Some(1));
    let json = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&fs::read(kernel.path(name)).unwrap()).unwrap()
    };
    let all = json("stats.json");
    let input = &all["input"];
    assert_eq!(
        (&input["modules"], &input["modules_empty"], &input["modules_failed"]),
        (&4.into(), &1.into(), &1.into())
    );
    let sum = |of: &dyn Fn(&serde_json::Value) -> u64| -> u64 {
        let alone = |name: &&str| {
            let args = [name, "--base", "vmlinux.btf", "-o", "alone.btf", "--stats", "alone.json"];
            assert!(kernel.btfgen(&args).status.success());
            of(&json("alone.json"))
        };
        ["mods/one.ko", "mods/below/two.ko"].iter().map(alone).sum()
    };
    for pointer in [
        "/input/units",
        "/input/debug_info_bytes",
        "/output/output_bytes",
        "/types_in/struct",
        "/types_out/struct",
        "/types_in_base/struct",
        "/functions/encoded",
    ] {
        let of = |value: &serde_json::Value| value.pointer(pointer).and_then(|n| n.as_u64()).unwrap_or(0);
        assert!(of(&all) > 0, "{pointer}");
        assert_eq!(of(&all), sum(&of), "{pointer}");
    }
    assert_eq!((&all["jobs"], &all["pressure"]["level"]), (&2.into(), &0.into()));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("4 modules"), "{told}");
    assert!(told.contains("modules that failed"), "{told}");
    // It never replaces what a module becomes.
    let args = ["modules", "--base", "vmlinux.btf", "--stats", "out/one.btf", "mods/one.ko", "-o", "out"];
    assert_eq!(kernel.btfgen(&args).status.code(), Some(2));
}

#[test]
fn compressed_modules_give_what_plain_ones_give() {
    let Some(kernel) = Kernel::new() else { return };
    let plain = kernel.alone("mods/one.ko");
    for (packer, ending) in [("gzip", "gz"), ("xz", "xz"), ("zstd", "zst")] {
        let Some(packer) = tool_or_skip(packer) else { continue };
        fs::create_dir_all(kernel.path("packed")).unwrap();
        let packed = Command::new(packer).arg("-c").arg(kernel.path("mods/one.ko")).output().unwrap();
        fs::write(kernel.path(&format!("packed/one.ko.{ending}")), packed.stdout).unwrap();
        let output = kernel.btfgen(&["modules", "--base", "vmlinux.btf", "packed", "-o", "out"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(fs::read(kernel.path("out/one.btf")).unwrap() == plain, "{ending}");
        let output = kernel.btfgen(&["modules", "--base", "vmlinux.btf", "packed", "--in-place"]);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(1) && complaint.contains("compressed as a whole"),
            "{complaint}"
        );
        fs::remove_dir_all(kernel.path("packed")).unwrap();
    }
}

/// Few bytes that decompress to many are refused before they are there.
#[test]
fn a_bomb_is_an_error() {
    let Some(zstd) = tool_or_skip("zstd") else { return };
    let dir = tempfile::tempdir().unwrap();
    let zeros = dir.path().join("zeros");
    fs::File::create(&zeros).unwrap().set_len(1 << 28).unwrap();
    let packed = Command::new(zstd).arg("-c").arg(&zeros).output().unwrap().stdout;
    assert!(packed.len() < 1 << 16);
    fs::write(dir.path().join("bomb.ko.zst"), packed).unwrap();
    let error = btfgen::Image::open(dir.path().join("bomb.ko.zst")).unwrap_err().to_string();
    assert!(error.contains("compressed bytes hold more than"), "{error}");
}

#[test]
fn in_place_leaves_signed_modules_alone() {
    let Some(kernel) = Kernel::new() else { return };
    let expected = kernel.alone("mods/one.ko");
    let mut signed = fs::read(kernel.path("mods/below/two.ko")).unwrap();
    // Four bytes of signature, how they were made, their length, and the mark.
    signed.extend_from_slice(b"sign\0\0\x02\0\0\0\0\0\0\0\0\x04~Module signature appended~\n");
    fs::write(kernel.path("mods/below/two.ko"), &signed).unwrap();
    let output = kernel.btfgen(&["modules", "--base", "vmlinux.btf", "mods", "--in-place"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(fs::read(kernel.path("mods/below/two.ko")).unwrap() == signed);
    let image = btfgen::Image::open(kernel.path("mods/one.ko")).unwrap();
    assert!(image.content_of(b".BTF").unwrap() == expected);
    let output = kernel.btfgen(&["modules", "--force", "--base", "vmlinux.btf", "mods", "--in-place"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let image = btfgen::Image::open(kernel.path("mods/below/two.ko")).unwrap();
    assert!(!image.content_of(b".BTF").unwrap().is_empty());
}

#[test]
fn two_modules_never_share_an_output() {
    let Some(kernel) = Kernel::new() else { return };
    fs::copy(kernel.path("mods/one.ko"), kernel.path("mods/below/one.ko")).unwrap();
    let output = kernel.btfgen(&["modules", "--base", "vmlinux.btf", "mods", "-o", "out"]);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{complaint}");
    assert!(complaint.contains("would have one output"), "{complaint}");
    assert!(!kernel.path("out").exists());
}

/// A unit of an excluded language is left out; the others stay, whichever is first.
#[test]
fn languages_are_filtered_unit_by_unit() {
    let (Some(cc), Some(cxx)) = (gcc(), tool("g++").or_else(|| tool_or_skip("x86_64-linux-gnu-g++"))) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let compile = |compiler: &Path, name: &str, source: &str| {
        let path = dir.path().join(name);
        fs::write(&path, source).unwrap();
        let object = path.with_extension("o");
        let mut command = Command::new(compiler);
        assert!(command.args(["-g", "-c"]).arg(&path).arg("-o").arg(&object).status().unwrap().success());
        object
    };
    let check = |path: &Path| {
        let names = |option: &[&str]| {
            let btf = dir.path().join("both.btf");
            let mut command = Command::new(env!("CARGO_BIN_EXE_btfgen"));
            assert!(command.arg(path).args(option).arg("-o").arg(&btf).status().unwrap().success());
            let bytes = fs::read(btf).unwrap();
            let has = |name: &[u8]| bytes.windows(name.len()).any(|window| window == name);
            (has(b"\0in_c\0"), has(b"\0in_cpp\0"))
        };
        assert_eq!(names(&[]), (true, true), "{}", path.display());
        assert_eq!(names(&["--lang-exclude", "c++"]), (true, false), "{}", path.display());
        assert_eq!(names(&["--lang", "c++"]), (false, true), "{}", path.display());
    };
    let link = |option: &str, objects: &[&PathBuf], name: &str| {
        let out = dir.path().join(name);
        let mut link = Command::new(&cc);
        link.args([option, "-nostdlib"]).args(objects).arg("-o").arg(&out);
        assert!(link.status().unwrap().success());
        out
    };
    let members: String = (0..60).map(|i| format!("int member_{i}; ")).collect();
    for name in ["in_c", "in_cpp"] {
        let header = format!("struct {name} {{ {members} }}; static struct {name} variable;");
        fs::write(dir.path().join(format!("{name}.h")), header).unwrap();
    }
    let source = |name: &str, header: &str| {
        format!("#include \"{header}.h\"\nvoid *{name}(void) {{ return &variable; }}")
    };
    let [c, other_c] = ["c1", "c2"].map(|name| compile(&cc, &format!("{name}.c"), &source(name, "in_c")));
    let [cpp, other_cpp] =
        ["cpp1", "cpp2"].map(|name| compile(&cxx, &format!("{name}.cc"), &source(name, "in_cpp")));
    for objects in [[&c, &cpp], [&cpp, &c]] {
        check(&link("-r", &objects, "both.o"));
    }
    // What units have in common can be put into a unit of its own, of which nothing says in which language it is.
    let Some(dwz) = tool_or_skip("dwz") else { return };
    let packed = link("-shared", &[&c, &cpp, &other_c, &other_cpp], "packed");
    assert!(Command::new(dwz).arg(&packed).status().unwrap().success());
    let dump = Command::new("readelf").arg("-wi").arg(&packed).output();
    let dump = dump.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    assert!(dump.contains("DW_TAG_partial_unit"), "{dump}");
    check(&packed);
}

/// Two objects that share a header, and mean two things by one name.
const MERGED: [(&str, &str); 2] = [
    (
        "a.c",
        "struct only_b; struct shared { struct only_b *b; struct two *t; struct shared *next; };
         struct two { int a; }; union declared; struct apart { struct two *t; };
         static int helper(struct shared *s) { return s->t->a; }
         int in_a(struct shared *s, struct apart *p, union declared *d) { return helper(s) + p->t->a + !d; }",
    ),
    (
        "b.c",
        "struct only_b { long l; }; struct two { long b[2]; };
         struct shared { struct only_b *b; struct two *t; struct shared *next; };
         struct apart { struct two *t; }; struct same { struct only_b *b; };
         static int helper(struct shared *s) { return s->b->l; }
         int in_b(struct shared *s, struct apart *p, struct same *m) { return helper(s) + p->t->b[1] + !m; }",
    ),
];

#[test]
fn several_become_one() {
    let Some(gcc) = tool_or_skip("gcc") else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let btfgen = |args: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_btfgen")).args(args).current_dir(dir.path()).output().unwrap()
    };
    for (name, source) in MERGED {
        fs::write(path(name), source).unwrap();
        let mut command = Command::new(&gcc);
        command.args(["-g", "-O1", "-fno-inline", "-c", name]).current_dir(dir.path());
        assert!(command.status().unwrap().success());
    }
    let merged = |inputs: &[&str], output: &str| {
        let output_of = btfgen(&[&["modules", "--merge", "-o", output], inputs].concat());
        assert!(output_of.status.success(), "{}", String::from_utf8_lossy(&output_of.stderr));
        fs::read(path(output)).unwrap()
    };
    let bytes = merged(&["a.o", "b.o"], "ab.btf");
    assert!(bytes == merged(&["b.o", "a.o"], "ba.btf"), "the order of the files matters");
    let btf = Btf::parse(&bytes).unwrap();
    let rules = CheckOptions { levels: Levels::ALL, sorted_names: true, ..CheckOptions::default() };
    assert!(check(&btf, &rules).is_empty());
    let count =
        |kind, name: &str| btf.types().filter(|t| t.kind() == kind && t.name() == name.as_bytes()).count();
    // What differs only by a declaration is one; what reaches two different things is two.
    assert_eq!((count(Kind::Struct, "only_b"), count(Kind::Fwd, "only_b")), (1, 0));
    assert_eq!(
        (count(Kind::Struct, "two"), count(Kind::Struct, "apart"), count(Kind::Struct, "shared")),
        (2, 2, 2)
    );
    assert_eq!(
        (count(Kind::Struct, "same"), count(Kind::Fwd, "declared"), count(Kind::Int, "int")),
        (1, 1, 1)
    );
    assert_eq!(
        (count(Kind::Func, "helper"), count(Kind::Func, "in_a"), count(Kind::Func, "in_b")),
        (2, 1, 1)
    );
    // Once more changes nothing.
    let [alone, twice] = [&["b.o"][..], &["b.o", "c.o"]].map(|inputs| {
        fs::copy(path("b.o"), path("c.o")).unwrap();
        merged(inputs, "c.btf")
    });
    assert!(alone == twice);
    // One that fails is not left out in silence.
    fs::write(path("bad.o"), "no object").unwrap();
    fs::remove_file(path("ab.btf")).unwrap();
    let failed = btfgen(&["modules", "--merge", "-o", "ab.btf", "a.o", "bad.o"]);
    let complaint = String::from_utf8_lossy(&failed.stderr);
    assert!(failed.status.code() == Some(1) && complaint.contains("nothing was written"), "{complaint}");
    assert!(!path("ab.btf").exists());
}

#[test]
fn modules_become_one_above_their_kernel() {
    let Some(kernel) = Kernel::new() else { return };
    let output = kernel.btfgen(&["modules", "--merge", "--base", "vmlinux.btf", "mods", "-o", "all.btf"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let [base, all] = ["vmlinux.btf", "all.btf"].map(|name| fs::read(kernel.path(name)).unwrap());
    let base = Btf::parse(&base).unwrap();
    let all = Btf::parse_split(&all, &base).unwrap();
    let mut names = std::collections::BTreeSet::new();
    for module in ["mods/one.ko", "mods/below/two.ko"] {
        let bytes = kernel.alone(module);
        let own = Btf::parse_split(&bytes, &base).unwrap();
        names.extend(
            own.types().map(|t| (t.kind(), t.name().to_owned())).filter(|(_, name)| !name.is_empty()),
        );
    }
    let merged: Vec<_> =
        all.types().map(|t| (t.kind(), t.name().to_owned())).filter(|(_, name)| !name.is_empty()).collect();
    assert_eq!(merged.len(), names.len());
    assert_eq!(names, merged.into_iter().collect());
}

/// All modules below a directory, compressed ones too, are checked above one base.
#[test]
fn a_whole_tree_is_checked() {
    let Some(kernel) = Kernel::new() else { return };
    let encoded = kernel.btfgen(&["modules", "--base", "vmlinux.btf", "--in-place", "mods"]);
    assert!(encoded.status.success(), "{}", String::from_utf8_lossy(&encoded.stderr));
    for packer in ["xz", "gzip", "zstd"] {
        let Some(packer) = tool_or_skip(packer) else { continue };
        let status =
            Command::new(packer).args(["-k", "mods/below/two.ko"]).current_dir(kernel.dir.path()).status();
        assert!(status.unwrap().success());
    }
    let count = fs::read_dir(kernel.path("mods/below")).unwrap().count() + 2;
    let check = |jobs| {
        let output = kernel.btfgen(&["check", "-j", jobs, "--base", "vmlinux.btf", "mods"]);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let summary = |good, bad, failed, without| {
        format!(
            "btfgen: {} modules: {good} good, {bad} break rules, {failed} could not be read, {without} have no BTF\n",
            good + bad + failed + without
        )
    };
    // The one without debugging information has no BTF.
    for jobs in ["1", "3"] {
        assert_eq!(check(jobs), (0, String::new(), summary(count - 1, 0, 0, 1)), "-j {jobs}");
    }
    // Two broken rules are one line; what cannot be read stops no other.
    let path = kernel.path("mods/one.ko");
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(4).position(|w| w == [0x9f, 0xeb, 1, 0]).unwrap();
    let unknown_flag = at + 24 + 6;
    bytes[unknown_flag] |= 0x60;
    fs::write(&path, bytes).unwrap();
    fs::write(kernel.path("mods/cut.ko"), b"\x7fELF").unwrap();
    for jobs in ["1", "3"] {
        let (code, lines, complaints) = check(jobs);
        assert_eq!(code, 1, "{complaints}");
        assert_eq!(lines.lines().count(), 1, "{lines}");
        assert!(lines.starts_with("mods/one.ko: "), "{lines}");
        assert!(complaints.starts_with("btfgen: error: mods/cut.ko: "), "{complaints}");
        assert!(complaints.ends_with(&summary(count - 2, 1, 1, 1)), "{complaints}");
    }
    // Nothing of all is not all of them.
    fs::create_dir(kernel.path("none")).unwrap();
    fs::rename(kernel.path("mods/empty.ko"), kernel.path("none/empty.ko")).unwrap();
    let output = kernel.btfgen(&["check", "--base", "vmlinux.btf", "none"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing was checked"));
}

/// Every kfunc of a kernel is tagged in what is encoded of it, and that is noticed if not.
#[test]
fn kfuncs_are_checked_against_their_sets() {
    let dir = tempfile::tempdir().unwrap();
    let mut seen = 0;
    for (_, path) in common::fixtures_of("kfuncs") {
        let path = path.to_str().unwrap();
        let run = |args: &[&str]| {
            Command::new(env!("CARGO_BIN_EXE_btfgen")).args(args).current_dir(dir.path()).output().unwrap()
        };
        assert!(run(&[path, "-o", "with.btf"]).status.success());
        assert!(run(&[path, "-o", "without.btf", "--features", "-decl_tag_kfuncs"]).status.success());
        let check = |btf| run(&["check", "--level", "container", "--kfuncs", path, btf]);
        let (with, without) = (lines(&check("with.btf")), lines(&check("without.btf")));
        // One member of a set is a function that nobody wrote.
        let nobodys = "no FUNC 'kf_does_not_exist', which is in a set of kfuncs";
        assert_eq!(with, [format!("with.btf: kfuncs: BTF: {nobodys}")], "{path}");
        assert!(without.len() > 2, "{without:?}");
        assert!(without.iter().all(|line| line.starts_with("without.btf: kfuncs: ")), "{without:?}");
        seen += 1;
    }
    if seen == 0 {
        common::skipped("kfuncs against their sets: no fixture");
    }
}
