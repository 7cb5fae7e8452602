//! Units in several languages in one program: what is written twice, and which of the two is meant.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use btfgen::btf::{Btf, Kind, TypeId};
use common::encode;
use common::programs::gcc;

/// Two units in C of which none defines all that it refers to, one that defines nothing, and one that stands for Rust.
const UNITS: [(&str, &str); 4] = [
    (
        "one",
        "struct a; struct b { int x; }; struct c { struct a *a; struct b *b; }; \
         int one(struct c *c, struct b *b) { return b->x; }",
    ),
    (
        "two",
        "struct b; struct a { long y; }; struct c { struct a *a; struct b *b; }; \
         int two(struct c *c, struct a *a) { return a->y; }",
    ),
    ("three", "struct c; int three(struct c *c) { return !c; }"),
    (
        "rust",
        "struct a { short y; }; struct b { short x; }; struct c { struct a *a; struct b *b; }; \
         int rust(struct c *c) { return c->a->y; }",
    ),
];

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

/// Links the units; of that which stands for Rust the language is changed in what the compiler wrote.
fn program(gcc: &Path, dir: &Path) -> std::path::PathBuf {
    let mut link = Command::new(gcc);
    link.args(["-nostdlib", "-static", "-Wl,--entry=0", "-o", "program"]).current_dir(dir);
    for (name, source) in UNITS {
        let (c, s) = (format!("{name}.c"), format!("{name}.s"));
        fs::write(dir.join(&c), source).unwrap();
        run(Command::new(gcc).args(["-g", "-O1", "-S", "-dA", &c, "-o", &s]).current_dir(dir));
        if name == "rust" {
            let text = fs::read_to_string(dir.join(&s)).unwrap();
            let changed = text.lines().map(|line| match line.split_once("# DW_AT_language") {
                Some((size_and_value, _)) => {
                    let size = size_and_value.split_whitespace().next().unwrap();
                    format!("\t{size}\t0x1c\n")
                }
                None => format!("{line}\n"),
            });
            let changed: String = changed.collect();
            assert_ne!(text, changed);
            fs::write(dir.join(&s), changed).unwrap();
        }
        link.arg(s);
    }
    run(&mut link);
    dir.join("program")
}

/// Rust writes the types of C again, as it sees them. In C all is as without it: what a unit only declares is what
/// the others define, though none of them defines all.
#[test]
fn declarations_mean_what_their_language_defines() {
    let Some(gcc) = gcc() else { return };
    let dir = tempfile::tempdir().unwrap();
    let bytes = encode(&program(&gcc, dir.path())).unwrap().btf;
    let btf = Btf::parse(&bytes).unwrap();
    let mut structs: HashMap<String, u32> = HashMap::new();
    let mut of_function: HashMap<String, TypeId> = HashMap::new();
    let target = |id: TypeId, at: usize| btf.ty(id).unwrap().references().nth(at).unwrap();
    for ty in (1..btf.len()).filter_map(|id| btf.ty(TypeId(id))) {
        let name = String::from_utf8(ty.name().to_vec()).unwrap();
        match ty.kind() {
            Kind::Struct => *structs.entry(name).or_default() += 1,
            Kind::Func => {
                // Its prototype, of that the first parameter behind what it returns, and what that points to.
                let pointer = target(target(ty.id(), 0), 1);
                of_function.insert(name, target(pointer, 0));
            }
            kind => assert_ne!(kind, Kind::Fwd, "{name}"),
        }
    }
    let twice = ["a", "b", "c"].map(|name| (name.to_owned(), 2));
    assert_eq!(structs, twice.into());
    assert_eq!(of_function["one"], of_function["two"]);
    assert_eq!(of_function["one"], of_function["three"]);
    assert_ne!(of_function["one"], of_function["rust"]);
    let sizes =
        |of: &str| [0, 1].map(|i| btf.ty(target(target(of_function[of], i), 0)).unwrap().size_bytes());
    assert_eq!((sizes("one"), sizes("rust")), ([Some(8), Some(4)], [Some(2), Some(2)]));
}
