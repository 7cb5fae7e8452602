//! Units in several languages in one program: what is written twice, and which of the two is meant.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use btfgen::btf::{Btf, CheckOptions, Kind, TypeId, check};
use common::encode;
use common::model::Model;
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
    (
        "three",
        "struct same { struct same *next; const struct leaf *leaf; union { int i; enum kind *k; }; }; \
         struct leaf { struct same *of; int n[3]; }; enum kind { ONE }; struct opaque; struct c; \
         int three(struct c *c, struct opaque *o, struct same *s) { return !c + !o + s->leaf->n[0]; }",
    ),
    (
        "rust",
        "struct a { short y; }; struct b { short x; }; struct c { struct a *a; struct b *b; }; \
         struct same { struct same *next; const struct leaf *leaf; union { int i; enum kind *k; }; }; \
         struct leaf { struct same *of; int n[3]; }; enum kind { ONE }; struct opaque { char unused[0]; }; \
         int rust(struct c *c, struct opaque *o, struct same *s) { return c->a->y + !o + s->leaf->n[0]; }",
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
/// the others define, though none of them defines all, and never what Rust makes up for it. What is equal in both is one.
#[test]
fn declarations_mean_what_their_language_defines() {
    let Some(gcc) = gcc() else { return };
    let dir = tempfile::tempdir().unwrap();
    let bytes = encode(&program(&gcc, dir.path())).unwrap().btf;
    let btf = Btf::parse(&bytes).unwrap();
    let mut structs: HashMap<String, u32> = HashMap::new();
    let mut of_function: HashMap<String, [Option<TypeId>; 3]> = HashMap::new();
    let target = |id: TypeId, at: usize| btf.ty(id).unwrap().references().nth(at).unwrap();
    for ty in (1..btf.len()).filter_map(|id| btf.ty(TypeId(id))) {
        let name = String::from_utf8(ty.name().to_vec()).unwrap();
        match ty.kind() {
            Kind::Struct => *structs.entry(name).or_default() += 1,
            Kind::Func => {
                // Its prototype, of that the parameters behind what it returns, and what they point to.
                let proto = btf.ty(target(ty.id(), 0)).unwrap();
                let mut pointers = proto.references().skip(1);
                of_function.insert(name, [(); 3].map(|()| Some(target(pointers.next()?, 0))));
            }
            kind => assert!(kind != Kind::Fwd || name == "opaque", "{name}"),
        }
    }
    let times = [("a", 2), ("b", 2), ("c", 2), ("same", 1), ("leaf", 1), ("opaque", 1)];
    assert_eq!(structs, times.map(|(name, count)| (name.to_owned(), count)).into());
    let parameter = |function: &str, n: usize| of_function[function][n];
    assert_eq!(parameter("one", 0), parameter("two", 0));
    assert_eq!(parameter("one", 0), parameter("three", 0));
    assert_ne!(parameter("one", 0), parameter("rust", 0));
    let opaque = |name| btf.ty(parameter(name, 1).unwrap()).unwrap().kind();
    assert_eq!([opaque("three"), opaque("rust")], [Kind::Fwd, Kind::Struct]);
    assert_eq!(parameter("three", 2), parameter("rust", 2));
    let sizes = |of: &str| {
        let c = parameter(of, 0).unwrap();
        [0, 1].map(|i| btf.ty(target(target(c, i), 0)).unwrap().size_bytes())
    };
    assert_eq!((sizes("one"), sizes("rust")), ([Some(8), Some(4)], [Some(2), Some(2)]));
}

/// Of a base class that is defined elsewhere, g++ writes a declaration. It has no size, and the class that is called
/// the same in another name space is not it.
#[test]
fn a_base_class_that_is_only_declared_is_left_out() {
    let Some(gcc) = common::tool_or_skip("g++") else { return };
    let dir = tempfile::tempdir().unwrap();
    let source = "namespace a { struct E { virtual ~E(); int i; }; } \
                  namespace b { struct E : a::E { int m; }; struct F { E e; int n; }; } b::F f;";
    fs::write(dir.path().join("e.cc"), source).unwrap();
    run(Command::new(gcc).args(["-g", "-c", "e.cc"]).current_dir(dir.path()));
    let output = encode(&dir.path().join("e.o")).unwrap();
    let btf = Btf::parse(&output.btf).unwrap();
    let found = check(&btf, &CheckOptions::default());
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(output.report.warnings.get("member-size"), Some(&1));
    let model = Model::new(&output.btf);
    let members = |name: &str| model.members(model.one(Kind::Struct, name)).join(", ");
    assert!(members("E").ends_with(" int m") && !members("E").contains(','), "{}", members("E"));
    assert!(members("F").contains(" struct E e, "), "{}", members("F"));
}
