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
    let c = compile(&cc, "c.c", "struct in_c { int n; } in_c;");
    let cpp = compile(&cxx, "cpp.cc", "struct in_cpp { int n; } in_cpp;");
    for objects in [[&c, &cpp], [&cpp, &c]] {
        let out = dir.path().join("both.o");
        let mut link = Command::new(&cc);
        link.args(["-r", "-nostdlib"]).args(objects).arg("-o").arg(&out);
        assert!(link.status().unwrap().success());
        let names = |option: &[&str]| {
            let btf = dir.path().join("both.btf");
            let mut command = Command::new(env!("CARGO_BIN_EXE_btfgen"));
            assert!(command.arg(&out).args(option).arg("-o").arg(&btf).status().unwrap().success());
            let bytes = fs::read(btf).unwrap();
            let has = |name: &[u8]| bytes.windows(name.len()).any(|window| window == name);
            (has(b"\0in_c\0"), has(b"\0in_cpp\0"))
        };
        assert_eq!(names(&[]), (true, true));
        assert_eq!(names(&["--lang-exclude", "c++"]), (true, false));
        assert_eq!(names(&["--lang", "c++"]), (false, true));
    }
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
