//! What the test binaries share: the fixtures, encoding one, and a view of a BTF that assertions are
//! short in.
//!
//! Fixtures are built once per run by `testdata/make.sh`. What cannot be tested here, because a compiler, a
//! tool or a permission is missing, says so in a line `SKIPPED: ...` on standard error, captured or not.
#![allow(
    dead_code,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

pub mod claims;
pub mod dwarf;
pub mod graph;
pub mod groups;
pub mod model;
pub mod oracles;
pub mod place;
pub mod programs;
pub mod render;
pub mod split;

use std::ffi::OsStr;
use std::io::Write;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use btfgen::{Encoder, Features, Image, Jobs, Options, Order, Output, Result};
pub use model::Model;

/// Says that something was not tested. Written past the capture of the test harness.
pub fn skipped(what: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {what}");
}

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The directory of the fixtures, built or brought up to date by the first caller.
pub fn fixtures() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let dir = root().join("target/fixtures");
        std::fs::create_dir_all(&dir).unwrap();
        let script = root().join("testdata/make.sh");
        // Other test runs may build at the same time.
        let locked = Command::new("flock").arg(dir.with_extension("lock")).arg(&script).arg(&dir).output();
        let output = locked.or_else(|_| Command::new(&script).arg(&dir).output());
        match output {
            Ok(output) => {
                for line in String::from_utf8_lossy(&output.stderr).lines() {
                    let _ = writeln!(std::io::stderr(), "{line}");
                }
                assert!(output.status.success(), "testdata/make.sh failed: {}", output.status);
            }
            Err(error) => skipped(&format!("no fixture can be built: {error}")),
        }
        dir
    })
}

/// A fixture, or `None` with a word about it if it could not be built.
pub fn fixture(name: &str) -> Option<PathBuf> {
    let path = fixtures().join(name);
    if path.exists() {
        return Some(path);
    }
    skipped(&format!("fixture {name} was not built"));
    None
}

/// A way of compiling the fixtures.
#[derive(Debug, Clone, Copy)]
pub struct Variant {
    pub name: &'static str,
    /// The command that compiled it.
    pub compiler: &'static str,
    pub pointer_bytes: u32,
    pub big_endian: bool,
    /// Only `all` was compiled this way.
    pub only_all: bool,
}

const fn variant(
    name: &'static str,
    compiler: &'static str,
    pointer_bytes: u32,
    big_endian: bool,
) -> Variant {
    Variant { name, compiler, pointer_bytes, big_endian, only_all: false }
}

const fn container(name: &'static str) -> Variant {
    Variant { only_all: true, ..variant(name, "x86_64-linux-gnu-gcc", 8, false) }
}

/// All ways whose output an encoder reads today.
pub const VARIANTS: [Variant; 19] = [
    variant("x86_64-gcc-dwarf2", "x86_64-linux-gnu-gcc", 8, false),
    variant("x86_64-gcc-dwarf3", "x86_64-linux-gnu-gcc", 8, false),
    variant("x86_64-gcc-dwarf4", "x86_64-linux-gnu-gcc", 8, false),
    variant("x86_64-gcc-dwarf5", "x86_64-linux-gnu-gcc", 8, false),
    variant("x86_64-gcc-dwarf64", "x86_64-linux-gnu-gcc", 8, false),
    variant("x86_64-clang14-dwarf4", "clang-14", 8, false),
    variant("x86_64-clang14-dwarf5", "clang-14", 8, false),
    variant("x86_64-clang19-dwarf4", "clang-19", 8, false),
    variant("x86_64-clang19-dwarf5", "clang-19", 8, false),
    variant("aarch64-gcc", "aarch64-linux-gnu-gcc", 8, false),
    variant("riscv64-gcc", "riscv64-linux-gnu-gcc", 8, false),
    variant("s390x-gcc", "s390x-linux-gnu-gcc", 8, true),
    variant("powerpc-gcc", "powerpc-linux-gnu-gcc", 4, true),
    variant("arm-gcc", "arm-linux-gnueabihf-gcc", 4, false),
    variant("i386-gcc", "i686-linux-gnu-gcc", 4, false),
    variant("mips-gcc", "mips-linux-gnu-gcc", 4, true),
    container("x86_64-gcc-O0"),
    container("x86_64-gcc-strict2"),
    container("x86_64-gcc-percpu0"),
];

impl Variant {
    pub fn is_clang(&self) -> bool {
        self.compiler.starts_with("clang")
    }

    pub fn is(&self, part: &str) -> bool {
        self.name.contains(part)
    }

    /// The strict DWARF 2 one, which cannot say everything.
    pub fn is_strict(&self) -> bool {
        self.is("strict2")
    }

    pub fn word_bits(&self) -> u32 {
        8 * self.pointer_bytes
    }
}

/// What a compiler says to C code that is given on its standard input; it makes nothing of it.
pub fn compile_only(compiler: impl AsRef<OsStr>, arguments: &[&str], source: &[u8]) -> std::process::Output {
    let mut child = Command::new(compiler)
        .args(["-x", "c", "-ffreestanding", "-fsyntax-only"])
        .args(arguments)
        .arg("-")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(source).unwrap();
    child.wait_with_output().unwrap()
}

/// The programs that fixtures are built of. The sources of the first [`IN_ALL`] are part of `all`.
pub const PROGRAMS: [&str; 19] = [
    "base_types",
    "modifiers",
    "arrays",
    "structs",
    "bitfields",
    "enums",
    "protos",
    "functions",
    "percpu",
    "units",
    "kfuncs",
    "asm",
    "atomic",
    "complex",
    "nested",
    "bit_int",
    "tags",
    "containers",
    "all",
];

const IN_ALL: usize = 11;

/// The fixtures that hold the sources of `program`: its own and `all`, in every variant that was built.
pub fn fixtures_of(program: &str) -> Vec<(Variant, PathBuf)> {
    let mut found = Vec::new();
    for variant in VARIANTS {
        for name in [program, "all"] {
            let wanted = name == program || PROGRAMS[..IN_ALL].contains(&program);
            let built = name == "all" || !variant.only_all;
            let path = fixtures().join(format!("{name}-{}", variant.name));
            if wanted && built && path.exists() {
                found.push((variant, path));
            }
        }
    }
    if found.is_empty() {
        skipped(&format!("no fixture {program}-* was built"));
    }
    found
}

/// Encodes every fixture that holds the sources of `program`, and calls `check` with each. Says which ones
/// failed.
pub fn each_with(program: &str, options: &Options, check: impl Fn(&Variant, &Model<'_>)) {
    each_path(program, |variant, path| {
        let output = encode_with(path, options, 1).unwrap();
        check(variant, &Model::new(&output.btf));
    });
}

/// [`each_with`] the default options.
pub fn each(program: &str, check: impl Fn(&Variant, &Model<'_>)) {
    each_with(program, &Options::default(), check);
}

/// [`each_with`] all variables, so that the declaration of a variable can be asked for.
pub fn each_with_variables(program: &str, check: impl Fn(&Variant, &Model<'_>)) {
    each_with(program, &options(|o| o.features = o.features.with(Features::GLOBAL_VAR)), check);
}

/// Calls `check` with every fixture that holds the sources of `program`.
pub fn each_path(program: &str, check: impl Fn(&Variant, &Path)) {
    let mut failed = Vec::new();
    for (variant, path) in fixtures_of(program) {
        if catch_unwind(AssertUnwindSafe(|| check(&variant, &path))).is_err() {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            eprintln!("^^^ fixture {name}");
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "{} fixtures failed: {}", failed.len(), failed.join(" "));
}

/// Options that differ from the default ones.
pub fn options(change: impl FnOnce(&mut Options)) -> Options {
    let mut options = Options::default();
    change(&mut options);
    options
}

/// The default options, types by first occurrence.
pub fn by_first() -> Options {
    options(|o| o.order = Order::First)
}

/// Encodes a file on `jobs` workers.
pub fn encode_with(path: &Path, options: &Options, jobs: usize) -> Result<Output> {
    let jobs = Jobs::Exactly(NonZeroUsize::new(jobs).unwrap());
    Encoder::new(options.clone()).jobs(jobs).encode(&Image::open(path)?)
}

/// Encodes a file on one worker with the default options.
pub fn encode(path: &Path) -> Result<Output> {
    encode_with(path, &Options::default(), 1)
}

/// A program, from PATH or from where administrators keep it.
pub fn tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    dirs.map(|dir| dir.join(name)).find(|file| file.is_file())
}

/// [`tool`], with a word about it if there is none.
pub fn tool_or_skip(name: &str) -> Option<PathBuf> {
    let found = tool(name);
    if found.is_none() {
        skipped(&format!("{name} is not installed"));
    }
    found
}

/// The kernels to test: the files `vmlinux-NAME` of the directory that `BTFGEN_TEST_KERNELS` names. `None` with a word
/// about it if there are none.
pub fn kernels() -> Option<Vec<PathBuf>> {
    let Some(dir) = std::env::var_os("BTFGEN_TEST_KERNELS") else {
        skipped("BTFGEN_TEST_KERNELS is not set: no real kernel is tested");
        return None;
    };
    let is_kernel = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("vmlinux-") && !name.ends_with(".btf") && path.is_file()
    };
    let mut found: Vec<_> =
        Path::new(&dir).read_dir().unwrap().map(|f| f.unwrap().path()).filter(is_kernel).collect();
    found.sort();
    assert!(!found.is_empty(), "no vmlinux-* in {}", dir.display());
    Some(found)
}

/// A generator of numbers that are the same in every run (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 16) as usize % limit.max(1)
    }
}
